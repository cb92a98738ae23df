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
