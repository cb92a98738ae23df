"""The service doubles as programs, against a tiny broker."""

from __future__ import annotations

import pytest

from BrokerLibrary.doubles import Double
from BrokerLibrary.exchange import wait
from BrokerLibrary.protocol_v2.header import Domain, Source
from BrokerLibrary.protocol_v2.layouts import FIXED_POINT, ArbitrageSignal
from BrokerLibrary.protocol_v2.messages import parse
from tests.broker.tiny import TinyBroker


class Relay(TinyBroker):
    topics = (b"market_data", b"signals", b"execution")
    limit = 100_000


@pytest.fixture
def double(socket_path):
    running = []

    def start(name, *arguments, **environment):
        usual = () if environment else ("--socket", str(socket_path), "--backoff-ms", "50")
        running.append(Double(name, [*usual, *arguments], environment))
        return running[-1]

    yield start
    for one in running:
        one.stop()


def trade(number, price, venue, asset=7):
    fields = {
        "asset_id": asset,
        "price": price * FIXED_POINT,
        "volume": 2 * FIXED_POINT,
        "execution_timestamp_ns": 1_700_000_000_000_000_000 + number,
        "venue_id": venue,
        "asset_type": 51,
        "side": 0,
    }
    return {"do": "publish", "id": number, "domain": "MARKET_DATA", "type": "TRADE", "fields": fields}


def test_an_event_reaches_a_consumer_as_it_was_told(broker, double):
    broker(Relay)
    dashboard, polygon = double("dashboard"), double("polygon_adapter")
    assert dashboard.await_lines("ready", 1, 15)[0]["topics"] == ["market_data", "signals", "execution"]
    assert polygon.await_lines("ready", 1, 15)[0]["topics"] == []
    event = trade(1, 45_000, 202)
    polygon.tell(event)
    (published,) = polygon.await_lines("published", 1, 5)
    (received,) = dashboard.await_lines("received", 1, 5)
    assert (published["id"], published["topic"], published["outcome"]) == (1, "market_data", "acked")
    assert received["payload"] == published["payload"]
    assert (received["kept"], received["problem"], received["topic"]) == (True, None, "market_data")
    assert received["tlvs"] == [{"type": "TRADE", "fields": event["fields"]}]
    assert received["header"]["source"] == Source.POLYGON_COLLECTOR
    assert polygon.report() | {"messages_received": 0} == {
        "trades_published": 1,
        "messages_published": 1,
        "publish_errors": 0,
        "messages_received": 0,
        "messages_kept": 0,
    }
    assert dashboard.report()["messages_received"] == dashboard.report()["messages_kept"] == 1


def test_flash_arbitrage_keeps_what_it_can_trade_on_and_signals_a_wide_spread(broker, double):
    broker(Relay)
    arbitrage, kraken = double("flash_arbitrage"), double("kraken_collector")
    arbitrage.await_lines("ready", 1, 15)
    kraken.tell(trade(1, 100, 101))
    kraken.tell(trade(2, 100, 202))  # no spread
    gas = {"block_number": 1, "timestamp_ns": 1, "gas_price_gwei": 1, "base_fee_gwei": 1, "priority_fee_gwei": 1}
    kraken.tell({"do": "publish", "id": 3, "domain": "MARKET_DATA", "type": "GAS_PRICE", "fields": gas})
    kraken.tell(trade(4, 99, 202))
    (sent,) = arbitrage.await_lines("published", 1, 5)
    received = arbitrage.await_lines("received", 5, 5)
    assert [line["kept"] for line in received if line["topic"] == "market_data"] == [True, True, False, True]
    message = parse(bytes.fromhex(sent["payload"]), in_domain=True)
    signal = ArbitrageSignal.unpack(message.tlvs[0].value)
    assert (sent["id"], sent["topic"], message.header.domain) == (None, "signals", Domain.SIGNAL)
    assert (signal.source_venue, signal.target_venue, signal.spread_bps) == (202, 101, 101)
    assert (signal.expected_profit, signal.required_capital) == (2 * FIXED_POINT, 198 * FIXED_POINT)
    assert signal.net_profit == signal.expected_profit - signal.dex_fees - signal.gas_cost - signal.slippage
    assert signal.valid_until == signal.timestamp_ns // 10**9 + 300


def test_what_cannot_be_read_is_told_and_kept_by_flash_arbitrage_alone(broker, double, connect):
    broker(Relay)
    consumers = [double("flash_arbitrage"), double("portfolio_service"), double("dashboard")]
    for one in consumers:
        one.await_lines("ready", 1, 15)
    connect().publish("market_data", b"no message")
    received = [one.await_lines("received", 1, 5)[0] for one in consumers]
    assert {line["problem"]["error"] for line in received} == {"MessageTooSmall"}
    assert [line["kept"] for line in received] == [True, True, False]


def test_the_dashboard_drops_a_message_of_another_domain(broker, double, connect):
    broker(Relay)
    dashboard, polygon = double("dashboard"), double("polygon_adapter")
    dashboard.await_lines("ready", 1, 15)
    polygon.tell(trade(1, 1, 1))
    payload = bytes.fromhex(polygon.await_lines("published", 1, 15)[0]["payload"])
    connect().publish("signals", payload)
    received = dashboard.await_lines("received", 2, 5)
    assert [(line["topic"], line["kept"]) for line in received] == [("market_data", True), ("signals", False)]


def test_orders_and_unknown_types_are_told_as_bytes(broker, double):
    broker(Relay)
    portfolio = double("portfolio_service")
    portfolio.await_lines("ready", 1, 15)
    value = bytes(range(32)).hex()
    portfolio.tell({"do": "publish", "id": 1, "domain": "EXECUTION", "type": "ORDER_REQUEST", "value": value})
    (received,) = portfolio.await_lines("received", 1, 5)
    assert received["tlvs"] == [{"type": "ORDER_REQUEST", "value": value}]


@pytest.mark.parametrize(
    "order",
    [
        {"do": "dance"},
        {"do": "publish", "id": 1, "domain": "MARKET_DATA", "type": "NOTHING", "fields": {}},
        {"do": "publish", "id": 1, "domain": "NOWHERE", "type": "TRADE", "fields": {}},
        {"do": "publish", "id": 1, "domain": "MARKET_DATA", "type": "TRADE", "fields": {"price": 1}},
        {"do": "publish", "id": 1, "domain": "EXECUTION", "type": "ORDER_REQUEST", "value": "00"},
    ],
)
def test_a_wrong_order_is_answered_and_work_goes_on(broker, double, order):
    broker(Relay)
    polygon = double("polygon_adapter")
    polygon.tell(order)
    assert polygon.await_lines("error", 1, 15)[0]["problem"]
    polygon.tell(trade(2, 1, 1))
    polygon.await_lines("published", 1, 5)


def test_a_refused_message_counts_as_an_error(broker, double):
    class Small(Relay):
        limit = 10

    broker(Small)
    polygon = double("polygon_adapter")
    polygon.tell(trade(1, 1, 1))
    (published,) = polygon.await_lines("published", 1, 15)
    assert (published["outcome"], "too large" in published["detail"]) == ("failed", True)
    assert (polygon.report()["publish_errors"], polygon.report()["trades_published"]) == (1, 0)


def test_topics_may_have_the_names_of_the_relays_domains(broker, double):
    running = broker(Relay)
    dashboard = double("dashboard", "--topics", "MarketData,Execution")
    assert dashboard.await_lines("ready", 1, 15)[0]["topics"] == ["market_data", "execution"]
    assert sorted(topic for topic, subscribers in running.subscribers.items() if subscribers) == [
        b"execution",
        b"market_data",
    ]


def test_by_default_the_socket_is_in_the_temporary_directory(broker, double, tmp_path, socket_path):
    broker(Relay)
    (tmp_path / "mycelium.sock").symlink_to(socket_path)
    double("dashboard", TMPDIR=str(tmp_path)).await_lines("ready", 1, 15)


def test_without_a_broker_it_ends_and_says_why(double):
    dashboard = double("dashboard")
    with pytest.raises(AssertionError, match=r"dashboard ended: no connection to b\.sock"):
        dashboard.await_lines("ready", 1, 15)
    assert dashboard.stop() == 1


def test_it_ends_with_its_input(broker, double):
    broker(Relay)
    dashboard = double("dashboard")
    dashboard.await_lines("ready", 1, 15)
    assert dashboard.stop() == 0
    with pytest.raises(AssertionError, match="dashboard has ended"):
        dashboard.tell({"do": "report"})


def test_it_comes_back_to_a_restarted_broker(broker, double, connect):
    broker(Relay)
    dashboard = double("dashboard")
    dashboard.await_lines("ready", 1, 15)
    running = broker(Relay)
    wait(lambda: sum(map(bool, running.subscribers.values())) == 3, 5)
    connect().publish("signals", b"x")
    dashboard.await_lines("received", 1, 5)
