"""Keywords of broker restarts: clients come back by themselves, and what was lost is known."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from datetime import timedelta

from robot.api.deco import keyword

from BrokerLibrary.client import BrokerClient
from BrokerLibrary.exchange import Exchange, wait
from BrokerLibrary.keywords.base import POLL_SECONDS, answers, new_exchange, on_test_end, require_right
from BrokerLibrary.keywords.subscription import acked_so_far, await_more
from BrokerLibrary.records import SWIFT, Delivery
from BrokerLibrary.stats import counter
from BrokerLibrary.traffic import Traffic
from EnvironmentLibrary.context import criterion, record_value, scaled
from EnvironmentLibrary.telling import say
from measurement.verdicts import Inconclusive
from oracles import messages
from oracles.history import History, Result
from TemporalLibrary.core import wait_until

TOPIC = "recovery_test"
BACK_SECONDS = 30.0  # for clients to come back before it is called an error
DRAIN_SECONDS = 10.0
ENOUGH = 200  # acknowledged messages before the drain point, in the gap and after the recovery
RATE = 1000.0  # messages a second of each producer
ANYWAY = ("duplicated", "reordered", "misrouted", "corrupted", "unexpected")
"""What must not happen to messages even when some are lost."""


@dataclass
class UnderLoad:
    """An exchange whose producers publish all the time."""

    exchange: Exchange
    traffic: list[Traffic]
    asking: BrokerClient
    history: History | None = field(default=None)

    def judged(self) -> History:
        """Its history, when the load has ended."""
        if self.history is None:
            raise AssertionError("the load has not ended; `Load Ends` comes first")
        return self.history


class RecoveryKeywords:
    """A broker that is stopped, or killed, and started again."""

    # -- stopped and started (the seed's scenario) -----------------------------------------------------------

    @keyword
    def a_producer_and_a_consumer_that_reconnect(self) -> Exchange:
        """Connect both; they reconnect by the rule of MYC-005, beginning with 50 ms instead of a second."""
        exchange = new_exchange({TOPIC: "Fanout"}, backoff=SWIFT)
        exchange.consumer("consumer", TOPIC)
        exchange.producer("producer")
        return exchange

    @keyword
    def seed_messages_are_published(self, exchange: Exchange, first: int, last: int) -> list[Delivery]:
        """Publish `message_<first>` to `message_<last>`; return what the consumer has got of them after 5 s at most."""
        producer, consumer = exchange.producers["producer"], exchange.consumers["consumer"]
        before, number = len(consumer.deliveries), last - first + 1
        made = [exchange.foreign("producer", TOPIC, f"message_{index}".encode()) for index in range(first, last + 1)]
        for message in made:
            producer.publish_many([message], ack=True)
        producer.settle(producer.attempts, scaled(timedelta(seconds=5)))
        wait(lambda: len(consumer.deliveries) - before >= number, scaled(timedelta(seconds=5)))
        exchange.quiet(1.0)
        return consumer.deliveries[before:]

    @keyword
    def broker_answers_again(self, exchange: Exchange) -> None:
        """Wait until a new client gets an answer, and name that instant `the broker answered`."""
        wait_until(
            lambda: None if answers(exchange.socket) else "it does not answer a ping",
            scaled(timedelta(seconds=BACK_SECONDS)),
            "the broker",
            interval=POLL_SECONDS,
        )
        exchange.mark("the broker answered")

    @keyword
    def clients_should_be_back_within(self, exchange: Exchange, limit: timedelta, since: str) -> None:
        """Demand that every client has reconnected and resubscribed by itself this soon after a noted instant.

        How long clients were without a broker, its own start included, stands beside the verdict.
        """
        ready = [
            client.wait_ready(scaled(timedelta(seconds=BACK_SECONDS)), after=client.sessions[0].closed or time.time())
            for client in exchange.clients
        ]
        seconds = max(0.0, max(ready) - exchange.marks[since])
        away = max(ready) - min(client.sessions[0].closed or 0.0 for client in exchange.clients)
        record_value("recovery", seconds, "s")
        if seconds > scaled(limit):
            raise AssertionError(
                f"clients were back {seconds:.2f} s after {since}, expected within {limit.total_seconds():g} s"
            )
        say(f"clients were back {seconds:.2f} s after {since}, and had been without a broker for {away:.2f} s")

    @keyword
    def messages_should_have_come_in_order_within(
        self, exchange: Exchange, came: list[Delivery], first: int, last: int, within: timedelta
    ) -> None:
        """Demand exactly the seed's messages, in their order, each this soon after it was published."""
        expected = [f"message_{index}" for index in range(first, last + 1)]
        got = [delivery.payload.decode(errors="replace") for delivery in came]
        if got != expected:
            wrong = next((i for i, pair in enumerate(zip(got, expected, strict=False)) if pair[0] != pair[1]), len(got))
            there = got[wrong] if wrong < len(got) else "nothing"
            raise AssertionError(
                f"expected {len(expected)} messages from {expected[0]} to {expected[-1]} in order, got {len(got)}; "
                f"first difference at number {wrong}: {there}"
            )
        sent = {attempt.key: attempt.invoked for attempt in exchange.producers["producer"].attempts}
        slowest = max(d.at - sent[exchange.id_of(d.payload)] for d in came)
        record_value("delivery", slowest, "s")
        if slowest > scaled(within):
            raise AssertionError(f"a message took {slowest:.2f} s, expected at most {within.total_seconds():g} s")
        require_right(exchange, len(expected))

    # -- killed under load -----------------------------------------------------------------------------------

    @keyword
    def producers_under_load_that_reconnect(self, producers: int, consumers: int) -> UnderLoad:
        """Connect clients that reconnect, and let each producer publish 1 000 acknowledged messages a second."""
        exchange = new_exchange({TOPIC: "Fanout"}, backoff=SWIFT)
        for number in range(1, consumers + 1):
            exchange.consumer(f"consumer{number}", TOPIC)
        names = [f"producer{number}" for number in range(1, producers + 1)]
        for name in names:
            exchange.producer(name)
        asking = BrokerClient(exchange.socket, "asking", backoff=SWIFT)
        on_test_end(asking.close)
        traffic = [Traffic(exchange, name, TOPIC, RATE).start() for name in names]
        for one in traffic:
            on_test_end(one.stop)
        return UnderLoad(exchange, traffic, asking)

    @keyword
    def everything_is_delivered_at_a_drain_point(self, load: UnderLoad) -> None:
        """Pause after enough messages, until all are acknowledged and the broker says that it holds none of them."""
        await_more(load.exchange, ENOUGH)
        for one in load.traffic:
            one.pause()
        for producer in load.exchange.producers.values():
            producer.settle(producer.attempts, scaled(timedelta(seconds=DRAIN_SECONDS)))
        acked = acked_so_far(load.exchange)
        published = counter(load.asking.stats(), f"topics.{TOPIC}.published")
        if published < acked:
            raise AssertionError(f"{acked} messages are acknowledged, but the broker has published only {published}")

        def held() -> str | None:
            depth = counter(load.asking.stats(), f"topics.{TOPIC}.depth")
            return f"the broker holds {depth} messages" if depth else None

        wait_until(held, scaled(timedelta(seconds=DRAIN_SECONDS)), "a drain point", interval=0.02)
        load.exchange.mark("the drain point")
        for one in load.traffic:
            one.go_on()
        await_more(load.exchange, ENOUGH)

    @keyword
    def load_goes_on_when_clients_are_back(self, load: UnderLoad) -> None:
        """Wait until every client is back, and then for enough messages more."""
        begin = load.exchange.marks["the drain point"]
        for client in load.exchange.clients:
            client.wait_ready(scaled(timedelta(seconds=BACK_SECONDS)), after=begin)
        back = load.exchange.mark("every client was back")

        def missing() -> str | None:
            acked = acked_since(load.exchange, back)
            return f"{acked} of {ENOUGH} messages published since are acknowledged" if acked < ENOUGH else None

        seconds = scaled(timedelta(seconds=DRAIN_SECONDS))
        wait_until(missing, seconds, "the load to go on when every client was back", interval=POLL_SECONDS)

    @keyword
    def load_ends(self, load: UnderLoad) -> None:
        """Stop the producers, and wait until everything has come that still can."""
        for one in load.traffic:
            one.stop()
        for producer in load.exchange.producers.values():
            producer.settle(producer.attempts, scaled(timedelta(seconds=DRAIN_SECONDS)))
        load.exchange.reached(scaled(timedelta(seconds=DRAIN_SECONDS)))
        load.exchange.quiet(DRAIN_SECONDS)
        load.history = load.exchange.history(criterion=criterion())

    @keyword
    def nothing_acknowledged_should_be_lost_before_the_drain_point_or_after_the_recovery(self, load: UnderLoad) -> None:
        """Demand that each of those messages came to each consumer; at least 200 in each of the two times."""
        history, marks = load.judged(), load.exchange.marks
        before = messages.lost(history, until=marks["the drain point"])
        after = messages.lost(history, since=marks["every client was back"])
        for lost in (before, after):
            if lost.judged < ENOUGH * len(load.exchange.consumers):
                raise Inconclusive(f"{lost.judged} deliveries in one of the two times, too few to judge by")
            lost.require()
            say(lost.reason)

    @keyword
    def nothing_should_have_come_twice_or_out_of_order(self, load: UnderLoad) -> None:
        """Demand that of what came nothing was duplicated, reordered, misrouted, changed or invented, gap included."""
        require_right(load.exchange, 2 * ENOUGH, ANYWAY, load.judged())

    @keyword
    def gap_should_have_been_noticed_and_told(self, load: UnderLoad) -> None:
        """Demand that every client lost its connection once and knows it, and write down what the gap cost.

        Messages under way then are of unknown outcome to their producer: none is taken for acknowledged. Acknowledged
        ones may be lost here, since nothing is kept on disk (C-13); how many, stands beside the verdict.
        """
        marks = load.exchange.marks
        gap = messages.gap(load.judged(), marks["the drain point"], marks["every client was back"])
        if gap.acked < ENOUGH:
            raise Inconclusive(f"{gap.acked} messages were acknowledged between the drain point and the kill")
        for client in load.exchange.clients:
            ended = [session for session in client.sessions if session.closed is not None]
            if len(ended) != 1 or len(client.sessions) != 2:
                raise AssertionError(f"{client.name} has had {len(client.sessions)} connections, expected 2")
        record_value("acknowledged and lost in the gap", len(gap.acked_lost), "messages")
        down = marks["every client was back"] - min(client.sessions[0].closed or 0 for client in load.exchange.clients)
        record_value("gap", down, "s")
        say(f"clients were away for {down:.2f} s; {gap}")


def acked_since(exchange: Exchange, instant: float) -> int:
    """How many messages that were published after an instant (epoch seconds) have been acknowledged."""
    return sum(
        attempt.outcome is Result.ACKED
        for producer in exchange.producers.values()
        for attempt in itertools.takewhile(lambda one: one.invoked >= instant, reversed(producer.attempts))
    )
