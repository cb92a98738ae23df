"""The end-to-end scenario, and what the checks of it make of wrong deliveries."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest

from BrokerLibrary import market
from BrokerLibrary.keywords import service
from BrokerLibrary.keywords.service import Published, ServiceKeywords, expected_receivers
from BrokerLibrary.market import CONSUMERS, SIGNAL, Event, scenario
from BrokerLibrary.protocol_v2.header import Domain
from BrokerLibrary.protocol_v2.layouts import Trade
from BrokerLibrary.protocol_v2.messages import build, parse
from BrokerLibrary.services.events import described, to_tlv
from BrokerLibrary.services.kinds import KINDS, TOPIC_OF_DOMAIN
from BrokerLibrary.services.strategy import FlashArbitrage

EVENTS = scenario()
Fake: Any = SimpleNamespace
NAMES = (*CONSUMERS, "polygon_adapter", "kraken_collector", *service.WATCHERS)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: f"{event.source}-{event.type}")
def test_every_event_can_be_published_and_says_who_goes_on_with_it(event):
    order = event.order(1)
    domain = Domain[order["domain"]]
    assert TOPIC_OF_DOMAIN[domain] == event.topic
    assert KINDS[event.source].source == market.SOURCES[event.source]
    message = parse(build(domain, KINDS[event.source].source, 1, 1, [to_tlv(order)]), in_domain=True)
    assert described(message.tlvs[0]) == {"type": event.type, **event.content}
    assert tuple(name for name in CONSUMERS if KINDS[name].keeps(event.topic, message)) == event.kept


def test_the_scenario_has_every_type_the_contract_names_and_one_chance_for_a_signal():
    pools = {"POOL_SWAP", "POOL_MINT", "POOL_BURN", "POOL_TICK", "POOL_STATE", "POOL_SYNC"}
    assert {event.type for event in EVENTS} == {"TRADE", "QUOTE", "ORDER_REQUEST", *pools}
    strategy, made = FlashArbitrage(), []
    for event in EVENTS:
        if event.type == "TRADE":
            found = strategy.sees(Trade.unpack(to_tlv(event.order(1)).value))
            assert (found is not None) == bool(event.signals)
            made += [found] if found else []
    assert [{f.name: getattr(one, f.name) for f in fields(one) if f.name in SIGNAL} for one in made] == [SIGNAL]


def published(event, *, came=None, others=None, line=None, seconds=0.01, lines=None):
    topic = event.topic if event else "signals"
    source = event.source if event else "flash_arbitrage"
    receivers = expected_receivers(topic)[:1] if topic == "execution" else expected_receivers(topic)
    said = {"topic": topic, "payload": "00", "outcome": "acked", "detail": ""}
    return Published(
        event,
        source,
        {**said, **(line or {})},
        dict.fromkeys(NAMES, 0) | dict.fromkeys(receivers, 1) | (came or {}),
        dict.fromkeys(NAMES, 0) | (others or {}),
        lines or {name: line_of(event, name) for name in receivers if name in CONSUMERS},
        seconds,
    )


def line_of(event, consumer, **changes):
    if event is None:
        money = {"expected_profit": SIGNAL["expected_profit"], "dex_fees": 3, "gas_cost": 2, "slippage": 1}
        net = money["expected_profit"] - 6
        content = {"fields": {**SIGNAL, **money, "net_profit": net, "timestamp_ns": 5 * 10**9, "valid_until": 305}}
        source, type_ = 20, "ARBITRAGE_SIGNAL"
    else:
        content, source, type_ = event.content, market.SOURCES[event.source], event.type
    line = {"problem": None, "header": {"source": source}, "tlvs": [{"type": type_, **content}]}
    return {**line, "kept": consumer in event.kept if event else True, **changes}


def checked(*ones):
    services = Fake(published=list(ones))
    keywords = ServiceKeywords()
    keywords.each_should_have_reached_exactly_its_consumers(services, len(ones))
    keywords.contents_should_be_equal_field_by_field(services)


TRADE, STATE = EVENTS[0], next(event for event in EVENTS if event.type == "POOL_STATE")
ORDER = next(event for event in EVENTS if event.topic == "execution")


@pytest.fixture(autouse=True)
def silent(monkeypatch):
    monkeypatch.setattr(service, "say", lambda text: None)


def test_a_right_run_passes():
    last = EVENTS[-1]
    checked(published(TRADE), published(STATE), published(ORDER), published(last), published(None))


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (
            published(TRADE, came={"dashboard": 0}),
            "was to reach flash_arbitrage, portfolio_service, dashboard, watcher",
        ),
        (published(TRADE, came={"dashboard": 2}), "once each; it reached .*'dashboard': 2"),
        (published(TRADE, came={"watcher of signals": 1}), "once each; it reached .*'watcher of signals': 1"),
        (published(TRADE, came={"kraken_collector": 1}), "once each; it reached .*'kraken_collector': 1"),
        (published(TRADE, others={"polygon_adapter": 1}), "something else came to {'polygon_adapter': 1}"),
        (published(TRADE, seconds=None), "did not reach everybody in time"),
        (published(TRADE, line={"outcome": "failed", "detail": "why"}), "was not accepted: why"),
        (published(ORDER, came={"dashboard": 1}), "was to reach exactly one of"),
        (published(ORDER, came={"flash_arbitrage": 0}), "was to reach exactly one of"),
        (published(ORDER, came={"flash_arbitrage": 2}), "was to reach exactly one of"),
        (published(ORDER, came={"flash_arbitrage": 0, "watcher of signals": 1}), "was to reach exactly one of"),
        (replace(published(EVENTS[-1])), "made 0 signals of these events, expected 1"),
        (published(None), "made 1 signals of these events, expected 0"),
    ],
)
def test_a_wrong_delivery_is_told(one, sentence):
    with pytest.raises(AssertionError, match=sentence):
        checked(one)


def changed(event, **fields_):
    content = {**event.content["fields"], **fields_}
    return {"dashboard": line_of(event, "dashboard", tlvs=[{"type": event.type, "fields": content}])}


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (published(TRADE, lines=changed(TRADE, price=1)), r"price is 1, expected 250000000000 \(1 differ\)"),
        (published(TRADE, lines=changed(TRADE, side=9, venue_id=8)), r"\(2 differ\)"),
        (
            published(TRADE, lines={"dashboard": line_of(EVENTS[1], "dashboard")}),
            "asset_id is 4779518966531048448, expected",
        ),
        (
            published(TRADE, lines={"dashboard": line_of(TRADE, "dashboard", problem="broken")}),
            "cannot be read: broken",
        ),
        (
            published(TRADE, lines={"dashboard": line_of(TRADE, "dashboard", kept=False)}),
            "kept is False, expected True",
        ),
        (
            published(STATE, lines={"flash_arbitrage": line_of(STATE, "flash_arbitrage", kept=True)}),
            "flash_arbitrage, POOL_STATE of polygon_adapter: kept is True, expected False",
        ),
        (
            published(TRADE, lines={"dashboard": line_of(TRADE, "dashboard", header={"source": 9})}),
            "source 9, expected 2",
        ),
        (
            published(ORDER, lines={"dashboard": line_of(ORDER, "dashboard", tlvs=[{"type": "FILL", "value": "00"}])}),
            "expected .*ORDER_REQUEST.*, was .*FILL",
        ),
    ],
)
def test_a_wrong_content_is_told(one, sentence):
    with pytest.raises(AssertionError, match=sentence):
        checked(one)


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("net_profit", "net profit 1 until 305, expected 44999999994 until 305"),
        ("valid_until", "until 1, expected"),
        ("spread_bps", "spread_bps is 1, expected 100"),
    ],
)
def test_a_signal_must_add_up(field, sentence):
    line = line_of(None, "dashboard")
    line["tlvs"][0]["fields"][field] = 1
    trigger = published(EVENTS[-1])
    with pytest.raises(AssertionError, match=sentence):
        checked(trigger, published(None, lines={"dashboard": line}))


def test_too_few_messages_are_no_scenario():
    with pytest.raises(AssertionError, match="1 messages were published, expected at least 2"):
        ServiceKeywords().each_should_have_reached_exactly_its_consumers(Fake(published=[published(TRADE)]), 2)


def test_an_event_without_a_known_service_cannot_be():
    with pytest.raises(KeyError):
        Event("nobody", "nowhere", "TRADE", {}).order(1)
