"""The header of a message: 32 bytes, little-endian, and the checksum that its last four hold.

| offset | size | field |
|---|---|---|
| 0 | 4 | magic 0xDEADBEEF |
| 4 | 1 | relay domain |
| 5 | 1 | version, 1 |
| 6 | 1 | source |
| 7 | 1 | flags, always 0 |
| 8 | 8 | sequence, counted by each source |
| 16 | 8 | timestamp, ns since the epoch |
| 24 | 4 | bytes of TLVs that follow |
| 28 | 4 | CRC-32 of all other bytes of the message |

The checksum *skips* its own four bytes: a receiver that takes them as zeros computes another one. 0 stands for "no
checksum", which the producers of market data make use of; nobody else may (contract sections 3.4 and 8).
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from typing import NamedTuple

from BrokerLibrary.protocol_v2.errors import (
    InvalidDomain,
    InvalidMagic,
    InvalidSource,
    MagicDiagnosis,
    MessageTooLarge,
    MessageTooSmall,
    UnsupportedVersion,
)

MAGIC = 0xDEADBEEF
VERSION = 1  # of "Protocol V2"
HEADER_SIZE = 32
CHECKSUM_OFFSET = 28
ABSENT = 0  # a checksum that is none
LARGEST_SOURCE = 100
LARGEST_MESSAGE = 1 << 20  # bytes, header included

_STRUCT = struct.Struct("<IBBBBQQII")


class Domain(IntEnum):
    """What a message is about, and so the relay, or the topic, it belongs to."""

    MARKET_DATA = 1
    SIGNAL = 2
    EXECUTION = 3
    SYSTEM = 4


class Source(IntEnum):
    """Who sent a message. Numbers up to 100 without a name are accepted too."""

    BINANCE_COLLECTOR = 1
    KRAKEN_COLLECTOR = 2
    COINBASE_COLLECTOR = 3
    POLYGON_COLLECTOR = 4
    GEMINI_COLLECTOR = 5
    ARBITRAGE_STRATEGY = 20
    MARKET_MAKER = 21
    TREND_FOLLOWER = 22
    KRAKEN_SIGNAL_STRATEGY = 23
    PORTFOLIO_MANAGER = 40
    RISK_MANAGER = 41
    EXECUTION_ENGINE = 42
    DASHBOARD = 60
    METRICS_COLLECTOR = 61
    STATE_MANAGER = 62
    MARKET_DATA_RELAY = 80
    SIGNAL_RELAY = 81
    EXECUTION_RELAY = 82


UNCHECKED_DOMAINS = frozenset({Domain.MARKET_DATA})
"""Where a message may do without a checksum."""


class Header(NamedTuple):
    """All fields after the magic, in their order."""

    domain: int
    version: int
    source: int
    flags: int
    sequence: int
    timestamp_ns: int
    payload_size: int
    checksum: int

    @property
    def message_size(self) -> int:
        """Bytes of the whole message."""
        return HEADER_SIZE + self.payload_size

    def pack(self) -> bytes:
        """Return the 32 bytes; nothing is judged, so that wrong headers can be made too."""
        return _STRUCT.pack(MAGIC, *self)


def read(message: bytes | memoryview) -> Header:
    """Read and judge a header; whether the payload is there and what it is worth is for others to see.

    Raises:
        MessageTooSmall: there are less than 32 bytes.
        InvalidMagic: they do not begin with the magic number.
        UnsupportedVersion: the version is not 1.
        InvalidDomain, InvalidSource: a number that no domain, no source has.
        MessageTooLarge: the message it announces is larger than 1 MiB.
    """
    if len(message) < HEADER_SIZE:
        raise MessageTooSmall(HEADER_SIZE, len(message), "a header")
    magic, *fields = _STRUCT.unpack_from(message)
    header = Header._make(fields)
    if magic != MAGIC:
        raise InvalidMagic(MAGIC, magic, 0, _diagnosis(magic))
    if header.version != VERSION:
        raise UnsupportedVersion(header.version, VERSION)
    if not Domain.MARKET_DATA <= header.domain <= Domain.SYSTEM:
        raise InvalidDomain(1, header.domain, "domains are 1 to 4")
    if not 1 <= header.source <= LARGEST_SOURCE:
        raise InvalidSource(1, header.source, f"sources are 1 to {LARGEST_SOURCE}")
    if header.message_size > LARGEST_MESSAGE:
        raise MessageTooLarge(header.message_size, LARGEST_MESSAGE)
    return header


def checksum(message: bytes | memoryview) -> int:
    """Return the CRC-32 of a message: all of its bytes but the four that hold it."""
    return zlib.crc32(message[HEADER_SIZE:], zlib.crc32(message[:CHECKSUM_OFFSET]))


def rival_rule(message: bytes, found: int) -> str | None:
    """Return in words which other description of the checksum gives the one that was found."""
    zeroed = message[:CHECKSUM_OFFSET] + bytes(4) + message[HEADER_SIZE:]
    rivals = {
        "calculated with zeros in the place of the checksum": zeroed,
        "calculated over all but the last four bytes": zeroed[:-4],
        "calculated over the payload only": message[HEADER_SIZE:],
    }
    return next((rule for rule, covered in rivals.items() if zlib.crc32(covered) == found), None)


def _diagnosis(magic: int) -> MagicDiagnosis:
    if magic == 0:
        return MagicDiagnosis.ZEROS
    if magic == 0xFFFFFFFF:
        return MagicDiagnosis.ONES
    if magic == int.from_bytes(MAGIC.to_bytes(4, "little"), "big"):
        return MagicDiagnosis.SWAPPED
    return MagicDiagnosis.OTHER
