"""Readers that are too slow, beside readers that must not notice."""

from __future__ import annotations

from dataclasses import dataclass

from BrokerLibrary.load.crew import Stage
from BrokerLibrary.load.durations import NANOSECONDS
from BrokerLibrary.load.jobs import Consume, Pace, Produce, Shape
from BrokerLibrary.load.outcome import Delivered, Sent, StageOutcome
from BrokerLibrary.load.plans import Broker, Paced, paced_producer, shape_of

TRICKLE = 2048  # bytes that a trickling reader takes at a time: 100 times a second, 200 messages of 1 KiB
DRAIN_SECONDS = 20.0


@dataclass(frozen=True)
class Beside:
    """A load with slow readers: what each connection saw, and what was sent.

    Attributes:
        outcome: of the stage.
        slow: readers that stall or trickle, by name.
        bound: prompt readers of a topic whose publisher waits for the slow ones: they wait too.
        free: prompt readers that must not notice.
        producer: to the topic of the slow readers.
        stalled_seconds: how long the slow ones were slow.
    """

    outcome: StageOutcome
    slow: dict[str, Delivered]
    bound: dict[str, Delivered]
    free: dict[str, Delivered]
    producer: Sent
    stalled_seconds: float

    def wrong(self) -> list[str]:
        """Say which messages of any reader are lost without a notice, repeated, out of order or spoilt."""
        readers = {**self.slow, **self.bound, **self.free}
        return [f"{name}: {problem}" for name, reader in readers.items() if (problem := reader.problem())]

    def waited_seconds(self) -> float:
        """How long the publisher to the slow topic took, from the beginning."""
        return (self.producer.ended_ns - self.outcome.origin_ns) / NANOSECONDS

    def rate_of(self, reader: Delivered) -> float:
        """Messages a second that a reader got until its last."""
        return reader.intact / (max(reader.last_ns - self.outcome.origin_ns, 1) / NANOSECONDS)


def dropping(broker: Broker, topic: str, other: str, plan: Paced, payload: int) -> Stage:
    """Offer a rate to a topic that drops the oldest: one reader stalls, one trickles, one is prompt; so is a neighbour.

    The slow ones read all that is left for them once everything has been sent.
    """
    shape, beside = shape_of(broker, topic, payload, plan), shape_of(broker, other, payload, plan)
    seconds = plan.seconds + 0.2
    readers = [
        _reader(broker, shape, plan.messages, Pace(seconds)),
        _reader(broker, shape, plan.messages, Pace(seconds, TRICKLE)),
        _reader(broker, shape, plan.messages),
        _reader(broker, beside, plan.messages),
    ]
    writers = [paced_producer(broker, shape, plan), paced_producer(broker, beside, plan)]
    return Stage(writers, readers, drain_seconds=DRAIN_SECONDS)


def blocking(broker: Broker, topic: str, other: str, plan: Paced, messages: int, payload: int) -> Stage:
    """Send to a topic that makes its publisher wait: one reader stalls as long as the plan lasts, one is prompt.

    A neighbour on another topic gets the plan's rate meanwhile.
    """
    shape, beside = shape_of(broker, topic, payload, plan), shape_of(broker, other, payload, plan)
    readers = [
        _reader(broker, shape, messages, Pace(plan.seconds)),
        _reader(broker, shape, messages),
        _reader(broker, beside, plan.messages),
    ]
    writer = Produce(broker.way_in, shape, 0, messages, deadline_s=plan.seconds + DRAIN_SECONDS)
    return Stage([writer, paced_producer(broker, beside, plan)], readers, drain_seconds=DRAIN_SECONDS)


def beside_dropping(outcome: StageOutcome, stalled_seconds: float) -> Beside:
    """Name what the connections of `dropping` saw."""
    stalled, trickling, prompt, neighbour = outcome.connections
    slow = {"the stalled reader": stalled, "the trickling reader": trickling}
    free = {"the prompt reader": prompt, "the reader of another topic": neighbour}
    return Beside(outcome, slow, {}, free, outcome.producers[0], stalled_seconds)


def beside_blocking(outcome: StageOutcome, stalled_seconds: float) -> Beside:
    """Name what the connections of `blocking` saw."""
    stalled, prompt, neighbour = outcome.connections
    slow, bound = {"the stalled reader": stalled}, {"the prompt reader": prompt}
    free = {"the reader of another topic": neighbour}
    return Beside(outcome, slow, bound, free, outcome.producers[0], stalled_seconds)


def _reader(broker: Broker, shape: Shape, messages: int, pace: Pace | None = None) -> Consume:
    return Consume(broker.way_out, shape, (messages,), pace=pace, deadline_s=60.0 + 2 * DRAIN_SECONDS)
