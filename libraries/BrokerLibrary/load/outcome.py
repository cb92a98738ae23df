"""What a stage came to: the answers of its workers, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from BrokerLibrary.load.durations import NANOSECONDS, Durations
from measurement.punctual import Scheduling


@dataclass(frozen=True)
class Sent:
    """What a producer did. Instants in ns of CLOCK_MONOTONIC.

    The rest is known of a paced producer only: messages dropped for being late, the most messages sent without a
    pause, how late it sent although it was free, and how long messages waited because it was not.
    """

    sent: int
    started_ns: int
    ended_ns: int
    cpu_seconds: float
    dropped: int = 0
    longest_burst: int = 0
    last_sent_ns: int = 0
    lag: Durations | None = None
    queue: Durations | None = None
    scheduling: Scheduling = "ordinary"

    @property
    def seconds(self) -> float:
        """How long it sent."""
        return (self.ended_ns - self.started_ns) / NANOSECONDS

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Sent:
        """Read a producer's answer."""
        basic = cls(told["sent"], told["started_ns"], told["ended_ns"], told["cpu_s"])
        if "lag" not in told:
            return basic
        return cls(
            basic.sent,
            basic.started_ns,
            basic.ended_ns,
            basic.cpu_seconds,
            told["dropped"],
            told["longest_burst"],
            told["last_sent_ns"],
            Durations.from_json(told["lag"]),
            Durations.from_json(told["queue"]),
            told["scheduling"],
        )


@dataclass(frozen=True)
class Delivered:
    """What arrived on one connection.

    Attributes:
        expected: messages that were sent to it.
        received: of each producer, those that arrived intact, each counted once.
        duplicated: arrivals of a message that had arrived already.
        reordered: messages that came after a later one of their producer.
        corrupted: messages that differ from every one that was sent, in whatever byte.
        notices: lag notices; `lagged` is how many messages they say were dropped.
        unannounced: messages missing where no notice stood.
        errors: other error frames, the last with the code `last_error`.
        unexpected: frames that have no place here.
        broken: a length prefix was impossible, nothing after it could be read.
        closed: the connection ended before all was there.
        first_ns: instant of the first read, `last_ns` of the last that brought something; 0: there was none.
    """

    expected: int
    received: Sequence[int]
    duplicated: int
    reordered: int
    corrupted: int
    first_wrong: Sequence[int]
    notices: int
    lagged: int
    unannounced: int
    errors: int
    last_error: int
    unexpected: int
    broken: bool
    closed: bool
    first_ns: int
    last_ns: int
    reads: int

    @classmethod
    def from_json(cls, told: dict[str, Any], expected: int) -> Delivered:
        """Read one connection of a consumer's answer."""
        names = cls.__dataclass_fields__.keys() - {"expected", "duplicated", "reordered"}
        return cls(
            expected=expected,
            duplicated=sum(told["duplicated"]),
            reordered=sum(told["reordered"]),
            **{name: told[name] for name in names},
        )

    @cached_property
    def intact(self) -> int:
        """Messages that arrived, each counted once."""
        return sum(self.received)

    @property
    def lost(self) -> int:
        """Messages that neither arrived intact nor were announced as dropped; negative: more announced than missing."""
        return self.expected - self.intact - self.lagged

    @property
    def findings(self) -> dict[str, int]:
        """What is wrong, by name, without what a declared policy allows to drop."""
        counts = {
            "lost": max(self.lost, 0),
            "announced-but-received": max(-self.lost, 0),
            "duplicated": self.duplicated,
            "reordered": self.reordered,
            "corrupted": self.corrupted,
            "error-frames": self.errors,
            "unexpected-frames": self.unexpected,
            "unreadable-stream": int(self.broken),
        }
        return {name: number for name, number in counts.items() if number}

    def problem(self) -> str | None:
        """Say what is wrong, with numbers; None when nothing is."""
        if not self.findings:
            return None
        words = ", ".join(f"{number} {name}" for name, number in self.findings.items())
        details = []
        if self.corrupted:
            sequence, byte = self.first_wrong
            which = f"of sequence {sequence}" if sequence >= 0 else "with a wrong frame"
            details.append(f"the first corrupted message, {which}, differs at byte {byte} of its frame")
        if self.errors:
            details.append(f"the last error frame has code {self.last_error}")
        if self.closed and not self.broken:
            details.append("the connection was closed")
        return f"{words} of {self.expected} messages" + (f" ({'; '.join(details)})" if details else "")


@dataclass(frozen=True)
class Received:
    """What a consumer worker saw on its connections."""

    connections: Sequence[Delivered]
    latency: Durations
    service: Durations
    cpu_seconds: float
    scheduling: Scheduling

    @classmethod
    def from_json(cls, told: dict[str, Any], expected: int) -> Received:
        """Read a consumer's answer."""
        return cls(
            [Delivered.from_json(connection, expected) for connection in told["connections"]],
            Durations.from_json(told["latency"]),
            Durations.from_json(told["service"]),
            told["cpu_s"],
            told["scheduling"],
        )


@dataclass(frozen=True)
class StageOutcome:
    """What all workers of a stage did and saw.

    Attributes:
        started_at: epoch seconds of the beginning, `origin_ns` of the same instant on CLOCK_MONOTONIC.
        producers: in the order of the stage's jobs.
        consumers: likewise.
        relay_cpu_seconds: of the raw relay; None when there was none.
        wall_seconds: from the beginning until the last consumer was done, drain included.
    """

    started_at: float
    origin_ns: int
    producers: Sequence[Sent]
    consumers: Sequence[Received]
    relay_cpu_seconds: float | None
    wall_seconds: float

    @cached_property
    def sent(self) -> int:
        """Messages of all producers."""
        return sum(producer.sent for producer in self.producers)

    @cached_property
    def connections(self) -> Sequence[Delivered]:
        """What arrived on every connection of all consumers."""
        return [connection for consumer in self.consumers for connection in consumer.connections]

    @cached_property
    def delivered(self) -> int:
        """Messages that arrived intact, on all connections."""
        return sum(connection.intact for connection in self.connections)

    @cached_property
    def seconds(self) -> float:
        """From the first producer's start until the last message arrived."""
        last = max([connection.last_ns for connection in self.connections] or [0])
        return max(last - min(producer.started_ns for producer in self.producers), 1) / NANOSECONDS

    @property
    def sent_rate(self) -> float:
        """Messages a second, while producers sent."""
        begin = min(producer.started_ns for producer in self.producers)
        return self.sent / (max(max(producer.ended_ns for producer in self.producers) - begin, 1) / NANOSECONDS)

    @property
    def rate(self) -> float:
        """Messages a second that one connection received, until the last of them had arrived; the slowest counts."""
        return min(connection.intact for connection in self.connections) / self.seconds

    @cached_property
    def latency(self) -> Durations:
        """From intended starts to receipt, of all connections."""
        return _merged([consumer.latency for consumer in self.consumers])

    @cached_property
    def service(self) -> Durations:
        """From sending to receipt, of all connections."""
        return _merged([consumer.service for consumer in self.consumers])

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all workers, the raw relay among them."""
        clients = sum(p.cpu_seconds for p in self.producers) + sum(c.cpu_seconds for c in self.consumers)
        return clients + (self.relay_cpu_seconds or 0.0)

    @property
    def cpu_percent(self) -> float:
        """CPU time of all workers, 100 being one core."""
        return 100 * self.cpu_seconds / self.wall_seconds

    @property
    def client_cpu_percent(self) -> float:
        """CPU time of the busiest worker, 100 being one core: from there on it, not the broker, is the limit."""
        most = max([p.cpu_seconds for p in self.producers] + [c.cpu_seconds for c in self.consumers])
        return 100 * most / self.wall_seconds

    def problems(self) -> list[str]:
        """Say of every connection what is wrong."""
        return [
            f"connection {number}: {problem}" if len(self.connections) > 1 else problem
            for number, connection in enumerate(self.connections)
            if (problem := connection.problem()) is not None
        ]


def _merged(parts: Sequence[Durations]) -> Durations:
    whole = Durations(len(parts[0].counts))
    for part in parts:
        whole.merge(part)
    return whole
