"""One PostgreSQL server with the schema, and fixtures of it, for tests that need a real answer but no cluster."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection
from robot.api.types import Secret

from environments.embedded import programs
from environments.embedded.ports import HOST, Ports
from environments.schema import provision
from environments.sections.base import Program
from environments.sections.cluster import Vector
from environments.system import ClusterAddresses, Endpoint, Login, Running, ServiceFacts, use
from PostgresLibrary.base import undo_all
from PostgresLibrary.sessions import Target, connect
from runner.children import start

SUPERUSER = Login("postgres", Secret("super secret"))
OWNER = Login("acceptance", Secret("owner's secret"))


@dataclass
class OneServer:
    """Enough of a `ClusterSystem` for libraries that only speak SQL; its replica port leads to no standby."""

    endpoint: Endpoint
    version: str
    vector: Vector = field(default_factory=Vector)
    capabilities: frozenset[str] = frozenset({"postgresql", "vector"})

    @property
    def addresses(self) -> ClusterAddresses:
        return ClusterAddresses(self.endpoint, self.endpoint, "acceptance", OWNER, SUPERUSER)

    @property
    def facts(self) -> list[ServiceFacts]:
        return [ServiceFacts("postgresql", "real", self.version, str(self.endpoint), "postgres", "a test")]

    @property
    def target(self) -> Target:
        return Target(self.endpoint, "acceptance", OWNER)

    def connect_superuser(self, database: str) -> connection:
        return psycopg2.connect(
            host=self.endpoint.host,
            port=self.endpoint.port,
            user=SUPERUSER.user,
            password=SUPERUSER.password.value,
            dbname=database,
        )

    def as_superuser(self, statement: str) -> None:
        with closing(self.connect_superuser("acceptance")) as session:
            session.autocommit = True
            session.cursor().execute(statement)


@contextmanager
def one_server(directory: Path, major: str) -> Iterator[OneServer]:
    """Start a server of this major version, provision it and make it the running cluster."""
    found = programs.find(programs.POSTGRESQL, Program(version=major))
    bin_directory, data = found.path.parent, directory / "data"
    password = directory / "password"
    password.write_text(SUPERUSER.password.value)
    where = Endpoint(HOST, Ports().choose())
    initdb: list[str | Path] = [
        bin_directory / "initdb",
        "-D",
        data,
        "-U",
        SUPERUSER.user,
        "-A",
        "scram-sha-256",
        "--pwfile",
        password,
    ]
    options = ["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    subprocess.run([*programs.unprivileged(), *initdb, *options], check=True, stdout=subprocess.DEVNULL)
    settings = {"listen_addresses": where.host, "port": where.port, "unix_socket_directories": "", "fsync": "off"}
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (directory / "log").open("w") as log:
        server = start([*programs.unprivileged(), bin_directory / "postgres", "-D", data, *arguments], stderr=log)
        try:
            system = OneServer(where, found.version)
            _await(system)
            provision(system.connect_superuser, "acceptance", OWNER.user, OWNER.password, system.vector)
            run = Running("one server", "embedded", "quick", str(directory), 1.0, 7, system_name="cluster")
            run.system = system  # type: ignore[assignment]
            use(run)
            yield system
        finally:
            use(None)
            server.terminate()
            server.wait(timeout=20)


@pytest.fixture(scope="package", params=["18", "16"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneServer]:
    """A server of each major version that is supported."""
    with one_server(tmp_path_factory.mktemp(f"postgresql-{request.param}"), request.param) as system:
        yield system


@pytest.fixture
def owner(server: OneServer) -> Iterator[connection]:
    """A session of the schema's owner; what the test registered for its end is done afterwards."""
    with closing(connect(server.target)) as session:
        yield session
    undo_all()


def _await(system: OneServer) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            system.connect_superuser("postgres").close()
            return
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
