"""The engine: one process has it open on a data directory, and each request is a session of its own on it."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import chdb
from chdb import _chdb

from reference.clickhouse.errors import QueryError
from reference.clickhouse.statements import Query

VERSION = str(chdb.engine_version)

# Answers in these may be put together from pieces that the engine makes one by one; others have a head or an end.
_PIECES = {
    "CSV",
    "JSONCOMPACTEACHROW",
    "JSONEACHROW",
    "LINEASSTRING",
    "NATIVE",
    "NDJSON",
    "RAWBLOB",
    "ROWBINARY",
    "TABSEPARATED",
    "TABSEPARATEDRAW",
    "TSKV",
    "TSV",
    "TSVRAW",
}
_ARROW_STREAM = "ARROWSTREAM"
_ARROW_END = b"\xff\xff\xff\xff\0\0\0\0"
_NAME = re.compile(r"\w+", re.ASCII)


class Result(Protocol):
    """What the engine returns, whole or a piece of it."""

    def bytes(self) -> bytes:
        """The rows in the format that was asked for."""

    def rows_read(self) -> int:
        """How many rows they are."""

    def rows_written(self) -> int:
        """Rows inserted."""

    def bytes_written(self) -> int:
        """Bytes inserted."""


@dataclass(frozen=True, slots=True)
class Written:
    """What an INSERT has written."""

    rows: int
    bytes: int


class Engine:
    """The engine on its data directory, held open until `close`.

    The calls go to chdb's own module below its Python classes: those drop an empty answer's piece, and with it the
    schema of a stream without rows.

    Raises:
        QueryError: another process has the directory open, or the engine refuses it.
        OSError: it cannot be made or written.
    """

    def __init__(self, data: Path) -> None:
        self._lock = _locked(data)
        self._data = str(data)
        self._connect: Any = _chdb.connect  # type: ignore[attr-defined]
        try:
            self._holder = self._connect(self._data)
            self.timezone: str = (
                self._holder.query("SELECT timezone()", "LineAsString", params={}).bytes().decode().strip()
            )
        except RuntimeError as error:
            raise QueryError.of_engine(error) from None

    def close(self) -> None:
        """Give the directory back."""
        self._holder.close()
        os.close(self._lock)

    @contextmanager
    def session(self, database: str, settings: Mapping[str, str]) -> Iterator[Session]:
        """Open a session that has a database and settings of its own.

        Args:
            database: that names without one belong to; empty: `default`.
            settings: the engine's settings, and `param_<name>` for the parameters of a query.
        """
        connection = self._connect(self._data)
        try:
            with _told():
                session = Session(connection)
                if database:
                    session.run(f"USE {_quoted(database, '`')}")
                if settings:
                    session.run(
                        "SET " + ", ".join(f"{_name(key)} = {_quoted(value)}" for key, value in settings.items())
                    )
            yield session
        finally:
            connection.close()


class Session:
    """One request's view of the engine."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def run(self, statement: str) -> None:
        """Run a statement that has no rows to show."""
        self._connection.query(statement, "TabSeparated", params={})

    def read(self, query: Query, form: str) -> Generator[bytes]:
        """Run a query; give its answer in pieces as the engine makes them, at least one.

        Who closes the iterator ends the query.

        Raises:
            QueryError: it failed; perhaps after some pieces.
        """
        with _told():
            if query.selects and form.upper() == _ARROW_STREAM:
                yield from _spliced(self._pieces(query.text, form))
            elif query.selects and form.upper() in _PIECES:
                yield from self._pieces(query.text, form)
            else:
                yield self._connection.query(query.text, form, params={}).bytes()

    def insert(self, statement: str, form: str, data: Iterable[bytes]) -> Written:
        """Insert rows; when this returns they are kept, also when the process is killed.

        Raises:
            QueryError: the rows were refused. A block that was complete before stays, as with ClickHouse itself.
        """
        with _told():
            stream = self._connection.send_insert(statement, form)
            try:
                for piece in data:
                    self._connection.insert_append(stream, piece)
            except BaseException:
                self._connection.insert_cancel(stream)
                raise
            result: Result = self._connection.insert_done(stream)
            return Written(result.rows_written(), result.bytes_written())

    def _pieces(self, statement: str, form: str) -> Iterator[bytes]:
        stream = self._connection.send_query(statement, form, params={})
        ended = False
        try:
            piece: Result = self._connection.streaming_fetch_result(stream)
            yield piece.bytes()
            while not ended:
                ended = piece.rows_read() == 0
                if not ended:
                    piece = self._connection.streaming_fetch_result(stream)
                    if piece.rows_read():
                        yield piece.bytes()
        except RuntimeError:
            ended = True
            raise
        finally:
            if not ended:
                self._connection.streaming_cancel_query(stream)


def _spliced(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Make one Arrow stream of many that have the same schema: it is told once, and the end is told once."""
    first = next(pieces)
    yield first.removesuffix(_ARROW_END)
    for piece in pieces:
        schema = 8 + int.from_bytes(piece[4:8], "little")  # a mark, a length, the message
        yield piece[schema:].removesuffix(_ARROW_END)
    yield _ARROW_END


def _locked(data: Path) -> int:
    """Take the directory; the kernel gives it back when the process ends, however that happens.

    The engine has a lock of its own, and many lines about it.
    """
    data.mkdir(parents=True, exist_ok=True)
    lock = os.open(data / "front.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise QueryError(76, "CANNOT_OPEN_FILE", "another process has it") from None
    return lock


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise QueryError.of_engine(error) from None


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise QueryError.of_front(
            115, "UNKNOWN_SETTING", f"Setting {name!r} is neither a builtin setting nor started with param_"
        )
    return name


def _quoted(text: str, quote: str = "'") -> str:
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"
