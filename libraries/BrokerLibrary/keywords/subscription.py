"""Keywords of topics and subscriptions: who gets a message, and from when until when."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from robot.api.deco import keyword

from BrokerLibrary.client import BrokerClient
from BrokerLibrary.exchange import Exchange, wait
from BrokerLibrary.keywords.base import STANDARD_ROUTING, new_exchange, on_test_end, require_right
from BrokerLibrary.numbered import identity_of
from BrokerLibrary.protocol_v2 import samples
from BrokerLibrary.traffic import Traffic
from EnvironmentLibrary.context import record_value, scaled
from EnvironmentLibrary.telling import say
from environments.system import broker
from measurement.verdicts import Inconclusive
from oracles.messages import UNREADABLE, MessageId

SETTLE = timedelta(seconds=20)
RATE = 1000.0  # messages a second while a subscription begins and ends
ENOUGH = 30  # messages that each window of a subscription needs


@dataclass(frozen=True, slots=True)
class Turn:
    """One message published alone, and how many deliveries each consumer had of it when all had been silent again."""

    topic: str
    came: Mapping[str, int]
    seconds: float | None  # until its consumer had it; None: never


@dataclass
class Leaver:
    """A consumer that ends its subscription while messages come, and begins another one later.

    Attributes:
        client: the consumer.
        exchange: who publishes, and others who listen all the time.
        topic: it subscribes to.
        away: numbers of the messages acknowledged before it asked to come back.
    """

    client: BrokerClient
    exchange: Exchange
    topic: str
    away: int = 0


class SubscriptionKeywords:
    """Isolated topics; subscriptions that begin twice, end, and begin again."""

    # -- topics --------------------------------------------------------------------------------------------

    @keyword
    def one_consumer_for_each_topic(self, *topics: str) -> Exchange:
        """Connect two producers, and for each topic one consumer that is subscribed to it alone."""
        exchange = new_exchange({topic: STANDARD_ROUTING[topic] for topic in topics})
        for topic in topics:
            exchange.consumer(f"consumer of {topic}", topic)
        exchange.producer("one")
        exchange.producer("other")
        return exchange

    @keyword
    def a_protocol_v2_message_is_published_to_each_topic_in_turn(
        self, exchange: Exchange, silence: timedelta
    ) -> list[Turn]:
        """Publish to one topic after the other, and watch all consumers for so long after each message has come."""
        return [
            publish_alone(exchange, topic, samples.message_for(topic), silence.total_seconds())
            for topic in exchange.topics
        ]

    @keyword
    def messages_for_all_topics_are_published_in_one_write(self, exchange: Exchange, messages: int) -> None:
        """Let both producers publish so many messages to each topic, mixed within each write; wait until all came."""
        for name, producer in exchange.producers.items():
            batch = []
            for _ in range(messages):
                for topic in exchange.topics:
                    batch += exchange.numbered(name, topic, [100])
            producer.publish_many(batch, ack=True)
        exchange.settle(scaled(SETTLE))

    @keyword
    def each_should_have_come_alone_within(self, turns: list[Turn], within: timedelta) -> None:
        """Demand that each message reached the consumer of its topic in time and once, and no other consumer."""
        for turn in turns:
            own = f"consumer of {turn.topic}"
            if turn.seconds is None:
                raise AssertionError(f"the message on {turn.topic} did not reach the {own} ({dict(turn.came)})")
            if others := [name for name, number in turn.came.items() if name != own and number]:
                raise AssertionError(f"the message on {turn.topic} reached the {others[0]} too")
            if turn.came[own] != 1:
                raise AssertionError(f"the message on {turn.topic} reached the {own} {turn.came[own]} times")
        slowest = max(turn.seconds or 0.0 for turn in turns)
        record_value("delivery", slowest, "s")
        if slowest > scaled(within):
            raise AssertionError(
                f"a message came after {slowest:.3f} s, expected within {within.total_seconds():g} s (n = {len(turns)})"
            )
        say(f"each of {len(turns)} messages came within {slowest * 1000:.1f} ms")

    @keyword
    def nobody_should_have_got_a_message_of_another_topic(self, exchange: Exchange, messages: int) -> None:
        """Demand that every message reached its own topic's consumer, once and in order, and no other.

        Args:
            exchange: settled.
            messages: at least so many were to be acknowledged.
        """
        require_right(exchange, messages)
        say(f"{exchange.came()} deliveries, none misrouted")

    # -- subscriptions -------------------------------------------------------------------------------------

    @keyword
    def a_consumer_that_subscribed_twice_and_one_that_did_once(self, topic: str) -> Exchange:
        """Connect a producer and two consumers; both subscriptions of the one have been acknowledged."""
        exchange = new_exchange({topic: STANDARD_ROUTING[topic]})
        exchange.consumer("twice", topic).subscribe(topic)
        exchange.consumer("once", topic)
        exchange.producer("producer")
        return exchange

    @keyword
    def messages_are_published(self, exchange: Exchange, messages: int) -> None:
        """Publish so many messages to each topic, and wait until everything has come that is due."""
        for name in exchange.producers:
            for topic in exchange.topics:
                exchange.publish(name, topic, [100] * messages)
        exchange.settle(scaled(SETTLE))

    @keyword
    def another_consumer_leaves_and_comes_back_while_messages_are_published(self, exchange: Exchange) -> Leaver:
        """Let one more consumer subscribe, unsubscribe (twice) and subscribe again under steady traffic."""
        (topic,) = exchange.topics
        client = BrokerClient(broker().addresses.socket, "leaver")
        on_test_end(client.close)
        leaver = Leaver(client, exchange, topic)
        traffic = Traffic(exchange, "producer", topic, RATE).start()
        on_test_end(traffic.stop)
        client.subscribe(topic)
        await_more(exchange, ENOUGH)
        client.unsubscribe(topic)
        await_more(exchange, ENOUGH)
        client.unsubscribe(topic)
        leaver.away = acked_so_far(exchange)
        client.subscribe(topic)
        await_more(exchange, ENOUGH)
        traffic.stop()
        exchange.settle(scaled(SETTLE))
        return leaver

    @keyword
    def each_consumer_should_have_got_one_copy(self, exchange: Exchange, messages: int) -> None:
        """Demand that every message came to both consumers, once.

        Args:
            exchange: settled.
            messages: so many were to be acknowledged, at least.
        """
        require_right(exchange, messages)

    @keyword
    def nothing_should_have_come_while_it_was_away(self, leaver: Leaver) -> None:
        """Demand that no message came before a subscription or after its end was acknowledged, and none was replayed.

        Within a subscription every message came, none was left out.
        """
        client, topic = leaver.client, leaver.topic
        first, *ends, again = client.acknowledged
        if first.delivered:
            raise AssertionError(f"{first.delivered} messages came before the subscription was acknowledged")
        late = [end.delivered - ends[0].delivered for end in (*ends[1:], again)]
        if any(late):
            raise AssertionError(f"{max(late)} messages came after the end of the subscription was acknowledged")
        numbers = [number_of(delivery.payload) for delivery in client.deliveries if delivery.topic == topic]
        before, after = numbers[: ends[0].delivered], numbers[ends[0].delivered :]
        if after and after[0] < leaver.away:
            raise AssertionError(
                f"the new subscription began with message {after[0]}, though {leaver.away} had been acknowledged before"
            )
        for window in (before, after):
            if len(window) < ENOUGH:
                raise Inconclusive(f"{len(window)} messages came in one subscription, at least {ENOUGH} needed")
            if window != list(range(window[0], window[0] + len(window))):
                raise AssertionError(f"messages are missing within a subscription: {gaps(window)}")
        say(f"{len(before)} and {len(after)} messages came in its subscriptions, none in between")


def publish_alone(exchange: Exchange, topic: str, payload: bytes, silence: float) -> Turn:
    """Publish one message and watch everybody until so many seconds after it came, or should have."""
    before = {name: len(client.deliveries) for name, client in exchange.consumers.items()}
    own = exchange.consumers[f"consumer of {topic}"]
    begin = time.monotonic()
    producer = exchange.producers["one"]
    attempts = producer.publish_many([exchange.foreign("one", topic, payload)], ack=True)
    wait(lambda: len(own.deliveries) > before[own.name], SETTLE.total_seconds())
    seconds = time.monotonic() - begin if len(own.deliveries) > before[own.name] else None
    producer.settle(attempts)
    wait(lambda: False, silence)
    came = {name: len(client.deliveries) - before[name] for name, client in exchange.consumers.items()}
    return Turn(topic, came, seconds)


def await_more(exchange: Exchange, messages: int) -> None:
    """Wait until so many more messages have been acknowledged than are now.

    Raises:
        AssertionError: they were not, within 10 s.
    """
    wanted = acked_so_far(exchange) + messages
    wait(lambda: acked_so_far(exchange) >= wanted, scaled(timedelta(seconds=10)))
    if (now := acked_so_far(exchange)) < wanted:
        ended = f"; {lost[0]}" if (lost := exchange.interruptions()) else ""
        raise AssertionError(f"{wanted - now} of {messages} messages were not acknowledged within 10 s{ended}")


def acked_so_far(exchange: Exchange) -> int:
    """How many messages of all producers have been acknowledged on their present connections."""
    return sum(session.accepted for producer in exchange.producers.values() for session in producer.sessions)


def number_of(payload: bytes) -> int:
    """The number of a message; -1 of one that cannot be read."""
    identity = identity_of(payload)
    return -1 if identity == UNREADABLE else MessageId.parse(identity).number


def gaps(numbers: list[int]) -> str:
    """The first place where one number does not follow the other."""
    pair = next((p for p in pairwise(numbers) if p[1] != p[0] + 1), None)
    return "none" if pair is None else f"{pair[1]} follows {pair[0]}"
