"""Every TLV type: its number, how many bytes its value has, and which domain it belongs to.

Sizes are those of section 3.6 of the contract but for five, as section 8 decides: Quote has the 56 bytes of the real
struct, and the upper bounds of PoolSwap, PoolMint, PoolBurn and PoolSync let the real structs pass.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from BrokerLibrary.protocol_v2.errors import PayloadSizeMismatch
from BrokerLibrary.protocol_v2.header import Domain

MARKER = 255  # no type: begins an extended TLV
LARGEST_VALUE = 0xFFFF  # bytes


class Size(NamedTuple):
    """The least and the most bytes a value may have."""

    least: int
    most: int

    @property
    def fixed(self) -> bool:
        """Whether there is but one size."""
        return self.least == self.most


class TlvType(IntEnum):
    """A type with its size: one number of bytes, the least and the most, or any."""

    size: Size

    def __new__(cls, number: int, least: int = 0, most: int = 0) -> TlvType:
        """Make a member; without a size it may have any."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.size = Size(least, most or least or LARGEST_VALUE)
        return member

    TRADE = 1, 40
    QUOTE = 2, 56  # the registry of the relays says 52, without the padding at the end
    ORDER_BOOK = 3
    INSTRUMENT_META = 4
    L2_SNAPSHOT = 5
    L2_DELTA = 6
    L2_RESET = 7
    PRICE_UPDATE = 8
    VOLUME_UPDATE = 9
    POOL_LIQUIDITY = 10, 20, 300
    POOL_SWAP = 11, 60, 208  # 200 there
    POOL_MINT = 12, 50, 208  # 180
    POOL_BURN = 13, 50, 208  # 180
    POOL_TICK = 14, 30, 120
    POOL_STATE = 15, 60, 200
    POOL_SYNC = 16, 40, 160  # 150
    QUOTE_UPDATE = 17, 52
    GAS_PRICE = 18, 32
    STATE_INVALIDATION_REASON = 19, 1
    SIGNAL_IDENTITY = 20, 16
    ASSET_CORRELATION = 21, 24
    ECONOMICS = 22, 32
    EXECUTION_ADDRESSES = 23, 84
    VENUE_METADATA = 24, 12
    STATE_REFERENCE = 25, 24
    EXECUTION_CONTROL = 26, 16
    POOL_ADDRESSES = 27, 44
    MEV_BUNDLE = 28, 40
    TERTIARY_VENUE = 29, 24
    RISK_PARAMETERS = 30, 24, 512
    PERFORMANCE_METRICS = 31, 32, 1024
    ARBITRAGE_SIGNAL = 32, 170
    ORDER_REQUEST = 40, 32
    ORDER_STATUS = 41, 24
    FILL = 42, 32
    ORDER_CANCEL = 43, 16
    ORDER_MODIFY = 44, 24
    EXECUTION_REPORT = 45, 48
    PORTFOLIO = 46, 32, 2048
    POSITION = 47, 24, 512
    BALANCE = 48, 16, 256
    TRADE_CONFIRMATION = 49, 32, 256
    RISK_DECISION = 60, 32
    POSITION_UPDATE = 61, 40, 512
    RISK_ALERT = 62, 24, 256
    COLLATERAL_UPDATE = 63, 48
    EXPOSURE_REPORT = 64, 32, 1024
    PORTFOLIO_EVENT = 65, 32, 512
    RISK_THRESHOLD = 66, 40
    FLASH_LOAN_RESULT = 67, 48, 256
    POST_TRADE_ANALYTICS = 68, 64, 512
    POSITION_QUERY = 69, 32
    RISK_METRICS = 70, 48, 1024
    CIRCUIT_BREAKER = 71, 24
    STRATEGY_REGISTRATION = 72, 32, 256
    COMPLIANCE_CHECK = 80, 32, 512
    AUDIT_TRAIL = 81, 48, 2048
    REGULATORY_REPORT = 82, 64, 4096
    TRADE_BREAKDOWN = 83, 48, 1024
    SETTLEMENT_INSTRUCTION = 84, 40, 512
    CLEARING_REPORT = 85, 32, 512
    MARGIN_CALL = 86, 48
    CUSTODY_EVENT = 87, 40, 256
    VENUE_CONNECTIVITY = 88, 32
    CROSS_VENUE_SPREAD = 89, 40
    ARBITRAGE_EXECUTION = 90, 48, 256
    HEARTBEAT = 100, 16
    SNAPSHOT = 101, 32, 1024
    ERROR = 102, 16, 512
    CONFIG_UPDATE = 103, 20, 2048
    SERVICE_DISCOVERY = 104, 24, 512
    RESOURCE_USAGE = 105, 64
    STATE_INVALIDATION = 106, 16, 512
    SYSTEM_HEALTH = 107, 48
    TRACE_CONTEXT = 108, 32, 256
    RECOVERY_REQUEST = 110, 24
    RECOVERY_RESPONSE = 111, 20, 1024
    SEQUENCE_SYNC = 112, 16, 256
    # From 200 on vendors' own. The first two have structs of 88 and 64 bytes, which nothing enforces.
    POOL_INFO = 200
    POOL_CACHE_HEADER = 201
    PROPRIETARY_DATA = 202
    CUSTOM_METRICS = 203
    EXPERIMENTAL_SIGNAL = 204


TYPES_OF_DOMAIN = {
    Domain.MARKET_DATA: range(1, 20),
    Domain.SIGNAL: range(20, 40),
    Domain.EXECUTION: range(40, 80),  # the registry counts 60 to 79 as signals, every validator as execution
    Domain.SYSTEM: range(80, 120),
}

SIZES = {int(number): number.size for number in TlvType}


def belongs(number: int, domain: int) -> bool:
    """Whether messages of an existing domain may have TLVs of a type. Extended ones none may: see `policy`."""
    return number in TYPES_OF_DOMAIN[Domain(domain)]


def demand_fixed_size(number: int, size: int) -> None:
    """Refuse another size than the one a type has; a type that is unknown, or has several, may have any.

    Raises:
        PayloadSizeMismatch: with both sizes.
    """
    allowed = SIZES.get(number)
    if allowed is not None and allowed.fixed and size != allowed.least:
        raise PayloadSizeMismatch(number, allowed.least, size)


def demand_size(number: int, size: int) -> None:
    """Refuse any size a known type cannot have. Raises as `demand_fixed_size`."""
    demand_fixed_size(number, size)
    allowed = SIZES.get(number)
    if allowed is not None and not allowed.least <= size <= allowed.most:
        raise PayloadSizeMismatch(number, (allowed.least, allowed.most), size)
