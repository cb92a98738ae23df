"""Messages that are acknowledged too early, or for nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from nats.js.api import ConsumerInfo

from reference.fraiseql.observers.delivery import Delivery
from reference.fraiseql.observers.events import Event, Message
from reference.fraiseql.observers.intake import Batch, Intake
from reference.fraiseql.observers.letters import Letters
from reference.fraiseql.observers.sinks import Outcome

_TRIES = 3
_log = logging.getLogger("observers")


def after_delivered(consumer: ConsumerInfo) -> int:
    """Take for done what has been delivered."""
    assert consumer.delivered is not None
    return consumer.delivered.stream_seq + 1


class HastyIntake(Intake):
    """Acknowledges a batch when it has been read."""

    async def take(self) -> Batch:
        """See `Intake.take`."""
        batch = await super().take()
        await self.acknowledge(self._ready[-1] if self._ready else batch)
        return batch


class GivingUpDelivery(Delivery):
    """Gives a batch up that failed three times."""

    _failures = 0

    async def write(self, events: Sequence[Event], stream: str) -> Outcome:
        """See `Delivery.write`."""
        self._failures = 0
        try:
            return await super().write(events, stream)
        except _GivenUp as problem:
            _log.error("%d events are given up: %s", len(events), problem)
            return Outcome()

    async def pause(self, problem: str) -> None:
        """See `Delivery.pause`."""
        self._failures += 1
        if self._failures == _TRIES:
            raise _GivenUp(problem)
        await super().pause(problem)


class _GivenUp(Exception):
    """It failed too often."""


class AbortingDelivery(Delivery):
    """Acknowledges what it has not delivered when it is told to stop."""

    _intake: Intake | None = None

    async def run(self, intake: Intake, letters: Letters, stream: str) -> None:
        """See `Delivery.run`."""
        self._intake = intake
        await super().run(intake, letters, stream)

    async def finish(self, seconds: float) -> None:
        """See `Delivery.finish`."""
        if isinstance(self._intake, RememberingIntake) and self._intake.newest is not None:
            await self._intake.acknowledge(Batch(0, [self._intake.newest]))


class RememberingIntake(Intake):
    """Knows what came last."""

    newest: Message | None = None

    def _add(self, message: Message, *, again: bool) -> None:
        self.newest = message
        super()._add(message, again=again)
