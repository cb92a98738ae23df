"""One plain PostgreSQL server, without Patroni around it."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import psycopg2
from psycopg2.extensions import connection

from environments.embedded.processes import EmbeddedService, Home, wait_until
from environments.embedded.programs import Found, hand_over, unprivileged
from environments.errors import EnvironmentProblem
from environments.sections.base import Settings
from environments.system import Endpoint, Login

_DEADLINE = 30.0  # seconds for a step that takes well below one


class PostgreSQL(EmbeddedService):
    """A server with a data directory of its own, made at its first start and kept by the ones after it.

    Args:
        home: of the service.
        program: `postgres`, with `initdb` beside it.
        settings: beyond `parameters`.
        endpoint: where it listens.
        superuser: made by initdb.
    """

    stop_signal = signal.SIGINT  # PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave

    # Room for the pools of a gateway and its clients. fsync stays on: whether acknowledged writes survive is tested,
    # and a commit costs a tenth of a millisecond. Compiling a query would take longer than running one of ours.
    parameters: ClassVar[Settings] = {
        "max_connections": 200,
        "shared_buffers": "128MB",
        "maintenance_work_mem": "64MB",
        "jit": "off",
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "log_line_prefix": "%m [%p] %q%u@%d ",
    }

    def __init__(self, home: Home, program: Found, settings: Settings, endpoint: Endpoint, superuser: Login) -> None:
        super().__init__(home)
        self.program, self.settings, self.endpoint, self.superuser = program, settings, endpoint, superuser
        self.data = self.directory / "data"

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`."""
        return [*unprivileged(), str(self.program.path), "-D", str(self.data)], self.program.env

    def start(self) -> None:
        """See `EmbeddedService.start`. A killed server must be reaped first, or its lock file is still valid.

        Raises:
            EnvironmentProblem: the data directory could not be made.
        """
        if self.pid is not None:
            self.wait_for_end(self.pid, f"the previous {self.name} to be gone")
        elif not self.data.exists():
            self.make_data_directory()
            self.configure()
        super().start()

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`."""
        try:
            self.connect("postgres").close()
        except psycopg2.OperationalError as error:
            return f"{self.name} does not accept connections on {self.endpoint} ({str(error).strip().splitlines()[-1]})"
        return None

    def connect(self, database: str) -> connection:
        """Open a session of the superuser, in autocommit mode."""
        session = psycopg2.connect(
            host=self.endpoint.host,
            port=self.endpoint.port,
            dbname=database,
            user=self.superuser.user,
            password=self.superuser.password.value,
            connect_timeout=10,
            application_name="acceptance",
        )
        session.autocommit = True
        return session

    def make_data_directory(self) -> None:
        """Make the data directory with initdb.

        Raises:
            EnvironmentProblem: it failed.
        """
        password = self.private("initdb-password", self.superuser.password.value + "\n")
        options = ("-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
        initdb = [str(self.program.path.parent / "initdb"), "-D", str(self.data), "-U", self.superuser.user, *options]
        self.run_once([*initdb, f"--pwfile={password}"])
        password.unlink()

    def configure(self) -> None:
        """Write the server's configuration into its data directory: it listens on loopback, and asks for passwords."""
        content = {
            **self.parameters,
            "listen_addresses": self.endpoint.host,
            "port": self.endpoint.port,
            **self.settings,
        }
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = {_quoted(value)}\n" for name, value in content.items())
        rule = f"host all all {self.endpoint.host}/32 scram-sha-256\n"
        (self.data / "pg_hba.conf").write_text(rule, encoding="utf-8")

    def run_once(self, argv: Sequence[str]) -> None:
        """Run a program to its end, under the server's user and the keeper.

        Raises:
            EnvironmentProblem: it failed; the log says why.
        """
        hand_over(self.directory)
        pid = self.keeper.spawn([*unprivileged(), *argv], log=self.log, cwd=self.directory, env=self.program.env)
        status = self.wait_for_end(pid, f"{Path(argv[0]).name} of {self.name} to end")
        if status:
            raise EnvironmentProblem(f"{self.name}: {argv[0]} ended with status {status}; read {self.log} for why")

    def wait_for_end(self, pid: int, what: str) -> int:
        """Wait until a process has ended and is reaped; return its exit status."""
        status: list[int] = []

        def missing() -> str | None:
            ended = self.keeper.exit_status(pid)
            if ended is None:
                return f"process {pid} is still there"
            status.append(ended)
            return None

        wait_until(missing, _DEADLINE, what)
        return status[0]

    def private(self, name: str, text: str) -> Path:
        """Write a file that only its owner can read."""
        file = self.directory / name
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        return file


def _quoted(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "'" + str(value).replace("'", "''") + "'"
