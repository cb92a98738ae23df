"""Keywords of configuration: mistakes that name their key, variables that override the file, reloads under traffic."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from robot.api import logger
from robot.api.deco import keyword

from BrokerLibrary.client import BrokerClient, Refused
from BrokerLibrary.configuration import Topic, WrongConfiguration, configuration, wrong_configurations
from BrokerLibrary.exchange import Exchange, wait
from BrokerLibrary.innocents import Innocents
from BrokerLibrary.keywords.base import (
    POLL_SECONDS,
    answers,
    await_answer,
    launched,
    logged,
    new_exchange,
    on_test_end,
    own_broker,
    require_right,
)
from BrokerLibrary.keywords.lifecycle import ended_within
from BrokerLibrary.keywords.subscription import await_more
from BrokerLibrary.raw import RawConnection
from BrokerLibrary.stats import counter
from BrokerLibrary.wire import ErrorCode
from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say
from environments.system import BrokerInstance
from measurement.verdicts import Inconclusive
from oracles.history import Result
from TemporalLibrary.core import wait_until

OLD, GROWN, ADDED = "old_topic", "grown_topic", "added_topic"
SMALL, LARGE = 500, 1500  # bytes of payload allowed on the topic that grows, before and after
_OLD = Topic(OLD, buffer_size=20_000, max_message_size=4096)  # so that no frame of the others is too long to be one
RATE = 500.0
RELOAD_SECONDS = 5.0
SERVED = 3  # connections that a variable allows
AT_ONCE = 3  # brokers that start together: their start is mostly work of one core


@dataclass(frozen=True, slots=True)
class Attempted:
    """A broker that was started with a wrong file."""

    wrong: WrongConfiguration
    status: int | None  # None: it still ran after the deadline
    seconds: float
    said: str
    served: bool  # whether it answered anyway


@dataclass
class Reloading:
    """A broker whose configuration changes under traffic."""

    instance: BrokerInstance
    innocents: Innocents
    asking: BrokerClient

    @property
    def exchange(self) -> Exchange:
        """The clients that must notice nothing."""
        return self.innocents.exchange


class ConfigurationKeywords:
    """Files, variables and reloads."""

    # -- wrong files ---------------------------------------------------------------------------------------

    @keyword
    def brokers_are_started_with_wrong_files(self, at_least: int, within: timedelta) -> list[Attempted]:
        """Start a broker with each wrong file, and wait for so long for its end."""
        wrong = wrong_configurations()
        if len(wrong) < at_least:
            raise AssertionError(f"there are {len(wrong)} wrong files, expected {at_least}")
        with ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="wrong file") as pool:
            return list(pool.map(lambda one: attempted(one, scaled(within)), wrong))

    @keyword
    def each_should_have_ended_with_the_name_of_its_key(self, attempts: list[Attempted]) -> None:
        """Demand that none served, each ended with an error before the deadline, and a line named the wrong key."""
        problems = [problem for attempt in attempts if (problem := _wrongly_started(attempt))]
        for attempt in attempts:
            logger.info(f"{attempt.wrong.what}: status {attempt.status} after {attempt.seconds:.2f} s: {attempt.said}")
        if problems:
            raise AssertionError(f"{len(problems)} of {len(attempts)} wrong files: {'; '.join(problems[:3])}")
        say(f"{len(attempts)} wrong files refused, the slowest after {max(a.seconds for a in attempts):.2f} s")

    # -- variables -----------------------------------------------------------------------------------------

    @keyword
    def environment_variables_should_override_the_file(self) -> None:
        """Start a broker with another socket and another limit of connections in its environment than in its file.

        Both are seen in what it does: it listens there and nowhere else, and turns away the fourth connection.
        """
        text = configuration([Topic(OLD)], max_connections=50)
        instance = launched(text)
        await_answer(instance)
        other = instance.socket.with_name("other.sock")
        instance.control.kill()
        overriding = launched(
            text, {"MYCELIUM_SERVER_SOCKET_PATH": str(other), "MYCELIUM_SERVER_MAX_CONNECTIONS": str(SERVED)}
        )
        await_answer(overriding, other)
        if answers(overriding.socket):
            raise AssertionError("the broker listens at the path of its file, though a variable names another")
        served, codes = connections_until_refused(other, 5)
        if (served, codes) != (SERVED, [ErrorCode.TOO_MANY_CONNECTIONS] * 2):
            raise AssertionError(
                f"expected {SERVED} connections to be served, as a variable says, and 2 refused with error 5; "
                f"{served} were served, the errors were {[code.value for code in codes]}"
            )

    # -- reload --------------------------------------------------------------------------------------------

    @keyword
    def a_broker_under_traffic(self) -> Reloading:
        """Start a broker of the test's own with two topics; a producer and two consumers exchange messages on one."""
        instance = own_broker(configuration([_OLD, Topic(GROWN, max_message_size=SMALL)]))
        exchange = new_exchange({OLD: "Fanout"}, socket=instance.socket)
        exchange.consumer("reader1", OLD)
        exchange.consumer("reader2", OLD)
        exchange.producer("producer")
        innocents = Innocents(exchange, "producer", OLD, RATE).start()
        on_test_end(innocents.stop)
        asking = BrokerClient(instance.socket, "asking")
        on_test_end(asking.close)
        return Reloading(instance, innocents, asking)

    @keyword
    def reload_adds_a_topic_and_raises_a_limit(self, reloading: Reloading) -> None:
        """Demand that a topic and a message size are refused before the reload, and taken after it."""
        limits = reloading.asking
        if taken(limits, GROWN, LARGE) or topic_is_known(limits, ADDED):
            raise AssertionError("the broker takes what its configuration does not allow yet")
        await_more(reloading.exchange, 50)
        self._reload(reloading, topics_after(), "ok")
        await_more(reloading.exchange, 50)
        if not topic_is_known(limits, ADDED):
            raise AssertionError(f"topic '{ADDED}' is still unknown after the reload that added it")
        if not taken(limits, GROWN, LARGE):
            raise AssertionError(f"{LARGE} bytes on '{GROWN}' are still refused after the reload that allowed them")
        if not delivered_to_itself(limits, ADDED):
            raise AssertionError(f"topic '{ADDED}' is known after the reload, but delivers nothing")

    @keyword
    def wrong_file_or_removed_topic_should_change_nothing(self, reloading: Reloading) -> None:
        """Reload with a broken file, one with a wrong limit, and one without a topic: the old one must stay in force.

        Each is counted as failed, and the log names what is wrong with it.
        """
        broken = {
            "not TOML": ("[server\n", "broker.toml"),
            "a limit of 0": (
                configuration([_OLD, Topic(GROWN, max_message_size=0), Topic(ADDED)]),
                "max_message",
            ),
            "a topic removed": (configuration([_OLD, Topic(GROWN, max_message_size=LARGE)]), ADDED),
        }
        for what, (text, word) in broken.items():
            before = len(logged(reloading.instance))
            self._reload(reloading, text, "failed")
            if word not in logged(reloading.instance)[before:]:
                raise AssertionError(f"the log does not name '{word}' after a reload with {what}")
            await_more(reloading.exchange, 40)
        limits = reloading.asking
        if not (taken(limits, GROWN, LARGE) and topic_is_known(limits, ADDED)):
            raise AssertionError("what the good reload had changed is gone after the failed ones")

    @keyword
    def nothing_should_have_been_lost_and_no_connection_closed(self, reloading: Reloading, messages: int) -> None:
        """Demand that the traffic went on through all reloads: every message, in order, on the same connections."""
        reloading.innocents.stop()
        require_right(reloading.exchange, messages)
        if interruptions := reloading.exchange.interruptions():
            raise AssertionError(f"{len(interruptions)} connections ended; first: {interruptions[0]}")
        say(f"{reloading.exchange.came()} deliveries through four reloads")

    def _reload(self, reloading: Reloading, text: str, outcome: str) -> None:
        """Rewrite the file, send SIGHUP, and wait until the broker has counted a reload of this outcome."""
        before = counter(reloading.asking.stats(), f"reloads.{outcome}")
        instance = reloading.instance
        filled = text.replace("@socket_path@", str(instance.socket)).replace("@metrics_port@", _port(instance))
        instance.configuration.write_text(filled, encoding="utf-8")
        instance.reload()

        def missing() -> str | None:
            now = reloading.asking.stats()["reloads"]
            return None if now[outcome] == before + 1 else f"the reloads are {now}, {outcome} was {before}"

        wait_until(missing, RELOAD_SECONDS, f"a reload to be counted as {outcome}", interval=POLL_SECONDS)


def attempted(wrong: WrongConfiguration, within: float) -> Attempted:
    """Start a broker with a wrong file and wait for its end."""
    begin = time.monotonic()
    instance = launched(wrong.text)
    status = ended_within(instance, within)
    seconds = time.monotonic() - begin
    served = status is None and answers(instance.socket)
    return Attempted(wrong, status, seconds, logged(instance), served)


def topics_after() -> str:
    """The configuration with one more topic and a larger limit."""
    return configuration([_OLD, Topic(GROWN, max_message_size=LARGE), Topic(ADDED)])


def taken(client: BrokerClient, topic: str, size: int) -> bool:
    """Whether the broker accepts a message of this size."""
    attempt = client.publish(topic, bytes(size), ack=True)
    client.settle([attempt])
    return attempt.outcome is Result.ACKED


def topic_is_known(client: BrokerClient, topic: str) -> bool:
    """Whether the broker lets a client subscribe to a topic."""
    try:
        client.subscribe(topic)
    except Refused as refused:
        if refused.error.code is not ErrorCode.UNKNOWN_TOPIC:
            raise
        return False
    return True


def delivered_to_itself(client: BrokerClient, topic: str) -> bool:
    """Whether a client that is subscribed to a topic gets what it publishes there."""
    payload = f"to myself at {time.time_ns()}".encode()
    client.publish(topic, payload)
    wait(lambda: any(d.payload == payload for d in client.deliveries), 2.0)
    return any(d.payload == payload and d.topic == topic for d in client.deliveries)


def connections_until_refused(socket: Path, number: int) -> tuple[int, list[ErrorCode]]:
    """Open so many connections one after the other; return how many are served, and the errors of the others.

    The broker may not have noticed yet that who asked before has gone: until the first is refused for good, refused
    ones are tried again for 2 s.
    """
    with ExitStack() as open_:
        codes: list[ErrorCode] = []
        served, end = 0, time.monotonic() + 2
        while served + len(codes) < number:
            connection = open_.enter_context(RawConnection(socket))
            if connection.answers_ping():
                served += 1
            elif served >= SERVED or time.monotonic() > end:
                codes += [error.code for error in connection.errors][:1]
                if not connection.errors:
                    break
        return served, codes


def _wrongly_started(attempt: Attempted) -> str | None:
    what = attempt.wrong.what
    if attempt.served:
        return f"{what}: the broker serves"
    if attempt.status is None:
        return f"{what}: it still runs after {attempt.seconds:.1f} s"
    if attempt.status == 0:
        return f"{what}: it ended with status 0"
    if attempt.wrong.key not in attempt.said:
        return f"{what}: '{attempt.wrong.key}' is not named in '{attempt.said[-200:]}'"
    if "Traceback" in attempt.said or "panicked" in attempt.said:
        return f"{what}: it crashed instead of saying what is wrong"
    return None


def _port(instance: BrokerInstance) -> str:
    """The port of its metrics page, as the environment had filled it in."""
    if instance.metrics is None:
        raise Inconclusive("the broker's metrics address is not known, so its file cannot be written again")
    return instance.metrics.rpartition(":")[2].partition("/")[0]
