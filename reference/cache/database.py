"""The rows behind the cache: a small pool of connections to the primary, with bounds on every wait.

The version of a row is kept in its `metadata` column under the key `version` and grows by one with each write; the
row lock of the update makes that exact, which neither a timestamp nor a transaction id would be.
"""

from __future__ import annotations

import logging
import queue
import select
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import psycopg2
import psycopg2.extensions
from psycopg2 import sql

from reference.cache.leases import Row
from reference.cache.metrics import Metrics

CONNECTIONS = 16
WAIT_SECONDS = 2.0  # for a free connection
STATEMENT_SECONDS = 5.0  # the server gives a statement up
ANSWER_SECONDS = 6.0  # the client gives the server up, on a link that swallows everything
_VERSION = "coalesce((metadata->>'version')::bigint, 0)"
_READ = f"SELECT key, value, {_VERSION} FROM {{table}} WHERE namespace = %s AND key = ANY(%s)"  # noqa: S608 - constants
_WRITE = """
INSERT INTO {table} AS old (namespace, key, value, metadata) VALUES (%s, %s, %s, '{{"version": 1}}')
ON CONFLICT (namespace, key) DO UPDATE SET
  value = excluded.value,
  updated_at = clock_timestamp(),
  metadata = jsonb_set(coalesce(old.metadata, '{{}}'), '{{version}}',
                       to_jsonb(coalesce((old.metadata->>'version')::bigint, 0) + 1))
RETURNING (metadata->>'version')::bigint
"""
_DELETE = "DELETE FROM {table} WHERE namespace = %s AND key = ANY(%s)"
# a standby has no insert position; the timeline is the first eight digits of the name of the WAL file
_TIMELINE = "SELECT CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) END"
_NOT_REPLICATED = "canceling wait for synchronous replication"
_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_Cursor = psycopg2.extensions.cursor
_Connection = psycopg2.extensions.connection


class DatabaseUnavailable(Exception):
    """The database did not answer in time or refused the statement; nothing was written."""


class OutcomeUnknown(Exception):
    """The commit was under way when the answer failed to come; it may or may not have happened."""


class Database:
    """Reads and writes of rows.

    Args:
        dsn: libpq connection string without the password.
        password: of the user in the string, None when none is needed.
        table: `name` or `schema.name`, with columns namespace, key, value, updated_at and metadata (jsonb).
        metrics: counters to keep.
        on_new_timeline: called when a connection finds another timeline than the ones before: the database has
            failed over, and rows that were cached may not exist any more.
    """

    def __init__(
        self, dsn: str, password: str | None, table: str, metrics: Metrics, on_new_timeline: Callable[[], None]
    ) -> None:
        self._dsn, self._password, self._metrics = dsn, password, metrics
        self._on_new_timeline = on_new_timeline
        self._timeline: str | None = None
        self._idle: queue.LifoQueue[_Connection] = queue.LifoQueue()
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        name = sql.Identifier(*table.split("."))
        self._read, self._write, self._delete = (sql.SQL(text).format(table=name) for text in (_READ, _WRITE, _DELETE))
        psycopg2.extensions.set_wait_callback(_wait)

    def read(self, namespace: str, keys: Sequence[str]) -> dict[str, Row]:
        """Read rows; those that do not exist are missing from the answer.

        Raises:
            DatabaseUnavailable: no answer.
        """

        def look(cursor: _Cursor) -> dict[str, Row]:
            cursor.execute(self._read, (namespace, list(keys)))
            return {key: Row(value, version) for key, value, version in cursor.fetchall()}

        self._metrics.add("cache_database_reads_total", len(keys))
        return self._run(look, writes=False)

    def write(self, namespace: str, values: Mapping[str, str | None]) -> dict[str, Row]:
        """Insert or update rows in one transaction; return them as they are now.

        Raises:
            DatabaseUnavailable: nothing was written.
            OutcomeUnknown: it may have been.
        """

        def change(cursor: _Cursor) -> dict[str, Row]:
            rows = {}
            for key in sorted(values):  # in one order, so that two bulk writes cannot deadlock
                cursor.execute(self._write, (namespace, key, values[key]))
                (version,) = cursor.fetchone() or (0,)
                rows[key] = Row(values[key], version)
            return rows

        self._metrics.add("cache_database_writes_total", len(values))
        return self._run(change, writes=True)

    def delete(self, namespace: str, keys: Sequence[str]) -> int:
        """Delete rows; return how many there were.

        Raises:
            DatabaseUnavailable: nothing was deleted.
            OutcomeUnknown: it may have been.
        """

        def change(cursor: _Cursor) -> int:
            cursor.execute(self._delete, (namespace, sorted(keys)))
            return cursor.rowcount

        self._metrics.add("cache_database_writes_total", len(keys))
        return self._run(change, writes=True)

    def reachable(self) -> bool:
        """Ask the database itself; notices a failover as well."""
        try:
            self._run(self._look_at_timeline, writes=False)
        except DatabaseUnavailable:
            return False
        return True

    def close(self) -> None:
        """Close the idle connections."""
        while True:
            try:
                self._idle.get_nowait().close()
            except queue.Empty:
                return

    def _run(self, work: Callable[[_Cursor], _T], *, writes: bool) -> _T:
        if not self._slots.acquire(timeout=WAIT_SECONDS):
            raise DatabaseUnavailable(f"all {CONNECTIONS} connections have been busy for {WAIT_SECONDS:g} s")
        try:
            while True:
                connection, fresh = self._connection()
                result = self._attempt(connection, work, writes, last=fresh)
                if result is not None:
                    self._idle.put(connection)
                    return result
        finally:
            self._slots.release()

    def _attempt(
        self, connection: _Connection, work: Callable[[_Cursor], _T], writes: bool, *, last: bool
    ) -> _T | None:
        """Do the work on a connection; None: it had died while it was idle, so another one is worth trying."""
        try:
            connection.autocommit = not writes
            with connection.cursor() as cursor:
                result = work(cursor)
        except (psycopg2.Error, TimeoutError) as error:
            self._discard(connection, error)
            if last or isinstance(error, TimeoutError) or error.pgcode not in (None, "57P01", "57P02", "57P03"):
                raise DatabaseUnavailable(_one_line(error)) from error
            self.close()  # the other idle ones have most likely died with it
            return None
        if writes:
            self._commit(connection)
        return result

    def _commit(self, connection: _Connection) -> None:
        try:
            connection.commit()
        except (psycopg2.Error, TimeoutError) as error:
            self._discard(connection, error)
            if getattr(error, "pgcode", None) and not isinstance(error, psycopg2.OperationalError):
                raise DatabaseUnavailable(_one_line(error)) from error  # the server says that it rolled back
            raise OutcomeUnknown(_one_line(error)) from error
        if any(_NOT_REPLICATED in notice for notice in connection.notices):
            connection.close()
            raise OutcomeUnknown(_NOT_REPLICATED)

    def _connection(self) -> tuple[_Connection, bool]:
        """An idle connection, or a fresh one."""
        try:
            return self._idle.get_nowait(), False
        except queue.Empty:
            pass
        try:
            connection = psycopg2.connect(
                self._dsn,
                password=self._password,
                options=f"-c statement_timeout={STATEMENT_SECONDS * 1000:.0f}",
                application_name="cache",
            )
        except (psycopg2.Error, TimeoutError) as error:
            self._metrics.add("cache_database_errors_total")
            raise DatabaseUnavailable(_one_line(error)) from error
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                self._look_at_timeline(cursor)
        except (psycopg2.Error, TimeoutError) as error:
            self._discard(connection, error)
            raise DatabaseUnavailable(_one_line(error)) from error
        except DatabaseUnavailable:
            connection.close()
            raise
        return connection, True

    def _look_at_timeline(self, cursor: _Cursor) -> bool:
        cursor.execute(_TIMELINE)
        (timeline,) = cursor.fetchone() or (None,)
        if timeline is None:
            raise DatabaseUnavailable("the connection leads to a standby")
        before, self._timeline = self._timeline, timeline
        if before not in (None, timeline):
            self._on_new_timeline()
        return True

    def _discard(self, connection: _Connection, error: Exception) -> None:
        self._metrics.add("cache_database_errors_total")
        _log.warning("database: %s", _one_line(error))
        connection.close()


def _wait(connection: _Connection) -> None:
    """Wait for the server, but not for ever (psycopg2 itself would)."""
    end = time.monotonic() + ANSWER_SECONDS
    while True:
        state = connection.poll()
        if state == psycopg2.extensions.POLL_OK:
            return
        ready = select.poll()
        reading = state == psycopg2.extensions.POLL_READ
        ready.register(connection.fileno(), select.POLLIN if reading else select.POLLOUT)
        if not ready.poll(max(0.0, end - time.monotonic()) * 1000):
            raise TimeoutError(f"the database has not answered for {ANSWER_SECONDS:g} s")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
