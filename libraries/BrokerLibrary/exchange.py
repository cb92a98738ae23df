"""Producers and consumers of numbered messages on one broker, and the history of what they exchanged."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from BrokerLibrary.client import BrokerClient
from BrokerLibrary.numbered import checksum, compose, identity_of
from BrokerLibrary.records import Attempt, Backoff
from measurement.verdicts import Inconclusive
from oracles import messages
from oracles.history import Findings, History, Kind, Operation, Result
from oracles.messages import MessageId
from TemporalLibrary.core import wait_until

QUIET_SECONDS = 0.1  # without a further delivery: what came twice has come by then
POLL_SECONDS = 0.01
RECENT = 5000  # deliveries among which the last message of a producer is looked for


class Exchange:
    """Clients that publish and receive numbered messages.

    Args:
        socket: of the broker.
        routing: topic -> `Fanout` or `Queue`, of every topic they use.
        backoff: how they reconnect; None: never.
    """

    def __init__(self, socket: Path, routing: Mapping[str, str], backoff: Backoff | None = None) -> None:
        self.producers: dict[str, BrokerClient] = {}
        self.consumers: dict[str, BrokerClient] = {}
        self.marks: dict[str, float] = {}
        self.socket = socket
        self._routing, self._backoff = dict(routing), backoff
        self._audience: dict[str, list[str]] = {topic: [] for topic in routing}
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._foreign: dict[bytes, str] = {}
        self._adopted: list[Operation] = []

    # -- clients -------------------------------------------------------------------------------------------

    def consumer(self, name: str, *topics: str, socket: Path | None = None) -> BrokerClient:
        """Connect a consumer and subscribe it; from here on it is owed every message of these topics.

        Args:
            name: of the client.
            topics: it subscribes to.
            socket: another way to the broker, such as a link.
        """
        client = self.consumers[name] = BrokerClient(socket or self.socket, name, backoff=self._backoff)
        for topic in topics:
            client.subscribe(topic)
            self._audience[topic].append(name)
        return client

    def producer(self, name: str, socket: Path | None = None) -> BrokerClient:
        """Connect a producer; arguments as of `consumer`."""
        client = self.producers[name] = BrokerClient(socket or self.socket, name, backoff=self._backoff)
        return client

    @property
    def topics(self) -> tuple[str, ...]:
        """All that its clients use."""
        return tuple(self._routing)

    @property
    def clients(self) -> tuple[BrokerClient, ...]:
        """All of them."""
        return (*self.producers.values(), *self.consumers.values())

    def close(self) -> None:
        """End every client."""
        for client in self.clients:
            client.close()

    # -- messages ------------------------------------------------------------------------------------------

    def numbered(self, producer: str, topic: str, sizes: Sequence[int]) -> list[tuple[str, bytes, str]]:
        """Make a producer's next messages on a topic, of these sizes in bytes, as `publish_many` wants them."""
        made = []
        for size in sizes:
            identity = self._next(producer, topic)
            made.append((topic, compose(identity, size), str(identity)))
        return made

    def foreign(self, producer: str, topic: str, payload: bytes) -> tuple[str, bytes, str]:
        """Make a producer's next message on a topic of a payload that says nothing of it, and is the only one so."""
        self._foreign[payload] = str(self._next(producer, topic))
        return topic, payload, self._foreign[payload]

    def publish(self, producer: str, topic: str, sizes: Sequence[int], batch: int = 100) -> list[Attempt]:
        """Publish a producer's next messages, so many in one write, each with a request to acknowledge it."""
        made = self.numbered(producer, topic, sizes)
        client = self.producers[producer]
        attempts = []
        for start in range(0, len(made), batch):
            attempts += client.publish_many(made[start : start + batch], ack=True)
        return attempts

    def id_of(self, payload: bytes) -> str:
        """The id of a payload that one of the producers made; `UNREADABLE` of any other."""
        return self._foreign.get(payload) or identity_of(payload)

    def adopt(self, id_: str, payload: bytes) -> None:
        """Note a message that a client of another process has published, and has seen acknowledged by now."""
        now, producer = time.time(), MessageId.parse(id_).producer
        self._adopted.append(Operation(id_, Kind.WRITE, now, now, Result.ACKED, checksum(payload), producer))

    def mark(self, label: str) -> float:
        """Name this instant."""
        self.marks[label] = time.time()
        return self.marks[label]

    def settle(self, within: float) -> None:
        """Wait until every message that was accepted has come to whom it is owed, and then nothing more comes.

        Deliveries that are still missing after the deadline are left to the oracles, which say which.

        Args:
            within: deadline of all of it, seconds.

        Raises:
            TimeoutError: of some messages nobody was told what became of them.
        """
        end = time.monotonic() + within
        for producer in self.producers.values():
            open_ = [attempt for attempt in producer.attempts if attempt.ack]
            producer.settle(open_, max(0.0, end - time.monotonic()))
        wait(lambda: self.came() >= self.owed(), end - time.monotonic())
        self.quiet(max(QUIET_SECONDS, end - time.monotonic()))

    def owed(self) -> int:
        """How many deliveries are due for the acknowledged messages."""
        acked = Counter(a.topic for p in self.producers.values() for a in p.attempts if a.outcome is Result.ACKED)
        acked.update(MessageId.parse(operation.id).topic for operation in self._adopted)
        return sum(count * self._copies(topic) for topic, count in acked.items())

    def came(self) -> int:
        """How many deliveries came to all consumers."""
        return sum(len(client.deliveries) for client in self.consumers.values())

    def reached(self, within: float) -> None:
        """Wait until the last acknowledged message of each producer and topic has come to all consumers.

        Messages before it may be lost; since order is kept, nothing else is still on its way then.
        """
        last = {}
        for producer in self.producers.values():
            for attempt in producer.attempts:
                if attempt.outcome is Result.ACKED:
                    last[producer.name, attempt.topic] = attempt.key
        wait(lambda: not self._still_due(last), within)

    def quiet(self, within: float) -> None:
        """Wait until nothing has come for 100 ms."""
        last, since = -1, time.monotonic()

        def still() -> bool:
            nonlocal last, since
            if (now := self.came()) != last:
                last, since = now, time.monotonic()
            return time.monotonic() - since >= QUIET_SECONDS

        wait(still, within)

    def _still_due(self, last: dict[tuple[str, str], str]) -> bool:
        for (_, topic), key in last.items():
            for name in self._audience[topic]:
                recent = self.consumers[name].deliveries[-RECENT:]
                if not any(identity_of(delivery.payload) == key for delivery in reversed(recent)):
                    return True
        return False

    def _next(self, producer: str, topic: str) -> MessageId:
        identity = MessageId(producer, topic, self._numbers[producer, topic])
        self._numbers[producer, topic] += 1
        return identity

    def _copies(self, topic: str) -> int:
        number = len(self._audience.get(topic, ()))
        return min(number, 1) if self._routing.get(topic) == "Queue" else number

    # -- judging -------------------------------------------------------------------------------------------

    def history(self, **header: Any) -> History:
        """What is known so far, for the oracles and for a file."""
        operations = sorted(self._operations(), key=lambda operation: operation.completed)
        topics = {t: {"routing": r, "consumers": self._audience[t]} for t, r in self._routing.items()}
        return History.of(operations, kind="messages", topics=topics, marks=dict(self.marks), **header)

    def violations(self) -> list[str]:
        """What the broker did to any client that no broker may do."""
        return [f"{client.name}: {problem}" for client in self.clients for problem in client.violations]

    def interruptions(self) -> list[str]:
        """Connections that ended though nobody ended them."""
        return [
            f"{client.name} lost its connection: {session.why}"
            for client in self.clients
            for session in client.sessions
            if session.closed is not None and session.why != "closed by the client"
        ]

    def _operations(self) -> Iterator[Operation]:
        yield from self._adopted
        for producer in self.producers.values():
            for a in list(producer.attempts):
                completed = a.invoked if a.completed is None else a.completed
                yield Operation(a.key, Kind.WRITE, a.invoked, completed, a.outcome, a.checksum, producer.name, a.detail)
        for consumer in self.consumers.values():
            for d in list(consumer.deliveries):
                seen = [d.topic, checksum(d.payload)]
                yield Operation(self.id_of(d.payload), Kind.READ, d.at, d.at, Result.OBSERVED, seen, consumer.name)


def wait(condition: Callable[[], bool], seconds: float) -> None:
    """Poll until a condition holds or the time is over; who asks looks for himself at what is missing."""
    try:
        wait_until(lambda: None if condition() else "not yet", max(0.0, seconds), "it", interval=POLL_SECONDS)
    except AssertionError:
        pass


def judge(history: History, minimum: int, oracles: Sequence[str] = tuple(messages.ALL)) -> list[Findings]:
    """Demand that a history has none of the findings named.

    Args:
        history: of an exchange.
        minimum: acknowledged messages it needs.
        oracles: names of `messages.ALL`.

    Raises:
        AssertionError: the first oracle's sentence that has findings.
        Inconclusive: fewer messages were acknowledged, or nothing was delivered.
    """
    acked = sum(1 for _ in history.acked())
    if acked < minimum:
        raise Inconclusive(f"{acked} messages were acknowledged, at least {minimum} needed")
    found = [messages.ALL[name](history) for name in oracles]
    for findings in found:
        findings.require()
    return found
