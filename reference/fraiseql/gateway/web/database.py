"""PostgreSQL, as HTTP requests use it: a pool of connections, one snapshot a request, a time limit that holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from reference.fraiseql.gateway.planner import Plan, RootField
from reference.fraiseql.gateway.web.answers import Rows

_MOST_CONNECTIONS = 10
_CONNECT_SECONDS = 5.0
_PROBE_SECONDS = 2.0
_GRACE_SECONDS = 1.0  # after which a statement that PostgreSQL should have cancelled is taken for lost
_FORMAT = {"format": "csv", "delimiter": "\x01", "quote": "\x02"}  # neither is ever in JSON, so nothing is quoted


# What it means that there is no answer.
DATABASE_ERRORS = (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Database:
    """The connections of one gateway.

    A statement that takes too long is cancelled by PostgreSQL itself. One whose client or connection is gone ends
    there within a second as well: PostgreSQL looks after the connection while it works.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self._url, self._seconds = url, seconds
        self._pool: asyncpg.Pool
        self._probes: asyncpg.Pool
        self._waiting = 0

    async def open(self) -> None:
        """Get ready; connections are made when they are needed, so that the database may be away now."""
        self._pool = await self._made(_MOST_CONNECTIONS)
        self._probes = await self._made(1)

    async def close(self) -> None:
        """Close all connections."""
        self._pool.terminate()
        self._probes.terminate()

    async def run(self, plan: Plan, rows: Callable[[], Rows]) -> list[Rows]:
        """Return the rows of each root field; several, and changes, in one transaction.

        Raises:
            DATABASE_ERRORS: there is no answer, and nothing has changed unless the connection was lost at the very end.
        """
        async with asyncio.timeout(self._seconds + _GRACE_SECONDS), self._connection(self._pool) as connection:
            if plan.operation == "query" and len(plan.fields) == 1:
                return await self._copy(connection, plan.fields, rows)
            await connection.execute(_SNAPSHOT if plan.operation == "query" else "BEGIN")
            try:
                found = await self._copy(connection, plan.fields, rows)
            except asyncpg.PostgresError:
                await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")
            return found

    async def versions(self, tables: Iterable[str]) -> list[str]:
        """Return what changes whenever one of these tables does; nothing when that is not known of each."""
        wanted = sorted(tables)
        async with asyncio.timeout(self._seconds), self._connection(self._pool) as connection:
            found = await connection.fetch(_VERSIONS, wanted)
        return [f"{table} {version}" for table, version in found] if len(found) == len(wanted) else []

    async def answers(self) -> bool:
        """Return whether the database answers now."""
        try:
            async with asyncio.timeout(_PROBE_SECONDS), self._connection(self._probes) as connection:
                return bool(await connection.fetchval("SELECT true"))
        except DATABASE_ERRORS:
            return False

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are in use, and how many are idle."""
        return self._pool.get_size() - self._pool.get_idle_size(), self._pool.get_idle_size()

    @property
    def waiting(self) -> int:
        """How many requests wait for a connection."""
        return self._waiting

    async def _copy(self, connection: Any, fields: Iterable[RootField], rows: Callable[[], Rows]) -> list[Rows]:
        found = []
        for field in fields:
            found.append(rows())
            await connection.copy_from_query(field.json_sql, output=found[-1].take, **_FORMAT)
            found[-1].end()
        return found

    @asynccontextmanager
    async def _connection(self, pool: asyncpg.Pool) -> AsyncIterator[Any]:
        """Lend a connection of a pool; one that may still be at something is closed instead of given back."""
        self._waiting += 1
        try:
            connection = await pool.acquire()
        except TimeoutError:
            raise ConnectionError(f"no connection in {_CONNECT_SECONDS:g} seconds") from None
        finally:
            self._waiting -= 1
        try:
            yield connection
        except asyncpg.PostgresError:
            raise
        except BaseException:
            connection.terminate()  # to ask what it is at might take for ever
            raise
        finally:
            await pool.release(connection)

    async def _made(self, connections: int) -> asyncpg.Pool:
        settings = {
            "application_name": "fraiseql gateway",
            "timezone": "UTC",
            "jit": "off",
            "statement_timeout": str(round(self._seconds * 1000)),
            "client_connection_check_interval": "1000",
        }
        return await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=connections,
            timeout=_CONNECT_SECONDS,
            server_settings=settings,
            reset=_nothing,
        )


_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_VERSIONS = """
SELECT table_name, (SELECT system_identifier FROM pg_control_system()) || '/' || 'core.block_version'::regclass::oid
    || '/' || sum(version) FROM core.block_version WHERE table_name = ANY ($1) GROUP BY table_name ORDER BY table_name
"""


async def _nothing(_connection: object) -> None:
    """A connection needs no reset: no statement here leaves anything behind in its session."""
