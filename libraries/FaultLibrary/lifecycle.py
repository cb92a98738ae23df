"""A fault's life in six steps: prepare, inject, be seen in effect, heal, be steady again, clean up. Pure.

The steps have one order; only healing is possible at any time once something may have been injected. What a step
does is up to the fault's action, and whether it took effect is up to the action's observer, which looks where
clients and the kernel look and never at what the injector answered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from measurement.verdicts import Inconclusive
from TemporalLibrary.core import INTERVAL, SYSTEM_CLOCK, Clock, always, wait_until

OBSERVE_INTERVAL = 0.05  # seconds; a killed postmaster is back within a second or two


class Step(StrEnum):
    """The steps, named as the record of the fault names them."""

    PREPARED = "prepared"
    INJECTED = "injected"
    IN_EFFECT = "in_effect"
    HEALED = "healed"
    STEADY = "steady"
    CLEANED = "cleaned"


class OutOfOrder(RuntimeError):
    """A step was asked for before its turn."""


@dataclass(frozen=True, slots=True)
class Hit:
    """What was really hit: processes of one service, or one link."""

    service: str = ""
    role: str = ""  # of a member, when the target was resolved
    part: str = ""
    pids: tuple[int, ...] = ()
    link: str = ""

    def __str__(self) -> str:
        if self.link:
            return f"link {self.link}"
        role = f" ({self.role})" if self.role else ""
        part = f"{self.part} of " if self.part not in ("", "all") else ""
        return f"{part}{self.service}{role}"


class Action(Protocol):
    """What one kind of fault does in each step."""

    observer: str  # who saw the effect, and what of it

    def prepare(self) -> None:
        """Resolve the target and look at it while it is well; changes nothing.

        Raises:
            Inconclusive: it is not well, so that nothing could be concluded from the fault.
        """

    def inject(self) -> Sequence[Hit]:
        """Do it, and return what was hit."""

    def not_in_effect(self) -> str | None:
        """What an independent observer misses of the effect; None when all of it is seen."""

    def heal(self) -> None:
        """Undo it; harmless when there is nothing to undo."""

    def not_steady(self) -> str | None:
        """What the system lacks to be as before; None when nothing."""

    def clean_up(self) -> None:
        """Give back what prepare took."""


@dataclass
class Fault:
    """One fault on its way through the six steps.

    Args:
        kind: such as "kill-node".
        target: what was asked for, such as "leader".
        action: what to do.
        criterion: the id of the criterion it serves, if any.
        owner: the test or suite that has to heal it.
        clock: for deadlines.
        wall: for the instants in the record, epoch seconds.
    """

    kind: str
    target: str
    action: Action
    criterion: str = ""
    owner: str = ""
    clock: Clock = SYSTEM_CLOCK
    wall: Callable[[], float] = time.time
    hit: tuple[Hit, ...] = ()
    events: dict[Step, float] = field(default_factory=dict)
    begun: float = 0.0  # when the injection was begun, whatever came of it

    def prepare(self) -> None:
        """See `Action.prepare`."""
        self._require(not self.events, Step.PREPARED)
        self.action.prepare()
        self._done(Step.PREPARED)

    def inject(self) -> None:
        """See `Action.inject`. The recorded instant is the last one before the fault, so that no effect precedes it."""
        self._require(self.reached(Step.PREPARED) and not self.begun, Step.INJECTED)
        self.begun = self.wall()
        self.hit = tuple(self.action.inject())
        self.events[Step.INJECTED] = self.begun

    def observe(self, within: float) -> None:
        """Wait until the effect is seen.

        Raises:
            Inconclusive: it was not within the deadline (seconds); nothing may be concluded from this fault.
        """
        self._require(self.reached(Step.INJECTED) and not self.reached(Step.HEALED), Step.IN_EFFECT)
        interval = min(OBSERVE_INTERVAL, within)
        try:
            wait_until(self.action.not_in_effect, within, "its effect", interval=interval, clock=self.clock)
        except AssertionError as error:
            raise Inconclusive(f"fault not seen in effect: {self}: {_reason(error)}") from error
        self._done(Step.IN_EFFECT)

    def stay_in_effect(self, duration: float) -> None:
        """Watch the effect for a while (seconds).

        Raises:
            Inconclusive: it ended early.
        """
        self._require(self.reached(Step.IN_EFFECT) and not self.reached(Step.HEALED), Step.IN_EFFECT)

        def probe() -> None:
            if (missing := self.action.not_in_effect()) is not None:
                raise AssertionError(missing)

        try:
            always(probe, duration, interval=min(INTERVAL, duration), clock=self.clock)
        except AssertionError as error:
            raise Inconclusive(f"fault did not stay in effect: {self}: {_reason(error)}") from error

    def heal(self) -> None:
        """See `Action.heal`; does nothing when it is healed, or was never begun."""
        if self.in_force:
            self.action.heal()
            self._done(Step.HEALED)

    def become_steady(self, within: float) -> None:
        """Wait until the system is as it was before.

        Raises:
            AssertionError: it is not within the deadline (seconds).
        """
        self._require(self.reached(Step.HEALED), Step.STEADY)
        what = f"the system to be steady after {self}"
        wait_until(self.action.not_steady, within, what, clock=self.clock)
        self._done(Step.STEADY)

    def clean_up(self) -> None:
        """See `Action.clean_up`; the end of the fault."""
        self._require(not self.in_force, Step.CLEANED)
        if not self.reached(Step.CLEANED):
            self.action.clean_up()
            self._done(Step.CLEANED)

    def reached(self, step: Step) -> bool:
        """Whether that step has been done."""
        return step in self.events

    @property
    def in_force(self) -> bool:
        """Whether there may be something to heal: also when the injection broke off halfway."""
        return self.begun > 0 and not self.reached(Step.HEALED)

    def record(self) -> dict[str, Any]:
        """The line of `faults.jsonl`; an event that never came is null."""
        return {
            "criterion": self.criterion or None,
            "fault": self.kind,
            "target": self.target,
            "hit": [{key: value for key, value in asdict(hit).items() if value} for hit in self.hit],
            "events": {step.value: self.events.get(step) for step in Step},
            "observer": self.action.observer,
        }

    def __str__(self) -> str:
        hit = ", ".join(map(str, self.hit))
        return f"{self.kind} {self.target}" + (f" [{hit}]" if hit and hit != f"link {self.target}" else "")

    def _done(self, step: Step) -> None:
        self.events[step] = self.wall()

    def _require(self, possible: bool, step: Step) -> None:
        if not possible:
            done = ", ".join(self.events) or "nothing"
            raise OutOfOrder(f"{self}: '{step}' is not its turn; done so far: {done}")


def _reason(error: AssertionError) -> str:
    return error.reason if isinstance(error, Inconclusive) else str(error)
