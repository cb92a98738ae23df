"""Which instrument a message is about: asset, venue and what kind of asset it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from BrokerLibrary.protocol_v2.layout import U8, U16, U64, Layout, at


class Venue(IntEnum):
    """Where something is traded."""

    NYSE = 1
    NASDAQ = 2
    BINANCE = 100
    KRAKEN = 101
    COINBASE = 102
    GEMINI = 108
    ETHEREUM = 200
    POLYGON = 202
    UNISWAP_V2 = 300
    UNISWAP_V3 = 301
    SUSHI_SWAP = 302
    QUICK_SWAP = 400
    SUSHI_SWAP_POLYGON = 401
    TEST_VENUE = 65000


class AssetType(IntEnum):
    """What is traded."""

    STOCK = 1
    TOKEN = 50
    COIN = 51
    POOL = 100
    TEST_ASSET = 250


@dataclass(frozen=True)
class InstrumentId(Layout):
    """Asset, venue and kind of asset, 12 bytes without padding."""

    SIZE = 12

    asset_id: int = at(0, U64)
    venue_id: int = at(8, U16)
    asset_type: int = at(10, U8)
    reserved: int = at(11, U8, default=0)

    @classmethod
    def of_symbol(cls, symbol: str, venue_id: int, asset_type: int) -> Self:
        """Return the instrument with this symbol. Raises as `symbol_id`."""
        return cls(symbol_id(symbol), venue_id, asset_type)

    @classmethod
    def of_token(cls, address: bytes, venue_id: int, asset_type: int = AssetType.TOKEN) -> Self:
        """Return the instrument of a token by the address of its contract, of which eight bytes count."""
        return cls(int.from_bytes(address[:8], "big"), venue_id, asset_type)


def symbol_id(symbol: str) -> int:
    """Return the asset id of a symbol: its first eight ASCII characters, the first in the highest byte.

    Raises:
        UnicodeEncodeError: it is not ASCII.
    """
    return int.from_bytes(symbol.encode("ascii")[:8].ljust(8, b"\0"), "big")


def symbol_of(asset_id: int) -> str:
    """Return the symbol an asset id was made of, as far as the id keeps it; other bytes as `?`."""
    return asset_id.to_bytes(8, "big").rstrip(b"\0").decode("ascii", errors="replace").replace("�", "?")
