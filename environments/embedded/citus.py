"""Citus: a coordinator and its workers, each a plain PostgreSQL server that loads an installation of Citus."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection, encrypt_password

from environments import schema
from environments.embedded.citus_installation import KEY, Installation, find_installation
from environments.embedded.processes import EmbeddedService, Home, wait_until
from environments.embedded.programs import Found, hand_over, unprivileged
from environments.errors import EnvironmentProblem
from environments.sections.cluster import Citus, Vector
from environments.system import CitusAddresses, Endpoint, Login, ServiceFacts

DISTRIBUTED = ("memory_entries", "patterns")
"""Tables spread over the workers by their namespace, rows of one namespace side by side."""

REFERENCE = ("metadata", "sessions")
"""Tables of which every node holds a full copy."""

COORDINATOR = "citus-coordinator"

_DEADLINE = 30.0  # seconds for a step that takes well below one

# Room for every shard connection of several clients, which the coordinator keeps for the next query: by default it
# closes all but one, and would spend more time on logging in to the workers than on short queries. The daemon that
# recovers prepared transactions keeps its default of a minute, and fsync stays on: commits in two phases are tested.
_SETTINGS: dict[str, str | int | float | bool] = {
    "max_connections": 160,
    "shared_buffers": "64MB",
    "maintenance_work_mem": "64MB",
    "wal_level": "logical",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "shared_preload_libraries": "citus",
    "citus.node_conninfo": "sslmode=prefer",
    "citus.max_cached_conns_per_worker": 16,
    "citus.enable_statistics_collection": "off",
}

_NOT_LOADED = re.compile(r"FATAL: +(.*(?:incompatible|could not load) library .*citus\.so.*)")


class CitusNode(EmbeddedService):
    """One PostgreSQL server with Citus loaded."""

    stop_signal = signal.SIGINT  # PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave

    def __init__(
        self,
        home: Home,
        program: Found,
        installation: Installation,
        endpoint: Endpoint,
        superuser: Login,
    ) -> None:
        super().__init__(home)
        self.program, self.installation = program, installation
        self.endpoint, self.superuser = endpoint, superuser
        self.data = self.directory / "data"

    def configure(self, settings: Mapping[str, str | int | float | bool], users: Sequence[Login]) -> None:
        """Write the server's configuration into its data directory, and the passwords it needs for other nodes."""
        content = {
            **_SETTINGS,
            "listen_addresses": self.endpoint.host,
            "port": self.endpoint.port,
            "citus.local_hostname": self.endpoint.host,
            "extension_control_path": f"{self.installation.share}:$system",
            "dynamic_library_path": f"{self.installation.lib}:$libdir",
            **settings,
        }
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = {_quoted(value)}\n" for name, value in content.items())
        rule = f"host all all {self.endpoint.host}/32 scram-sha-256\n"
        (self.data / "pg_hba.conf").write_text(rule, encoding="utf-8")
        lines = [f"{self.endpoint.host}:*:*:{login.user}:{login.password.value}\n" for login in users]
        self._private("pgpass", "".join(lines))

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`. Passwords of other nodes come from a file, as for any client of theirs."""
        libraries = str(self.program.path.parent.parent / "lib")  # libpq as PostgreSQL has it, wherever Citus was built
        environment = {
            **self.program.env,
            "LD_LIBRARY_PATH": ":".join(filter(None, (libraries, self.program.env.get("LD_LIBRARY_PATH")))),
            "PGPASSFILE": str(self.directory / "pgpass"),
        }
        return [*unprivileged(), str(self.program.path), "-D", str(self.data)], environment

    def start(self) -> None:
        """See `EmbeddedService.start`. A killed server must be reaped first, or its lock file is still valid."""
        if self.pid is not None:
            self.wait_for_end(self.pid, f"the previous {self.name} to be gone")
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
        password = self._private("initdb-password", self.superuser.password.value + "\n")
        options = ("-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
        initdb = [str(self.program.path.parent / "initdb"), "-D", str(self.data), "-U", self.superuser.user, *options]
        self.run_once([*initdb, f"--pwfile={password}"])
        password.unlink()

    def copy_data_directory(self, source: CitusNode) -> None:
        """Copy another node's data directory before its first start: much faster than a second initdb.

        Raises:
            EnvironmentProblem: it failed.
        """
        self.run_once(["cp", "-a", str(source.data), str(self.data)])

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

    def _private(self, name: str, text: str) -> Path:
        file = self.directory / name
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        return file


class CitusServices:
    """The coordinator and its workers, from empty directories to distributed tables."""

    def __init__(
        self,
        home: Callable[[str], Home],
        program: Found,
        settings: Citus,
        endpoints: Sequence[Endpoint],
        superuser: Login,
        owner: Login,
        vector: Vector,
    ) -> None:
        """Compose the services; nothing is started.

        Args:
            home: makes the home of the service with that name.
            program: PostgreSQL, the same for every node.
            settings: where Citus is installed, and what to configure beyond our settings.
            endpoints: the coordinator's address, then one a worker.
            superuser: made by initdb, with the same password on every node.
            owner: role that owns the schema on every node.
            vector: names of the vector extension.

        Raises:
            EnvironmentProblem: the directory holds no Citus that this PostgreSQL could load.
        """
        self.installation = find_installation(settings, program)
        self.program, self.settings, self.owner, self.vector = program, settings, owner, vector
        names = [COORDINATOR, *(f"citus-worker{number}" for number in range(1, len(endpoints)))]
        self.nodes = {
            name: CitusNode(home(name), program, self.installation, endpoint, superuser)
            for name, endpoint in zip(names, endpoints, strict=True)
        }
        self.coordinator, *self.workers = self.nodes.values()
        self.addresses = CitusAddresses(self.coordinator.endpoint, tuple(worker.endpoint for worker in self.workers))

    def start(self, ready: Callable[[EmbeddedService], None], database: str) -> None:
        """Make the data directories, start every node in parallel, join them and make the tables.

        Args:
            ready: waits until a service answers its probe.
            database: name of the database on every node.

        Raises:
            EnvironmentProblem: a node did not start, or does not load Citus.
        """
        self.coordinator.make_data_directory()
        shard_count: dict[str, str | int | float | bool] = {"citus.shard_count": self.settings.shard_count}
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(lambda worker: worker.copy_data_directory(self.coordinator), self.workers))
            for node in self.nodes.values():
                node.configure({**shard_count, **self.settings.settings}, (node.superuser, self.owner))
                node.start()
            list(pool.map(lambda node: self._begin(node, ready, database), self.nodes.values()))
        self._join(database)

    def tamper(self, database: str, coordinator_sql: Sequence[str], worker_sql: Sequence[str]) -> None:
        """Run the defects' statements as superuser, on the coordinator and on the last worker."""
        for node, statements in ((self.coordinator, coordinator_sql), (self.workers[-1], worker_sql)):
            if statements:
                with closing(node.connect(database)) as session, session.cursor() as cursor:
                    for statement in statements:
                        cursor.execute(statement)

    def facts(self) -> list[ServiceFacts]:
        """One line of the fingerprint for each node."""
        version = f"Citus {self.installation.version}, PostgreSQL {self.program.version}"
        library = str(self.installation.lib / "citus.so")
        return [
            ServiceFacts(node.name, "real", version, str(node.endpoint), library, "environment file")
            for node in self.nodes.values()
        ]

    def _begin(self, node: CitusNode, ready: Callable[[EmbeddedService], None], database: str) -> None:
        try:
            ready(node)
        except EnvironmentProblem:
            if refused := _NOT_LOADED.search(node.log.read_text(encoding="utf-8", errors="replace")):
                raise EnvironmentProblem(
                    f"{KEY}.path: PostgreSQL {self.program.version} does not load Citus ({refused.group(1)}); "
                    "name an installation that was built for this PostgreSQL, or correct services.postgresql"
                ) from None
            raise
        with closing(node.connect("postgres")) as session:
            verifier = encrypt_password(self.owner.password.value, self.owner.user, session, "scram-sha-256")
            role = sql.Identifier(self.owner.user)
            _run(
                session,
                sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}").format(role, sql.Literal(verifier)),
                sql.SQL("GRANT pg_monitor TO {}").format(role),
                sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), role),
            )
        with closing(node.connect(database)) as session:
            extensions = ("citus", self.vector.extension)
            _run(session, *(sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(name)) for name in extensions))

    def _join(self, database: str) -> None:
        with closing(self.coordinator.connect(database)) as session:
            first, *rest = (
                sql.SQL("{}, {}").format(sql.Literal(node.endpoint.host), sql.Literal(node.endpoint.port))
                for node in self.nodes.values()
            )
            _run(
                session,
                sql.SQL("SELECT citus_set_coordinator_host({})").format(first),
                *(sql.SQL("SELECT citus_add_node({})").format(worker) for worker in rest),
                sql.SQL("SET ROLE {}").format(sql.Identifier(self.owner.user)),
                *schema.table_statements(self.vector),
                *distribution_statements(),
            )


def distribution_statements() -> Sequence[sql.Composable]:
    """Return what spreads the tables over the nodes: all of the distributed ones by namespace, side by side."""
    first, *rest = DISTRIBUTED
    beside = sql.SQL("SELECT create_distributed_table({}, 'namespace', colocate_with => {})")
    return (
        beside.format(sql.Literal(first), sql.Literal("none")),
        *(beside.format(sql.Literal(table), sql.Literal(first)) for table in rest),
        *(sql.SQL("SELECT create_reference_table({})").format(sql.Literal(table)) for table in REFERENCE),
    )


def _run(session: connection, *statements: sql.Composable) -> None:
    with session.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _quoted(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "'" + str(value).replace("'", "''") + "'"
