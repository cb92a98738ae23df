"""Frames of PostgreSQL's protocol, version 3: a letter, a length that counts itself, a body."""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct

VERSION = 196608  # 3.0
SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
IDLE, IN_TRANSACTION, FAILED = b"ITE"  # what ReadyForQuery says of the transaction

HEAD = Struct("!BI")
_LENGTH = Struct("!I")
_TWO = Struct("!II")


def frame(kind: bytes, body: bytes = b"") -> bytes:
    """Return a frame."""
    return kind + _LENGTH.pack(len(body) + 4) + body


SYNC, TERMINATE = frame(b"S"), frame(b"X")


def query(text: bytes) -> bytes:
    """Return a simple Query."""
    return frame(b"Q", text + b"\0")


def close_statement(name: bytes) -> bytes:
    """Return a Close of a prepared statement; it is no error when there is none of that name."""
    return frame(b"C", b"S" + name + b"\0")


def startup(version: int, parameters: Mapping[str, str]) -> bytes:
    """Return the first message of a session."""
    pairs = [text.encode("utf-8", "surrogateescape") for pair in parameters.items() for text in pair]
    body = b"\0".join([*pairs, b"", b""])
    return _TWO.pack(len(body) + 8, version) + body


def startup_parameters(body: bytes) -> dict[str, str]:
    """Return the parameters of a startup message, from its bytes after the version."""
    texts = [text.decode("utf-8", "surrogateescape") for text in body.split(b"\0")]
    pairs = zip(texts[::2], texts[1::2], strict=False)
    return {name: value for name, value in pairs if name}


def cancel_request(key: bytes) -> bytes:
    """Return the request to cancel what runs in the session that was given this key."""
    return _TWO.pack(len(key) + 8, CANCEL_REQUEST) + key


def fatal(code: str, message: str) -> bytes:
    """Return the ErrorResponse that ends a session."""
    fields = {"S": "FATAL", "V": "FATAL", "C": code, "M": message}
    return frame(b"E", b"".join(f"{name}{text}\0".encode() for name, text in fields.items()) + b"\0")


def error_fields(body: bytes) -> dict[str, str]:
    """Return the fields of an ErrorResponse by their letters: C is the SQLSTATE, M the message."""
    parts = body.split(b"\0")
    return {chr(part[0]): part[1:].decode("utf-8", "replace") for part in parts if part}


def name_in(message: bytes, start: int) -> tuple[bytes, int]:
    """Return the zero-terminated name at an offset of a message, and where the next thing starts."""
    end = message.index(0, start)
    return message[start:end], end + 1


class Splitter:
    """Cuts a stream into frames; one frame may come in many pieces.

    Args:
        largest: bytes of a frame that are kept at most, asked at its beginning; of a longer one only what has come
            by then is handed on.
    """

    def __init__(self) -> None:
        self.largest = 1 << 30
        self._pieces: list[bytes] = []
        self._missing = 0  # bytes of the frame whose beginning is in `_pieces`
        self._skipping = 0  # bytes of a frame that is too long

    @property
    def clean(self) -> bool:
        """Whether the stream is between two frames."""
        return not (self._pieces or self._skipping)

    @property
    def held(self) -> int:
        """Bytes of a frame that has not come whole."""
        return sum(map(len, self._pieces))

    def cut(self, data: bytes) -> list[tuple[int, bytes, bool]]:
        """Return letter, bytes and wholeness of the frames that are there now."""
        if self._skipping:
            data, self._skipping = data[self._skipping :], max(0, self._skipping - len(data))
        if self._pieces:
            if len(data) < self._missing:
                self._pieces.append(data)
                self._missing -= len(data)
                return []
            data = b"".join([*self._pieces, data])
            self._pieces = []
        found: list[tuple[int, bytes, bool]] = []
        at, end = 0, len(data)
        while at + 5 <= end:
            letter, length = HEAD.unpack_from(data, at)
            stop = at + 1 + length
            if stop > end:
                if length > self.largest:
                    self._skipping = stop - end
                    return [*found, (letter, data[at:], False)]
                break
            found.append((letter, data[at:stop], True))
            at = stop
        if at < end:
            self._pieces = [data[at:]]
            self._missing = (at + 5 if at + 5 > end else stop) - end
        return found
