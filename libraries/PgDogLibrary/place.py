"""Where a test works: a schema of its own, made on the primary and on the mirror directly, never through a proxy."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from psycopg2.extensions import connection

from environments.system import Endpoint, Login
from oracles import replay
from PostgresLibrary.sessions import Query, Target, connect

_numbers = itertools.count(1)

TABLES = """
CREATE SCHEMA {name};
{entries};
CREATE TABLE {name}.accounts (id int PRIMARY KEY, balance numeric NOT NULL, holder text);
INSERT INTO {name}.accounts SELECT id, 100, 'holder ' || id FROM generate_series(1, 20) AS id;
CREATE TABLE {name}.uniques (id int PRIMARY KEY, value text);
CREATE SEQUENCE {name}.asked;
GRANT ALL ON SCHEMA {name} TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA {name} TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA {name} TO PUBLIC;
"""
"""`entries` holds what ledgers tell, see `oracles.replay`."""

COMPARED = ("entries", "accounts", "uniques")

SLOW = """
CREATE FUNCTION {name}.wait_before_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$;
CREATE TRIGGER slow BEFORE INSERT ON {name}.entries EXECUTE FUNCTION {name}.wait_before_rows();
"""
FAST = "DROP FUNCTION IF EXISTS {name}.wait_before_rows CASCADE"


@dataclass(frozen=True)
class Server:
    """One of the two PostgreSQL servers, reached directly."""

    name: str  # primary or mirror
    endpoint: Endpoint
    superuser: Login  # whose sessions are no client's
    databases: Mapping[str, str]  # what criteria call a database -> its name here, where that is another

    def target(self, database: str) -> Target:
        """Where its superuser reaches a database."""
        return Target(self.endpoint, self.databases.get(database, database), self.superuser)

    @contextmanager
    def session(self, database: str) -> Iterator[connection]:
        """A session in autocommit, not through a proxy."""
        with closing(connect(self.target(database))) as session:
            session.autocommit = True
            yield session

    def do(self, database: str, *statements: str) -> None:
        """Run statements directly."""
        with self.session(database) as session, session.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def ask(self, database: str, query: Query, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """Return the rows of a query."""
        with self.session(database) as session, session.cursor() as cursor:
            cursor.execute(query, parameters or None)
            return list(cursor.fetchall())


@dataclass
class Place:
    """A schema on both servers, in each database that a test uses."""

    primary: Server
    mirror: Server
    databases: tuple[str, ...]
    name: str = field(default_factory=lambda: f"t{time.time_ns() // 1_000_000 % 10**9}_{next(_numbers)}")

    def make(self) -> None:
        """Make its tables on both servers."""
        for server in (self.primary, self.mirror):
            for database in self.databases:
                server.do(
                    database, TABLES.format(name=self.name, entries=replay.TABLE.format(name=self.table("entries")))
                )

    def remove(self) -> None:
        """Take it away from both servers, with whoever still waits for its locks."""
        for server in (self.primary, self.mirror):
            for database in self.databases:
                with server.session(database) as session, session.cursor() as cursor:
                    cursor.execute(
                        "SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation "
                        "JOIN pg_namespace n ON n.oid = c.relnamespace "
                        "WHERE n.nspname = %s AND l.pid <> pg_backend_pid()",
                        (self.name,),
                    )
                    cursor.execute(f"DROP SCHEMA IF EXISTS {self.name} CASCADE")

    def slow_down_mirror(self, seconds: float) -> None:
        """Let each INSERT into `entries` take longer, on the mirror alone."""
        for database in self.databases:
            self.mirror.do(database, SLOW.format(name=self.name, seconds=seconds))

    def table(self, name: str) -> str:
        """Return the qualified name of a table."""
        return f"{self.name}.{name}"
