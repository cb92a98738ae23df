"""The registry against the cells of the contract's table, and each domain's share of it."""

from __future__ import annotations

import re

import pytest

from BrokerLibrary.protocol_v2.errors import PayloadSizeMismatch
from BrokerLibrary.protocol_v2.registry import SIZES, TYPES_OF_DOMAIN, TlvType, demand_fixed_size, demand_size

# number, name and size as section 3.6 has them: F one size, B least and most, V any
TABLE = """
1 Trade F40, 2 Quote F52, 3 OrderBook V, 4 InstrumentMeta V, 5 L2Snapshot V, 6 L2Delta V, 7 L2Reset V, 8 PriceUpdate V,
9 VolumeUpdate V, 10 PoolLiquidity B20-300, 11 PoolSwap B60-200, 12 PoolMint B50-180, 13 PoolBurn B50-180,
14 PoolTick B30-120, 15 PoolState B60-200, 16 PoolSync B40-150, 17 QuoteUpdate F52, 18 GasPrice F32,
19 StateInvalidationReason F1, 20 SignalIdentity F16, 21 AssetCorrelation F24, 22 Economics F32,
23 ExecutionAddresses F84, 24 VenueMetadata F12, 25 StateReference F24, 26 ExecutionControl F16, 27 PoolAddresses F44,
28 MEVBundle F40, 29 TertiaryVenue F24, 30 RiskParameters B24-512, 31 PerformanceMetrics B32-1024,
32 ArbitrageSignal F170, 40 OrderRequest F32, 41 OrderStatus F24, 42 Fill F32, 43 OrderCancel F16, 44 OrderModify F24,
45 ExecutionReport F48, 46 Portfolio B32-2048, 47 Position B24-512, 48 Balance B16-256, 49 TradeConfirmation B32-256,
60 RiskDecision F32, 61 PositionUpdate B40-512, 62 RiskAlert B24-256, 63 CollateralUpdate F48,
64 ExposureReport B32-1024, 65 PortfolioEvent B32-512, 66 RiskThreshold F40, 67 FlashLoanResult B48-256,
68 PostTradeAnalytics B64-512, 69 PositionQuery F32, 70 RiskMetrics B48-1024, 71 CircuitBreaker F24,
72 StrategyRegistration B32-256, 80 ComplianceCheck B32-512, 81 AuditTrail B48-2048, 82 RegulatoryReport B64-4096,
83 TradeBreakdown B48-1024, 84 SettlementInstruction B40-512, 85 ClearingReport B32-512, 86 MarginCall F48,
87 CustodyEvent B40-256, 88 VenueConnectivity F32, 89 CrossVenueSpread F40, 90 ArbitrageExecution B48-256,
100 Heartbeat F16, 101 Snapshot B32-1024, 102 Error B16-512, 103 ConfigUpdate B20-2048, 104 ServiceDiscovery B24-512,
105 ResourceUsage F64, 106 StateInvalidation B16-512, 107 SystemHealth F48, 108 TraceContext B32-256,
110 RecoveryRequest F24, 111 RecoveryResponse B20-1024, 112 SequenceSync B16-256,
200 PoolInfo V, 201 PoolCacheHeader V, 202 ProprietaryData V, 203 CustomMetrics V, 204 ExperimentalSignal V
"""
DECIDED = {2: (56, 56), 11: (60, 208), 12: (50, 208), 13: (50, 208), 16: (40, 160)}


def cells():
    for number, name, kind, least, most in re.findall(r"(\d+) (\w+) ([FBV])(\d*)-?(\d*)", TABLE):
        size = (0, 65_535) if kind == "V" else (int(least), int(most or least))
        yield int(number), name, DECIDED.get(int(number), size)


def test_the_registry_is_the_contracts_table_with_the_decided_sizes():
    table = {number: (name.upper(), size) for number, name, size in cells()}
    assert {int(one): (one.name.replace("_", ""), tuple(one.size)) for one in TlvType} == table


def test_domains_share_the_types_as_decided():
    assert {domain.value: (types.start, types.stop - 1) for domain, types in TYPES_OF_DOMAIN.items()} == {
        1: (1, 19),
        2: (20, 39),
        3: (40, 79),
        4: (80, 119),
    }


@pytest.mark.parametrize("number", [1, 2, 32, 19])
def test_a_type_of_one_size_has_no_other(number):
    size = SIZES[number].least
    demand_fixed_size(number, size)
    for other in (size - 1, size + 1):
        with pytest.raises(PayloadSizeMismatch) as caught:
            demand_fixed_size(number, other)
        assert caught.value == PayloadSizeMismatch(number, size, other)


def test_bounds_include_their_ends_and_are_asked_for_apart():
    for size in (60, 208):
        demand_size(11, size)
    for size in (59, 209):
        demand_fixed_size(11, size)
        with pytest.raises(PayloadSizeMismatch, match=f"a value of {size} bytes for type 11, which has 60 to 208"):
            demand_size(11, size)


def test_a_type_that_nobody_knows_may_have_any_size():
    for size in (0, 65_535):
        demand_size(150, size)
