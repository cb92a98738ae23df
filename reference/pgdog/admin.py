"""The server's side of PostgreSQL's protocol, as much of it as the admin console needs."""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count

from reference.pgdog.console import SERVER_VERSION, CommandError, Console, Kind, Result, Value, commands_of
from reference.pgdog.settings import Settings

LONGEST_MESSAGE = 1 << 20  # bytes; a longer one ends the session
_TYPES: Mapping[Kind, tuple[int, int]] = {"text": (25, -1), "int8": (20, 8), "numeric": (1700, -1), "float8": (701, 8)}
_PACKED: Mapping[Kind, str] = {"int8": ">q", "float8": ">d"}  # what has a binary form; text is its own
_PARAMETERS = {
    "server_version": SERVER_VERSION, "server_encoding": "UTF8", "client_encoding": "UTF8", "DateStyle": "ISO, MDY",
    "integer_datetimes": "on", "standard_conforming_strings": "on", "TimeZone": "UTC",
}  # fmt: skip
_numbers = count(1)

Write = Callable[[bytes], None]


@dataclass(slots=True)
class _Statement:
    """A command that was parsed, and in a portal what formats its columns are wanted in (0 text, 1 binary)."""

    command: str
    formats: tuple[int, ...] = ()
    result: Result | None = None  # of a portal that was described or run


class AdminSession:
    """One client of the console, from the answer to its startup packet on.

    Args:
        write: sends bytes to the client.
        close: ends the connection when they are sent.
        startup: its parameters, such as user and database.
        console: runs its commands.
        settings: who may use the console.
    """

    def __init__(
        self, write: Write, close: Callable[[], None], startup: Mapping[str, str], console: Console, settings: Settings
    ) -> None:
        self._write, self._close, self._startup = write, close, startup
        self._console, self._settings = console, settings
        self._data = bytearray()
        self._authenticated = self._closed = False
        self._in_transaction = self._skipping = False
        self._statements: dict[str, _Statement] = {}
        self._portals: dict[str, _Statement] = {}

    def begin(self) -> None:
        """Answer the startup packet."""
        settings = self._settings
        user, database = self._startup.get("user", ""), self._startup.get("database", self._startup.get("user", ""))
        if database != settings.admin_database:
            self._end("3D000", f"there is no database '{database}' here; use '{settings.admin_database}'")
        elif user != settings.admin_user:
            self._end("28000", f"'{user}' may not use the console; log in as '{settings.admin_user}'")
        elif settings.admin_password is None:
            self._welcome()
        else:
            self._write(_message(b"R", struct.pack(">i", 3)))

    def received(self, data: bytes) -> None:
        """Take what the client sent, in pieces of any size."""
        self._data += data
        while not self._closed and len(self._data) >= 5:
            (length,) = struct.unpack_from(">i", self._data, 1)
            if not 4 <= length <= LONGEST_MESSAGE:
                self._end("08P01", f"a message cannot have {length} bytes")
                return
            if len(self._data) < 1 + length:
                return
            kind, body = bytes(self._data[:1]), bytes(self._data[5 : 1 + length])
            del self._data[: 1 + length]
            try:
                self._take(kind, body)
            except (ValueError, IndexError, struct.error, UnicodeDecodeError):
                self._end("08P01", f"message {kind!r} cannot be read")

    def _take(self, kind: bytes, body: bytes) -> None:
        if kind == b"X":
            self._end()
        elif not self._authenticated:
            self._check_password(kind, body)
        elif kind == b"Q":
            self._query(_text(body))
        elif kind == b"S":
            self._skipping = False
            self._portals.clear()
            self._ready()
        elif kind in b"PBDECH" and not self._skipping:
            self._extended(kind, body)
        elif kind not in b"PBDECH":
            self._end("08P01", f"message {kind!r} is not known")

    def _check_password(self, kind: bytes, body: bytes) -> None:
        expected = (self._settings.admin_password or "").encode()
        if kind == b"p" and hmac.compare_digest(body.rstrip(b"\0"), expected):
            self._welcome()
        else:
            self._end("28P01", f"password authentication failed for user '{self._settings.admin_user}'")

    def _welcome(self) -> None:
        self._authenticated = True
        self._write(_message(b"R", struct.pack(">i", 0)))
        for name, value in _PARAMETERS.items():
            self._write(_message(b"S", _strings(name, value)))
        self._write(_message(b"K", struct.pack(">ii", next(_numbers), 0)))
        self._ready()

    def _ready(self) -> None:
        self._write(_message(b"Z", b"T" if self._in_transaction else b"I"))

    def _query(self, text: str) -> None:
        commands = commands_of(text)
        if not commands:
            self._write(_message(b"I"))
        try:
            for command in commands:
                result = self._run(command)
                if result.columns:
                    self._write(_description(result, ()))
                self._write(_rows(result, ()))
        except CommandError as problem:
            self._write(_error("ERROR", problem.state, str(problem)))
        self._ready()

    def _run(self, command: str) -> Result:
        result = self._console.run(command)
        if result.tag == "BEGIN":
            self._in_transaction = True
        elif result.tag in ("COMMIT", "ROLLBACK"):
            self._in_transaction = False
        return result

    def _extended(self, kind: bytes, body: bytes) -> None:
        try:
            if self._settings.dialect == "upstream":
                raise CommandError("0A000", "only simple queries are taken here")
            if kind == b"P":
                self._parse(body)
            elif kind == b"B":
                self._bind(body)
            elif kind == b"D":
                self._describe(body)
            elif kind == b"E":
                self._execute(_text(body))
            elif kind == b"C":
                (self._statements if body[:1] == b"S" else self._portals).pop(_text(body[1:]), None)
                self._write(_message(b"3"))
        except CommandError as problem:
            self._skipping = True
            self._write(_error("ERROR", problem.state, str(problem)))

    def _parse(self, body: bytes) -> None:
        name, text, _ = body.split(b"\0", 2)
        commands = commands_of(text.decode())
        if len(commands) > 1:
            raise CommandError("42601", "a prepared statement is one command")
        self._statements[name.decode()] = _Statement("".join(commands))
        self._write(_message(b"1"))

    def _bind(self, body: bytes) -> None:
        portal, name, rest = body.split(b"\0", 2)
        (parameters,) = struct.unpack_from(">h", rest, 2 + 2 * struct.unpack_from(">h", rest)[0])
        if parameters:
            raise CommandError("08P01", "commands of the console have no parameters")
        at = 4 + 2 * struct.unpack_from(">h", rest)[0]
        (wanted,) = struct.unpack_from(">h", rest, at)
        formats = struct.unpack_from(f">{wanted}h", rest, at + 2)
        statement = self._named(self._statements, name.decode())
        self._portals[portal.decode()] = _Statement(statement.command, formats)
        self._write(_message(b"2"))

    def _describe(self, body: bytes) -> None:
        of_statement = body[:1] == b"S"
        one = self._named(self._statements if of_statement else self._portals, _text(body[1:]))
        if of_statement:
            self._write(_message(b"t", struct.pack(">h", 0)))
        # Only what shows something can be run to see its columns: the others would take effect.
        shown = self._console.run(one.command) if one.command.lower().startswith("show") else Result("")
        if not of_statement:
            one.result = shown
        self._write(_description(shown, one.formats) if shown.columns else _message(b"n"))

    def _execute(self, portal: str) -> None:
        one = self._named(self._portals, portal)
        if not one.command:
            self._write(_message(b"I"))
            return
        result = one.result if one.result and one.result.columns else self._run(one.command)
        self._write(_rows(result, one.formats))

    def _named(self, where: Mapping[str, _Statement], name: str) -> _Statement:
        if name not in where:
            raise CommandError("26000", f"there is no '{name}' that was prepared")
        return where[name]

    def _end(self, state: str = "", problem: str = "") -> None:
        if problem:
            self._write(_error("FATAL", state, problem))
        self._closed = True
        self._close()


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack(">i", 4 + len(body)) + body


def _strings(*texts: str) -> bytes:
    return b"".join(text.encode() + b"\0" for text in texts)


def _text(body: bytes) -> str:
    """The string at the start of a message."""
    return body[: body.index(b"\0")].decode()


def _error(severity: str, state: str, message: str) -> bytes:
    return _message(b"E", _strings(f"S{severity}", f"V{severity}", f"C{state}", f"M{message}") + b"\0")


def _format(formats: tuple[int, ...], column: int) -> int:
    """The format of a column: none means text, one is for all."""
    return 0 if not formats else formats[column] if len(formats) > 1 else formats[0]


def _description(result: Result, formats: tuple[int, ...]) -> bytes:
    body = struct.pack(">h", len(result.columns))
    for number, (name, kind) in enumerate(result.columns):
        body += _strings(name) + struct.pack(">ihihih", 0, 0, *_TYPES[kind], -1, _format(formats, number))
    return _message(b"T", body)


def _rows(result: Result, formats: tuple[int, ...]) -> bytes:
    """Every row, and the end of the command."""
    parts = []
    for row in result.rows:
        body = struct.pack(">h", len(row))
        for number, (value, (_, kind)) in enumerate(zip(row, result.columns, strict=True)):
            content = _content(value, kind, _format(formats, number))
            body += struct.pack(">i", -1) if content is None else struct.pack(">i", len(content)) + content
        parts.append(_message(b"D", body))
    return b"".join(parts) + _message(b"C", _strings(result.tag))


def _content(value: Value, kind: Kind, form: int) -> bytes | None:
    if value is None:
        return None
    return struct.pack(_PACKED[kind], value) if form and kind in _PACKED else str(value).encode()
