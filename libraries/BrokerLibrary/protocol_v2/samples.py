"""One real message for each topic that services use, for whoever needs something a consumer would accept."""

from __future__ import annotations

import itertools
import time

from BrokerLibrary.protocol_v2.header import Domain, Source
from BrokerLibrary.protocol_v2.instruments import AssetType, Venue, symbol_id
from BrokerLibrary.protocol_v2.layouts import BUY, FIXED_POINT, ArbitrageSignal, Trade
from BrokerLibrary.protocol_v2.messages import build
from BrokerLibrary.protocol_v2.registry import TlvType
from BrokerLibrary.protocol_v2.tlv import Tlv

DOMAIN_OF_TOPIC = {"market_data": Domain.MARKET_DATA, "signals": Domain.SIGNAL, "execution": Domain.EXECUTION}

_SOURCES = {
    Domain.MARKET_DATA: Source.KRAKEN_COLLECTOR,
    Domain.SIGNAL: Source.ARBITRAGE_STRATEGY,
    Domain.EXECUTION: Source.PORTFOLIO_MANAGER,
}
_sequences = itertools.count(1)


def message_for(topic: str) -> bytes:
    """Return a new message as its producers would publish it: a trade, an arbitrage signal or an order.

    Raises:
        KeyError: no service publishes to this topic.
    """
    domain = DOMAIN_OF_TOPIC[topic]
    now = time.time_ns()
    tlv = {Domain.MARKET_DATA: _trade, Domain.SIGNAL: _signal, Domain.EXECUTION: _order}[domain](now)
    return build(domain, _SOURCES[domain], next(_sequences), now, [tlv])


def _trade(now: int) -> Tlv:
    price, volume = 45_000 * FIXED_POINT, FIXED_POINT
    return Trade(symbol_id("BTC-USD"), price, volume, now, Venue.KRAKEN, AssetType.COIN, BUY).tlv()


def _signal(now: int) -> Tlv:
    profit, fees, gas, slippage = (cents * FIXED_POINT // 100 for cents in (1500, 300, 50, 150))
    return ArbitrageSignal(
        strategy_id=21,
        signal_id=now,
        chain_id=137,
        source_pool=bytes([1]) * 20,
        target_pool=bytes([2]) * 20,
        source_venue=Venue.QUICK_SWAP,
        target_venue=Venue.SUSHI_SWAP_POLYGON,
        token_in=bytes([3]) * 20,
        token_out=bytes([4]) * 20,
        expected_profit=profit,
        required_capital=1_000 * FIXED_POINT,
        spread_bps=150,
        dex_fees=fees,
        gas_cost=gas,
        slippage=slippage,
        net_profit=profit - fees - gas - slippage,
        slippage_tolerance_bps=50,
        max_gas_gwei=100,
        valid_until=now // 1_000_000_000 + 300,
        priority=1500,
        timestamp_ns=now,
    ).tlv()


def _order(now: int) -> Tlv:
    """An order request; nobody says what its 32 bytes mean."""
    return Tlv(TlvType.ORDER_REQUEST, now.to_bytes(8, "little") * 4)
