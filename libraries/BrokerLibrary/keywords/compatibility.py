"""Keywords of compatibility: recorded messages, default configurations, and the metric names of the relays."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from robot.api.deco import keyword

from BrokerLibrary.client import BrokerClient
from BrokerLibrary.configuration import Topic, configuration
from BrokerLibrary.doubles import Double
from BrokerLibrary.exchange import Exchange, wait
from BrokerLibrary.keywords.base import await_answer, new_exchange, on_test_end, own_broker, require_right
from BrokerLibrary.keywords.service import started
from BrokerLibrary.market import CONSUMERS, PRODUCERS, scenario
from BrokerLibrary.protocol_v2 import golden
from BrokerLibrary.protocol_v2.golden import Golden
from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say
from environments.system import BrokerInstance, broker, running
from measurement.prometheus import read_page
from measurement.verdicts import Inconclusive

TOPIC = "market_data"
ANSWER_SECONDS = 5.0
RELAY_NAMES = "MarketData,Signal,Execution"
LEGACY = (
    "signals_received",
    "signals_broadcasted",
    "broadcast_errors",
    "unknown_messages",
    "total_connections",
    "active_connections",
    "registered_consumers",
    "connection_errors",
    "cleanup_runs",
    "consumers_cleaned",
    "last_cleanup_duration_ms",
    "started_at",
)
"""What the relays' monitoring asks for, from section 2.8 of the contract."""
MESSAGES = 25  # of the traffic that legacy metrics have to show


@dataclass
class Relayed:
    """Recorded messages before and after they went through the broker."""

    exchange: Exchange
    recorded: Golden


@dataclass
class LegacyPage:
    """The relay era's metrics before and after some traffic, and when its consumer had left."""

    before: Mapping[str, float]
    after: Mapping[str, float]
    later: Mapping[str, float]


class CompatibilityKeywords:
    """What clients of the relay era rely on."""

    # -- recorded messages -----------------------------------------------------------------------------------

    @keyword
    def recorded_messages_go_through_the_broker(self) -> Relayed:
        """Publish every recorded message, right and wrong ones, and wait until a consumer has them all.

        Each different payload once: the oracle tells them apart by their bytes.
        """
        exchange = new_exchange({TOPIC: "Fanout"})
        exchange.consumer("consumer", TOPIC)
        producer, recorded = exchange.producer("producer"), golden.read()
        payloads = dict.fromkeys([one.message for one in recorded.messages] + [one.message for one in recorded.refused])
        producer.publish_many(
            [exchange.foreign("producer", TOPIC, payload) for payload in payloads if payload], ack=True
        )
        exchange.settle(ANSWER_SECONDS)
        return Relayed(exchange, recorded)

    @keyword
    def bytes_should_have_come_unchanged(self, relayed: Relayed, messages: int) -> None:
        """Demand that the broker passed each on as it was, valid or not: to a broker a payload is bytes.

        Args:
            relayed: published and received.
            messages: so many there must be, at least.
        """
        require_right(relayed.exchange, messages)

    @keyword
    def each_right_one_should_be_read_as_recorded(self, relayed: Relayed) -> None:
        """Demand of each right message that what came is read as the record says, field by field, and built again."""
        self._check(
            relayed, [(one.name, one.message, golden.reading_deviations(one)) for one in relayed.recorded.messages]
        )

    @keyword
    def each_wrong_one_should_be_refused_with_the_named_error(self, relayed: Relayed) -> None:
        """Demand of each wrong message that reading what came ends with the error, and the facts, of its record."""
        verified = running().codec_defect != "checksums-unread"
        judged = [(one, golden.refusal_deviations(one, verified=verified)) for one in relayed.recorded.refused]
        self._check(relayed, [(one.name, one.message, deviations) for one, deviations in judged])

    def _check(self, relayed: Relayed, judged: list[tuple[str, bytes, list[str]]]) -> None:
        if not judged:
            raise Inconclusive("no such message is recorded")
        came = {delivery.payload for delivery in relayed.exchange.consumers["consumer"].deliveries}
        missing = [name for name, message, _ in judged if message and message not in came]
        wrong = [f"{name}: {deviations[0]}" for name, _, deviations in judged if deviations]
        if missing or wrong:
            raise AssertionError(
                f"{len(wrong)} of {len(judged)} recorded messages deviate, {len(missing)} did not come; "
                f"first: {(wrong or missing)[0]}"
            )
        say(f"{len(judged)} recorded messages as they must be")

    # -- defaults --------------------------------------------------------------------------------------------

    @keyword
    def a_broker_at_the_default_path(self) -> BrokerInstance:
        """Start a broker with the three standard topics that listens where services look by default.

        That is `mycelium.sock` in the directory for temporary files; here it is a directory of the test's own.
        """
        topics = [Topic("market_data"), Topic("signals"), Topic("execution", "Queue")]
        instance = own_broker(configuration(topics))
        if instance.socket.name != "mycelium.sock":
            instance.control.kill()
            raise Inconclusive(f"the environment calls the socket {instance.socket.name}, not mycelium.sock")
        return instance

    @keyword
    def services_start_with_default_configuration(self, instance: BrokerInstance) -> dict[str, Double]:
        """Start all five services without a single option."""
        await_answer(instance)
        return started({name: [] for name in (*PRODUCERS, *CONSUMERS)}, {"TMPDIR": str(instance.socket.parent)})

    @keyword
    def services_start_with_the_topics_of_the_relays(self, instance: BrokerInstance) -> dict[str, Double]:
        """Start all five services with the relays' names of what they subscribe to, and no other option."""
        arguments = {name: ["--topics", RELAY_NAMES] for name in (*PRODUCERS, *CONSUMERS)}
        return started(arguments, {"TMPDIR": str(instance.socket.parent)})

    @keyword
    def events_should_reach_every_consumer_within(self, doubles: dict[str, Double], within: timedelta) -> None:
        """Let both producers publish each kind of market data, and demand that each consumer reads all of it.

        The services end afterwards, and must do so in good order.
        """
        events = [event for event in scenario() if event.topic == TOPIC]
        before = {name: len(doubles[name].said("received")) for name in CONSUMERS}
        for number, event in enumerate(events):
            doubles[event.source].tell(event.order(number))
        for name in CONSUMERS:
            lines = doubles[name].await_lines("received", before[name] + len(events), scaled(within))[before[name] :]
            types = sorted(tlv["type"] for line in lines if line["topic"] == TOPIC for tlv in line["tlvs"])
            if types != sorted(event.type for event in events):
                raise AssertionError(f"{name} got {types} of the {len(events)} events")
        statuses = {name: double.stop() for name, double in doubles.items()}
        if any(statuses.values()):
            raise AssertionError(f"services ended with {statuses}, expected 0 of each")
        say(f"{len(events)} events to {len(CONSUMERS)} services")

    # -- metrics ---------------------------------------------------------------------------------------------

    @keyword
    def legacy_metrics_around_some_traffic(self) -> LegacyPage:
        """Read the page around 25 signals to a consumer and one message to no topic, and when the consumer has left."""
        url = broker().addresses.metrics
        if url is None:
            raise AssertionError("the environment declares legacy metrics, but gives no address of the page")
        before = legacy(url)
        exchange = new_exchange({"signals": "Fanout"})
        exchange.consumer("consumer", "signals")
        exchange.producer("producer")
        exchange.publish("producer", "signals", [100] * MESSAGES)
        exchange.settle(ANSWER_SECONDS)
        lost = BrokerClient(exchange.socket, "lost client")
        on_test_end(lost.close)
        lost.publish("no_such_topic", b"anybody?")
        lost.ping()
        after = legacy(url)
        exchange.consumers["consumer"].close()
        wait(lambda: legacy(url).get("active_connections") == after.get("active_connections", 0) - 1, ANSWER_SECONDS)
        return LegacyPage(before, after, legacy(url))

    @keyword
    def page_should_have_every_legacy_name(self, page: LegacyPage) -> None:
        """Demand each of the relays' twelve names, once, with a number that can be."""
        for name in LEGACY:
            if name not in page.after:
                raise AssertionError(f"the page has no {name}")
            if not page.after[name] >= 0:
                raise AssertionError(f"{name} is {page.after[name]}, which cannot be")

    @keyword
    def legacy_metrics_should_have_followed_the_traffic(self, page: LegacyPage) -> None:
        """Demand that what was done in between stands in them."""
        grown = {name: page.after[name] - page.before[name] for name in LEGACY}
        expected = {
            "signals_received": MESSAGES,
            "signals_broadcasted": MESSAGES,
            "broadcast_errors": 0,
            "unknown_messages": 1,
            "total_connections": 3,
            "active_connections": 3,
            "registered_consumers": 1,
            "cleanup_runs": 0,
            "consumers_cleaned": 0,
            "started_at": 0,
        }
        wrong = [
            f"{name} grew by {grown[name]:g}, expected {number}"
            for name, number in expected.items()
            if grown[name] != number
        ]
        if wrong:
            raise AssertionError(f"{len(wrong)} legacy metrics are wrong; {'; '.join(wrong)}")
        left = {name: page.later[name] - page.after[name] for name in LEGACY}
        gone = {"active_connections": -1, "registered_consumers": -1, "cleanup_runs": 1, "consumers_cleaned": 1}
        if wrong := [
            f"{name} changed by {left[name]:g}, expected {by}" for name, by in gone.items() if left[name] != by
        ]:
            raise AssertionError(f"when a consumer had left: {'; '.join(wrong)}")
        if not 0 < page.after["started_at"] <= time.time():
            raise AssertionError(f"started_at is {page.after['started_at']:g}, which is no time in the past")
        say(f"{len(LEGACY)} legacy metrics")


def legacy(url: str) -> dict[str, float]:
    """The relays' metrics on a page; a name that stands there twice is left out."""
    page = read_page(url)
    found = {name: [sample.value for sample in page if sample.name == name and not sample.labels] for name in LEGACY}
    return {name: values[0] for name, values in found.items() if len(values) == 1}
