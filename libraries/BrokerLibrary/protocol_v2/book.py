"""An order book: fifty levels at most of bids and of asks, always 2456 bytes, so always in an extended TLV."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from BrokerLibrary.protocol_v2.errors import InvalidField
from BrokerLibrary.protocol_v2.layout import I64, U8, U16, U64, Kind, Layout, at
from BrokerLibrary.protocol_v2.registry import TlvType

MOST_LEVELS = 50
_COUNT = struct.Struct("<H6x")
_LEVEL = struct.Struct("<qqI4x")
_SIDE_SIZE = _COUNT.size + MOST_LEVELS * _LEVEL.size


class Level(NamedTuple):
    """What is offered at one price; price and size in units of the book's precision factor."""

    price: int
    size: int
    order_count: int


def _to_wire(levels: tuple[Level, ...]) -> bytes:
    if len(levels) > MOST_LEVELS:
        raise ValueError(f"{len(levels)} levels; there is room for {MOST_LEVELS}")
    written = _COUNT.pack(len(levels)) + b"".join(_LEVEL.pack(*level) for level in levels)
    return written.ljust(_SIDE_SIZE, b"\0")


def _from_wire(data: bytes) -> tuple[Level, ...]:
    (count,) = _COUNT.unpack_from(data)
    if count > MOST_LEVELS:
        raise InvalidField(TlvType.ORDER_BOOK, "the number of levels", count, MOST_LEVELS)
    return tuple(Level._make(_LEVEL.unpack_from(data, _COUNT.size + n * _LEVEL.size)) for n in range(count))


_LEVEL_COLUMNS = np.dtype(
    {"names": Level._fields, "formats": ["<i8", "<i8", "<u4"], "offsets": [0, 8, 16], "itemsize": _LEVEL.size}
)
_SIDE_COLUMNS = np.dtype(
    {
        "names": ["count", "levels"],
        "formats": ["<u2", (_LEVEL_COLUMNS, (MOST_LEVELS,))],
        "offsets": [0, _COUNT.size],
        "itemsize": _SIDE_SIZE,
    }
)
_SIDE = Kind(f"{_SIDE_SIZE}s", _SIDE_COLUMNS, _to_wire, _from_wire)


@dataclass(frozen=True)
class OrderBook(Layout):
    """All bids and asks of one instrument at one time.

    Reading raises InvalidField when a side claims more levels than it has room for.
    """

    TYPE = TlvType.ORDER_BOOK
    SIZE = 2456

    snapshot_ns: int = at(0, U64)
    sequence: int = at(8, U64)
    precision_factor: int = at(16, I64)
    asset_id: int = at(24, U64)
    venue_id: int = at(32, U16)
    asset_type: int = at(34, U8)
    bids: tuple[Level, ...] = at(40, _SIDE)
    asks: tuple[Level, ...] = at(1248, _SIDE)
