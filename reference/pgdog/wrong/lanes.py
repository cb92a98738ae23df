"""Ways to a mirror that lose, double, reorder or miscount what goes along them."""

from __future__ import annotations

import asyncio
import random
from typing import ClassVar
from weakref import WeakKeyDictionary, WeakSet

from reference.pgdog.mirror.lane import Lane
from reference.pgdog.mirror.login import Login
from reference.pgdog.mirror.order import Order
from reference.pgdog.mirror.session import Session
from reference.pgdog.mirror.unit import Statement, Unit
from reference.pgdog.relay.server import MirrorProxy
from reference.pgdog.settings import Destination
from reference.pgdog.tally import Kind, Tally
from reference.pgdog.wrong.recording import is_control

_LARGE = 32_768  # bytes
_MANY = 50
_SELDOM = 200


class CountingLane(Lane):
    """Counts an attempt once more when it fails."""

    def count(self, seconds: float, problem: Kind | None) -> None:
        """See `Lane.count`."""
        if problem is not None:
            self.tally.attempt()
        super().count(seconds, problem)


class OptimisticLane(Lane):
    """Takes what it could not deliver for delivered."""

    hidden: Kind = "connection"

    def count(self, seconds: float, problem: Kind | None) -> None:
        """See `Lane.count`."""
        super().count(seconds, None if problem == self.hidden else problem)


class DeafLane(OptimisticLane):
    """Does not hear the mirror's errors."""

    hidden: Kind = "query"


class ForgettingLane(Lane):
    """Does not count what it has no room for."""

    def push(self, unit: Unit) -> None:
        """See `Lane.push`."""
        if not self.full(unit):
            super().push(unit)


class BoundlessLane(Lane):
    """Has room for everything."""

    def full(self, unit: Unit) -> bool:
        """See `Lane.full`."""
        return False


class PickingLane(Lane):
    """Rolls the dice for every statement."""

    def chosen(self, unit: Unit) -> bool:
        """See `Lane.chosen`."""
        kept = [step for step in unit.steps if is_control(step) or random.random() < self.destination.exposure]
        unit.steps = kept
        return any(not is_control(step) for step in kept)


class ShufflingLane(Lane):
    """Lets what came last go before what waits."""

    def take(self, unit: Unit) -> None:
        """See `Lane.take`."""
        super().take(unit)
        sent = len(self.session.units) if self.session else 0
        if len(self.queue) > sent + 1 and self.queue[-1] is unit:
            self.queue.insert(sent, self.queue.pop())


class AnyOrder(Order):
    """Lets everybody write whenever they like."""

    def turn(self, unit: Unit, place: int = 0) -> bool:
        """See `Order.turn`."""
        return place == 0


class LeakingLane(Lane):
    """Leaves its session open."""

    kept_open: ClassVar[list[Session]] = []

    def end(self) -> None:
        """See `Lane.end`."""
        if self.session is not None:
            self.kept_open.append(self.session)
            self.session = None
        super().end()


class LosingSession(Session):
    """Prepares a named statement only if that never was done for this client."""

    given: set[Statement]

    def has(self, statement: Statement) -> bool:
        """See `Session.has`."""
        present = bool(statement.name) and statement in self.given
        self.given.add(statement)
        return present


class LosingLane(Lane):
    """Takes a statement for prepared once it had been its turn, whatever became of it."""

    def session_of(self, login: Login, parameters: dict[str, str]) -> Session:
        """See `Lane.session_of`."""
        session = LosingSession(login, parameters, self.settled, self.idle)
        session.given = self._given
        return session

    def chosen(self, unit: Unit) -> bool:
        """See `Lane.chosen`."""
        chosen = super().chosen(unit)
        if not chosen:
            self._given.update(part for step in unit.steps for part in step.frames if isinstance(part, Statement))
        return chosen

    @property
    def _given(self) -> set[Statement]:
        return self.__dict__.setdefault("_statements", set())  # type: ignore[no-any-return]


class GivingUpLane(Lane):
    """Never tries again, nor does any other, once a session is lost."""

    given_up: ClassVar[WeakSet[MirrorProxy]] = WeakSet()

    def count(self, seconds: float, problem: Kind | None) -> None:
        """See `Lane.count`."""
        if problem == "connection":
            self.given_up.add(self.proxy)
        super().count(seconds, problem)

    def connect(self) -> None:
        """See `Lane.connect`."""
        if self.proxy in self.given_up:
            self.fail_all()
        else:
            super().connect()


class MixingLane(Lane):
    """Counts for whoever came to this mirror first."""

    first: ClassVar[WeakKeyDictionary[MirrorProxy, dict[str, Tally]]] = WeakKeyDictionary()

    def __init__(
        self, proxy: MirrorProxy, destination: Destination, user: str, parameters: dict[str, str], tally: Tally
    ) -> None:
        first = self.first.setdefault(proxy, {}).setdefault(destination.name, tally)
        super().__init__(proxy, destination, user, parameters, first)


class PatientLane(Lane):
    """Waits for ever."""

    def expire(self, now: float) -> None:
        """See `Lane.expire`."""


class CrowdedLane(Lane):
    """Leads nowhere if there are many already."""

    def push(self, unit: Unit) -> None:
        """See `Lane.push`."""
        if not self._beyond:
            super().push(unit)

    @property
    def _beyond(self) -> bool:
        return bool(self.__dict__.setdefault("_is_beyond", len(self.proxy.lanes) > _MANY))


class NarrowLane(Lane):
    """Skips what is large."""

    def push(self, unit: Unit) -> None:
        """See `Lane.push`."""
        if unit.size <= _LARGE:
            super().push(unit)


class RepeatingLane(Lane):
    """Repeats what had no answer until it has one."""

    def settled(self, unit: Unit, seconds: float, problem: Kind | None) -> None:
        """See `Lane.settled`."""
        if problem in {None, "query"} or self.session is None:
            super().settled(unit, seconds, problem)

    def fail_all(self) -> None:
        """See `Lane.fail_all`."""
        if self.queue and not self.leaving:
            asyncio.get_running_loop().call_later(0.1, self.pump)
        else:
            super().fail_all()


class RacingLane(Lane):
    """Loses every two hundredth of all that come, between one look at the queue and the next."""

    come: ClassVar[WeakKeyDictionary[MirrorProxy, int]] = WeakKeyDictionary()

    def push(self, unit: Unit) -> None:
        """See `Lane.push`."""
        number = self.come.get(self.proxy, 0) + 1
        self.come[self.proxy] = number
        if number % _SELDOM:
            super().push(unit)
