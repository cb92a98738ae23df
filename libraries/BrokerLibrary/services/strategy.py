"""What flash arbitrage does with trades: a spread between two venues that is wide enough becomes a signal."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from BrokerLibrary.protocol_v2.layouts import FIXED_POINT, ArbitrageSignal, Trade

LEAST_SPREAD_BPS = 50
FEE_BPS = 30  # of the capital, on both venues together
SLIPPAGE_BPS = 10  # of the capital
GAS_COST = FIXED_POINT // 100  # one cent
STRATEGY_ID, CHAIN_ID = 21, 137
TOLERANCE_BPS, MOST_GAS_GWEI, VALID_SECONDS = 50, 100, 300


@dataclass
class FlashArbitrage:
    """Remembers the last trade of each asset on each venue."""

    last: dict[int, dict[int, Trade]] = field(default_factory=dict)
    signals: int = 0

    def sees(self, trade: Trade) -> ArbitrageSignal | None:
        """Take a trade in; return a signal when it differs enough from the last one on another venue."""
        others = self.last.setdefault(trade.asset_id, {})
        best = max(
            (other for venue, other in others.items() if venue != trade.venue_id),
            key=lambda other: spread_bps(trade, other),
            default=None,
        )
        others[trade.venue_id] = trade
        if best is None or spread_bps(trade, best) < LEAST_SPREAD_BPS:
            return None
        self.signals += 1
        cheap, dear = sorted((trade, best), key=lambda one: one.price)
        return signal(self.signals, cheap, dear, time.time_ns())


def spread_bps(one: Trade, other: Trade) -> int:
    """How far two prices are apart, in hundredths of a percent of the lower one."""
    low, high = sorted((one.price, other.price))
    return (high - low) * 10_000 // low if low > 0 else 0


def signal(number: int, cheap: Trade, dear: Trade, now_ns: int) -> ArbitrageSignal:
    """Return the signal to buy where it is cheap and to sell where it is dear; tokens are not known here, so zero."""
    volume = min(cheap.volume, dear.volume)
    capital, profit = (price * volume // FIXED_POINT for price in (cheap.price, dear.price - cheap.price))
    fees, slippage, spread = capital * FEE_BPS // 10_000, capital * SLIPPAGE_BPS // 10_000, spread_bps(cheap, dear)
    return ArbitrageSignal(
        strategy_id=STRATEGY_ID,
        signal_id=number,
        chain_id=CHAIN_ID,
        source_pool=bytes(20),
        target_pool=bytes(20),
        source_venue=cheap.venue_id,
        target_venue=dear.venue_id,
        token_in=bytes(20),
        token_out=bytes(20),
        expected_profit=profit,
        required_capital=capital,
        spread_bps=min(spread, 0xFFFF),
        dex_fees=fees,
        gas_cost=GAS_COST,
        slippage=slippage,
        net_profit=profit - fees - GAS_COST - slippage,
        slippage_tolerance_bps=TOLERANCE_BPS,
        max_gas_gwei=MOST_GAS_GWEI,
        valid_until=now_ns // 1_000_000_000 + VALID_SECONDS,
        priority=min(10 * spread, 0xFFFF),
        timestamp_ns=now_ns,
    )
