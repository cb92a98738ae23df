"""How deliveries end: with the session's own problem, whichever of them had it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import nats.errors
import pytest

from reference.fraiseql.observers.config import RetrySettings, SinkName
from reference.fraiseql.observers.delivery import Delivery
from reference.fraiseql.observers.events import Event, Message
from reference.fraiseql.observers.intake import Batch
from reference.fraiseql.observers.metrics import Metrics
from reference.fraiseql.observers.sinks import Outcome, Sink
from reference.fraiseql.observers.stream import Lost
from tests.fraiseql.observers.publishing import encoded, event


class Nowhere(Sink):
    """Takes everything, two batches at once."""

    name = SinkName.SEARCH
    at_once = 2

    def attempt(self, events: Sequence[Event], stream: str) -> Outcome:
        return Outcome(written=len(events))


class Intake:
    """Gives one batch, and then what a test wants."""

    def __init__(self, then: Exception | None, *, refuses: Exception | None = None) -> None:
        self.batches = [Batch(0, [Message(b"s", 1, 0, b"r", encoded(event()), b"")])]
        self._then, self._refuses = then, refuses

    async def take(self) -> Batch:
        if self.batches:
            return self.batches.pop()
        if self._then is None:
            await asyncio.Event().wait()
            raise AssertionError
        raise self._then

    async def done(self, batch: Batch) -> None:
        if self._refuses is not None:
            raise self._refuses


@pytest.mark.parametrize(
    "intake",
    [Intake(Lost("message 6 came after message 4")), Intake(None, refuses=nats.errors.ConnectionClosedError())],
    ids=["no next batch", "no acknowledgement"],
)
def test_what_ends_a_session_is_told_as_it_is(intake: Any) -> None:
    async def run() -> None:
        with ThreadPoolExecutor(2) as worker:
            delivery = Delivery(Nowhere(), worker, RetrySettings(), Metrics(SinkName.SEARCH))
            await asyncio.wait_for(delivery.run(intake, None, "events-1"), 5)  # type: ignore[arg-type]

    with pytest.raises((Lost, nats.errors.ConnectionClosedError)):
        asyncio.run(run())
