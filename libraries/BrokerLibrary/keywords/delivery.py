"""Keywords of delivery: isolated topics, queues, order, and subscriptions that begin and end."""

from __future__ import annotations

import functools
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from robot.api.deco import keyword

from BrokerLibrary.exchange import Exchange
from BrokerLibrary.keywords.base import STANDARD_ROUTING, new_exchange, require_right
from EnvironmentLibrary.context import record_value, scaled, timed
from EnvironmentLibrary.telling import say
from environments.system import running
from measurement.verdicts import Inconclusive

SETTLE = timedelta(seconds=20)
LARGEST = 2000  # bytes of a numbered message; most are shorter
LARGEST_BATCH = 200  # messages in one write


class DeliveryKeywords:
    """Who gets which message, how often, and in which order."""

    # -- clients -------------------------------------------------------------------------------------------

    @keyword
    def workers_on_a_queue(self, topic: str, workers: int) -> Exchange:
        """Connect a producer, and so many consumers that are subscribed to a queue."""
        exchange = new_exchange({topic: STANDARD_ROUTING[topic]})
        exchange.producer("producer")
        for number in range(1, workers + 1):
            exchange.consumer(f"worker{number}", topic)
        return exchange

    @keyword
    def producers_and_consumers(self, *topics: str, producers: int, consumers: int) -> Exchange:
        """Connect producers, and consumers that are each subscribed to all of the topics."""
        exchange = new_exchange({topic: STANDARD_ROUTING[topic] for topic in topics})
        for number in range(1, consumers + 1):
            exchange.consumer(f"consumer{number}", *topics)
        for number in range(1, producers + 1):
            exchange.producer(f"producer{number}")
        return exchange

    # -- publishing ----------------------------------------------------------------------------------------

    @keyword
    def messages_are_published_in_parallel(self, exchange: Exchange, messages: int) -> None:
        """Let every producer publish its part of so many messages to every topic, all of them at the same time.

        Sizes, and how many messages go out in one write, are drawn by the seed of the run. Returns when everything has
        come that is due.
        """
        part = messages // (len(exchange.producers) * len(exchange.topics))
        seeds = range(running().seed, running().seed + len(exchange.producers))
        with timed("messages in parallel", "measuring"):
            with ThreadPoolExecutor(max_workers=len(seeds), thread_name_prefix="producer") as pool:
                list(pool.map(functools.partial(publish_by_chance, exchange, part), exchange.producers, seeds))
            exchange.settle(scaled(SETTLE))

    # -- judging -------------------------------------------------------------------------------------------

    @keyword
    def every_message_should_have_come_once_unchanged_and_in_order(self, exchange: Exchange, messages: int) -> None:
        """Demand that each consumer got each message once, with its content, in the order of its producer.

        Of a queue it is any one consumer that got it. Nobody got anything else, and no connection was lost.

        Args:
            exchange: settled.
            messages: so many were to be published and acknowledged.
        """
        require_right(exchange, messages)
        if interruptions := exchange.interruptions():
            raise AssertionError(f"{len(interruptions)} connections ended; first: {interruptions[0]}")
        say(f"{messages} messages, {exchange.came()} deliveries")

    @keyword
    def each_worker_should_have_done_at_least(self, exchange: Exchange, share: float) -> None:
        """Demand that each worker got at least this share (0 to 1) of all messages."""
        done = {name: len(client.deliveries) for name, client in exchange.consumers.items()}
        total = sum(done.values())
        if not total:
            raise Inconclusive("no worker got anything")
        least = min(done, key=lambda name: done[name])
        record_value("smallest share of the work", 100 * done[least] / total, "%")
        if done[least] < share * total:
            raise AssertionError(
                f"{least} did {done[least]} of {total} messages, expected at least {share:.0%} ({done})"
            )
        say(f"shares {', '.join(f'{100 * number / total:.0f} %' for number in done.values())}")

    @keyword
    def rest_of_the_work_should_go_to_the_others_when_a_worker_leaves(self, exchange: Exchange, messages: int) -> None:
        """End one worker's subscription, publish so many more messages, and demand that the others did all of them."""
        leaver, *others = exchange.consumers
        (topic,) = exchange.topics
        exchange.consumers[leaver].unsubscribe(topic)
        before = Counter({name: len(client.deliveries) for name, client in exchange.consumers.items()})
        (producer,) = exchange.producers
        exchange.publish(producer, topic, [100] * messages)
        exchange.settle(scaled(SETTLE))
        after = Counter({name: len(client.deliveries) for name, client in exchange.consumers.items()})
        done = {name: after[name] - before[name] for name in exchange.consumers}
        if done[leaver] or sum(done[name] for name in others) != messages:
            raise AssertionError(f"expected all of {messages} messages done without {leaver}, it was so: {done}")
        require_right(exchange, messages)


def publish_by_chance(exchange: Exchange, messages: int, producer: str, seed: int) -> None:
    """Publish so many messages to each topic, in writes of any number of messages of any size and topic."""
    chance = random.Random(seed)
    left = dict.fromkeys(exchange.topics, messages)
    client = exchange.producers[producer]
    while left:
        batch = []
        for _ in range(chance.randint(1, LARGEST_BATCH)):
            topic = chance.choice(list(left))
            batch += exchange.numbered(producer, topic, [int(chance.triangular(1, LARGEST, 1))])
            left[topic] -= 1
            if not left[topic]:
                del left[topic]
            if not left:
                break
        client.publish_many(batch, ack=True)
