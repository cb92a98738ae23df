from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from BrokerLibrary.protocol_v2.book import Level, OrderBook
from BrokerLibrary.protocol_v2.errors import InvalidField, PayloadSizeMismatch
from BrokerLibrary.protocol_v2.instruments import AssetType, InstrumentId, Venue, symbol_id, symbol_of
from BrokerLibrary.protocol_v2.layout import U8, U16, U32, Layout, at
from BrokerLibrary.protocol_v2.layouts import LAYOUTS, GasPrice, PoolSwap, Trade
from BrokerLibrary.protocol_v2.tlv import Tlv
from tests.broker.protocol_v2 import by_hand, made_up

EVERY = [*LAYOUTS.values(), InstrumentId]
every = pytest.mark.parametrize("layout", EVERY, ids=lambda layout: layout.__name__)


# where each field begins, how many bytes it has, and an i when it has a sign (section 3.8)
CONTRACT = {
    "Trade": "asset_id 0:8 price 8:8i volume 16:8i execution_timestamp_ns 24:8 venue_id 32:2 asset_type 34:1 side 36:1",
    "Quote": "asset_id 0:8 bid_price 8:8i bid_size 16:8i ask_price 24:8i ask_size 32:8i quote_timestamp_ns 40:8"
    " venue_id 48:2 asset_type 50:1",
    "PoolSwap": "amount_in 0:16 amount_out 16:16 liquidity_after 32:16 timestamp_ns 48:8 block_number 56:8"
    " tick_after 64:4i venue_id 68:2 in_decimals 70:1 out_decimals 71:1 pool 80:20 token_in 112:20 token_out 144:20"
    " sqrt_price_x96_after 176:32",
    "PoolSync": "reserve0 0:16 reserve1 16:16 timestamp_ns 32:8 block_number 40:8 venue_id 48:2 token0_decimals 50:1"
    " token1_decimals 51:1 pool 64:20 token0 96:20 token1 128:20",
    "PoolMint": "liquidity_delta 0:16 amount0 16:16 amount1 32:16 timestamp_ns 48:8 tick_lower 56:4i tick_upper 60:4i"
    " venue_id 64:2 token0_decimals 66:1 token1_decimals 67:1 pool 80:20 provider 112:20 token0 144:20 token1 176:20",
    "PoolTick": "liquidity_net 0:8i price_sqrt 8:8 timestamp_ns 16:8 tick 24:4i venue_id 28:2 pool 32:20",
    "PoolState": "reserve0 0:16 reserve1 16:16 sqrt_price_x96 32:16 liquidity 48:16 block_number 64:8 timestamp_ns 72:8"
    " tick 80:4i fee_bps 84:4 venue_id 88:2 pool_type 90:1 token0_decimals 91:1 token1_decimals 92:1"
    " pool 96:20 token0 128:20 token1 160:20",
    "GasPrice": "block_number 0:8 timestamp_ns 8:8 gas_price_gwei 16:4 base_fee_gwei 20:4 priority_fee_gwei 24:4"
    " venue_id 28:2",
    "OrderBook": "snapshot_ns 0:8 sequence 8:8 precision_factor 16:8i asset_id 24:8 venue_id 32:2 asset_type 34:1"
    " bids 40:1208 asks 1248:1208",
    "ArbitrageSignal": "strategy_id 0:2 signal_id 2:8 chain_id 10:4 source_pool 14:20 target_pool 34:20"
    " source_venue 54:2 target_venue 56:2 token_in 58:20 token_out 78:20 expected_profit 98:8i required_capital 106:8i"
    " spread_bps 114:2 dex_fees 116:8i gas_cost 124:8i slippage 132:8i net_profit 140:8i slippage_tolerance_bps 148:2"
    " max_gas_gwei 150:4 valid_until 154:4 priority 158:2 timestamp_ns 162:8",
    "SystemHealth": "timestamp_ns 0:8 connection_count 8:4 message_rate 12:4 last_error 16:4 error_rate_per_mille 20:2"
    " p95_us 22:2 service 24:1 status 25:1 cpu_percent 26:1 memory_percent 27:1",
    "TraceContext": "start_ns 0:8 current_ns 8:8 source 16:1 depth 17:1 stages 18:1 trace_id 24:8",
    "RecoveryRequest": "last_sequence 0:8 current_sequence 8:8 consumer_id 16:4 request_type 20:4",
    "InstrumentId": "asset_id 0:8 venue_id 8:2 asset_type 10:1 reserved 11:1",
}
CONTRACT["PoolBurn"] = CONTRACT["PoolMint"]


@every
def test_fields_stand_where_the_contract_says(layout):
    words = []
    for name, (dtype, offset) in layout.dtype().fields.items():
        words += [name, f"{offset}:{dtype.itemsize}{'i' if dtype.kind == 'i' else ''}"]
    assert " ".join(words) == CONTRACT[layout.__name__]


@every
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_any_value_is_packed_and_read_again(layout, data):
    value = data.draw(made_up.values_of(layout))
    packed = value.pack()
    assert len(packed) == layout.SIZE
    assert layout.unpack(packed) == value


@every
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_numpy_reads_the_same_in_every_field(layout, data):
    value = data.draw(made_up.values_of(layout))
    (row,) = np.frombuffer(value.pack(), dtype=layout.dtype())
    for field in dataclasses.fields(layout):
        assert in_python(row[field.name], field) == getattr(value, field.name), field.name


def in_python(column, field):
    if field.type == "bytes":
        return column.tobytes()
    if field.name in ("bids", "asks"):
        return tuple(Level(*level.item()) for level in column["levels"][: column["count"]])
    return column.item() if column.ndim == 0 else int.from_bytes(column.tobytes(), "little")


@every
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_any_bytes_of_the_right_size_are_read_or_refused_by_name(layout, data):
    octets = data.draw(st.binary(min_size=layout.SIZE, max_size=layout.SIZE))
    value = made_up.outcome(lambda: layout.unpack(octets))
    if isinstance(value, InvalidField):
        assert layout is OrderBook
        assert value.value > value.max
    else:
        assert layout.unpack(value.pack()) == value


@every
def test_any_other_size_is_refused(layout):
    for size in (0, layout.SIZE - 1, layout.SIZE + 1):
        with pytest.raises(PayloadSizeMismatch) as caught:
            layout.unpack(bytes(size))
        assert caught.value == PayloadSizeMismatch(layout.TYPE or 0, layout.SIZE, size)


@every
def test_zeros_are_written_between_the_fields_and_nothing_of_them_is_read(layout):
    covered = np.zeros(layout.SIZE, dtype=bool)
    for dtype, offset in layout.dtype().fields.values():
        covered[offset : offset + dtype.itemsize] = True
    noise = bytes(np.where(covered, 0, 0xEE).astype(np.uint8))
    assert layout.unpack(noise).pack() == bytes(layout.SIZE)


def test_a_layouts_tlv_has_its_type_and_is_extended_when_it_must_be():
    trade = Trade.unpack(by_hand.TRADE)
    assert trade.tlv() == Tlv(1, by_hand.TRADE, False)
    book = OrderBook.unpack(by_hand.BOOK)
    assert book.tlv() == Tlv(3, by_hand.BOOK, True)
    with pytest.raises(AssertionError, match="InstrumentId is only a part"):
        InstrumentId(1, 1, 1).tlv()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (Trade(2**64, 0, 0, 0, 0, 0, 0), "asset_id=18446744073709551616"),
        (Trade(0, -(2**63) - 1, 0, 0, 0, 0, 0), "cannot be packed"),
        (dataclasses.replace(PoolSwap.unpack(by_hand.SWAP), amount_in=2**128), "int too big"),
        (dataclasses.replace(PoolSwap.unpack(by_hand.SWAP), amount_in=-1), "negative"),
        (dataclasses.replace(PoolSwap.unpack(by_hand.SWAP), pool=bytes(19)), "20 bytes are needed, not 19"),
        (dataclasses.replace(OrderBook.unpack(by_hand.BOOK), bids=(Level(1, 1, 1),) * 51), "room for 50"),
    ],
)
def test_a_field_that_does_not_fit_is_not_packed(value, problem):
    with pytest.raises(ValueError, match=problem):
        value.pack()


@pytest.mark.parametrize(("side", "offset"), [("bids", 40), ("asks", 1248)])
def test_a_book_that_claims_more_levels_than_it_can_have_is_refused(side, offset):
    octets = bytearray(by_hand.BOOK)
    octets[offset] = 50
    assert len(getattr(OrderBook.unpack(bytes(octets)), side)) == 50
    octets[offset] = 51
    with pytest.raises(InvalidField) as caught:
        OrderBook.unpack(bytes(octets))
    assert caught.value == InvalidField(3, "the number of levels", 51, 50)


def test_a_gas_price_is_of_its_chain_unless_told_otherwise():
    assert GasPrice(1, 2, 3, 4, 5).pack()[28:] == b"\x89\x00\x00\x00"


@dataclasses.dataclass(frozen=True)
class Overlapping(Layout):
    SIZE = 8
    one: int = at(0, U32)
    two: int = at(3, U8)


@dataclasses.dataclass(frozen=True)
class TooLong(Layout):
    SIZE = 8
    one: int = at(0, U32)
    two: int = at(7, U16)


@pytest.mark.parametrize(
    ("layout", "problem"),
    [(Overlapping, "Overlapping.two begins at 3, where another field is"), (TooLong, "ends at 9 and has only 8")],
)
def test_a_layout_that_cannot_be_is_a_mistake(layout, problem):
    with pytest.raises(TypeError, match=problem):
        layout.unpack(bytes(8))


def test_instruments_are_twelve_bytes_and_symbols_eight_of_them():
    instrument = InstrumentId.of_symbol("BTC-USD", Venue.KRAKEN, AssetType.COIN)
    assert instrument.pack() == bytes.fromhex("004453552d435442 6500 33 00")
    token = InstrumentId.of_token(by_hand.address(0x10), Venue.POLYGON)
    assert token.pack() == bytes.fromhex("1716151413121110 ca00 32 00")
    assert symbol_of(symbol_id("BTC-USD")) == "BTC-USD"
    assert symbol_of(symbol_id("LONGSYMBOL")) == "LONGSYMB"
    assert symbol_of(0xFF41000000000000) == "?A"
