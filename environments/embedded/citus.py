"""Citus: a coordinator and its workers, each a plain PostgreSQL server that loads an installation of Citus."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import ClassVar

from psycopg2 import sql
from psycopg2.extensions import connection, encrypt_password

from environments import schema
from environments.embedded.citus_installation import KEY, Installation, find_installation
from environments.embedded.postgresql import PostgreSQL
from environments.embedded.processes import EmbeddedService, Home
from environments.embedded.programs import Found
from environments.errors import EnvironmentProblem
from environments.sections.base import Settings
from environments.sections.cluster import Citus, Vector
from environments.system import CitusAddresses, Endpoint, Login, ServiceFacts

DISTRIBUTED = ("memory_entries", "patterns")
"""Tables spread over the workers by their namespace, rows of one namespace side by side."""

REFERENCE = ("metadata", "sessions")
"""Tables of which every node holds a full copy."""

COORDINATOR = "citus-coordinator"

_NOT_LOADED = re.compile(r"FATAL: +(.*(?:incompatible|could not load) library .*citus\.so.*)")


class CitusNode(PostgreSQL):
    """One PostgreSQL server with Citus loaded."""

    # Room for every shard connection of several clients, which the coordinator keeps for the next query: by default
    # it closes all but one, and would spend more time on logging in to the workers than on short queries. The daemon
    # that recovers prepared transactions keeps its default of a minute, and fsync stays on: commits in two phases are
    # tested.
    parameters: ClassVar[Settings] = {
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

    def __init__(
        self,
        home: Home,
        program: Found,
        installation: Installation,
        settings: Settings,
        endpoint: Endpoint,
        superuser: Login,
    ) -> None:
        own: Settings = {
            "citus.local_hostname": endpoint.host,
            "extension_control_path": f"{installation.share}:$system",
            "dynamic_library_path": f"{installation.lib}:$libdir",
        }
        super().__init__(home, program, {**own, **settings}, endpoint, superuser)

    def know(self, users: Sequence[Login]) -> None:
        """Give the server the passwords that it needs for other nodes."""
        lines = [f"{self.endpoint.host}:*:*:{login.user}:{login.password.value}\n" for login in users]
        self.private("pgpass", "".join(lines))

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`. Passwords of other nodes come from a file, as for any client of theirs."""
        argv, variables = super().command()
        libraries = str(self.program.path.parent.parent / "lib")  # libpq as PostgreSQL has it, wherever Citus was built
        environment = {
            **variables,
            "LD_LIBRARY_PATH": ":".join(filter(None, (libraries, variables.get("LD_LIBRARY_PATH")))),
            "PGPASSFILE": str(self.directory / "pgpass"),
        }
        return argv, environment

    def copy_data_directory(self, source: CitusNode) -> None:
        """Copy another node's data directory before its first start: much faster than a second initdb.

        Raises:
            EnvironmentProblem: it failed.
        """
        self.run_once(["cp", "-a", str(source.data), str(self.data)])


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
        self.program, self.owner, self.vector = program, owner, vector
        names = [COORDINATOR, *(f"citus-worker{number}" for number in range(1, len(endpoints)))]
        own: Settings = {"citus.shard_count": settings.shard_count, **settings.settings}
        self.nodes = {
            name: CitusNode(home(name), program, self.installation, own, endpoint, superuser)
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
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(lambda worker: worker.copy_data_directory(self.coordinator), self.workers))
            for node in self.nodes.values():
                node.configure()
                node.know((node.superuser, self.owner))
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
