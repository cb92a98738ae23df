"""Which of a client's requests took effect, and as which transactions: told from what is asked and answered alone."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

from reference.pgdog import sql
from reference.pgdog.memory import Budget
from reference.pgdog.mirror.lane import Lane
from reference.pgdog.mirror.order import Place
from reference.pgdog.mirror.unit import Kept, Step, Unit
from reference.pgdog.protocol import HEAD, IDLE, IN_TRANSACTION, SYNC, Splitter, query
from reference.pgdog.relay import settings_kept
from reference.pgdog.relay.request import COPY_FRAMES, Prepared, Request, Unreadable, Work, unknown

_QUERY, _CALL, _SYNC, _PARSE = b"QFSP"
_MESSAGES = frozenset(b"PBDEC")  # of an extended request
_ENDING = frozenset({b"COMMIT", b"ROLLBACK", b"PREPARE TRANSACTION"})
_BEGINNING = frozenset({b"BEGIN", b"START TRANSACTION"})
_SPECIAL = _ENDING | _BEGINNING
_CHAIN = re.compile(rb"\band\s+chain\b", re.IGNORECASE)
_TO = re.compile(rb"^\W*rollback\s+(?:(?:work|transaction)\s+)?to\b", re.IGNORECASE)
_MAY_COMMIT = re.compile(rb"\b(?:commit|end|prepare)\b", re.IGNORECASE)
_COMMITS = re.compile(rb"[\s;]*(?:commit|end|prepare\s+transaction)\b", re.IGNORECASE)
_TO_CLIENT = re.compile(rb"\bto\s+stdout\b", re.IGNORECASE)
_READING = frozenset(
    b"SELECT SHOW SET RESET BEGIN START COMMIT ROLLBACK SAVEPOINT RELEASE PREPARE DEALLOCATE DECLARE FETCH MOVE CLOSE "
    b"EXPLAIN LISTEN UNLISTEN DISCARD LOCK".split()
)


Places = dict[Lane, Place] | None


class Open:
    """A transaction that has not ended."""

    def __init__(self, kept: Kept) -> None:
        self.steps: list[Step] = []
        self.size = 0
        self.wrote = False
        self.lost = False
        self.begin = b"BEGIN"
        self.kept = kept


class Recorder:
    """Records one client.

    Args:
        budget: of all recordings together.
        emit: gets every transaction that took effect.
        reserve: takes places among what is written to the mirrors; asked when a transaction is about to be committed.
    """

    def __init__(self, budget: Budget, emit: Callable[[Unit], None], reserve: Callable[[], Places]) -> None:
        self.pending: deque[Request] = deque()
        self.status = IDLE
        self.kept: Kept = ()
        self.prepared = Prepared()
        self.open = Open(())
        self._budget, self.emit, self._reserve = budget, emit, reserve
        self._places: Places = None
        self._splitter = Splitter()
        self._partial = 0  # bytes of a frame that has not come whole
        self._version = 0

    # What the client sends

    def sent(self, data: bytes) -> None:
        """The client sent this."""
        if data[0] == _QUERY and len(data) > 5 and self._splitter.clean and HEAD.unpack_from(data)[1] + 1 == len(data):
            self._add(Request([data], True, len(data)))
            return
        self._splitter.largest = max(self._budget.left, 0)
        for letter, message, whole in self._splitter.cut(data):
            self._take(letter, message, whole)
        self._budget.held += self._splitter.held - self._partial
        self._partial = self._splitter.held

    def _take(self, letter: int, message: bytes, whole: bool) -> None:
        if letter in (_QUERY, _CALL):
            self._add(Request([message], True, len(message)), whole)
            return
        last = self.pending[-1] if self.pending else None
        if letter in COPY_FRAMES:
            if last is not None:
                self.extend(last, letter, message, whole)
            return
        if last is None or last.closed:
            if letter not in _MESSAGES and letter != _SYNC:
                return
            last = Request([], False, 0)
            self.pending.append(last)
        if letter == _SYNC:
            last.closed = True
        elif letter in _MESSAGES:
            self.extend(last, letter, message, whole)

    def _add(self, request: Request, whole: bool = True) -> None:
        if self.pending and not self.pending[-1].closed:
            self.pending[-1].closed = self.pending[-1].joined = True
        if self.status == IN_TRANSACTION and _COMMITS.match(request.frames[0], 5):
            self._expect_commit(request)
        self.pending.append(request)
        self._budget.held += request.size
        if not whole or self._budget.held > self._budget.limit:
            self._lose(request)

    def extend(self, request: Request, letter: int, message: bytes, whole: bool) -> None:
        """Add a frame to a request."""
        if not request.lost:
            if self.status == IN_TRANSACTION and letter in b"PB" and _COMMITS.match(self._text_of(message)):
                self._expect_commit(request)
            request.frames.append(message)
            request.size += len(message)
            self._budget.held += len(message)
            if not whole or self._budget.held > self._budget.limit:
                self._lose(request)
        elif letter == _PARSE:
            request.frames.append(unknown(message))

    def _expect_commit(self, request: Request) -> None:
        if request.places is None and (self.open.wrote or self.pending):
            request.places = self._reserve()

    def _lose(self, request: Request) -> None:
        """There is no memory for it: what there is of it is freed, and of its transaction."""
        self._budget.held -= request.size
        request.lose()
        if self.status != IDLE and len(self.pending) == 1:
            self._lose_open()

    def _lose_open(self) -> None:
        self._budget.held -= self.open.size
        self.open.steps, self.open.size, self.open.lost = [], 0, True

    # What the primary answers

    def copies_in(self) -> None:
        """The primary waits for data to copy: a Sync that was sent before it has no effect."""
        if self.pending:
            request = self.pending[0]
            request.copied.append(len(request.tags))
            ended = bool(request.frames) and request.frames[-1][0] in b"cf"
            if not request.simple and not ended and len(self.pending) == 1:
                request.closed = False

    def ready(self, status: int) -> None:
        """The primary is ready for the next request."""
        if not self.pending:
            return
        request = self.pending.popleft()
        before, self.status = self.status, status
        self._budget.held -= request.size
        if request.joined and self.pending:
            preparing, request = request, self.pending.popleft()
            preparing.hand_on(request)
            self._budget.held -= request.size
            self.prepared.work(preparing)
        tags = request.tags
        if request.simple and before == status == IDLE and len(tags) == 1 and request.error is None:
            first = request.frames[0] if request.frames else b""
            if tags[0][:7] == b"SELECT " and first and not sql.may_write(first):
                self.emit(Unit([Step(request.frames, tags)], request.size, False, self.kept, self.kept))
                return
        self._places = request.places
        try:
            self._settle(request, before)
        except Unreadable:
            self._give_up(request)
        if request.places:
            _release(request.places)

    def gone(self) -> None:
        """The primary is gone: what was not answered may have taken effect, or not."""
        while self.pending:
            request = self.pending[0]
            if request.error is not None:
                self.ready(IDLE)
                continue
            self.pending.popleft()
            self._budget.held -= request.size
            text = b"".join(part if part[0] == _QUERY else self._text_of(part) for part in request.frames)
            if request.places:
                _release(request.places)
            if request.closed and request.frames and (self.status == IDLE or _MAY_COMMIT.search(text)):
                unit = Unit([], 0, False, self.kept, self.kept)
                unit.verdict = "connection"
                self.emit(unit)
                self.status = IDLE
        self._budget.held -= self.open.size + self._partial
        self.open, self._partial = Open(self.kept), 0

    def _text_of(self, message: bytes) -> bytes:
        if message[0] == _PARSE:
            return message[message.index(0, 5) + 1 :]
        if message[0] != ord("B"):
            return b""
        name = message[message.index(0, 5) + 1 :].split(b"\0", 1)[0]
        statement = self.prepared.statements.get(name)
        return statement.text if statement else b""

    def _settle(self, request: Request, before: int) -> None:
        work = Work(request) if request.simple else self.prepared.work(request)
        if request.lost:
            self._settle_lost(request)
            return
        tags, start = request.tags, 0
        if len(tags) > 1 or (tags and (tags[0] in _SPECIAL or settings_kept.sets(tags[0], work.text))):
            start = self._walk(work)
        if self.status != IDLE:
            if tags[start:]:
                self.append(work, start)
            elif request.error is None and not request.simple and work.frames:
                self.append(work, start)  # a portal, executed later
        elif request.error is not None:
            self.failed(request, work)
        elif start < len(tags) or (not tags and (request.simple or work.texts)):
            self.append(work, start)
            self.commit()

    def _walk(self, work: Work) -> int:
        """Look at each statement for what begins, ends or outlives a transaction.

        Returns:
            the place behind the last that ended one.
        """
        start = 0
        for place, tag in enumerate(work.tags):
            if settings_kept.sets(tag, work.text):
                self._keep(work, place)
            if tag in _BEGINNING:
                self.open.begin = work.texts[place]
            if tag not in _ENDING or (tag == b"ROLLBACK" and _TO.search(work.texts[place])):
                continue
            chain = _CHAIN.search(work.texts[place]) is not None
            begin = self.open.begin
            if tag == b"ROLLBACK":
                self.roll_back(work, start, place + 1)
            elif chain:
                if start < place:
                    self.append(work, start, place)
                self.open.steps.append(Step([query(b"COMMIT")], [b"COMMIT"]))
                self.commit()
            else:
                self.append(work, start, place + 1)
                self.commit()
            if chain:
                self.open.begin = begin
                self.open.steps.append(Step([query(begin)], [b"BEGIN"]))
            start = place + 1
        return start

    def append(self, work: Work, start: int, end: int | None = None) -> None:
        """Add a range of statements to the open transaction."""
        last = len(work.tags) if end is None else end
        if self.open.lost:
            return
        step = work.step(start, last)
        self.open.steps.append(step)
        self.open.wrote = self.open.wrote or _wrote(step.tags, work)
        size = sum(len(part) for part in step.frames if isinstance(part, bytes))
        self.open.size += size
        self._budget.held += size

    def commit(self) -> None:
        """The open transaction took effect."""
        done = self.open
        unit = Unit(done.steps, done.size, done.wrote, self.kept, done.kept)
        unit.lost, unit.places, self._places = done.lost, self._places, None
        self.close()
        self.emit(unit)

    def close(self) -> None:
        """The open transaction is no longer open; what it set stays."""
        self._budget.held -= self.open.size
        self.kept = self.open.kept
        self.open = Open(self.kept)

    def roll_back(self, work: Work, start: int, end: int) -> None:
        """The open transaction was rolled back, by the last statement of a range."""
        self._budget.held -= self.open.size
        self.kept = settings_kept.surviving_rollback(self.kept, self.open.kept)
        self.open = Open(self.kept)

    def failed(self, request: Request, work: Work) -> None:
        """A request ended in an error, and with it whatever was open."""
        self.roll_back(work, 0, 0)

    def _settle_lost(self, request: Request) -> None:
        """Settle a request of which only the answers are known."""
        if self.status == IDLE and not request.simple and not request.tags:
            return  # it prepared something and executed nothing
        committed = b"COMMIT" in request.tags or (self.status == IDLE and request.tags[-1:] != [b"ROLLBACK"])
        self._lose_open()
        if committed and request.error is None:
            self.commit()
        elif self.status == IDLE:
            self.open = Open(self.kept)

    def _give_up(self, request: Request) -> None:
        """What took effect cannot be told: that is announced."""
        self._lose_open()
        unit = Unit([], 0, True, self.kept, self.kept)
        unit.verdict = "query"
        self.emit(unit)
        self.open = Open(self.kept)
        self.open.lost = self.status == IN_TRANSACTION

    def _keep(self, work: Work, place: int) -> None:
        tag, text = work.tags[place], work.texts[place]
        key = settings_kept.key_of(tag, text) if settings_kept.sets(tag, text) else None
        if key is None:
            return
        if key[0] != "set" and tag != b"PREPARE":
            statement = self.prepared.forget(key[1] or None)
            if statement is not None and statement.parse:  # the mirror's session may never have needed it
                self.open.steps.append(Step([statement, SYNC], []))
        self._version += 1
        self.open.kept = settings_kept.keep(self.open.kept, tag, key, work.step(place, place + 1), self._version)


def _release(places: dict[Lane, Place]) -> None:
    """Give up the places that no unit has."""
    for place in places.values():
        if place.unit is None and not place.done:
            place.release()


def _wrote(tags: list[bytes], work: Work) -> bool:
    for tag in tags:
        word = tag.split(b" ", 1)[0]
        if word == b"COPY":
            if not _TO_CLIENT.search(work.text):
                return True
        elif word and word not in _READING:
            return True
    return sql.may_write(work.text)
