"""What waits for a mirror on behalf of one client: a bounded queue, and the session that empties it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from reference.pgdog.mirror.login import Login
from reference.pgdog.mirror.session import Session
from reference.pgdog.mirror.unit import Unit
from reference.pgdog.settings import Destination
from reference.pgdog.tally import Kind, Tally

if TYPE_CHECKING:
    from reference.pgdog.relay.server import MirrorProxy

_log = logging.getLogger("pgdog")
_TRY_AGAIN = 0.1  # seconds after a failed connection in which the next units fail without one
_TOGETHER = 32  # units sent in one go at most
_TOGETHER_BYTES = 65536


class Lane:
    """A client's way to one mirror.

    Args:
        proxy: it belongs to.
        destination: the mirror.
        user: of the client.
        parameters: of the client's startup message that matter on the mirror, too.
        tally: where its work is counted.
    """

    def __init__(
        self, proxy: MirrorProxy, destination: Destination, user: str, parameters: dict[str, str], tally: Tally
    ) -> None:
        self.proxy, self.destination, self.user, self.tally = proxy, destination, user, tally
        self.parameters = parameters
        self.queue: deque[Unit] = deque()
        self.order = proxy.order_of(destination)
        self.session: Session | None = None
        self.busy = False  # connecting, or the session has something to do
        self.leaving = False
        self._opening: asyncio.Task[None] | None = None
        self._try_again = 0.0
        proxy.lanes.add(self)

    def push(self, unit: Unit) -> None:
        """Take a unit that took effect on the primary, or count why not."""
        if unit.places:
            unit.place = unit.places.get(self)
        self.tally.attempt()
        if not self.chosen(unit):
            self.tally.sample_out()
        elif unit.verdict is not None:
            self.tally.fail(unit.verdict)
        elif unit.lost or self.full(unit):
            self.overflow()
        else:
            self.take(unit)

    def chosen(self, unit: Unit) -> bool:
        """Roll the dice for a unit."""
        exposure = self.destination.exposure
        return exposure >= 1 or random.random() < exposure

    def full(self, unit: Unit) -> bool:
        """Tell whether there is no room for a unit; what runs does not wait."""
        waiting = len(self.queue) - self.busy
        return waiting >= self.destination.queue or self.proxy.budget.left < unit.size

    def overflow(self) -> None:
        """There is no room."""
        self.tally.overflow()
        _log.debug("%s: mirror queue is full", self.destination.name)

    def take(self, unit: Unit) -> None:
        """Put a unit at the end of the queue."""
        unit.lane = self
        self.queue.append(unit)
        self.tally.backlog += 1
        self.proxy.budget.held += unit.size
        if unit.wrote:
            self.order.enter(unit)
        if not self.busy:
            self.pump()

    def pump(self) -> None:
        """Send what may be sent."""
        if self.busy:
            return
        if not self.queue:
            if self.leaving:
                self.end()
            return
        if self.session is None:
            self.connect()
        elif batch := self.batch():
            self.busy = True
            self.proxy.running.add(self)
            self.session.replay(batch)

    def batch(self) -> list[Unit]:
        """Return the units at the head of the queue that may be sent in one go; none while it is not their turn."""
        first = self.queue[0]
        if first.wrote and not self.order.turn(first):
            return []
        batch = [first]
        if len(self.queue) == 1 or self._alone(first):
            return batch
        size = first.size
        for unit in islice(self.queue, 1, _TOGETHER):
            size += unit.size
            if size > _TOGETHER_BYTES or unit.wrote is not first.wrote or self._alone(unit):
                break
            if unit.wrote and not self.order.turn(unit, len(batch)):
                break
            batch.append(unit)
        return batch

    def _alone(self, unit: Unit) -> bool:
        """Tell whether a unit must not be sent together with others."""
        assert self.session is not None
        kept = self.session.kept
        if unit.before is not kept or unit.after is not kept:
            return True
        return not unit.closed or (unit.wrote and len(unit.steps) > 1)

    def connect(self) -> None:
        """Open a session, unless that failed a moment ago; then what waits has failed as well."""
        login = self.proxy.settings.login(self.user, self.destination)
        if login is None or time.monotonic() < self._try_again:
            self.fail_all()
            return
        self.busy = True
        self._opening = asyncio.get_running_loop().create_task(self._open(*login))

    async def _open(self, user: str, password: str) -> None:
        names = {"user": user, "database": self.destination.database}
        session = self.session_of(Login(user, password), self.parameters | names)
        where = self.destination
        try:
            async with asyncio.timeout(self.proxy.settings.connect_timeout or None):
                await asyncio.get_running_loop().create_connection(lambda: session, where.host, where.port)
                await session.ready
            if not session.open:
                raise ConnectionError("the mirror closed the connection")
        except (OSError, TimeoutError) as error:
            _log.info("%s: no session on the mirror (%s)", where.name, str(error) or "it takes too long")
            session.discard()
            self._try_again = time.monotonic() + _TRY_AGAIN
            self.busy = False
            self.fail_all()
        else:
            self.session, self.busy = session, False
        self.pump()

    def session_of(self, login: Login, parameters: dict[str, str]) -> Session:
        """Return a session that is not connected yet."""
        return Session(login, parameters, self.settled, self.idle)

    def prepare(self) -> None:
        """Open the session before there is anything to do, so that the first units need not wait for it."""
        if self.destination.exposure > 0 and not self.busy and self.session is None:
            self.connect()

    def fail_all(self) -> None:
        """There is no session for what waits."""
        while self.queue:
            self.settled(self.queue[0], 0.0, "connection")
        if self.leaving:
            self.end()

    def settled(self, unit: Unit, seconds: float, problem: Kind | None) -> None:
        """A unit has its outcome."""
        if self.queue[0] is unit:
            self.queue.popleft()
        else:
            self.queue.remove(unit)
        self.tally.backlog -= 1
        self.proxy.budget.held -= unit.size
        self.count(seconds, problem)
        if unit.wrote and unit.place is not None:
            unit.place.release()

    def count(self, seconds: float, problem: Kind | None) -> None:
        """Count an outcome."""
        if problem is None:
            self.tally.succeed(seconds)
        else:
            self.tally.fail(problem)

    def idle(self) -> None:
        """The session has nothing left to do, or is gone."""
        if self.session is None:  # it never was ready
            return
        self.busy = False
        self.proxy.running.discard(self)
        if not self.session.open:
            self.session = None
        self.pump()

    def expire(self, now: float) -> None:
        """End the session if what runs in it takes too long."""
        limit, session = self.proxy.settings.query_timeout, self.session
        if session is None or not limit or now - session.since < limit:
            return
        where = self.destination
        self.proxy.background(session.cancel(where.host, where.port, self.proxy.settings.connect_timeout or 1.0))
        session.give_up("timeout")

    def leave(self) -> None:
        """The client is gone: the session ends when the queue is empty."""
        self.leaving = True
        self.pump()

    def abandon(self) -> None:
        """End at once."""
        self.leaving = True
        if self._opening is not None:
            self._opening.cancel()
        if self.session is not None:
            self.session.give_up("connection")
        self.fail_all()

    def end(self) -> None:
        """Nothing is left to do, and the client is gone."""
        if self.session is not None:
            self.session.close()
            self.session = None
        self.proxy.left(self)
