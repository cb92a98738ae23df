"""One request of a client, as it was sent: everything that one ReadyForQuery answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reference.pgdog import sql
from reference.pgdog.mirror.unit import Statement, Step
from reference.pgdog.protocol import SYNC, name_in, query

if TYPE_CHECKING:
    from reference.pgdog.mirror.lane import Lane
    from reference.pgdog.mirror.order import Place

_QUERY, _PARSE, _BIND, _EXECUTE, _CLOSE = b"QPBEC"
_DONE, _FAIL = b"cf"
COPY_FRAMES = frozenset(b"dcf")


class Unreadable(Exception):
    """The text does not have the statements that the primary answered."""


class Request:
    """What was sent, and what has been answered so far.

    Args:
        frames: whole frames, without Sync and Flush.
        simple: whether it is a Query (or a function call) instead of messages up to a Sync.
    """

    __slots__ = (
        "answered",
        "closed",
        "copied",
        "copying",
        "error",
        "frames",
        "joined",
        "lost",
        "places",
        "simple",
        "size",
        "tags",
    )

    def __init__(self, frames: list[bytes], simple: bool, size: int) -> None:
        self.frames, self.simple, self.size = frames, simple, size
        self.closed = simple  # whether nothing but the data of a COPY can still belong to it
        self.tags: list[bytes] = []
        self.answered = 0  # messages of an extended request that have had their answer
        self.copied: list[int] = []  # places in `tags` of what took data from the client
        self.copying = False
        self.error: str | None = None
        self.lost = False
        self.places: dict[Lane, Place] | None = None  # taken on the mirrors when its COMMIT was sent
        self.joined = False  # whether a Query followed instead of a Sync, so that both have one ReadyForQuery

    def hand_on(self, following: Request) -> None:
        """Give the Query that followed the answers that are its own."""
        executed = sum(part[0] == _EXECUTE for part in self.frames)
        following.tags, self.tags = self.tags[executed:], self.tags[:executed]
        following.copied = [place - executed for place in self.copied if place >= executed]
        following.error = self.error
        following.lost |= self.lost or executed > 0  # one transaction of both: nobody is known to do that

    def lose(self) -> None:
        """Forget what was sent, but not which statements it prepared: what they are is not known from now on."""
        self.lost = True
        kept = [part for part in self.frames if not self.simple and part[0] in (_PARSE, _CLOSE)]
        self.frames = [unknown(part) if part[0] == _PARSE else part for part in kept]
        self.size = 0


def unknown(parse: bytes) -> bytes:
    """Return what is kept of a Parse that is too long, or of its beginning: the name, and no length."""
    name = parse[5 : max(parse.find(0, 5), 5)]
    return b"P\0\0\0\0" + name + b"\0\0"


class Work:
    """The statements that a request completed, any range of which can be made a step.

    Args:
        request: simple; extended ones are made by `Prepared.work`.
    """

    def __init__(self, request: Request) -> None:
        self.request, self.tags = request, request.tags
        self.whole = request.error is None
        self.frames: Sequence[bytes | Statement] = request.frames
        self.text = request.frames[0][5:-1] if request.frames and request.frames[0][0] == _QUERY else b""
        self._texts: list[bytes] | None = [self.text] if self.whole and len(self.tags) <= 1 else None

    @property
    def texts(self) -> list[bytes]:
        """The statement of each tag.

        Raises:
            Unreadable: the text has fewer.
        """
        if self._texts is None:
            self._texts = sql.split(self.text)
            if len(self._texts) < len(self.tags):
                raise Unreadable
        return self._texts

    def step(self, start: int, end: int) -> Step:
        """Return the step of a range of statements.

        Raises:
            Unreadable: the text has fewer.
        """
        if self.whole and (start, end) == (0, len(self.tags)):
            return Step(list(self.request.frames), self.tags)
        text = b";".join(self.texts[start:end])
        return Step([query(text), *self._data_of(start, end)], self.tags[start:end])

    def _data_of(self, start: int, end: int) -> list[bytes]:
        """Return the frames of copied data that belong to a range of statements."""
        first = sum(place < start for place in self.request.copied)
        wanted = range(first, first + sum(start <= place < end for place in self.request.copied))
        found: list[bytes] = []
        ended = 0
        for part in self.request.frames[1:]:
            if ended in wanted:
                found.append(part)
            ended += part[0] in (_DONE, _FAIL)
        return found


class ExtendedWork(Work):
    """The same of messages up to a Sync; `ends` are the places in `frames` behind each Execute and its data."""

    def __init__(self, request: Request, frames: list[bytes | Statement], ends: list[int], texts: list[bytes]) -> None:
        super().__init__(request)
        self.frames, self._ends, self._texts = frames, ends, texts
        self.text = b";".join(texts)
        if len(texts) > len(self.tags):  # the last of them was interrupted by an error
            self._texts = texts[: len(self.tags)]

    def step(self, start: int, end: int) -> Step:
        """See `Work.step`."""
        if len(self.texts) < len(self.tags):
            raise Unreadable
        first = self._ends[start - 1] if start else 0
        last = len(self.frames) if self.whole and end == len(self.tags) else self._ends[end - 1]
        return Step([*self.frames[first:last], SYNC], self.tags[start:end])


class Prepared:
    """The statements and portals a client's session has, and what its messages mean by them."""

    def __init__(self) -> None:
        self.statements: dict[bytes, Statement] = {}
        self._portals: dict[bytes, Statement | None] = {}

    def work(self, request: Request) -> ExtendedWork:
        """Take in what an extended request did, and return it."""
        frames: list[bytes | Statement] = []
        ends: list[int] = []
        texts: list[bytes] = []
        answers = len(request.frames) if request.error is None else request.answered
        for message in request.frames:
            letter = message[0]
            if letter in COPY_FRAMES:
                if ends:
                    frames.append(message)
                    ends[-1] = len(frames)
                continue
            if not answers:
                break
            answers -= 1
            if letter == _EXECUTE:
                statement = self._portals.get(name_in(message, 5)[0])
                texts.append(statement.text if statement else b"")
                frames.append(message)
                ends.append(len(frames))
            else:
                request.lost |= self._take_in(letter, message, frames)
        return ExtendedWork(request, frames, ends, texts)

    def forget(self, name: str | None) -> Statement | None:
        """SQL deallocated a statement, or all of them."""
        if name is None:
            self.statements.clear()
            return None
        return self.statements.pop(name.encode(), None)

    def _take_in(self, letter: int, message: bytes, frames: list[bytes | Statement]) -> bool:
        """Take in a message that executes nothing; return whether what it needs was lost."""
        if letter == _PARSE:
            name, at = name_in(message, 5)
            text, _ = name_in(message, at)
            self.statements[name] = Statement(name, message if message[1:5] != b"\0\0\0\0" else b"", text)
        elif letter == _BIND:
            portal, at = name_in(message, 5)
            statement = self._portals[portal] = self.statements.get(name_in(message, at)[0])
            if statement is not None:
                frames.append(statement)
            frames.append(message)
            return statement is not None and not statement.parse
        elif letter == _CLOSE and message[5] == ord("S"):
            self.statements.pop(message[6:-1], None)  # a mirror's session may keep it
        elif letter == _CLOSE:
            frames.append(message)
        return False
