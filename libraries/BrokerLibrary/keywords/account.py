"""Keywords of statistics and metrics: at any quiet moment everything published is accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from robot.api import logger
from robot.api.deco import keyword

from BrokerLibrary import stats
from BrokerLibrary.client import BrokerClient
from BrokerLibrary.configuration import Topic, configuration
from BrokerLibrary.keywords.base import on_test_end, own_broker
from BrokerLibrary.wire import ErrorCode
from EnvironmentLibrary.telling import say
from environments.system import BrokerInstance
from measurement.prometheus import Sample, read_page
from measurement.verdicts import Inconclusive
from TemporalLibrary.core import wait_until

FANOUT, QUEUE = "accounted_fanout", "accounted_queue"
SMALL_BUFFER, LIMIT = 50, 20_000  # messages; bytes of payload
PLAIN = 200  # messages of a step in which nothing is dropped
FLOOD = 400  # messages of 10 kB: 4 MB, far more than the kernel takes for a reader who does not read
FLOOD_BYTES = 10_000
QUIET_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A quiet moment: what was known from outside, what the broker said, and its page."""

    what: str
    expected: Mapping[str, int]
    statistics: Mapping[str, Any]
    page: list[Sample] | None


@dataclass
class Books:
    """A broker of the test's own, and the ledger of what clients did with it."""

    instance: BrokerInstance
    asking: BrokerClient
    publisher: BrokerClient
    ledger: dict[str, int] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)

    def add(self, **counts: int) -> None:
        """Add to the ledger; `fanout_copies=3` is 3 more copies of the Fanout topic."""
        for name, number in counts.items():
            self.ledger[name] = self.ledger.get(name, 0) + number

    def client(self, name: str) -> BrokerClient:
        """Connect a client that the test's end closes."""
        client = BrokerClient(self.instance.socket, name)
        on_test_end(client.close)
        return client

    def publish(self, topic: str, number: int, size: int = 100) -> None:
        """Publish so many messages and wait until they are all acknowledged."""
        attempts = self.publisher.publish_many([(topic, bytes(size), "")] * number, ack=True)
        self.publisher.settle(attempts)

    def close_a_page(self, what: str) -> Mapping[str, Any]:
        """Wait until the numbers stand still, and keep them beside the ledger."""
        statistics = settled(self.asking)
        url = self.instance.metrics
        self.moments.append(Moment(what, dict(self.ledger), statistics, read_page(url) if url else None))
        return statistics


class AccountKeywords:
    """Published = delivered + dropped + buffered, seen from the statistics, the metrics page and the clients."""

    @keyword
    def a_broker_with_small_buffers(self) -> Books:
        """Start a broker of the test's own: a Fanout topic of 50 messages that drops the oldest, and a queue."""
        topics = [
            Topic(FANOUT, "Fanout", SMALL_BUFFER, LIMIT, "drop_oldest"),
            Topic(QUEUE, "Queue", 10_000, LIMIT),
        ]
        instance = own_broker(configuration(topics))
        asking, publisher = BrokerClient(instance.socket, "asking"), BrokerClient(instance.socket, "publisher")
        on_test_end(asking.close)
        on_test_end(publisher.close)
        return Books(instance, asking, publisher)

    @keyword
    def messages_are_delivered_refused_and_published_to_nobody(self, books: Books) -> None:
        """Without a subscriber, with two, and one byte too long."""
        books.publish(FANOUT, PLAIN)
        books.add(fanout_published=PLAIN, fanout_dropped_no_subscriber=PLAIN)
        books.close_a_page("nobody was subscribed")
        readers = [books.client("reader1"), books.client("reader2")]
        for reader in readers:
            reader.subscribe(FANOUT)
        for _ in range(PLAIN // SMALL_BUFFER):  # so few at a time that nobody can lag
            books.publish(FANOUT, SMALL_BUFFER)
            for reader in readers:
                reader.receive_many(SMALL_BUFFER, QUIET_SECONDS)
        books.publish(FANOUT, 3, LIMIT + 1)
        books.add(fanout_published=PLAIN, fanout_copies=2 * PLAIN, fanout_delivered=2 * PLAIN)
        books.add(fanout_rejected_too_large=3)
        books.close_a_page("two readers had everything")
        for reader in readers:
            reader.unsubscribe(FANOUT)

    @keyword
    def a_queue_is_held_and_handed_to_the_first_who_asks(self, books: Books) -> None:
        """So many messages wait until a worker comes."""
        books.publish(QUEUE, PLAIN)
        books.add(queue_published=PLAIN, queue_copies=PLAIN, queue_depth=PLAIN)
        books.close_a_page("a queue was held")
        worker = books.client("worker")
        worker.subscribe(QUEUE)
        worker.receive_many(PLAIN, QUIET_SECONDS)
        books.add(queue_delivered=PLAIN, queue_depth=-PLAIN)
        books.close_a_page("a worker had taken the queue")

    @keyword
    def a_reader_stalls_falls_behind_and_goes_on(self, books: Books) -> None:
        """More comes than its buffer holds; afterwards what it got and what it was told it missed make the whole."""
        reader = self._stalled(books, "slow reader")
        books.add(fanout_published=FLOOD, fanout_copies=FLOOD)
        held = books.close_a_page("a reader had stalled")
        if not stats.counter(held, f"topics.{FANOUT}.lagged"):
            raise Inconclusive(f"{FLOOD} messages of {FLOOD_BYTES} bytes did not make the reader lag")
        if not stats.counter(held, f"topics.{FANOUT}.depth"):
            raise Inconclusive("nothing is buffered for a reader that has stalled")
        reader.go_on()
        wait_until(lambda: self._missing(reader), QUIET_SECONDS, "the reader to catch up", interval=0.02)
        got, missed = len(reader.deliveries), told_missed(reader)
        books.add(fanout_delivered=got, fanout_lagged=missed)
        books.close_a_page("the reader had caught up")
        logger.info(f"of {FLOOD} messages the reader got {got} and was told that it missed {missed}")
        reader.unsubscribe(FANOUT)

    @keyword
    def a_reader_that_has_stalled_disconnects(self, books: Books) -> None:
        """What was still there for it is dropped with its connection, and counted so."""
        before = settled(books.asking)
        reader = self._stalled(books, "leaving reader")
        books.add(fanout_published=FLOOD, fanout_copies=FLOOD)
        reader.close()
        after = books.close_a_page("a reader had left its messages behind")
        dropped, gone = (stats.counter(s, f"topics.{FANOUT}.dropped_disconnected") for s in (after, before))
        if dropped == gone:
            raise AssertionError("a reader left with messages in its buffer, and none is counted as dropped with it")

    @keyword
    def everything_should_be_accounted_for(self, books: Books, moments: int) -> None:
        """Demand at each quiet moment that the numbers add up and are those of the ledger, and the page shows them.

        Args:
            books: with the moments in it.
            moments: how many there have to be.
        """
        if len(books.moments) < moments:
            raise Inconclusive(f"{len(books.moments)} quiet moments, expected {moments}")
        problems = [f"when {moment.what}: {line}" for moment in books.moments for line in _wrong(moment)]
        if problems:
            raise AssertionError(f"{len(problems)} numbers are wrong; {'; '.join(problems[:3])}")
        last = books.moments[-1].statistics["topics"][FANOUT]
        say(
            f"{len(books.moments)} quiet moments; at last {last['copies']} copies = {last['delivered']} delivered "
            f"+ {last['lagged']} lagged + {last['dropped_disconnected']} dropped with their connection"
        )

    def _stalled(self, books: Books, name: str) -> BrokerClient:
        reader = books.client(name)
        reader.subscribe(FANOUT)
        reader.hold()
        for _ in range(FLOOD // 20):
            books.publish(FANOUT, 20, FLOOD_BYTES)
        return reader

    def _missing(self, reader: BrokerClient) -> str | None:
        seen = len(reader.deliveries) + told_missed(reader)
        return None if seen >= FLOOD else f"{seen} of {FLOOD} messages came or were told as missed"


def told_missed(reader: BrokerClient) -> int:
    """How many messages a client was told that it missed."""
    return sum(told.error.count or 0 for told in reader.told if told.error.code is ErrorCode.LAGGED)


def settled(asking: BrokerClient, topic: str | None = None) -> Mapping[str, Any]:
    """Return the statistics when those of a topic, or of all topics, have stood still for three looks."""
    looks: list[Mapping[str, Any]] = []

    def moving() -> str | None:
        looks.append(asking.stats())
        last = [look["topics"] if topic is None else look["topics"][topic] for look in looks[-3:]]
        return None if len(last) == 3 and last[0] == last[1] == last[2] else "the numbers of the topics still move"

    wait_until(moving, QUIET_SECONDS, "a quiet moment", interval=0.03)
    return looks[-1]


def _wrong(moment: Moment) -> list[str]:
    problems = [line for topic in (FANOUT, QUEUE) if (line := stats.unbalanced(topic, moment.statistics))]
    for name, expected in moment.expected.items():
        topic, _, own = name.partition("_")
        path = f"topics.{FANOUT if topic == 'fanout' else QUEUE}.{own}"
        if (was := stats.counter(moment.statistics, path)) != expected and not _open(moment, own):
            problems.append(f"{path} is {was}, by the clients' ledger {expected}")
    if moment.page is not None:
        problems += stats.differing(moment.statistics, moment.page)
    return problems


def _open(moment: Moment, own: str) -> bool:
    """Whether the clients cannot know a number: how much of a stalled reader's messages the kernel has taken."""
    stalled = moment.what in ("a reader had stalled", "a reader had left its messages behind")
    return stalled and own in ("delivered", "lagged", "depth")
