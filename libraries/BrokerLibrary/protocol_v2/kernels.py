"""Compiled loops: many messages built into one buffer, many read out of one.

All kernels stand in this one file, and what the protocol prescribes (magic, limits, sizes) is given to them as
arguments: numba's cache of compiled code watches a kernel's own file and no other. They are compiled when this module
is first imported, never while somebody measures. The cache lies beside this file; where that cannot be written, as in
a read-only checkout, numba itself falls back to the user's own cache directory, or to NUMBA_CACHE_DIR if that is set.

The checksum goes forward up to sixteen bytes at a time: what each of them contributes depends on how many bytes of the
sixteen follow it, and there is a table for each such number.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

MARKER: Final = 255  # in the place of a type: an extended TLV begins
HEADER: Final = 32  # bytes
CHECKSUM: Final = 28  # offset of the checksum in a header
STEP: Final = 16  # bytes of which the checksum is calculated at once

# what is wrong with a message
(
    NOTHING,
    TOO_SMALL,
    MAGIC,
    VERSION,
    DOMAIN,
    SOURCE,
    TOO_LARGE,
    SHORT_OF_PAYLOAD,
    CHECKSUM_MISMATCH,
    TRUNCATED,
    EXTENDED,
    SIZE,
    DOMAIN_OF_TLV,
) = range(13)

# positions in the array of what the protocol prescribes
(
    THE_MAGIC,
    THE_VERSION,
    LAST_DOMAIN,
    LAST_SOURCE,
    LARGEST,  # bytes of a message
    UNCHECKED,  # the domain whose messages may do without a checksum
    FACTS,  # how many there are
) = range(7)

# positions in the array of what was found
(
    PROBLEM,  # with the first message that is wrong
    AT_MESSAGE,  # its number
    AT_BYTE,  # where it begins
    TLVS,  # how many were read, of the messages before it
    FOUND,  # how many there are
) = range(5)

_TWO: Any = types.Tuple((types.int64,) * 2)  # type: ignore[no-untyped-call]
_THREE: Any = types.Tuple((types.int64,) * 3)  # type: ignore[no-untyped-call]
_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_ROWS_OF_BYTES = types.Array(types.uint8, 2, "C", readonly=True)
_NUMBERS = types.Array(types.uint64, 1, "C", readonly=True)
_FACTS = types.Array(types.int64, 1, "C", readonly=True)
_SIZES = types.Array(types.int32, 1, "C", readonly=True)


def crc_table() -> NDArray[np.uint32]:
    """Return what each byte contributes to a CRC-32 (IEEE, reflected) when k others follow it, at 256 * k + byte."""
    table = np.zeros((STEP, 256), dtype=np.uint32)
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = np.where(crc & 1, crc >> 1 ^ np.uint32(0xEDB88320), crc >> 1)
    table[0] = crc
    for k in range(1, STEP):
        table[k] = table[0][table[k - 1] & 0xFF] ^ table[k - 1] >> 8
    return table.reshape(-1)


_CRC = crc_table()
_ALL = np.uint64(0xFFFFFFFF)
_BYTE = np.uint64(0xFF)


def _place(context: Any, builder: Any, array_type: Any, values: Any, bits: int) -> Any:
    array = context.make_array(array_type)(context, builder, values[0])
    return builder.bitcast(builder.gep(array.data, [values[1]]), ir.IntType(bits).as_pointer())


def _loader(bits: int) -> Any:
    def load(_: Any, array: Any, offset: Any) -> Any:  # noqa: ARG001 - numba counts the arguments
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            place = _place(context, builder, signature.args[0], values, bits)
            return builder.zext(builder.load(place, align=1), ir.IntType(64))

        return types.uint64(array, types.intp), generate

    return intrinsic(load)


def _storer(bits: int) -> Any:
    def store(_: Any, array: Any, offset: Any, value: Any) -> Any:  # noqa: ARG001 - likewise
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            place = _place(context, builder, signature.args[0], values, bits)
            builder.store(builder.trunc(values[2], ir.IntType(bits)), place, align=1)
            return context.get_dummy_value()

        return types.void(array, types.intp, types.uint64), generate

    return intrinsic(store)


# Unsigned numbers at any byte of a byte array: one instruction each, which an index of numba's cannot express.
_load8, _load16, _load32, _load64 = (_loader(bits) for bits in (8, 16, 32, 64))
_store8, _store32, _store64 = (_storer(bits) for bits in (8, 32, 64))


@njit(types.uint64(_BYTES, types.uint64, types.int64, types.int64), cache=True, nogil=True)
def _crc(buffer: Any, value: Any, start: Any, stop: Any) -> Any:
    """Go on calculating an (inverted) CRC-32 over the bytes from `start` to `stop`."""
    at = start
    while stop - at >= STEP:
        low, high = _load64(buffer, at) ^ value, _load64(buffer, at + 8)
        value = np.uint64(0)
        for k in range(8):
            shift = np.uint64(8 * k)
            value ^= np.uint64(_CRC[np.uint64(256 * (15 - k)) + (low >> shift & _BYTE)])
            value ^= np.uint64(_CRC[np.uint64(256 * (7 - k)) + (high >> shift & _BYTE)])
        at += STEP
    left = stop - at
    old, value = value, value >> np.uint64(8 * min(left, 4))
    for k in range(left):
        mixed = _load8(buffer, at + k) ^ old & _BYTE
        old >>= np.uint64(8)
        value ^= np.uint64(_CRC[np.uint64(256 * (left - 1 - k)) + mixed])
    return value


@njit(types.uint64(_BYTES, types.int64, types.int64), cache=True, nogil=True)
def checksum(buffer: Any, start: Any, stop: Any) -> Any:
    """Return the checksum of the message from `start` to `stop`: its own four bytes are skipped."""
    return _crc(buffer, _crc(buffer, _ALL, start, start + CHECKSUM), start + HEADER, stop) ^ _ALL


@njit(types.void(_BYTES, types.int64, types.uint8[::1], types.int64, types.int64), cache=True, nogil=True)
def _copy(source: Any, begin: Any, target: Any, at: Any, size: Any) -> None:
    words = size & ~7
    for index in range(0, words, 8):
        _store64(target, at + index, _load64(source, begin + index))
    for index in range(words, size):
        _store8(target, at + index, _load8(source, begin + index))


@njit(
    types.int64(_BYTES, types.int64, _BYTES, _NUMBERS, _NUMBERS, types.boolean, types.uint8[::1]),
    cache=True,
    nogil=True,
)
def build(values: Any, size: Any, lead: Any, sequences: Any, timestamps: Any, checked: Any, buffer: Any) -> Any:
    """Write messages of one TLV each, one after the other.

    Args:
        values: one after the other.
        size: bytes of each.
        lead: what every message begins with: header and what stands in front of the value.
        sequences: one for each message.
        timestamps: likewise, in ns.
        checked: whether to write checksums.
        buffer: has room for all of them.

    Returns:
        Bytes written.
    """
    at = 0
    for number in range(len(sequences)):
        begin = at + len(lead)
        end = begin + size
        _copy(lead, 0, buffer, at, len(lead))
        _store64(buffer, at + 8, sequences[number])
        _store64(buffer, at + 16, timestamps[number])
        _copy(values, number * size, buffer, begin, size)
        if checked:
            _store32(buffer, at + CHECKSUM, checksum(buffer, at, end))
        at = end
    return at


@njit(types.int64(_BYTES, types.int64, _FACTS), cache=True, nogil=True)
def _header_problem(buffer: Any, at: Any, facts: Any) -> Any:
    left = len(buffer) - at
    if left < HEADER:
        return TOO_SMALL
    if np.int64(_load32(buffer, at)) != facts[THE_MAGIC]:
        return MAGIC
    domain, source = np.int64(_load8(buffer, at + 4)), np.int64(_load8(buffer, at + 6))
    if np.int64(_load8(buffer, at + 5)) != facts[THE_VERSION]:
        return VERSION
    if domain == 0 or domain > facts[LAST_DOMAIN]:
        return DOMAIN
    if source == 0 or source > facts[LAST_SOURCE]:
        return SOURCE
    size = HEADER + np.int64(_load32(buffer, at + 24))
    if size > facts[LARGEST]:
        return TOO_LARGE
    return SHORT_OF_PAYLOAD if size > left else NOTHING


@njit(types.int64(_BYTES, types.int64, types.int64, _FACTS), cache=True, nogil=True)
def _checksum_problem(buffer: Any, at: Any, end: Any, facts: Any) -> Any:
    claimed = _load32(buffer, at + CHECKSUM)
    if claimed == 0:
        return NOTHING if np.int64(_load8(buffer, at + 4)) == facts[UNCHECKED] else CHECKSUM_MISMATCH
    return NOTHING if checksum(buffer, at, end) == claimed else CHECKSUM_MISMATCH


@njit(_THREE(_BYTES, types.int64, types.int64), cache=True, nogil=True)
def _tlv(buffer: Any, at: Any, end: Any) -> Any:
    """Read what stands in front of a value, at least one byte of it: type + 256 * extended, begin and length.

    When it cannot be read, or the value is not there in full, the type is `-problem` instead.
    """
    kind, begin = np.int64(_load8(buffer, at)), at + 2
    if begin > end:
        return -TRUNCATED, begin, 0
    length = np.int64(_load8(buffer, at + 1))
    if kind == MARKER:
        if length != 0:
            return -EXTENDED, begin, 0
        begin = at + 5
        if begin > end:
            return -TRUNCATED, begin, 0
        kind, length = np.int64(_load8(buffer, at + 2)) | 256, np.int64(_load16(buffer, at + 3))
    return -TRUNCATED if begin + length > end else kind, begin, length


@njit(_TWO(_BYTES), cache=True, nogil=True)
def count(buffer: Any) -> Any:
    """Return at least how many messages, and how many TLVs, `parse` can read in a buffer: it looks at lengths alone."""
    at, messages, tlvs, length = np.int64(0), 0, 0, len(buffer)
    while length - at >= HEADER:
        end = at + HEADER + np.int64(_load32(buffer, at + 24))
        if end > length:
            break
        place = at + HEADER
        while place < end:
            kind, begin, size = _tlv(buffer, place, end)
            if kind < 0:
                break
            place = begin + size
            tlvs += 1
        messages += 1
        at = end
    return messages, tlvs


@njit(
    types.int64(
        _BYTES,
        _FACTS,
        _SIZES,
        _ROWS_OF_BYTES,
        types.uint8[::1],
        types.int64[::1],
        types.int64[:, ::1],
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def parse(buffer: Any, facts: Any, sizes: Any, belongs: Any, headers: Any, offsets: Any, tlvs: Any, found: Any) -> Any:
    """Read messages that follow each other directly, until the end or the first that is wrong.

    Args:
        buffer: the messages, and nothing else.
        facts: what the protocol prescribes, at the positions named above.
        sizes: for each type the one size it has, or -1.
        belongs: for each domain and type, whether the one may have the other.
        headers: filled with the header of each message; there is room for those that `count` says.
        offsets: where each message begins; likewise.
        tlvs: rows of number of the message, where the value begins, and type + 256 * extended + 2**32 * length.
        found: what `PROBLEM` and the other positions say.

    Returns:
        Messages read.
    """
    at, number, tlv, problem = np.int64(0), 0, 0, NOTHING
    while at < len(buffer):
        problem = _header_problem(buffer, at, facts)
        if problem != NOTHING:
            break
        end = at + HEADER + np.int64(_load32(buffer, at + 24))
        problem = _checksum_problem(buffer, at, end, facts)
        place, row, domain = at + HEADER, tlv, _load8(buffer, at + 4)
        while place < end and problem == NOTHING:
            kind, begin, length = _tlv(buffer, place, end)
            if kind < 0:
                problem = -kind
            elif kind < MARKER and sizes[kind] >= 0 and sizes[kind] != length:
                problem = SIZE
            elif belongs[domain, min(kind, MARKER)] == 0:
                problem = DOMAIN_OF_TLV
            else:
                tlvs[row, 0], tlvs[row, 1], tlvs[row, 2] = number, begin, kind | length << 32
                row += 1
                place = begin + length
        if problem != NOTHING:
            break
        tlv = row
        _copy(buffer, at, headers, number * HEADER, HEADER)
        offsets[number] = at
        number += 1
        at = end
    found[PROBLEM], found[AT_MESSAGE], found[AT_BYTE], found[TLVS] = problem, number, at, tlv
    return number


@njit(
    types.int64(_BYTES, types.Array(types.int64, 1, "A", readonly=True), types.int64, types.uint8[::1]),
    cache=True,
    nogil=True,
)
def gather(buffer: Any, begins: Any, size: Any, values: Any) -> Any:
    """Copy values of one size to one after the other, and return how many."""
    for number in range(len(begins)):
        _copy(buffer, begins[number], values, number * size, size)
    return len(begins)
