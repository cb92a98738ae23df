"""Keywords of reliability: a frozen broker, a cut link, a flood of connections, and thousands of damaged frames."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from robot.api.deco import keyword

from BrokerLibrary.client import BrokerClient
from BrokerLibrary.connection import ConnectionLost
from BrokerLibrary.exchange import Exchange
from BrokerLibrary.fuzz import attack, damaged_frames
from BrokerLibrary.innocents import Innocents
from BrokerLibrary.keywords.base import POLL_SECONDS, answers, new_exchange, on_test_end
from BrokerLibrary.keywords.refusal import undisturbed
from BrokerLibrary.keywords.subscription import await_more, gaps, number_of
from BrokerLibrary.raw import RawConnection
from BrokerLibrary.records import SWIFT
from BrokerLibrary.stats import counter
from BrokerLibrary.wire import ErrorCode
from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say
from environments.system import broker, running
from measurement.verdicts import Inconclusive
from TemporalLibrary.core import wait_until

TOPIC = "isolation_test"
ATTACKED = "memory_test"  # what damaged frames are about; nobody of the innocent listens there
LINK = "client-broker"
RATE = 300.0
ENOUGH = 100
ANSWER_SECONDS = 5.0
AFTERWARDS = timedelta(seconds=5)


@dataclass
class Siege:
    """Clients at work on the broker, one of them behind a link, and the processes of the broker.

    Attributes:
        innocents: clients that are connected directly.
        beyond: a consumer that is connected through the link.
        asking: a client that asks for statistics.
        processes: of the broker, at the beginning.
        connections: open at the beginning.
    """

    innocents: Innocents
    beyond: BrokerClient
    asking: BrokerClient
    processes: list[int]
    connections: int

    @property
    def exchange(self) -> Exchange:
        """Of the clients that are connected directly."""
        return self.innocents.exchange


class ReliabilityKeywords:
    """What a broker has to survive."""

    @keyword
    def clients_exchange_messages_directly_and_through_a_link(self) -> Siege:
        """Connect a producer and a consumer directly, and another consumer through the link `client-broker`."""
        exchange = new_exchange({TOPIC: "Fanout"})
        exchange.consumer("innocent consumer", TOPIC)
        exchange.producer("innocent producer")
        beyond = BrokerClient(broker().links[LINK], "consumer beyond the link", backoff=SWIFT)
        on_test_end(beyond.close)
        beyond.subscribe(TOPIC)
        asking = BrokerClient(broker().addresses.socket, "asking")
        on_test_end(asking.close)
        innocents = Innocents(exchange, "innocent producer", TOPIC, RATE).start()
        on_test_end(innocents.stop)
        await_more(exchange, ENOUGH)
        return Siege(innocents, beyond, asking, roots(), counter(asking.stats(), "connections.active"))

    @keyword
    def messages_should_be_acknowledged_again(self, siege: Siege) -> None:
        """Demand that the clients that stayed connected go on as before."""
        await_more(siege.exchange, ENOUGH)

    @keyword
    def client_beyond_the_link_should_have_lost_its_connection(self, siege: Siege) -> None:
        """Demand that the cut was felt there, and that messages go on meanwhile elsewhere."""
        siege.beyond.wait_lost(scaled(AFTERWARDS))
        await_more(siege.exchange, ENOUGH)

    @keyword
    def client_beyond_the_link_should_be_back(self, siege: Siege) -> None:
        """Demand that it has reconnected and resubscribed by itself, and gets messages again."""
        siege.beyond.wait_ready(scaled(AFTERWARDS), after=siege.beyond.sessions[0].closed or 0.0)
        await_more(siege.exchange, ENOUGH)

    @keyword
    def clients_connect_at_once(self, siege: Siege, number: int) -> None:
        """Open so many connections: each must be served, or be told that there are too many and be closed.

        The broker must count the ones it turned away, and must have its places back when they have gone.
        """
        before = counter(siege.asking.stats(), "connections.rejected")
        with ExitStack() as open_:
            flood = []
            for _ in range(number):
                try:
                    flood.append(open_.enter_context(RawConnection(broker().addresses.socket, ANSWER_SECONDS)))
                except ConnectionLost:
                    continue
            served = sum(connection.answers_ping(ANSWER_SECONDS) for connection in flood)
            told = sum(ErrorCode.TOO_MANY_CONNECTIONS in {e.code for e in connection.errors} for connection in flood)
        if served + told != number or not told:
            raise AssertionError(
                f"of {number} connections {served} were served and {told} told that there are too many"
            )
        rejected = counter(siege.asking.stats(), "connections.rejected") - before
        if rejected != told:
            raise AssertionError(f"{told} connections were turned away, the broker counts {rejected}")
        self._places_come_back(siege)
        say(f"flood of {number}: {served} served, {told} turned away")

    @keyword
    def damaged_frames_are_sent(self, siege: Siege, number: int) -> None:
        """Send so many random, truncated, changed and lying frames, each on a connection of its own.

        The broker must end every one of these connections, answer nothing that is no frame, and count as malformed
        every frame that it called so; a frame that was cut off by the end of its connection it may count as well.
        """
        before = counter(siege.asking.stats(), "frames.malformed")
        outcome = attack(broker().addresses.socket, damaged_frames(number, running().seed, ATTACKED))
        malformed = counter(siege.asking.stats(), "frames.malformed") - before
        if outcome.problems or outcome.unserved:
            first = (outcome.problems or [f"{outcome.unserved} were not taken up"])[0]
            raise AssertionError(f"damaged frames were not met as they must be; first: {first}")
        if not number // 4 <= outcome.told <= malformed <= number:
            raise AssertionError(
                f"{outcome.told} of {number} frames were called malformed, the broker counts {malformed}"
            )
        self._places_come_back(siege)
        say(f"{number} damaged frames: {outcome.told} answered with an error, {malformed} counted")

    @keyword
    def broker_should_have_survived_and_lost_nothing(self, siege: Siege, longest_silence: timedelta) -> None:
        """Demand the same processes as before, and clients that were served all the time.

        Args:
            siege: with everything done.
            longest_silence: the longest time without a message that the direct clients may have seen, the time in which
                the broker was frozen included.
        """
        siege.innocents.stop()
        if (now := roots()) != siege.processes:
            raise AssertionError(
                f"the broker's processes were {siege.processes}, they are {now}: it has been restarted"
            )
        if not answers(broker().addresses.socket):
            raise AssertionError("the broker does not answer a new client")
        undisturbed(siege.innocents, longest_silence, minimum=ENOUGH)
        self._beyond_is_right(siege.beyond)

    def _beyond_is_right(self, beyond: BrokerClient) -> None:
        if beyond.violations:
            raise AssertionError(f"{beyond.name} was sent {beyond.violations[0]}")
        if len(beyond.sessions) != 2:
            raise AssertionError(f"{beyond.name} has had {len(beyond.sessions)} connections, expected 2")
        newest = -1
        for connection, group in groupby(beyond.deliveries, key=lambda delivery: delivery.connection):
            numbers = [number_of(delivery.payload) for delivery in group]
            if len(numbers) < ENOUGH // 2:
                raise Inconclusive(f"{len(numbers)} messages came on connection {connection} of {beyond.name}")
            if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
                raise AssertionError(f"{beyond.name} has a gap within connection {connection}: {gaps(numbers)}")
            if numbers[0] <= newest:
                raise AssertionError(f"{beyond.name} got message {numbers[0]} again after {newest}")
            newest = numbers[-1]

    def _places_come_back(self, siege: Siege) -> None:
        def taken() -> str | None:
            now = counter(siege.asking.stats(), "connections.active")
            return None if now == siege.connections else f"{now} connections are open, expected {siege.connections}"

        wait_until(taken, scaled(AFTERWARDS), "places to come back", interval=POLL_SECONDS)


def roots() -> list[int]:
    """The broker's processes; none when they are not ours to see."""
    service = broker().services.get("broker")
    return sorted(service.roots()) if service else []
