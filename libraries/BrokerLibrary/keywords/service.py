"""Keywords of the five services: each event reaches exactly its consumers, and everybody counts the same."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from robot.api import logger
from robot.api.deco import keyword

from BrokerLibrary import market, stats
from BrokerLibrary.client import BrokerClient
from BrokerLibrary.doubles import START_SECONDS, Double, Line
from BrokerLibrary.exchange import wait
from BrokerLibrary.keywords.account import settled
from BrokerLibrary.keywords.base import STANDARD_ROUTING, on_test_end
from BrokerLibrary.market import CONSUMERS, PRODUCERS, Event
from EnvironmentLibrary.context import record_value, scaled, timed
from EnvironmentLibrary.telling import say
from environments.system import broker
from measurement.prometheus import read_page

ANSWER_SECONDS = 5.0
WATCHERS = {"watcher of market data": "market_data", "watcher of signals": "signals"}
"""Clients beside the services, each on one topic, that tell where else a message came out."""


@dataclass
class Published:
    """One message of the scenario: what was told, what was sent, and who had how many of it in the end.

    Attributes:
        event: what the service was told to publish; None: it did so by itself.
        source: the service.
        line: what it said of it.
        came: service or watcher -> deliveries of this payload.
        others: deliveries of anything else in the same time.
        lines: consumer -> what it said of it.
        seconds: until the last expected consumer had it; None: one never had.
    """

    event: Event | None
    source: str
    line: Line
    came: Mapping[str, int]
    others: Mapping[str, int]
    lines: Mapping[str, Line]
    seconds: float | None

    @property
    def topic(self) -> str:
        """Where it was published."""
        return str(self.line["topic"])


@dataclass
class Services:
    """The five services, the watchers, and what was published so far."""

    doubles: dict[str, Double]
    watchers: dict[str, BrokerClient]
    before: Mapping[str, Any]
    published: list[Published] = field(default_factory=list)

    def deliveries(self) -> dict[str, list[str]]:
        """Payloads in hexadecimal digits that each service and watcher has got so far."""
        got = {name: [line["payload"] for line in double.said("received")] for name, double in self.doubles.items()}
        return got | {name: [d.payload.hex() for d in client.deliveries] for name, client in self.watchers.items()}


class ServiceKeywords:
    """Polygon adapter, Kraken collector, flash arbitrage, portfolio service and dashboard."""

    # -- end to end ------------------------------------------------------------------------------------------

    @keyword
    def the_five_services_are_connected(self) -> Services:
        """Start them as processes on the broker under test, and a watcher on each Fanout topic."""
        arguments = ["--socket", str(broker().addresses.socket), "--backoff-ms", "50"]
        with timed("start the services", "startup"):
            doubles = started(dict.fromkeys((*PRODUCERS, *CONSUMERS), arguments))
        watchers = {name: self._watcher(name, topic) for name, topic in WATCHERS.items()}
        asking = next(iter(watchers.values()))
        return Services(doubles, watchers, settled(asking))

    @keyword
    def every_kind_of_event_happens(self, services: Services, wait_for: timedelta, silence: timedelta) -> None:
        """Tell one service after the other to publish an event, and watch everybody after each.

        Args:
            services: connected.
            wait_for: how long an expected consumer may take to get an event.
            silence: for so long after it everybody is watched for what must not come.
        """
        with timed("every kind of event", "measuring"):
            for number, event in enumerate(market.scenario(), start=1):
                self._happens(services, number, event, scaled(wait_for), silence.total_seconds())

    @keyword
    def each_should_have_reached_exactly_its_consumers(self, services: Services, events: int) -> None:
        """Demand that each message came once to all who were to have it, and nothing at all came to anybody else.

        Args:
            services: with what was published.
            events: so many messages, signals included, there must be at least.
        """
        if len(services.published) < events:
            raise AssertionError(f"{len(services.published)} messages were published, expected at least {events}")
        for one in services.published:
            _check_receivers(one)
        _check_signals(services)
        slowest = max(one.seconds or 0.0 for one in services.published)
        record_value("delivery", slowest, "s")
        say(f"{len(services.published)} messages to exactly their consumers, the slowest in {slowest * 1000:.0f} ms")

    @keyword
    def contents_should_be_equal_field_by_field(self, services: Services) -> None:
        """Demand in each consumer the bytes that were sent, and the fields that the service had been told to send."""
        for one in services.published:
            for consumer, line in one.lines.items():
                _check_content(one, consumer, line)

    @keyword
    def metrics_of_everybody_should_agree(self, services: Services) -> None:
        """Demand the same numbers from the broker, its page, the producers, the consumers and the ledger."""
        after = settled(next(iter(services.watchers.values())))
        problems = [*_broker_problems(services, after), *_page_problems(after), *_service_problems(services)]
        if problems:
            raise AssertionError(f"{len(problems)} numbers do not agree; {'; '.join(problems[:3])}")
        sent = Counter(one.topic for one in services.published)
        say(f"all agree on {', '.join(f'{number} on {topic}' for topic, number in sent.items())}")

    def _watcher(self, name: str, topic: str) -> BrokerClient:
        client = BrokerClient(broker().addresses.socket, name)
        on_test_end(client.close)
        client.subscribe(topic)
        return client

    def _happens(self, services: Services, number: int, event: Event, within: float, silence: float) -> None:
        double, strategy = services.doubles[event.source], services.doubles["flash_arbitrage"]
        before, said, signals = services.deliveries(), len(double.said("published")), len(strategy.said("published"))
        begin = time.monotonic()
        double.tell(event.order(number))
        line = double.await_lines("published", said + 1, ANSWER_SECONDS)[said]
        made = strategy.await_lines("published", signals + event.signals, ANSWER_SECONDS)[signals:]
        took = [_seconds_until(services, one, within, begin) for one in (line, *made)]
        wait(lambda: False, silence)
        made = strategy.said("published")[signals:]
        own = [line["payload"], *(one["payload"] for one in made)]
        services.published.append(_published(services, event, event.source, line, before, own, took[0]))
        services.published += [
            _published(services, None, strategy.name, one, before, own, took[1] if len(took) > 1 else None)
            for one in made
        ]

    # -- defaults --------------------------------------------------------------------------------------------


def started(commands: Mapping[str, list[str]], environment: Mapping[str, str] | None = None) -> dict[str, Double]:
    """Start service doubles together and wait until each says that it is ready; the test's end stops them.

    Args:
        commands: service -> arguments of its command line.
        environment: variables of all of them.
    """
    doubles = {name: Double(name, arguments, environment) for name, arguments in commands.items()}
    for double in doubles.values():
        on_test_end(double.stop)
    for double in doubles.values():
        double.await_lines("ready", 1, START_SECONDS)
    return doubles


def expected_receivers(topic: str) -> tuple[str, ...]:
    """Who gets every message of a topic; of a queue, among whom exactly one gets it."""
    return (*CONSUMERS, *(name for name, own in WATCHERS.items() if own == topic))


def _seconds_until(services: Services, line: Line, within: float, begin: float) -> float | None:
    """Wait until everybody has a message who is to have it; return the seconds since `begin`, None when in vain."""
    expected, some = expected_receivers(line["topic"]), STANDARD_ROUTING[line["topic"]] == "Queue"

    def have() -> bool:
        got = services.deliveries()
        there = [line["payload"] in got[name] for name in expected]
        return any(there) if some else all(there)

    wait(have, within)
    return time.monotonic() - begin if have() else None


def _published(
    services: Services,
    event: Event | None,
    source: str,
    line: Line,
    before: Mapping[str, list[str]],
    own: list[str],
    seconds: float | None,
) -> Published:
    new = {name: payloads[len(before[name]) :] for name, payloads in services.deliveries().items()}
    return Published(
        event,
        source,
        line,
        {name: payloads.count(line["payload"]) for name, payloads in new.items()},
        {name: sum(payload not in own for payload in payloads) for name, payloads in new.items()},
        {
            name: next(said for said in double.said("received") if said["payload"] == line["payload"])
            for name, double in services.doubles.items()
            if line["payload"] in new[name]
        },
        seconds,
    )


def _check_receivers(one: Published) -> None:
    what = f"{one.event.type if one.event else 'signal'} of {one.source} on {one.topic}"
    if one.line["outcome"] != "acked":
        raise AssertionError(f"the {what} was not accepted: {one.line['detail']}")
    expected = expected_receivers(one.topic)
    got = {name: number for name, number in one.came.items() if number}
    if STANDARD_ROUTING[one.topic] == "Queue":
        if len(got) != 1 or sum(got.values()) != 1 or not set(got) <= set(expected):
            raise AssertionError(f"the {what} was to reach exactly one of {', '.join(expected)}; it reached {got}")
    elif got != dict.fromkeys(expected, 1):
        raise AssertionError(f"the {what} was to reach {', '.join(expected)} once each; it reached {got}")
    if strays := {name: number for name, number in one.others.items() if number}:
        raise AssertionError(f"while the {what} was on its way, something else came to {strays}")
    if one.seconds is None:
        raise AssertionError(f"the {what} did not reach everybody in time")


def _check_signals(services: Services) -> None:
    made = sum(one.event is None for one in services.published)
    expected = sum(one.event.signals for one in services.published if one.event)
    if made != expected:
        raise AssertionError(f"flash arbitrage made {made} signals of these events, expected {expected}")


def _check_content(one: Published, consumer: str, line: Line) -> None:
    what = f"{consumer}, {one.event.type if one.event else 'signal'} of {one.source}"
    if line["problem"]:
        raise AssertionError(f"{what}: cannot be read: {line['problem']}")
    header, (tlv,) = line["header"], line["tlvs"]
    if header["source"] != market.SOURCES[one.source]:
        raise AssertionError(f"{what}: source {header['source']}, expected {market.SOURCES[one.source]}")
    if one.event is not None:
        expected: Mapping[str, Any] = {"type": one.event.type, **one.event.content}
        kept = consumer in one.event.kept
    else:
        expected = {"type": "ARBITRAGE_SIGNAL", "fields": {**tlv.get("fields", {}), **market.SIGNAL}}
        kept = True
        _check_sums(what, tlv["fields"])
    if tlv != expected:
        raise AssertionError(f"{what}: {_difference(expected, tlv)}")
    if line["kept"] is not kept:
        raise AssertionError(f"{what}: kept is {line['kept']}, expected {kept}")


def _check_sums(what: str, fields: Mapping[str, int]) -> None:
    net = fields["expected_profit"] - fields["dex_fees"] - fields["gas_cost"] - fields["slippage"]
    valid = fields["timestamp_ns"] // 1_000_000_000 + 300
    if (fields["net_profit"], fields["valid_until"]) != (net, valid):
        raise AssertionError(
            f"{what}: net profit {fields['net_profit']} until {fields['valid_until']}, expected {net} until {valid}"
        )


def _difference(expected: Mapping[str, Any], was: Mapping[str, Any]) -> str:
    if "fields" not in expected or "fields" not in was:
        return f"expected {dict(expected)}, was {dict(was)}"
    wrong = [name for name, value in expected["fields"].items() if was["fields"].get(name) != value]
    name = wrong[0] if wrong else "type"
    return f"{name} is {was['fields'].get(name)!r}, expected {expected['fields'].get(name)!r} ({len(wrong)} differ)"


def _broker_problems(services: Services, after: Mapping[str, Any]) -> list[str]:
    problems = []
    for topic, routing in STANDARD_ROUTING.items():
        sent = sum(one.topic == topic for one in services.published)
        copies = sent if routing == "Queue" else sent * len(expected_receivers(topic))
        for name, expected in {"published": sent, "delivered": copies}.items():
            path = f"topics.{topic}.{name}"
            grown = stats.counter(after, path) - stats.counter(services.before, path)
            if grown != expected:
                problems.append(f"broker: {path} grew by {grown}, expected {expected}")
    return problems


def _page_problems(after: Mapping[str, Any]) -> list[str]:
    url = broker().addresses.metrics
    if url is None:
        logger.info("the environment declares no metrics page")
        return []
    return stats.differing(after, read_page(url))


def _service_problems(services: Services) -> list[str]:
    received: Counter[str] = Counter()
    for one in services.published:
        received.update({name: number for name, number in one.came.items() if name in services.doubles})
    problems = []
    for name, double in services.doubles.items():
        own = [one for one in services.published if one.source == name]
        expected = {
            "messages_published": len(own),
            "trades_published": sum(one.event is not None and one.event.type == "TRADE" for one in own),
            "publish_errors": 0,
            "messages_received": received[name],
        }
        metrics = double.report()
        problems += [
            f"{name}: {metric} is {metrics[metric]}, expected {number}"
            for metric, number in expected.items()
            if metrics[metric] != number
        ]
    return problems
