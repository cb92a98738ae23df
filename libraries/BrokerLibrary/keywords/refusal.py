"""Keywords of refusals: what is wrong is answered as declared, counted, and felt by nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from robot.api.deco import keyword

from BrokerLibrary.client import BrokerClient
from BrokerLibrary.configuration import Topic, configuration
from BrokerLibrary.exchange import Exchange
from BrokerLibrary.innocents import Innocents
from BrokerLibrary.keywords.base import new_exchange, on_test_end, own_broker, require_right
from BrokerLibrary.keywords.subscription import await_more
from BrokerLibrary.raw import RawConnection
from BrokerLibrary.refusals import LONELY, WATCHED, Wrong, expected_counts, refused_wrongly, wrong_frames
from BrokerLibrary.stats import counter
from BrokerLibrary.wire import ErrorCode
from EnvironmentLibrary.context import record_value, scaled
from EnvironmentLibrary.telling import say
from environments.system import BrokerInstance
from measurement.verdicts import Inconclusive

LIMIT, LARGEST_LIMIT = 512, 2048  # bytes of payload on the watched topic, and on the largest
MOST_CONNECTIONS = 12
ANSWER = timedelta(seconds=2)
EXCESS = 5  # connections tried beyond the limit
MOST_PROBLEMS = 10  # then no more is sent
ROUNDS = 5  # times that every wrong frame is sent
RATE = 1000.0  # messages a second among the innocent
ENOUGH = 50  # of them that each stretch of time needs


@dataclass
class RefusingBroker:
    """A broker with small limits, innocent clients at work on it, and what was done to it.

    Attributes:
        instance: the broker.
        innocents: who must notice nothing.
        asking: a client that asks for statistics.
        before: the statistics before anything wrong was done.
        done: everything wrong that was done.
        problems: what was not refused as declared.
    """

    instance: BrokerInstance
    innocents: Innocents
    asking: BrokerClient
    before: Mapping[str, Any]
    done: list[Wrong] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class RefusalKeywords:
    """Unknown topics, oversized messages, malformed frames, unknown opcodes, too many connections."""

    @keyword
    def a_broker_with_small_limits_and_innocent_clients(self) -> RefusingBroker:
        """Start a broker of the test's own for 12 connections; a producer and a consumer exchange messages on it."""
        topics = [
            Topic(WATCHED, max_message_size=LIMIT, buffer_size=10_000),
            Topic(LONELY, max_message_size=LIMIT),
            Topic("large", max_message_size=LARGEST_LIMIT),
        ]
        instance = own_broker(configuration(topics, max_connections=MOST_CONNECTIONS))
        exchange = new_exchange({WATCHED: "Fanout"}, socket=instance.socket)
        exchange.consumer("innocent consumer", WATCHED)
        exchange.producer("innocent producer")
        largest_allowed(exchange)
        innocents = Innocents(exchange, "innocent producer", WATCHED, RATE).start()
        on_test_end(innocents.stop)
        asking = BrokerClient(instance.socket, "asking")
        on_test_end(asking.close)
        await_more(exchange, ENOUGH)
        return RefusingBroker(instance, innocents, asking, asking.stats())

    @keyword
    def everything_wrong_is_sent(self, broker: RefusingBroker) -> None:
        """Send each wrong frame on a connection of its own, with a right one behind it, and all of that again."""
        for number, wrong in enumerate(wrong_frames(LIMIT, LARGEST_LIMIT) * ROUNDS):
            problem = refused_wrongly(wrong, broker.instance.socket, number, scaled(ANSWER))
            broker.done.append(wrong)
            if problem is not None:
                broker.problems.append(problem)
            if len(broker.problems) >= MOST_PROBLEMS:
                break  # each of the others may cost its deadline, and tell nothing more
        if not broker.problems:
            await_more(broker.innocents.exchange, ENOUGH)

    @keyword
    def more_clients_connect_than_are_allowed(self, broker: RefusingBroker) -> None:
        """Fill the broker up to its limit, try five connections more, and again after one has made room."""
        there = len(broker.innocents.exchange.clients) + 1
        with ExitStack() as open_:
            fillers = [self._filler(broker, open_) for _ in range(MOST_CONNECTIONS - there)]
            if mute := sum(not filler.answers_ping(scaled(ANSWER)) for filler in fillers):
                broker.problems.append(f"{mute} of {len(fillers)} connections within the limit are not served")
            for _ in range(EXCESS):
                self._one_too_many(broker, open_)
            fillers[0].close()
            if not self._room_comes_back(broker, open_):
                broker.problems.append("a place that became free was not given to the next client")
        if not broker.problems:
            await_more(broker.innocents.exchange, ENOUGH)

    @keyword
    def each_should_have_been_refused_as_declared(self, broker: RefusingBroker) -> None:
        """Demand the right error for each, and that the connection was closed or left open as the contract says."""
        if broker.problems:
            raise AssertionError(
                f"{len(broker.problems)} of {len(broker.done)} were not refused as declared; "
                f"{'; '.join(broker.problems[:3])}"
            )
        say(f"{len(broker.done)} refused as declared")

    @keyword
    def counters_should_have_moved_by_exactly_as_many(self, broker: RefusingBroker) -> None:
        """Demand that the statistics count each refusal once, by its kind."""
        after = broker.asking.stats()
        wrong = []
        for path, expected in expected_counts(broker.done).items():
            grown = counter(after, path) - counter(broker.before, path)
            if grown != expected:
                wrong.append(f"{path} grew by {grown}, expected {expected}")
        if wrong:
            raise AssertionError(f"refusals are not counted as they were: {'; '.join(wrong)}")
        say(", ".join(f"{path} +{expected}" for path, expected in expected_counts(broker.done).items()))

    @keyword
    def innocent_clients_should_not_have_been_disturbed(
        self, broker: RefusingBroker, longest_silence: timedelta
    ) -> None:
        """Demand that they exchanged every message, kept their connections, and never waited longer than this."""
        broker.innocents.stop()
        undisturbed(broker.innocents, longest_silence)

    def _filler(self, broker: RefusingBroker, open_: ExitStack) -> RawConnection:
        return open_.enter_context(RawConnection(broker.instance.socket))

    def _one_too_many(self, broker: RefusingBroker, open_: ExitStack) -> None:
        connection = self._filler(broker, open_)
        closed = connection.read_to_the_end(scaled(ANSWER))
        codes = [error.code for error in connection.errors]
        broker.done.append(Wrong("one connection too many", b"", ErrorCode.TOO_MANY_CONNECTIONS, closes=True))
        if codes != [ErrorCode.TOO_MANY_CONNECTIONS] or not closed:
            met = "closed" if closed else "left open"
            broker.problems.append(f"one connection too many: expected error 5 and a close, was {codes} and {met}")

    def _room_comes_back(self, broker: RefusingBroker, open_: ExitStack) -> bool:
        """Try until a connection is served; refusals until then are refusals like others."""
        for _ in range(100):
            connection = self._filler(broker, open_)
            if connection.answers_ping(scaled(ANSWER)):
                return True
            broker.done.append(Wrong("before the place was free", b"", ErrorCode.TOO_MANY_CONNECTIONS, closes=True))
        return False


def largest_allowed(exchange: Exchange) -> None:
    """Publish a message of exactly the largest size, which must not be refused."""
    (attempt,) = exchange.publish("innocent producer", WATCHED, [LIMIT])
    exchange.producers["innocent producer"].settle([attempt])
    if attempt.detail:
        raise AssertionError(f"a payload of exactly {LIMIT} bytes was refused: {attempt.detail}")


def undisturbed(innocents: Innocents, longest_silence: timedelta, minimum: int = 100) -> None:
    """Demand that clients who did nothing wrong noticed nothing.

    Args:
        innocents: stopped.
        longest_silence: between two messages.
        minimum: messages that they need to have exchanged.

    Raises:
        AssertionError: a message was lost, a connection ended, or they waited longer.
        Inconclusive: they exchanged too few to tell.
    """
    require_right(innocents.exchange, minimum)
    if interruptions := innocents.exchange.interruptions():
        raise AssertionError(f"{len(interruptions)} connections of the innocent ended; first: {interruptions[0]}")
    waited = innocents.longest_silence()
    if waited is None:
        raise Inconclusive("the innocent exchanged nothing")
    record_value("longest silence", waited, "s")
    if waited > scaled(longest_silence):
        raise AssertionError(
            f"the innocent waited {waited:.2f} s for a message, expected at most {longest_silence.total_seconds():g} s"
        )
    came = innocents.exchange.came()
    say(f"the innocent exchanged {came} messages and never waited longer than {waited * 1000:.0f} ms")
