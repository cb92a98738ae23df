"""PostgreSQL through ADBC: connections that are used again, rows as Arrow batches, in constant memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TypeVar

import adbc_driver_manager as adbc
import adbc_driver_postgresql
import pyarrow as pa
import pyarrow.flight as fl

from reference.fraiseql.gateway.flight.errors import Refused
from reference.fraiseql.gateway.flight.patience import Patience

CONNECTIONS = 80  # at once; PostgreSQL allows 100 unless it is told otherwise, and HTTP needs some
READ_BYTES = 512 * 1024  # of rows that are read before they are sent: about 8000 rows of six columns
WHOLE = 1 << 40  # bytes: all rows in one batch
_HINT = "adbc.postgresql.batch_size_hint_bytes"
_COPY = "adbc.postgresql.use_copy"
_TARGET = "adbc.ingest.target_table"
_MODE = "adbc.ingest.mode"
_CLIENTS_MISTAKES = ("22", "23")  # classes of SQLSTATE: data that does not fit, constraints
_FULL = "too many clients"
_GONE_STATES = ("08", "53", "57P")
_GONE_WORDS = ("no connection", "terminating connection", "server closed", "connection to server", "could not receive")

T = TypeVar("T")


class Session:
    """One connection, in use by one answer."""

    def __init__(self, connection: adbc.AdbcConnection, *, fresh: bool) -> None:
        self.connection, self.fresh = connection, fresh
        self.usable = True  # by the next one too

    def run(self, sql: str, patience: Patience) -> pa.Table:
        """Run a statement that answers with few rows, or none."""
        return self._read(sql, patience, {_COPY: "false"})

    def whole(self, sql: str, patience: Patience) -> pa.Table:
        """Read many rows at once; the table has one chunk."""
        return self._read(sql, patience, {_HINT: str(WHOLE)})

    def ingest(self, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], patience: Patience) -> int:
        """Append rows to a table in the transaction that is open; returns how many.

        What reading `batches` raises is raised; the time it takes is the client's.
        """
        failed: list[Exception] = []
        rows = pa.RecordBatchReader.from_batches(schema, _patiently(batches, patience, failed))
        statement = adbc.AdbcStatement(self.connection)
        try:
            statement.set_options(**{_TARGET: table, _MODE: f"{_MODE}.append"})
            statement.bind_stream(rows)
            with self.told(), patience.waiting(partial(_cancel, statement)):
                return int(statement.execute_update())
        except fl.FlightError:
            if failed:
                raise failed[0] from None
            raise
        finally:
            statement.close()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Raise what goes wrong as clients are to be told."""
        try:
            yield
        except (fl.FlightTimedOutError, fl.FlightCancelledError):
            self.usable = False
            raise
        except (adbc.Error, OSError) as error:
            honest = _honest(error)
            self.usable = isinstance(honest, Refused)
            raise honest from None

    def _read(self, sql: str, patience: Patience, options: dict[str, str]) -> pa.Table:
        reading = Reading(self, sql, patience, options)
        try:
            return pa.Table.from_batches(list(reading), reading.schema)
        finally:
            reading.close()


class Reading:
    """The rows of one statement, batch by batch.

    Args:
        session: what runs it.
        sql: the statement.
        patience: how long it may take.
        options: ADBC's options of it.
    """

    def __init__(self, session: Session, sql: str, patience: Patience, options: dict[str, str]) -> None:
        self._session, self._patience = session, patience
        self._reader: pa.RecordBatchReader | None = None
        self._statement = adbc.AdbcStatement(session.connection)
        self._cancel = partial(_cancel, self._statement)
        try:
            self._statement.set_options(**options)
            self._statement.set_sql_query(sql)
            with session.told(), patience.waiting(self._cancel):
                handle, _ = self._statement.execute_query()
                self._reader = pa.RecordBatchReader._import_from_c(handle.address)
        except BaseException:
            self.close()
            raise
        self.schema = pa.schema([pa.field(field.name, field.type) for field in self._reader.schema])

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        assert self._reader is not None
        while True:
            try:
                with self._session.told(), self._patience.waiting(self._cancel):
                    batch = self._reader.read_next_batch()
            except StopIteration:
                self._reader.close()
                self._reader = None
                return
            yield batch

    def close(self) -> None:
        """End the statement, also one whose rows have not all been read: PostgreSQL stops working on it."""
        if self._reader is not None:
            self._session.usable = False
            self._cancel()
            self._reader.close()
            self._reader = None
        self._statement.close()


class Database:
    """The connections of one gateway.

    Args:
        url: the database.
        most: how many connections there are at once; who finds none waits for one.
    """

    def __init__(self, url: str, most: int = CONNECTIONS) -> None:
        self._url = url
        self._database: adbc.AdbcDatabase | None = None
        self._opening = threading.Lock()
        self._most = most
        self._changed = threading.Condition()
        self._open = 0
        self._idle: list[adbc.AdbcConnection] = []

    def rows(self, sql: str, patience: Patience) -> StreamedRows:
        """Run a statement and stream its rows.

        Raises:
            Refused: it fails because of the values in it.
            FlightTimedOutError: it took too long, or no connection came free.
            FlightUnavailableError: there is no database.
            FlightInternalError: it fails otherwise.
        """
        options = {_HINT: str(READ_BYTES)}
        session, reading = self._begun(lambda session: Reading(session, sql, patience, options), patience)
        return StreamedRows(self, session, reading)

    def run(self, sql: str, patience: Patience) -> pa.Table:
        """Run one statement that answers with few rows, in a transaction of its own; raises what `rows` does."""
        session, found = self._begun(lambda session: session.run(sql, patience), patience)
        self.give_back(session)
        return found

    @contextmanager
    def transaction(self, mode: str, patience: Patience) -> Iterator[Session]:
        """Run statements in one transaction, which is committed at the end unless something is raised."""
        session, _ = self._begun(lambda session: session.run(f"BEGIN {mode}", patience), patience)
        try:
            yield session
            session.run("COMMIT", patience)
        except BaseException:
            session.usable = False  # closing the connection rolls back
            raise
        finally:
            self.give_back(session)

    def give_back(self, session: Session) -> None:
        """Let others use a connection, or close it where they cannot."""
        if not session.usable:
            session.connection.close()
        with self._changed:
            if session.usable:
                self._idle.append(session.connection)
            else:
                self._open -= 1
            self._changed.notify()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._changed:
            idle, self._idle = self._idle, []
            self._open -= len(idle)
            self._changed.notify_all()
        for connection in idle:
            connection.close()

    def _begun(self, begin: Callable[[Session], T], patience: Patience) -> tuple[Session, T]:
        """Begin something on a connection; one that was kept and is broken by now does not count."""
        while True:
            session = self._taken(patience)
            try:
                return session, begin(session)
            except BaseException as error:
                self.give_back(session)
                if session.fresh or not isinstance(error, fl.FlightUnavailableError):
                    raise
                self.close()

    def _taken(self, patience: Patience) -> Session:
        """Take a kept connection, or open one, or wait for one where there are as many as there may be."""
        end = time.monotonic() + patience.left
        full = False
        while True:
            with self._changed:
                if not self._changed.wait_for(partial(self._room, full), max(0.0, end - time.monotonic())):
                    raise fl.FlightTimedOutError(
                        f"All {self._open} connections to the database are in use: "
                        f"none came free within {patience.left:g} seconds"
                    )
                if self._idle:
                    return Session(self._idle.pop(), fresh=False)
                self._open += 1
            try:
                return Session(self._connected(), fresh=True)
            except adbc.Error as error:
                with self._changed:
                    self._open -= 1
                full = _FULL in str(error) and self._open > 0
                if not full:
                    raise fl.FlightUnavailableError(f"The database is not there: {_first_line(error)}") from None

    def _room(self, full: bool) -> bool:
        return bool(self._idle) or self._open < (1 if full else self._most)

    def _connected(self) -> adbc.AdbcConnection:
        with self._opening:
            if self._database is None:
                self._database = adbc.AdbcDatabase(driver=adbc_driver_postgresql._driver_path(), uri=self._url)
        return adbc.AdbcConnection(self._database)


class StreamedRows:
    """The rows of one statement; its connection is given back with the last of them, or by `close`."""

    def __init__(self, database: Database, session: Session, reading: Reading) -> None:
        self._database, self._session, self._reading = database, session, reading
        self._closing, self._closed = threading.Lock(), False
        self.schema = reading.schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._reading
        finally:
            self.close()

    def close(self) -> None:
        """Stop, wherever it is, unless rows are being waited for; more than once, in any thread, does no harm."""
        with self._closing:
            closed, self._closed = self._closed, True
        if not closed:
            self._reading.close()
            self._database.give_back(self._session)


def _cancel(statement: adbc.AdbcStatement) -> None:
    with suppress(adbc.Error):  # PostgreSQL cannot be asked to when it is gone
        statement.cancel()


def _patiently(
    batches: Iterable[pa.RecordBatch], patience: Patience, failed: list[Exception]
) -> Iterator[pa.RecordBatch]:
    """Pass batches on, and note what reading them raises: on its way through the driver only its text would stay."""
    coming = iter(batches)
    while True:
        try:
            with patience.elsewhere():
                batch = next(coming)
        except StopIteration:
            return
        except Exception as error:
            failed.append(error)
            raise
        yield batch


def _honest(error: Exception) -> Exception:
    state = getattr(error, "sqlstate", None) or ""  # there is none once rows are being read
    said = _first_line(error)
    honest: Exception = fl.FlightInternalError(f"Database query failed: {said}")
    if state.startswith(_CLIENTS_MISTAKES):
        honest = Refused(said)
    elif state.startswith(_GONE_STATES) or (not state and any(words in str(error) for words in _GONE_WORDS)):
        honest = fl.FlightUnavailableError(f"The database is not there: {said}")
    return honest


def _first_line(error: Exception) -> str:
    """What PostgreSQL says went wrong, without the statement."""
    _, marked, text = str(error).partition("ERROR:")
    return (text if marked else str(error)).strip().partition("\n")[0]
