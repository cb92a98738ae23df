"""The events of the end-to-end scenario: who is told to publish what, who must get it, and who goes on with it.

The map of expected consumers is that of section 4 of the contract. Orders go to a queue, so that exactly one of the
three consumers gets each, though MYC-006 wants the dashboard to see every one of them (C-10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

FIXED_POINT = 100_000_000  # prices and volumes have eight decimals
NOW_NS = 1_700_000_000_000_000_000
POLYGON, KRAKEN = 202, 101  # venues
BITCOIN, ETHER = 0x4254432D55534400, 0x4554482D55534400  # "BTC-USD" and "ETH-USD", first letter highest
CONSUMERS = ("flash_arbitrage", "portfolio_service", "dashboard")
PRODUCERS = ("polygon_adapter", "kraken_collector")
DOMAINS = {"market_data": "MARKET_DATA", "signals": "SIGNAL", "execution": "EXECUTION"}
SOURCES = {"polygon_adapter": 4, "kraken_collector": 2, "flash_arbitrage": 20, "portfolio_service": 40}

SPREAD_BPS = 100  # between the two trades in bitcoin: 45 000.00 and 45 450.00
SIGNAL = {  # what flash arbitrage must make of them, by its own rule
    "strategy_id": 21,
    "chain_id": 137,
    "source_venue": KRAKEN,
    "target_venue": POLYGON,
    "spread_bps": SPREAD_BPS,
    "expected_profit": 450 * FIXED_POINT,
    "required_capital": 45_000 * FIXED_POINT,
    "slippage_tolerance_bps": 50,
    "max_gas_gwei": 100,
    "priority": 10 * SPREAD_BPS,
}


@dataclass(frozen=True, slots=True)
class Event:
    """Something a service is told to publish.

    Attributes:
        source: the service.
        topic: where it must come out.
        type: of its TLV.
        content: `{"fields": {...}}` or `{"value": hex}`, as services have it.
        kept: consumers that go on with it; the others get it and drop it.
        signals: how many signals flash arbitrage must make of it.
    """

    source: str
    topic: str
    type: str
    content: Mapping[str, Any]
    kept: tuple[str, ...] = CONSUMERS
    signals: int = 0

    def order(self, number: int) -> dict[str, Any]:
        """The line that tells its service to publish it."""
        return {"do": "publish", "id": number, "domain": DOMAINS[self.topic], "type": self.type, **self.content}


def scenario() -> list[Event]:
    """Every kind of event of the services, the one that makes a signal last of the market data."""
    kraken, polygon = "kraken_collector", "polygon_adapter"
    pools = [_event(polygon, name, fields) for name, fields in _pool_events().items()]
    orders = [_order(number) for number in range(1, 4)]
    return [
        _event(kraken, "TRADE", _trade(ETHER, 2_500_00, KRAKEN)),
        _event(kraken, "QUOTE", _quote()),
        *pools,
        _event(polygon, "TRADE", _trade(ETHER, 2_501_00, POLYGON)),  # too near for a signal
        *orders,
        _event(kraken, "TRADE", _trade(BITCOIN, 45_000_00, KRAKEN)),
        replace(_event(polygon, "TRADE", _trade(BITCOIN, 45_450_00, POLYGON)), signals=1),
    ]


def _event(source: str, type_: str, fields: Mapping[str, int | str]) -> Event:
    dropped = type_ == "POOL_STATE"  # neither MYC-006 nor the strategy's code reads it
    kept = tuple(name for name in CONSUMERS if not (dropped and name == "flash_arbitrage"))
    return Event(source, "market_data", type_, {"fields": fields}, kept)


def _order(number: int) -> Event:
    return Event("portfolio_service", "execution", "ORDER_REQUEST", {"value": bytes([number] * 32).hex()})


def _trade(asset: int, cents: int, venue: int) -> dict[str, int | str]:
    return {
        "asset_id": asset,
        "price": cents * FIXED_POINT // 100,
        "volume": FIXED_POINT,
        "execution_timestamp_ns": NOW_NS + cents,
        "venue_id": venue,
        "asset_type": 51,
        "side": cents % 2,
    }


def _quote() -> dict[str, int | str]:
    return {
        "asset_id": BITCOIN,
        "bid_price": 44_999 * FIXED_POINT,
        "bid_size": FIXED_POINT,
        "ask_price": 45_001 * FIXED_POINT,
        "ask_size": 2 * FIXED_POINT,
        "quote_timestamp_ns": NOW_NS,
        "venue_id": KRAKEN,
        "asset_type": 51,
    }


def _pool_events() -> dict[str, dict[str, int | str]]:
    pool, token0, token1, provider = (bytes([digit] * 20).hex() for digit in (0xA1, 0xB2, 0xC3, 0xD4))
    large = 2**100 + 7  # more than 64 bits
    change: dict[str, int | str] = {
        "liquidity_delta": large,
        "amount0": 5,
        "amount1": 2**64,
        "timestamp_ns": NOW_NS,
        "tick_lower": -887_272,
        "tick_upper": 887_272,
        "venue_id": 301,
        "token0_decimals": 18,
        "token1_decimals": 6,
        "pool": pool,
        "provider": provider,
        "token0": token0,
        "token1": token1,
    }
    return {
        "POOL_SWAP": {
            "amount_in": large,
            "amount_out": large - 1,
            "liquidity_after": 3,
            "timestamp_ns": NOW_NS,
            "block_number": 60_000_000,
            "tick_after": -42,
            "venue_id": 400,
            "in_decimals": 18,
            "out_decimals": 6,
            "pool": pool,
            "token_in": token0,
            "token_out": token1,
            "sqrt_price_x96_after": 2**96 + 1,
        },
        "POOL_MINT": change,
        "POOL_BURN": {**change, "amount0": 6},
        "POOL_TICK": {
            "liquidity_net": -(2**40),
            "price_sqrt": 2**63,
            "timestamp_ns": NOW_NS,
            "tick": 7,
            "venue_id": 301,
            "pool": pool,
        },
        "POOL_STATE": {
            "reserve0": large,
            "reserve1": 1,
            "sqrt_price_x96": 2**96,
            "liquidity": 2**70,
            "block_number": 60_000_001,
            "timestamp_ns": NOW_NS,
            "tick": -1,
            "fee_bps": 30,
            "venue_id": 301,
            "pool_type": 1,
            "token0_decimals": 18,
            "token1_decimals": 6,
            "pool": pool,
            "token0": token0,
            "token1": token1,
        },
        "POOL_SYNC": {
            "reserve0": large,
            "reserve1": large + 1,
            "timestamp_ns": NOW_NS,
            "block_number": 60_000_002,
            "venue_id": 302,
            "token0_decimals": 18,
            "token1_decimals": 6,
            "pool": pool,
            "token0": token0,
            "token1": token1,
        },
    }
