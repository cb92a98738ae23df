"""A PostgreSQL server of a benchmark's own: plain settings, data in a temporary directory, gone afterwards."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from environments.embedded.ports import HOST, Ports
from environments.embedded.processes import Keeper, wait_until
from environments.embedded.programs import POSTGRESQL, find, hand_over, unprivileged
from environments.sections.base import Program

START_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    version: str
    programs: Path  # directory of psql, pgbench and the others
    port: int

    @property
    def dsn(self) -> str:
        """What a client connects with."""
        return f"host={HOST} port={self.port} user=postgres dbname=postgres connect_timeout=5"


@contextmanager
def postgresql(version: str = "18") -> Iterator[Server]:
    """Start a server that trusts loopback, and stop it in the end.

    Args:
        version: prefix of the version.

    Raises:
        EnvironmentProblem: no such server was found.
        TimeoutError: it did not start.
    """
    found = find(POSTGRESQL, Program(version=version))
    programs, port = found.path.parent, Ports().choose()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        state = Path(directory) / "state"
        state.mkdir()
        hand_over(state)
        keeper = Keeper(state)
        try:
            data, log = state / "data", Path(directory) / "postgresql.log"
            create = [
                "initdb",
                "-D",
                str(data),
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ]
            subprocess.run(
                [*unprivileged(), str(programs / create[0]), *create[1:]], check=True, capture_output=True, cwd=state
            )
            settings = {"listen_addresses": HOST, "port": port, "unix_socket_directories": "", "max_connections": 60}
            options = [argument for key, value in settings.items() for argument in ("-c", f"{key}={value}")]
            keeper.spawn([*unprivileged(), str(found.path), "-D", str(data), *options], log=log, cwd=state)
            server = Server(found.version, programs, port)
            wait_until(lambda: _missing(server), START_SECONDS, "PostgreSQL to accept connections")
            yield server
        finally:
            keeper.close()


def _missing(server: Server) -> str | None:
    try:
        psycopg2.connect(server.dsn).close()
    except psycopg2.OperationalError as error:
        return str(error).strip()
    return None
