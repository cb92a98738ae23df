"""Stages that criteria ask for, over a broker or over a raw relay in its place."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from BrokerLibrary import wire
from BrokerLibrary.load.crew import Stage
from BrokerLibrary.load.durations import NANOSECONDS
from BrokerLibrary.load.jobs import Consume, Produce, Relay, Shape

ROWS = 200
"""Stretches of time that a load's histograms tell apart, at most."""

SHORTEST_ROW_SECONDS = 0.1
LEAST_SECONDS_A_MESSAGE = 1e-4
"""A load without a rate that is ten times slower than the seed asks for is given up."""

ONE_BY_ONE = 5000.0
"""Up to this rate every message has an intended start of its own; beyond it, those of a quantum share one (C-05)."""

SPIN_NS = 60_000
"""A message that has a start of its own is waited for awake at the end: a timer alone is late by as much."""

_numbers = itertools.count(os.getpid() << 8)


@dataclass(frozen=True, slots=True)
class Paced:
    """A load by intended starts: how many, when, and how time is cut into rows of histograms."""

    rate: float  # messages a second
    measured_seconds: float
    warm_up_seconds: float = 0.0
    quantum_seconds: float = 0.001
    drop_after_seconds: float = 2.0

    @property
    def row_seconds(self) -> float:
        """How long a row is; the warm-up is a whole number of them."""
        shortest = max(SHORTEST_ROW_SECONDS, (self.measured_seconds + self.warm_up_seconds) / ROWS)
        if not self.warm_up_seconds:
            return self.measured_seconds / max(int(self.measured_seconds / shortest), 1)
        return self.warm_up_seconds / max(int(self.warm_up_seconds / shortest), 1)

    @property
    def warm_up_rows(self) -> int:
        """How many rows the warm-up takes."""
        return round(self.warm_up_seconds / self.row_seconds)

    @property
    def rows(self) -> int:
        """All rows."""
        return self.warm_up_rows + max(math.ceil(self.measured_seconds / self.row_seconds - 1e-9), 1)

    @property
    def seconds(self) -> float:
        """Warm-up and measured part."""
        return self.warm_up_seconds + self.measured_seconds

    @property
    def messages(self) -> int:
        """All that are to be sent."""
        return int(self.rate * self.seconds + 1e-6)

    @property
    def warm_up_messages(self) -> int:
        """Those of the warm-up."""
        return int(self.rate * self.warm_up_seconds + 1e-6)

    @property
    def measured_messages(self) -> int:
        """Those that count."""
        return self.messages - self.warm_up_messages


@dataclass(frozen=True, slots=True)
class Broker:
    """Messages go through a broker: published to a topic, delivered to its subscribers."""

    socket: Path

    def stage(self, produce: Sequence[Produce], consume: Sequence[Consume], drain_seconds: float) -> Stage:
        """Return the stage as it is."""
        return Stage(produce, consume, drain_seconds=drain_seconds)

    @property
    def way_in(self) -> str:
        """Where producers connect."""
        return str(self.socket)

    way_out = way_in
    opcode_sent = int(wire.Opcode.PUBLISH)
    subscribe = True
    listen = False


@dataclass(frozen=True, slots=True)
class RawRelay:
    """The same messages go through a process that copies bytes; producers write what consumers are to read."""

    directory: Path

    def stage(self, produce: Sequence[Produce], consume: Sequence[Consume], drain_seconds: float) -> Stage:
        """Return the stage with the relay in it."""
        longest = max(job.deadline_s for job in produce) + drain_seconds
        return Stage(produce, consume, Relay(self.way_in, self.way_out, longest), drain_seconds)

    @property
    def way_in(self) -> str:
        """Where the producer connects."""
        return str(self.directory / "in.sock")

    @property
    def way_out(self) -> str:
        """Where the consumer connects."""
        return str(self.directory / "out.sock")

    opcode_sent = int(wire.Opcode.DELIVER)
    subscribe = False
    listen = False


@dataclass(frozen=True, slots=True)
class Direct:
    """The same messages with nothing between producer and consumer: what the driver itself can do."""

    directory: Path

    def stage(self, produce: Sequence[Produce], consume: Sequence[Consume], drain_seconds: float) -> Stage:
        """Return the stage as it is."""
        return Stage(produce, consume, drain_seconds=drain_seconds)

    @property
    def way_in(self) -> str:
        """Where the consumer listens and the producer connects."""
        return str(self.directory / "direct.sock")

    way_out = way_in
    opcode_sent = int(wire.Opcode.DELIVER)
    subscribe = False
    listen = True


Way = Broker | RawRelay | Direct


def as_fast_as_taken(
    way: Way, topic: str, messages: int, payload: int, *, connections: int = 1, drain_seconds: float = 10.0
) -> Stage:
    """Return a load of one producer that sends as fast as its messages are taken, and one worker that reads them.

    Args:
        way: broker or raw relay.
        topic: where messages are published.
        messages: how many.
        payload: bytes of each.
        connections: that each get all of them; several only of a broker.
        drain_seconds: what has not arrived so long after the last was sent is lost.
    """
    shape = shape_of(way, topic, payload)
    deadline = max(20.0, messages * connections * LEAST_SECONDS_A_MESSAGE / 10)
    return way.stage(
        [Produce(way.way_in, shape, 0, messages, deadline_s=deadline)],
        [
            Consume(
                way.way_out,
                shape,
                (messages,),
                connections,
                way.subscribe,
                way.listen,
                deadline_s=deadline + drain_seconds,
            )
        ],
        drain_seconds,
    )


def by_intended_starts(
    way: Way, topic: str, plan: Paced, payload: int, *, punctual: bool = True, drain_seconds: float = 10.0
) -> Stage:
    """Return a load of one paced producer and one consumer.

    Args:
        way: broker or raw relay.
        topic: where messages are published.
        plan: when.
        payload: bytes of each message.
        punctual: the consumer too asks the kernel to run as soon as something arrives.
        drain_seconds: what has not arrived so long after the last was sent is lost.
    """
    shape = shape_of(way, topic, payload, plan)
    produce = paced_producer(way, shape, plan)
    deadline = produce.deadline_s + drain_seconds
    consume = Consume(
        way.way_out, shape, (plan.messages,), 1, way.subscribe, way.listen, punctual=punctual, deadline_s=deadline
    )
    return way.stage([produce], [consume], drain_seconds)


def shape_of(way: Way, topic: str, payload: int, plan: Paced | None = None) -> Shape:
    """Return a shape with a run number of its own; without a plan, time is not cut into rows."""
    rows, row_seconds = (plan.rows, plan.row_seconds) if plan else (1, 1.0)
    row_ns = round(row_seconds * NANOSECONDS)
    return Shape(topic, payload, next(_numbers) & 0xFFFFFFFF, rows, row_ns, way.opcode_sent)


def paced_producer(way: Way, shape: Shape, plan: Paced) -> Produce:
    """Return the producer of a plan."""
    alone = plan.rate <= ONE_BY_ONE
    return Produce(
        way.way_in,
        shape,
        0,
        plan.messages,
        plan.rate,
        round(NANOSECONDS / plan.rate) if alone else round(plan.quantum_seconds * NANOSECONDS),
        SPIN_NS if alone else 0,
        round(plan.drop_after_seconds * NANOSECONDS),
        2 * plan.seconds + 20.0,
    )
