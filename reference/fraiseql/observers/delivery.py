"""A batch on its way into the sink, tried for as long as the sink is away; what is refused becomes a dead letter."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from datetime import UTC, datetime

from reference.fraiseql.observers.config import RetrySettings
from reference.fraiseql.observers.events import Event, Message, NotAnEvent, parse
from reference.fraiseql.observers.intake import Batch, Intake
from reference.fraiseql.observers.letters import Letters, is_for
from reference.fraiseql.observers.metrics import Metrics
from reference.fraiseql.observers.sinks import Away, Outcome, Sink

_log = logging.getLogger("observers")


class Pauses:
    """How long to wait after each failure in a row, in seconds."""

    def __init__(self, settings: RetrySettings) -> None:
        self._first, self._most = settings.first_ms / 1000, settings.most_ms / 1000
        self._next = self._first

    def next(self) -> float:
        """Return the next pause, which is twice the one before as far as that is allowed."""
        pause = min(self._next, self._most)
        self._next = pause * 2
        return pause

    def start_again(self) -> None:
        """The next failure is the first of its kind."""
        self._next = self._first


class Delivery:
    """Takes batches to the sink, as many at once as that takes, and tells of each when it is done.

    Args:
        sink: where events go.
        worker: the threads that the sink is used in.
        retry: pauses after failures.
        metrics: where it is counted.
    """

    def __init__(self, sink: Sink, worker: Executor, retry: RetrySettings, metrics: Metrics) -> None:
        self.sink, self.metrics = sink, metrics
        self._worker, self._pauses = worker, Pauses(retry)
        self._away_since = 0.0
        self._under_way: set[asyncio.Task[None]] = set()
        self._ending = False

    async def run(self, intake: Intake, letters: Letters, stream: str) -> None:
        """Deliver batch after batch.

        Raises:
            Lost: there is no next batch in this session.
            nats.errors.Error: NATS does not answer.
        """
        room = asyncio.Semaphore(self.sink.at_once)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await room.acquire()
                    batch = await intake.take()
                    if self._ending:
                        break
                    delivery = group.create_task(self.deliver(batch, intake, letters, stream))
                    self._under_way.add(delivery)
                    delivery.add_done_callback(self._under_way.discard)
                    delivery.add_done_callback(lambda _: room.release())
        except ExceptionGroup as problems:
            raise problems.exceptions[0] from None

    async def finish(self, seconds: float) -> None:
        """Let what is under way come to its end, if it does in time; take no other batch."""
        self._ending = True
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=seconds)

    async def deliver(self, batch: Batch, intake: Intake, letters: Letters, stream: str) -> None:
        """Deliver one batch: everything of it is in the sink or among the dead letters before it is acknowledged."""
        events, refused = self.sift(batch.messages)
        outcome = await self.write(events, stream)
        self._count(events, outcome)
        for message, reason in [*refused, *outcome.refused]:
            await self.keep(letters, message, reason)
        await intake.done(batch)

    def sift(self, messages: Sequence[Message]) -> tuple[list[Event], list[tuple[Message, str]]]:
        """Tell events for this sink from messages that are none, with what is wrong with each."""
        events, refused = [], []
        for message in messages:
            if is_for(self.sink.name, message):
                try:
                    events.append(parse(message))
                except NotAnEvent as problem:
                    refused.append((message, str(problem)))
        return events, refused

    async def write(self, events: Sequence[Event], stream: str) -> Outcome:
        """Write events until the sink has or has refused all of them, however long that takes."""
        outcome = Outcome(again=list(events))
        while outcome.again:
            left, outcome.again = outcome.again, []
            try:
                outcome.add(await self.attempt(left, stream))
                problem = f"{len(outcome.again)} of {len(left)} events were put off"
            except Away as away:
                outcome.again, problem = left, str(away)
            if outcome.again:
                await self.pause(problem)
            else:
                self._is_back()
        return outcome

    async def attempt(self, events: Sequence[Event], stream: str) -> Outcome:
        """Let the sink write once.

        Raises:
            Away: it is to be tried again.
        """
        return await asyncio.get_running_loop().run_in_executor(self._worker, self.sink.write, events, stream)

    async def keep(self, letters: Letters, message: Message, reason: str) -> None:
        """Keep a message that the sink will never take."""
        await letters.keep(message, reason)
        self.metrics.add("dead_letters")
        _log.warning("message %d of the stream is a dead letter now: %s", message.sequence, reason)

    async def pause(self, problem: str) -> None:
        """Wait before the next attempt, longer each time."""
        self.metrics.add("retries")
        if self.metrics.wait_for(self.sink.name, problem):
            self._away_since = time.monotonic()
            _log.warning("%s is away, tried again until it takes the batch: %s", self.sink.name, problem)
        await asyncio.sleep(self._pauses.next())

    def _count(self, events: Sequence[Event], outcome: Outcome) -> None:
        self.metrics.add("written", outcome.written)
        self.metrics.add("already_there", outcome.already_there)
        if events:
            oldest = min(event.timestamp for event in events)
            self.metrics.show("lag_seconds", (datetime.now(UTC) - oldest).total_seconds())

    def _is_back(self) -> None:
        self._pauses.start_again()
        if self.metrics.has(self.sink.name):
            _log.info("%s is back after %.1f s", self.sink.name, time.monotonic() - self._away_since)
