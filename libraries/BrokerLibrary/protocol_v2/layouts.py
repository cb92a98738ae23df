"""The values that producers of market data, strategies and the system send (contract section 3.8).

Prices, volumes and amounts of money are fixed point numbers with eight decimals, times are ns since the epoch, amounts
of pools are in the token's smallest unit. All numbers are accepted when they are read: what makes sense is not for the
codec to say. Types that are not here have a size at most; their values are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from BrokerLibrary.protocol_v2.book import OrderBook
from BrokerLibrary.protocol_v2.layout import ADDRESS, I32, I64, TRACE_ID, U8, U16, U32, U64, U128, U256, Layout, at
from BrokerLibrary.protocol_v2.registry import TlvType

FIXED_POINT = 100_000_000
BUY, SELL = 0, 1


@dataclass(frozen=True)
class Trade(Layout):
    """A trade on an exchange; `side` is 0 for buy and 1 for sell."""

    TYPE = TlvType.TRADE
    SIZE = 40

    asset_id: int = at(0, U64)
    price: int = at(8, I64)
    volume: int = at(16, I64)
    execution_timestamp_ns: int = at(24, U64)
    venue_id: int = at(32, U16)
    asset_type: int = at(34, U8)
    side: int = at(36, U8)


@dataclass(frozen=True)
class Quote(Layout):
    """The best bid and ask; the last four bytes are padding that the registry of the relays forgets."""

    TYPE = TlvType.QUOTE
    SIZE = 56

    asset_id: int = at(0, U64)
    bid_price: int = at(8, I64)
    bid_size: int = at(16, I64)
    ask_price: int = at(24, I64)
    ask_size: int = at(32, I64)
    quote_timestamp_ns: int = at(40, U64)
    venue_id: int = at(48, U16)
    asset_type: int = at(50, U8)


@dataclass(frozen=True)
class PoolSwap(Layout):
    """A swap in a pool. Producers fill only the lower half of `sqrt_price_x96_after`."""

    TYPE = TlvType.POOL_SWAP
    SIZE = 208

    amount_in: int = at(0, U128)
    amount_out: int = at(16, U128)
    liquidity_after: int = at(32, U128)
    timestamp_ns: int = at(48, U64)
    block_number: int = at(56, U64)
    tick_after: int = at(64, I32)
    venue_id: int = at(68, U16)
    in_decimals: int = at(70, U8)
    out_decimals: int = at(71, U8)
    pool: bytes = at(80, ADDRESS)
    token_in: bytes = at(112, ADDRESS)
    token_out: bytes = at(144, ADDRESS)
    sqrt_price_x96_after: int = at(176, U256)


@dataclass(frozen=True)
class _LiquidityChange(Layout):
    """What both ways to change a pool's liquidity have in common: everything."""

    SIZE = 208

    liquidity_delta: int = at(0, U128)
    amount0: int = at(16, U128)
    amount1: int = at(32, U128)
    timestamp_ns: int = at(48, U64)
    tick_lower: int = at(56, I32)
    tick_upper: int = at(60, I32)
    venue_id: int = at(64, U16)
    token0_decimals: int = at(66, U8)
    token1_decimals: int = at(67, U8)
    pool: bytes = at(80, ADDRESS)
    provider: bytes = at(112, ADDRESS)
    token0: bytes = at(144, ADDRESS)
    token1: bytes = at(176, ADDRESS)


@dataclass(frozen=True)
class PoolMint(_LiquidityChange):
    """Liquidity added to a pool."""

    TYPE = TlvType.POOL_MINT


@dataclass(frozen=True)
class PoolBurn(_LiquidityChange):
    """Liquidity taken out of a pool."""

    TYPE = TlvType.POOL_BURN


@dataclass(frozen=True)
class PoolTick(Layout):
    """A tick that was crossed."""

    TYPE = TlvType.POOL_TICK
    SIZE = 64

    liquidity_net: int = at(0, I64)
    price_sqrt: int = at(8, U64)
    timestamp_ns: int = at(16, U64)
    tick: int = at(24, I32)
    venue_id: int = at(28, U16)
    pool: bytes = at(32, ADDRESS)


@dataclass(frozen=True)
class PoolState(Layout):
    """All of a pool at one block."""

    TYPE = TlvType.POOL_STATE
    SIZE = 192

    reserve0: int = at(0, U128)
    reserve1: int = at(16, U128)
    sqrt_price_x96: int = at(32, U128)
    liquidity: int = at(48, U128)
    block_number: int = at(64, U64)
    timestamp_ns: int = at(72, U64)
    tick: int = at(80, I32)
    fee_bps: int = at(84, U32)
    venue_id: int = at(88, U16)
    pool_type: int = at(90, U8)
    token0_decimals: int = at(91, U8)
    token1_decimals: int = at(92, U8)
    pool: bytes = at(96, ADDRESS)
    token0: bytes = at(128, ADDRESS)
    token1: bytes = at(160, ADDRESS)


@dataclass(frozen=True)
class PoolSync(Layout):
    """The reserves of a pool after a block."""

    TYPE = TlvType.POOL_SYNC
    SIZE = 160

    reserve0: int = at(0, U128)
    reserve1: int = at(16, U128)
    timestamp_ns: int = at(32, U64)
    block_number: int = at(40, U64)
    venue_id: int = at(48, U16)
    token0_decimals: int = at(50, U8)
    token1_decimals: int = at(51, U8)
    pool: bytes = at(64, ADDRESS)
    token0: bytes = at(96, ADDRESS)
    token1: bytes = at(128, ADDRESS)


@dataclass(frozen=True)
class GasPrice(Layout):
    """What a transaction costs; prices in gwei. `venue_id` is written as 137, the chain's number."""

    TYPE = TlvType.GAS_PRICE
    SIZE = 32

    block_number: int = at(0, U64)
    timestamp_ns: int = at(8, U64)
    gas_price_gwei: int = at(16, U32)
    base_fee_gwei: int = at(20, U32)
    priority_fee_gwei: int = at(24, U32)
    venue_id: int = at(28, U16, default=137)


@dataclass(frozen=True)
class ArbitrageSignal(Layout):
    """A chance that a strategy saw: packed, 170 bytes. The relays' signal validator demands 168 and refuses it."""

    TYPE = TlvType.ARBITRAGE_SIGNAL
    SIZE = 170

    strategy_id: int = at(0, U16)
    signal_id: int = at(2, U64)
    chain_id: int = at(10, U32)
    source_pool: bytes = at(14, ADDRESS)
    target_pool: bytes = at(34, ADDRESS)
    source_venue: int = at(54, U16)
    target_venue: int = at(56, U16)
    token_in: bytes = at(58, ADDRESS)
    token_out: bytes = at(78, ADDRESS)
    expected_profit: int = at(98, I64)
    required_capital: int = at(106, I64)
    spread_bps: int = at(114, U16)
    dex_fees: int = at(116, I64)
    gas_cost: int = at(124, I64)
    slippage: int = at(132, I64)
    net_profit: int = at(140, I64)  # the expected one without the three costs
    slippage_tolerance_bps: int = at(148, U16)
    max_gas_gwei: int = at(150, U32)
    valid_until: int = at(154, U32)  # s since the epoch
    priority: int = at(158, U16)
    timestamp_ns: int = at(162, U64)


@dataclass(frozen=True)
class SystemHealth(Layout):
    """How a service is; `status` is 0 for ok, 1 degraded, 2 unhealthy, 3 unknown."""

    TYPE = TlvType.SYSTEM_HEALTH
    SIZE = 48

    timestamp_ns: int = at(0, U64)
    connection_count: int = at(8, U32)
    message_rate: int = at(12, U32)
    last_error: int = at(16, U32)
    error_rate_per_mille: int = at(20, U16)
    p95_us: int = at(22, U16)
    service: int = at(24, U8)
    status: int = at(25, U8)
    cpu_percent: int = at(26, U8)
    memory_percent: int = at(27, U8)


@dataclass(frozen=True)
class TraceContext(Layout):
    """How far a message has come; `stages` is 1 collected, 2 relayed, 4 processed, 8 executed, or their sum."""

    TYPE = TlvType.TRACE_CONTEXT
    SIZE = 32

    start_ns: int = at(0, U64)
    current_ns: int = at(8, U64)
    source: int = at(16, U8)
    depth: int = at(17, U8)
    stages: int = at(18, U8)
    trace_id: bytes = at(24, TRACE_ID)


@dataclass(frozen=True)
class RecoveryRequest(Layout):
    """A consumer that missed messages asks for them; `request_type` is 1 for all of them, 2 for a snapshot."""

    TYPE = TlvType.RECOVERY_REQUEST
    SIZE = 24

    last_sequence: int = at(0, U64)
    current_sequence: int = at(8, U64)
    consumer_id: int = at(16, U32)
    request_type: int = at(20, U32)


LAYOUTS: dict[int, type[Layout]] = {
    int(layout.TYPE): layout
    for layout in (
        Trade,
        Quote,
        OrderBook,
        PoolSwap,
        PoolMint,
        PoolBurn,
        PoolTick,
        PoolState,
        PoolSync,
        GasPrice,
        ArbitrageSignal,
        SystemHealth,
        TraceContext,
        RecoveryRequest,
    )
}
"""The layout of each type that has one."""
