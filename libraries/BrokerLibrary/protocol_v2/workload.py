"""What to do for whoever measures how fast messages are made and read: batches of trades, and nothing that keeps time.

`construct` and `parse` work on a whole batch with the compiled kernels, `construct_singly` and `parse_singly` on one
message after the other with the codec that services use. All of them calculate or verify every checksum, and return
how much they did, so that a rate is never that of messages that were not made.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import starmap
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from BrokerLibrary.protocol_v2 import batched, messages
from BrokerLibrary.protocol_v2.batched import Octets
from BrokerLibrary.protocol_v2.header import Domain, Source
from BrokerLibrary.protocol_v2.instruments import AssetType, Venue, symbol_id
from BrokerLibrary.protocol_v2.layouts import FIXED_POINT, Trade

TRADE_MESSAGE_SIZE = 74
"""Bytes: the header, two in front of the value, the value."""

_SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD", "AVAX-USD", "LINK-USD")
_EPOCH_NS = 1_700_000_000_000_000_000


class Counts(NamedTuple):
    """What was done."""

    messages: int
    size: int  # bytes


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """A batch of trades as columns, the form in which a producer would have them: one array for each field."""

    sequences: NDArray[np.uint64]
    timestamps_ns: NDArray[np.uint64]
    columns: dict[str, NDArray[np.generic]]

    def __len__(self) -> int:
        return len(self.sequences)

    def buffer(self) -> Octets:
        """Return a new buffer that `construct` can fill, its memory already there."""
        return np.zeros(len(self) * TRADE_MESSAGE_SIZE, dtype=np.uint8)


def trades(number: int, seed: int) -> Trades:
    """Return trades of one exchange with prices that wander, a microsecond apart.

    Args:
        number: how many.
        seed: the same gives the same trades.
    """
    random = np.random.default_rng(seed)
    stamps = np.uint64(_EPOCH_NS) + np.arange(number, dtype=np.uint64) * np.uint64(1000)
    assets = np.array([symbol_id(symbol) for symbol in _SYMBOLS], dtype=np.uint64)
    columns: dict[str, NDArray[np.generic]] = {
        "asset_id": random.choice(assets, number),
        "price": 45_000 * FIXED_POINT + np.cumsum(random.integers(-FIXED_POINT, FIXED_POINT, number)),
        "volume": random.integers(1, 10 * FIXED_POINT, number),
        "execution_timestamp_ns": stamps - np.uint64(500),
        "venue_id": np.full(number, Venue.KRAKEN, dtype=np.uint16),
        "asset_type": np.full(number, AssetType.COIN, dtype=np.uint8),
        "side": random.integers(0, 2, number, dtype=np.uint8),
    }
    return Trades(np.arange(1, number + 1, dtype=np.uint64), stamps, columns)


def construct(batch: Trades, buffer: Octets) -> Counts:
    """Write a message for each trade into a buffer (see `Trades.buffer`): header, TLV, checksum."""
    values = batched.rows(Trade, batch.columns)
    written = batched.build(
        Trade, values, batch.sequences, batch.timestamps_ns, source=Source.KRAKEN_COLLECTOR, into=buffer
    )
    return Counts(len(batch), len(written))


def parse(buffer: Octets) -> Counts:
    """Verify all messages of a buffer, and read headers, TLVs and the fields of all trades into columns.

    Raises:
        MessageProblem: a message is wrong.
    """
    batch = batched.parse(buffer, in_domain=True).demand_all()
    return Counts(len(batch.values(Trade)), len(buffer))


def construct_singly(batch: Trades) -> bytes:
    """Return the same bytes as `construct` writes, made one message after the other."""
    values = zip(*(column.tolist() for column in batch.columns.values()), strict=True)
    parts = [
        messages.build(Domain.MARKET_DATA, Source.KRAKEN_COLLECTOR, sequence, stamp, [trade.tlv()])
        for sequence, stamp, trade in zip(
            batch.sequences.tolist(), batch.timestamps_ns.tolist(), starmap(Trade, values), strict=True
        )
    ]
    return b"".join(parts)


def parse_singly(stream: bytes) -> Counts:
    """Verify all messages of a stream and read their trades, one after the other. Raises as `parse`."""
    count = 0
    for _, message in messages.parse_all(stream, in_domain=True):
        for tlv in message.tlvs:
            Trade.unpack(tlv.value)
            count += 1
    return Counts(count, len(stream))
