"""TLVs: type, length, value, one after the other until the payload ends.

Standard: type u8 (1 to 254), length u8, value. Extended, for values above 255 bytes: 0xFF, 0x00, type u8, length u16
little-endian, value. There is no padding and no terminator.

As the relays' parser does, reading accepts unknown types (0 too, which nobody may write), and asks only standard TLVs
for the one size their type has.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from BrokerLibrary.protocol_v2.errors import InvalidExtendedTLV, MessageTooLarge, TruncatedTLV
from BrokerLibrary.protocol_v2.registry import LARGEST_VALUE, MARKER, demand_fixed_size

STANDARD_SIZE = 2  # bytes in front of a value
EXTENDED_SIZE = 5
LONGEST_STANDARD = 255
CHUNK_SIZE = 65_531  # bytes of a value too long for any TLV that go into one, behind their number

_EXTENDED = struct.Struct("<BBBH")
_INDEX = struct.Struct("<I")


class Tlv(NamedTuple):
    """One TLV; `extended` when it stands, or is to stand, in the extended form though its value is short."""

    type: int
    value: bytes
    extended: bool = False


def framing(tlv_type: int, size: int, extended: bool = False) -> bytes:
    """Return what stands in front of a value.

    Raises:
        ValueError: the type is none that a TLV can have.
        MessageTooLarge: the value is longer than 65535 bytes.
    """
    if not 0 < tlv_type < MARKER:
        raise ValueError(f"a TLV has a type from 1 to {MARKER - 1}, not {tlv_type}")
    if size > LARGEST_VALUE:
        raise MessageTooLarge(size, LARGEST_VALUE)
    if extended or size > LONGEST_STANDARD:
        return _EXTENDED.pack(MARKER, 0, tlv_type, size)
    return bytes((tlv_type, size))


def encode(tlvs: Iterable[Tlv]) -> bytes:
    """Return the payload that has these TLVs.

    Raises:
        ValueError: a type is none that a TLV can have.
        MessageTooLarge: a value is longer than 65535 bytes.
        PayloadSizeMismatch: a value has not the size of its type.
    """
    parts = []
    for tlv in tlvs:
        demand_fixed_size(tlv.type, len(tlv.value))
        parts += [framing(tlv.type, len(tlv.value), tlv.extended), tlv.value]
    return b"".join(parts)


def walk(payload: bytes | memoryview) -> Iterator[Tlv]:
    """Yield the TLVs of a payload in their order, until its end or the first that is wrong.

    Raises:
        TruncatedTLV: one needs more bytes than are left.
        InvalidExtendedTLV: 0xFF is not followed by 0x00.
        PayloadSizeMismatch: the value of a standard TLV has not the size of its type.
    """
    at, end = 0, len(payload)
    while at < end:
        tlv_type, extended, begin = payload[at], False, at + STANDARD_SIZE
        if begin > end:
            raise TruncatedTLV(end, begin, tlv_type, at)
        length = payload[at + 1]
        if tlv_type == MARKER:
            if length != 0:
                raise InvalidExtendedTLV(at, length)
            begin = at + EXTENDED_SIZE
            if begin > end:
                raise TruncatedTLV(end, begin, MARKER, at)
            _, _, tlv_type, length = _EXTENDED.unpack_from(payload, at)
            extended = True
        stop = begin + length
        if stop > end:
            raise TruncatedTLV(end, stop, tlv_type, at)
        if not extended:
            demand_fixed_size(tlv_type, length)
        yield Tlv(tlv_type, bytes(payload[begin:stop]), extended)
        at = stop


def chunks(tlv_type: int, value: bytes) -> list[Tlv]:
    """Split a value that no TLV can hold into extended ones, each beginning with its number as u32."""
    pieces = [value[start : start + CHUNK_SIZE] for start in range(0, len(value), CHUNK_SIZE)]
    return [Tlv(tlv_type, _INDEX.pack(number) + piece, extended=True) for number, piece in enumerate(pieces)]
