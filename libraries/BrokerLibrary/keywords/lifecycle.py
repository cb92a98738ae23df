"""Keywords of start-up and shutdown: one broker for a socket, and nothing accepted is lost when it is told to end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from robot.api.deco import keyword

from BrokerLibrary.configuration import Topic, configuration
from BrokerLibrary.exchange import Exchange
from BrokerLibrary.keywords.base import (
    POLL_SECONDS,
    answers,
    await_answer,
    launched,
    logged,
    new_exchange,
    own_broker,
    require_right,
)
from BrokerLibrary.stats import counter
from BrokerLibrary.traffic import Traffic
from BrokerLibrary.wire import ErrorCode
from EnvironmentLibrary.context import record_value, scaled
from EnvironmentLibrary.telling import say
from environments.system import BrokerInstance
from measurement.verdicts import Inconclusive
from TemporalLibrary.core import wait_until

FANOUT, QUEUE = "drained", "drained_queue"
BACKLOG, BACKLOG_BYTES = 3000, 1000  # 3 MB for each reader that has stalled: the kernel takes a tenth of it
REFUSAL_SECONDS = 1.0  # a broker may go on accepting connections while it drains; it is not waited for any longer
DRAIN = timedelta(seconds=4)  # less than the 5 s that a broker may wait for readers who do not read
RATE = 1000.0  # messages a second that still come when the broker is told to end
TOPICS = (Topic(FANOUT, "Fanout", 20_000, 2000, "block"), Topic(QUEUE, "Queue", 20_000, 2000))


@dataclass
class Ended:
    """How a broker ended that was told to while messages waited in it.

    Attributes:
        instance: the broker.
        exchange: its clients.
        waiting: messages that were in its buffers when it was told.
        seconds: from then until it was gone.
    """

    instance: BrokerInstance
    exchange: Exchange
    waiting: int
    seconds: float = 0.0


class LifecycleKeywords:
    """Ready by a probe, alone on its socket, drained at its end."""

    @keyword
    def a_broker_of_its_own(self) -> BrokerInstance:
        """Start a broker that is there for this test alone, and wait until it answers a ping."""
        return own_broker(configuration(TOPICS))

    @keyword
    def second_broker_on_its_socket_should_be_refused_within(self, instance: BrokerInstance, within: timedelta) -> None:
        """Start another broker on the same path: it must end with an error that names the path, the first stay.

        A connection that was open before must still be served, and a new one too.
        """
        exchange = new_exchange({FANOUT: "Fanout"}, socket=instance.socket)
        exchange.consumer("reader", FANOUT)
        exchange.producer("producer")
        second = launched(configuration(TOPICS, socket_path=str(instance.socket)))
        status = ended_within(second, scaled(within))
        if status is None:
            raise AssertionError(f"a second broker on the same socket still runs after {within.total_seconds():g} s")
        if status == 0:
            raise AssertionError("a second broker on the same socket ended with status 0, expected an error")
        if str(instance.socket) not in logged(second):
            raise AssertionError(f"the second broker does not name the socket: '{logged(second)[-300:]}'")
        exchange.publish("producer", FANOUT, [100] * 20)
        exchange.settle(5)
        require_right(exchange, 20)
        if exchange.interruptions() or not answers(instance.socket):
            raise AssertionError("the second broker disturbed the first: a connection ended or is not answered")
        exchange.close()

    @keyword
    def broker_is_told_to_end_while_messages_wait(self, instance: BrokerInstance) -> Ended:
        """Send SIGTERM while two readers have stalled with a backlog each, and a producer goes on publishing."""
        exchange = new_exchange({FANOUT: "Fanout", QUEUE: "Queue"}, socket=instance.socket)
        readers = [exchange.consumer("reader of the topic", FANOUT), exchange.consumer("reader of the queue", QUEUE)]
        exchange.producer("producer")
        exchange.producer("late producer")
        asking = exchange.producer("asking")
        for reader in readers:
            reader.hold()
        for topic in (FANOUT, QUEUE):
            attempts = exchange.publish("producer", topic, [BACKLOG_BYTES] * BACKLOG)
            exchange.producers["producer"].settle(attempts)
        traffic = Traffic(exchange, "late producer", FANOUT, RATE).start()
        statistics = asking.stats()
        ended = Ended(instance, exchange, sum(counter(statistics, f"topics.{t}.depth") for t in (FANOUT, QUEUE)))
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="SIGTERM") as pool:
            begin = time.monotonic()
            stopping = pool.submit(instance.control.stop)
            _await_refusal(instance)  # else readers may have read everything before the signal arrives
            for client in readers:
                client.go_on()
            stopping.result()
        ended.seconds = time.monotonic() - begin
        traffic.stop()
        for client in exchange.clients:
            client.wait_lost(5)
        return ended

    @keyword
    def every_accepted_message_should_have_been_delivered(self, ended: Ended) -> None:
        """Demand that everything acknowledged before the end arrived, once, in order, and that messages had waited."""
        if ended.waiting < BACKLOG:
            raise Inconclusive(f"{ended.waiting} messages waited in the broker, at least {BACKLOG} needed")
        require_right(ended.exchange, 2 * BACKLOG)
        record_value("drain", ended.seconds, "s")
        if ended.seconds > scaled(DRAIN):
            raise AssertionError(
                f"the broker was gone {ended.seconds:.1f} s after SIGTERM, though everybody had read what was there; "
                f"expected at most {DRAIN.total_seconds():g} s"
            )
        say(f"{ended.waiting} waiting messages delivered, the broker was gone after {ended.seconds:.2f} s")

    @keyword
    def clients_should_have_been_told(self, ended: Ended) -> None:
        """Demand that each client was told of the shutdown before its connection was closed."""
        for client in ended.exchange.clients:
            if not any(told.error.code is ErrorCode.SHUTTING_DOWN for told in client.told):
                told = [str(one.error) for one in client.told]
                raise AssertionError(f"{client.name} was not told of the shutdown, but {told or 'nothing'}")

    @keyword
    def nothing_of_the_broker_should_be_left(self, ended: Ended) -> None:
        """Demand exit status 0 and no socket; and that another broker starts there, and over a dead one's socket."""
        status = ended.instance.exit_status()
        if status != 0:
            raise AssertionError(f"the broker ended with status {status}, expected 0: {logged(ended.instance)[-300:]}")
        if ended.instance.socket.exists():
            raise AssertionError(f"the socket {ended.instance.socket.name} is still there")
        for _ in range(2):
            ended.instance.control.start()
            await_answer(ended.instance)
            ended.instance.control.kill()
            if not ended.instance.socket.exists():
                raise Inconclusive("a killed broker left no socket behind, so there is nothing stale to replace")


def _await_refusal(instance: BrokerInstance) -> None:
    """Wait until a broker that was told to end answers no new connection any more, for a second at most."""
    with suppress(AssertionError):
        wait_until(
            lambda: "it answers" if answers(instance.socket, REFUSAL_SECONDS) else None,
            REFUSAL_SECONDS,
            "its end to begin",
            interval=POLL_SECONDS,
        )


def ended_within(instance: BrokerInstance, seconds: float) -> int | None:
    """Return how a broker ended; None when it still runs after so many seconds."""
    try:
        wait_until(
            lambda: "it runs" if instance.exit_status() is None else None, seconds, "its end", interval=POLL_SECONDS
        )
    except AssertionError:
        return None
    return instance.exit_status()
