"""Answers as they go out: PostgreSQL's own bytes, put together and never parsed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

_PIECE = 256 * 1024  # bytes; small pieces cost a call each, large ones room


class Rows:
    """The rows of one root field while COPY sends them: one JSON text a line, and no line end inside one."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self._part = bytearray()

    async def take(self, data: bytes) -> None:
        """Take the next bytes."""
        self._part += data
        if len(self._part) >= _PIECE:
            self._put(self._part[:-1])
            del self._part[:-1]  # the last byte stays, because it may be the end of the last line

    def end(self) -> None:
        """Leave out what the last line ends with."""
        self._put(self._part[:-1])

    def _put(self, part: bytearray) -> None:
        if part:
            self.pieces.append(bytes(part).replace(b"\n", b","))


class Answer:
    """A whole answer in pieces; they are given away as they are sent, so that it is never there twice."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces = deque(pieces)
        self.size = sum(map(len, self.pieces))


def put_together(fields: Iterable[tuple[str, bool, Rows]]) -> Answer:
    """Return {"data": {...}} of root fields: their names, whether each is a list, their rows."""
    pieces = [b'{"data":{']
    for number, (name, is_list, rows) in enumerate(fields):
        pieces.append(f'{"," if number else ""}"{name}":{"[" if is_list else ""}'.encode())
        pieces += rows.pieces or ([] if is_list else [b"null"])
        pieces.append(b"]" if is_list else b"")
    return Answer([*pieces, b"}}"])
