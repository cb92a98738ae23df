"""One session on a mirror: it is given units, sends them as they were recorded, and says what became of each."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import cast

from reference.pgdog.mirror.login import Login, LoginRefused
from reference.pgdog.mirror.unit import Kept, Statement, Step, Unit
from reference.pgdog.protocol import (
    HEAD,
    IDLE,
    IN_TRANSACTION,
    TERMINATE,
    VERSION,
    cancel_request,
    close_statement,
    error_fields,
    query,
    startup,
)
from reference.pgdog.tally import Kind

_log = logging.getLogger("pgdog")
_TAG, _ERROR, _READY, _SUSPENDED, _AUTHENTICATION, _KEY = b"CEZsRK"
_BIG = 65536  # bytes from which frames are sent one by one instead of copied into one
_UNDO = Step([query(b"ROLLBACK")], [])
_COUNTED_ELSEWHERE = frozenset({b"SELECT", b"FETCH", b"MOVE"})  # how many rows a reader sees is no divergence
Outcome = Callable[[Unit, float, "Kind | None"], None]


def kind_of(code: str) -> Kind:
    """Return the kind of an error by its SQLSTATE."""
    if code[:2] == "08" or code in {"57P01", "57P02", "57P03"}:
        return "connection"
    return "timeout" if code == "57014" else "query"


def comparable(tags: list[bytes]) -> list[bytes]:
    """Return tags without what may differ between two servers that did the same."""
    words = [(tag.split(b" ", 1)[0], tag) for tag in tags if tag]
    return [word if word in _COUNTED_ELSEWHERE else tag for word, tag in words]


class Session(asyncio.Protocol):
    """A connection and what runs in it.

    Args:
        login: with which it logs in.
        parameters: of its startup message.
        outcome: told of each unit, in order: seconds it took, and the kind of its error.
        idle: told when there is nothing left to do, and when the connection is gone.
    """

    def __init__(self, login: Login, parameters: Mapping[str, str], outcome: Outcome, idle: Callable[[], None]) -> None:
        self._login, self._parameters = login, parameters
        self._outcome, self._idle = outcome, idle
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.open = False
        self.kept: Kept = ()
        self.since = 0.0  # when the unit that runs was sent, or the one before it was done
        self._known: dict[bytes, Statement] = {}
        self._units: deque[Unit] = deque()
        self._expected: deque[Step] = deque()  # steps that were sent and not answered
        self._last: deque[Step | None] = deque()  # for each unit, the step after which it is done; None: one is held
        self._setup: deque[tuple[Step, bool]] = deque()
        self._version = 0
        self._tags: list[bytes] = []
        self._error: str | None = None
        self._problem: Kind | None = None
        self._rest = b""
        self._skip = 0
        self._key = b""
        self._ended = False
        self._transport: asyncio.Transport | None = None
        self._write: Callable[[bytes], None]

    @property
    def units(self) -> tuple[Unit, ...]:
        """What was sent and has no outcome yet."""
        return tuple(self._units)

    # Sending

    def replay(self, units: list[Unit]) -> None:
        """Send units; several at once only if each is `closed` and none needs the session to be set otherwise."""
        self.since = time.perf_counter()
        self._units.extend(units)
        if units[0].before is not self.kept:
            missing = [setting for setting in units[0].before if setting.version > self._version]
            if missing:
                self._setup.extend((setting.step, setting.lenient) for setting in missing)
                self._send([step for step, _ in self._setup])
                return
            self.kept = units[0].before
        self._send_units()

    def _send_units(self) -> None:
        steps: list[Step] = []
        for unit in self._units:
            if unit.wrote and len(unit.steps) > 1:  # its end is held until the rest is known to be right
                steps.extend(unit.steps[:-1])
                self._last.append(None)
            else:
                steps.extend(unit.steps)
                self._last.append(unit.steps[-1])
        self._send(steps)

    def _send(self, steps: list[Step]) -> None:
        chunks: list[bytes] = []
        size = 0
        for step in steps:
            for part in step.frames:
                if isinstance(part, Statement):
                    if not self.has(part):
                        chunks += (close_statement(part.name), part.parse)
                    continue
                chunks.append(part)
                size += len(part)
        self._expected.extend(steps)
        if len(chunks) == 1:
            self._write(chunks[0])
        elif size > _BIG and self._transport is not None:
            self._transport.writelines(chunks)
        else:
            self._write(b"".join(chunks))

    def has(self, statement: Statement) -> bool:
        """Tell whether the session has a statement; from now on it has."""
        if statement.name and self._known.get(statement.name) is statement:
            return True
        self._known[statement.name] = statement
        return False

    # Receiving

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        self._write = self._transport.write
        self._write(startup(VERSION, self._parameters))

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        if self._rest:
            data, self._rest = self._rest + data, b""
        at, end = 0, len(data)
        while at + 5 <= end:
            letter, length = HEAD.unpack_from(data, at)
            stop = at + 1 + length
            if letter == _READY and stop <= end:
                self._on_ready(data[at + 5])
            elif letter == _TAG and stop <= end:
                self._tags.append(data[at + 5 : stop - 1])
            elif letter in (_ERROR, _AUTHENTICATION, _KEY, _READY, _TAG):
                if stop > end:
                    break
                self._on_rare(letter, data[at + 5 : stop])
            elif stop > end:
                self._skip = stop - end
                return
            at = stop
        self._rest = data[at:]

    def _on_rare(self, letter: int, body: bytes) -> None:
        if letter == _KEY:
            self._key = body
        elif letter == _AUTHENTICATION:
            try:
                if answer := self._login.answer(body):
                    self._write(answer)
            except LoginRefused as refused:
                self._refuse(str(refused))
        elif letter == _ERROR:
            fields = error_fields(body)
            if not self.open:
                self._refuse(fields.get("M", "refused"))
            elif self._error is None:
                self._error = fields.get("C", "")
                _log.info("mirror: %s %s", self._error, fields.get("M", ""))

    def _refuse(self, why: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(why))
        if self._transport is not None:
            self._transport.abort()

    def _on_ready(self, status: int) -> None:
        if not self.open:
            self.open = True
            if not self.ready.done():
                self.ready.set_result(None)
            return
        if not self._expected:
            return
        step, tags, error = self._expected.popleft(), self._tags, self._error
        self._tags, self._error = [], None
        if self._setup:
            self._on_setup(error)
        elif step is _UNDO:
            self._done()
        else:
            self._on_step(step, tags, error, status)

    def _on_setup(self, error: str | None) -> None:
        _, lenient = self._setup.popleft()
        if error is not None and not lenient and self._problem is None:
            self._problem = kind_of(error)
        if self._setup:
            return
        if self._problem is not None:
            self._known.clear()
            self._last.append(_UNDO)
            self._done()
            return
        self._at(self._units[0].before)
        self._send_units()

    def _on_step(self, step: Step, tags: list[bytes], error: str | None, status: int) -> None:
        unit = self._units[0]
        if self._problem is None:
            if error is not None:
                self._problem = kind_of(error)
            elif unit.wrote and tags != step.tags and comparable(tags) != comparable(step.tags):
                self._problem = "query"
                _log.warning("mirror: answered %s where the primary answered %s", tags, step.tags)
        last = self._last[0]
        if last is None:
            if step is not unit.steps[-2]:
                return
            held = unit.steps[-1]
            right = self._problem is None and status == IN_TRANSACTION
            self._last[0] = held if right or (status == IDLE and self._problem is None) else _UNDO
            self._send([self._last[0] or _UNDO])
        elif step is last:
            if status == IDLE:
                self._done()
            else:
                self._problem = self._problem or "query"
                self._send([_UNDO])

    def _done(self) -> None:
        """The unit that ran has its outcome."""
        now = time.perf_counter()
        unit, problem = self._units.popleft(), self._problem
        self._last.popleft()
        self._problem = None
        seconds, self.since = now - self.since, now
        if problem is None:
            if unit.after is not self.kept:
                self._at(unit.after)
        else:
            self._known.clear()  # what it would have prepared may not be there
        self._outcome(unit, seconds, problem)
        if not self._units:
            self._idle()

    def _at(self, kept: Kept) -> None:
        self.kept = kept
        self._version = max((setting.version for setting in kept), default=self._version)

    # Ending

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self.open = False
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the mirror closed the connection"))
        self.give_up("connection")

    def give_up(self, kind: Kind) -> None:
        """What ran has failed, and what was sent behind it too, as it may have taken effect; readers may run again."""
        if self._ended:
            return
        self._ended, self.open = True, False
        units, self._units = self._units, deque()
        for place, unit in enumerate(units):
            if place == 0 or unit.wrote:
                self._outcome(unit, 0.0, kind)
        if self._transport is not None:
            self._transport.abort()
        self._idle()

    def discard(self) -> None:
        """Give up a session that never was ready."""
        if not self.ready.cancel() and not self.ready.cancelled():
            self.ready.exception()  # it has been told otherwise
        self.give_up("connection")

    def close(self) -> None:
        """End the session in good order."""
        self._ended, self.open = True, False
        self._write(TERMINATE)
        assert self._transport is not None
        self._transport.close()

    async def cancel(self, host: str, port: int, patience: float) -> None:
        """Ask the server to cancel what runs, in a connection of its own; nothing is said when it cannot be reached.

        Args:
            host: of the mirror.
            port: of the mirror.
            patience: seconds to try.
        """
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(patience):
                _, writer = await asyncio.open_connection(host, port)
                writer.write(cancel_request(self._key))
                await writer.drain()
                writer.close()
