"""Keywords of isolation: clients that die in the middle of something, and what is left of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from robot.api.deco import keyword

from BrokerLibrary import victims
from BrokerLibrary.client import BrokerClient
from BrokerLibrary.doubles import Double
from BrokerLibrary.exchange import wait
from BrokerLibrary.innocents import Innocents
from BrokerLibrary.keywords.account import settled
from BrokerLibrary.keywords.base import POLL_SECONDS, STANDARD_ROUTING, new_exchange, on_test_end
from BrokerLibrary.keywords.refusal import undisturbed
from BrokerLibrary.keywords.subscription import await_more, gaps, number_of
from BrokerLibrary.stats import counter
from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say
from environments.system import broker
from measurement.verdicts import Inconclusive
from TemporalLibrary.core import wait_until

TOPIC, QUEUE = "isolation_test", "execution"
RATE = 500.0
THERE_SECONDS = 15.0  # until a victim, imports included, is in the middle of something
BACKLOG, BACKLOG_BYTES = 4000, 1000  # for a reader that reads nothing: far more than the kernel takes
ENOUGH = 100


@dataclass
class Crowd:
    """Clients at work on the broker under test, and what it holds for all of its clients before somebody dies.

    Attributes:
        innocents: who must notice nothing.
        asking: a client that asks for statistics.
        connections: open at the beginning.
        descriptors: open files of the broker's processes at the beginning; None: they cannot be seen.
        subscribers: of the topic at the beginning.
        fates: what is known of the victims.
    """

    innocents: Innocents
    asking: BrokerClient
    connections: int
    descriptors: int | None
    subscribers: int
    fates: list[str] = field(default_factory=list)


class IsolationKeywords:
    """Producers and consumers that are killed where it hurts."""

    @keyword
    def clients_exchange_messages(self) -> Crowd:
        """Connect a producer and two consumers that exchange 500 messages a second from here on."""
        exchange = new_exchange({TOPIC: "Fanout"})
        for name in ("innocent consumer 1", "innocent consumer 2"):
            exchange.consumer(name, TOPIC)
        exchange.producer("innocent producer")
        exchange.producer("burst producer")
        asking = BrokerClient(broker().addresses.socket, "asking")
        on_test_end(asking.close)
        innocents = Innocents(exchange, "innocent producer", TOPIC, RATE).start()
        on_test_end(innocents.stop)
        await_more(exchange, ENOUGH)
        statistics = asking.stats()
        return Crowd(
            innocents,
            asking,
            counter(statistics, "connections.active"),
            open_files(),
            counter(statistics, f"topics.{TOPIC}.subscribers"),
        )

    @keyword
    def a_producer_is_killed_in_the_middle_of_a_frame(self, crowd: Crowd) -> None:
        """SIGKILL a process that has published 20 messages, seen them acknowledged, and sent half of the next one."""
        victim = self._victim("producer")
        victim.await_lines("there", 1, THERE_SECONDS)
        for number in range(victims.WHOLE):
            crowd.innocents.exchange.adopt(*victims.message(TOPIC, number))
        victim.kill()
        await_more(crowd.innocents.exchange, ENOUGH)
        crowd.fates.append(f"a producer died with {victims.WHOLE} whole messages and a half one")

    @keyword
    def a_consumer_is_killed_in_the_middle_of_a_delivery(self, crowd: Crowd) -> None:
        """SIGKILL a process that has read 7 bytes of a delivery, while the broker holds thousands more for it."""
        victim, exchange = self._victim("consumer"), crowd.innocents.exchange
        victim.await_lines("there", 1, THERE_SECONDS)
        before = counter(crowd.asking.stats(), f"topics.{TOPIC}.dropped_disconnected")
        for _ in range(BACKLOG // 200):
            attempts = exchange.publish("burst producer", TOPIC, [BACKLOG_BYTES] * 200)
            exchange.producers["burst producer"].settle(attempts)
        held = counter(crowd.asking.stats(), f"topics.{TOPIC}.depth")
        if held < BACKLOG // 2:
            raise Inconclusive(f"the broker holds {held} messages for a consumer that does not read {BACKLOG}")
        victim.kill()
        await_more(exchange, ENOUGH)

        def dropped() -> str | None:
            grown = counter(crowd.asking.stats(), f"topics.{TOPIC}.dropped_disconnected") - before
            return None if grown else "no message is counted as dropped with a connection"

        wait_until(dropped, 5.0, "the dead consumer's messages to be dropped", interval=POLL_SECONDS)
        crowd.fates.append(f"a consumer died with {held} messages held for it")

    @keyword
    def a_worker_of_a_queue_is_killed_in_the_middle_of_a_delivery(self, crowd: Crowd) -> None:
        """SIGKILL a worker that has read 7 bytes, and demand that the next one gets all that was not handed over.

        What the kernel had taken for the dead worker went with it and counts as delivered. The message of which it
        had only a part, and everything behind it, must come to the next worker: each once, in order.
        """
        exchange, handed = new_exchange({QUEUE: STANDARD_ROUTING[QUEUE]}), f"topics.{QUEUE}.delivered"
        before = crowd.asking.stats()
        if counter(before, f"topics.{QUEUE}.depth"):
            raise Inconclusive(f"messages of others are left in {QUEUE}")
        victim = self._victim("consumer", QUEUE)
        victim.await_lines("subscribed", 1, THERE_SECONDS)
        producer = exchange.producer("producer of work")
        producer.settle(exchange.publish(producer.name, QUEUE, [BACKLOG_BYTES] * BACKLOG))
        victim.await_lines("there", 1, THERE_SECONDS)
        taken = counter(settled(crowd.asking, QUEUE), handed) - counter(before, handed)
        victim.kill()
        worker = exchange.consumer("next worker", QUEUE)
        wait(lambda: len(worker.deliveries) >= BACKLOG - taken, scaled(timedelta(seconds=10)))
        exchange.quiet(2.0)
        after = settled(crowd.asking, QUEUE)
        exchange.close()
        if not 0 < taken < BACKLOG // 2:
            raise Inconclusive(f"{taken} of {BACKLOG} messages had been handed to a worker that does not read")
        numbers = [number_of(delivery.payload) for delivery in worker.deliveries]
        if numbers != list(range(taken, BACKLOG)):
            first = f"from number {numbers[0]} on; first gap: {gaps(numbers)}" if numbers else "none"
            raise AssertionError(
                f"{taken} of {BACKLOG} messages had been handed to the dead worker, expected the others in order; "
                f"the next worker got {len(numbers)}: {first}"
            )
        if (delivered := counter(after, handed) - counter(before, handed)) != BACKLOG:
            raise AssertionError(f"{BACKLOG} messages were handed to the two workers, the broker counts {delivered}")
        crowd.fates.append(f"a worker died with {taken} messages, the next one got the other {len(numbers)}")

    @keyword
    def others_should_not_have_been_disturbed(self, crowd: Crowd, longest_silence: timedelta) -> None:
        """Demand every message once, unchanged and in order, on the same connections, and no longer silence."""
        crowd.innocents.stop()
        undisturbed(crowd.innocents, longest_silence, minimum=BACKLOG)
        say("; ".join(crowd.fates))

    @keyword
    def everything_the_dead_held_should_be_free_within(self, crowd: Crowd, within: timedelta) -> None:
        """Demand as many connections, subscribers and open files as before, and nothing buffered."""

        def held() -> str | None:
            now = crowd.asking.stats()
            seen = {
                "connections": (counter(now, "connections.active"), crowd.connections),
                "subscribers": (counter(now, f"topics.{TOPIC}.subscribers"), crowd.subscribers),
                "messages buffered": (counter(now, f"topics.{TOPIC}.depth"), 0),
                "open files of the broker": (open_files(), crowd.descriptors),
            }
            wrong = [f"{was} {what}, expected {expected}" for what, (was, expected) in seen.items() if was != expected]
            return "; ".join(wrong) or None

        wait_until(held, scaled(within), "what the dead held to be free", interval=0.05)

    def _victim(self, role: str, topic: str = TOPIC) -> Double:
        victim = Double(role, [str(broker().addresses.socket), topic], module="BrokerLibrary.victims")
        on_test_end(victim.kill)
        return victim


def open_files() -> int | None:
    """How many files and sockets the processes of the broker under test have open; None: they cannot be seen."""
    service = broker().services.get("broker")
    if service is None:
        return None
    try:
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in service.processes())
    except OSError:
        return None
