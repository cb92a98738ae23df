"""Compiled kernels: build numbered, stamped messages in frames, and check every byte of what arrives.

A message of a load is a payload of at least `LEAST_PAYLOAD` bytes, little-endian as everything on the wire:

| offset | size | field |
|---|---|---|
| 0 | 8 | sequence, counted from 0 for each producer |
| 8 | 8 | intended start, CLOCK_MONOTONIC in ns |
| 16 | 8 | instant of sending, the same clock |
| 24 | 4 | producer |
| 28 | 4 | run: a number of its own for each load, so that a message left over from another one is noticed |
| 32 | rest | body: 64-bit words `base + k * STEP`, where `base` mixes all the fields above; the last may be cut |

So every message differs from every other in every word, and there is one content only that a message of these fields
can have: comparing costs one pass over the bytes, and a byte that is wrong anywhere is seen.

All kernels stand in this one file, since numba's cache of compiled code watches a kernel's own file and no other; what
comes from the contract (opcodes, codes) is given to them as arguments for the same reason.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

HEAD: Final = 32
LEAST_PAYLOAD: Final = 40

# positions in the array of totals that `check` counts in
(
    FRAMES,  # every complete frame
    INTACT,  # messages whose every byte is right, repeated ones included
    CORRUPTED,  # messages that are not what any producer of this load sent
    NOTICES,  # lag notices
    LAGGED,  # messages that the notices say were dropped
    UNANNOUNCED,  # messages missing at a place where no notice stood
    PENDING,  # announced by a notice, not yet seen as a gap
    ERRORS,  # other error frames
    LAST_ERROR,  # code of the last of them
    UNEXPECTED,  # frames of another kind
    FIRST_WRONG_SEQUENCE,  # of the first corrupted message: its sequence as it stands there, or -1
    FIRST_WRONG_BYTE,  # and the offset of its first wrong byte in the frame
    TOTALS,  # how many there are
) = range(13)

# columns of the tallies of each producer
RECEIVED, DUPLICATED, REORDERED, NEXT, TALLIES = range(5)

BROKEN: Final = -1
"""What `check` returns when a length prefix cannot be one, so that no later frame can be found."""

HALF_BITS: Final = 10  # buckets of 1 024 steps: a duration is kept with an error below 0.1 %
LARGEST_BITS: Final = 42  # up to 73 minutes in ns
POSITIONS: Final = (LARGEST_BITS - HALF_BITS + 1) << HALF_BITS

_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_LARGEST = np.uint64((1 << LARGEST_BITS) - 1)
_ONE, _EIGHT, _TWENTY_SEVEN, _THIRTY, _THIRTY_ONE, _FIFTY_SIX = (np.uint64(n) for n in (1, 8, 27, 30, 31, 56))


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


def _storing(_: Any, array: Any, offset: Any, value: Any) -> Any:  # noqa: ARG001
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(values[2], _place(context, builder, signature.args[0], values, 64), align=1)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.uint64), generate


def _measuring(_: Any, value: Any) -> Any:  # noqa: ARG001
    def generate(__: Any, builder: Any, ___: Any, values: Any) -> Any:
        leading = builder.ctlz(values[0], ir.Constant(ir.IntType(1), 0))
        return builder.sub(ir.Constant(ir.IntType(64), 64), leading)

    return types.uint64(types.uint64), generate


# Unsigned numbers at any byte of a byte array: one instruction each, which an index of numba's cannot express.
_load16, _load32, _load64 = _loader(16), _loader(32), _loader(64)
_store64: Any = intrinsic(_storing)
_bit_length: Any = intrinsic(_measuring)


@njit("uint64(uint64, uint64, uint64, uint64)", cache=True, nogil=True, inline="always")
def _base(label: Any, sequence: Any, intended: Any, sent: Any) -> Any:
    """First word of a body; `label` is producer and run."""
    turned = sent << _EIGHT | sent >> _FIFTY_SIX  # else the two instants, nearly the same, would cancel each other out
    mixed = (sequence + _ONE) * _STEP ^ label * _MIX_2 ^ intended ^ turned
    mixed = (mixed ^ mixed >> _THIRTY) * _MIX_1
    mixed = (mixed ^ mixed >> _TWENTY_SEVEN) * _MIX_2
    return mixed ^ mixed >> _THIRTY_ONE


@njit(
    "int64(uint8[::1], uint8[::1], int64, uint64, uint64, uint64, uint64, int64)",
    cache=True,
    nogil=True,
    boundscheck=False,
)
def build(
    buffer: Any, prefix: Any, payload: Any, label: Any, sequence: Any, intended: Any, sent: Any, count: Any
) -> Any:
    """Write frames one after the other from the beginning of a buffer.

    Args:
        buffer: has room for `count` frames of `len(prefix) + payload` bytes.
        prefix: what stands in front of each payload: length, opcode, flags and topic.
        payload: bytes of a payload.
        label: producer in the lower, run in the upper 32 bits.
        sequence: of the first message; the others follow it.
        intended: in ns, the same for all.
        sent: in ns.
        count: messages.

    Returns:
        Bytes written.
    """
    words, rest = (payload - HEAD) // 8, (payload - HEAD) % 8
    at = 0
    for _ in range(count):
        for index in range(len(prefix)):
            buffer[at + index] = prefix[index]
        at += len(prefix)
        _store64(buffer, at, sequence)
        _store64(buffer, at + 8, intended)
        _store64(buffer, at + 16, sent)
        _store64(buffer, at + 24, label)
        word = _base(label, sequence, intended, sent)
        for index in range(words):
            _store64(buffer, at + HEAD + 8 * index, word)
            word += _STEP
        for index in range(rest):
            buffer[at + payload - rest + index] = word >> (_EIGHT * np.uint64(index))
        at += payload
        sequence += _ONE
    return at


@njit("int64(uint8[::1], int64, int64, uint64, uint64)", cache=True, nogil=True, boundscheck=False)
def _first_wrong_byte(buffer: Any, at: Any, payload: Any, label: Any, word: Any) -> Any:
    """Offset in the payload of the first byte that is not as the fields demand."""
    found = _load64(buffer, at + 24)
    if found != label:
        for index in range(8):
            shift = _EIGHT * np.uint64(index)
            if (found >> shift ^ label >> shift) & np.uint64(0xFF):
                return 24 + index
    for index in range(payload - HEAD):
        if buffer[at + HEAD + index] != np.uint8(word >> (_EIGHT * np.uint64(index % 8))):
            return HEAD + index
        if index % 8 == 7:
            word += _STEP
    return 0


@njit("uint64(uint8[::1], int64, int64, uint64)", cache=True, nogil=True, boundscheck=False)
def _difference(buffer: Any, at: Any, payload: Any, word: Any) -> Any:
    """0 when a body is the one whose first word is given."""
    words, rest = (payload - HEAD) // 8, (payload - HEAD) % 8
    difference = np.uint64(0)
    for index in range(words):
        difference |= _load64(buffer, at + HEAD + 8 * index) ^ word
        word += _STEP
    for index in range(rest):
        wanted = np.uint8(word >> (_EIGHT * np.uint64(index)))
        difference |= np.uint64(buffer[at + payload - rest + index] ^ wanted)
    return difference


@njit("int64(uint64)", cache=True, nogil=True, inline="always")
def position(nanoseconds: Any) -> Any:
    """Where a duration is counted: as in an HDR histogram whose unit is 1 ns, with three digits."""
    value = min(nanoseconds, _LARGEST)
    bucket = _bit_length(value | np.uint64((2 << HALF_BITS) - 1)) - np.uint64(HALF_BITS + 1)
    return np.int64(((bucket + _ONE) << np.uint64(HALF_BITS)) + (value >> bucket) - np.uint64(1 << HALF_BITS))


@njit("void(int64[::1], int64, int64)", cache=True, nogil=True)
def _corrupted(totals: Any, sequence: Any, offset: Any) -> None:
    if totals[CORRUPTED] == 0:
        totals[FIRST_WRONG_SEQUENCE] = sequence
        totals[FIRST_WRONG_BYTE] = offset
    totals[CORRUPTED] += 1


@njit("int64(uint8[::1], int64, uint8[::1])", cache=True, nogil=True)
def _prefix_difference(buffer: Any, at: Any, prefix: Any) -> Any:
    for index in range(len(prefix)):
        if buffer[at + index] != prefix[index]:
            return index
    return 0


@njit("void(uint8[::1], int64, int64[::1], int64, int64[::1])", cache=True, nogil=True, boundscheck=False)
def _other_frame(buffer: Any, at: Any, totals: Any, body: Any, codes: Any) -> None:
    """Count a frame that is no message: a lag notice, another error, or what should not come at all."""
    opcode, topic = buffer[at + 4], np.int64(_load16(buffer, at + 6))
    if opcode != codes[1] or 4 + topic + 2 > body:
        totals[UNEXPECTED] += 1
        return
    code = np.int64(_load16(buffer, at + 8 + topic))
    if code == codes[2] and 4 + topic + 10 <= body:
        dropped = np.int64(_load64(buffer, at + 10 + topic))
        totals[NOTICES] += 1
        totals[LAGGED] += dropped
        totals[PENDING] += dropped
    else:
        totals[ERRORS] += 1
        totals[LAST_ERROR] = code


@njit("void(uint64, uint8[::1], int64[::1], int64[::1])", cache=True, nogil=True, boundscheck=False)
def _account(sequence: Any, seen: Any, tallies: Any, totals: Any) -> None:
    """Count an intact message of one producer as new, repeated or out of order."""
    number = np.int64(sequence)
    mask = np.uint8(1 << (number & 7))
    if seen[number >> 3] & mask:
        tallies[DUPLICATED] += 1
        return
    seen[number >> 3] |= mask
    tallies[RECEIVED] += 1
    missing = number - tallies[NEXT]
    if missing < 0:
        tallies[REORDERED] += 1
        return
    if missing:
        announced = min(missing, totals[PENDING])
        totals[PENDING] -= announced
        totals[UNANNOUNCED] += missing - announced
    tallies[NEXT] = number + 1


@njit(
    "int64(uint8[::1], int64, uint64, uint8[::1], int64, int64[::1], uint64[::1], uint8[:, ::1], int64[:, ::1],"
    " int64[::1], uint64[::1], int32[:, ::1], int32[:, ::1])",
    cache=True,
    nogil=True,
    boundscheck=False,
)
def check(
    buffer: Any,
    end: Any,
    now: Any,
    prefix: Any,
    payload: Any,
    codes: Any,
    labels: Any,
    seen: Any,
    tallies: Any,
    totals: Any,
    axis: Any,
    latency: Any,
    service: Any,
) -> Any:
    """Check the complete frames at the beginning of a buffer and count what they are.

    Args:
        buffer: what was read.
        end: bytes of it that are filled.
        now: when it was read, in ns.
        prefix: what must stand in front of each message.
        payload: bytes of each message.
        codes: largest body that may be announced, opcode of an error frame, its code of a lag notice.
        labels: producer and run, one for each producer.
        seen: a bit for each sequence of each producer: its length bounds the sequences that may come.
        tallies: a row of counts for each producer.
        totals: counts of the connection.
        axis: where rows of the histograms begin, and how long one is, in ns of intended starts.
        latency: durations from the intended start, a row for each stretch of time.
        service: durations since sending, likewise.

    Returns:
        Where the first incomplete frame begins, or `BROKEN`.
    """
    at: Any = 0
    size = len(prefix) + payload
    row, of_row = np.int64(0), np.uint64(0)
    while end - at >= 4:
        body = np.int64(_load32(buffer, at))
        if body < 4 or body > codes[0]:
            return BROKEN
        if end - at < 4 + body:
            break
        totals[FRAMES] += 1
        wrong = 0
        if 4 + body != size:
            wrong = 1
        else:
            for index in range(4, len(prefix)):
                wrong |= buffer[at + index] ^ prefix[index]
        if wrong:
            if buffer[at + 4] == prefix[4]:
                _corrupted(totals, -1, _prefix_difference(buffer, at, prefix))
            else:
                _other_frame(buffer, at, totals, body, codes)
            at += 4 + body
            continue
        place = at + len(prefix)
        at += size
        sequence, intended, sent = _load64(buffer, place), _load64(buffer, place + 8), _load64(buffer, place + 16)
        label = _load64(buffer, place + 24)
        producer = min(np.int64(label & np.uint64(0xFFFFFFFF)), len(labels) - 1)
        word = _base(labels[producer], sequence, intended, sent)
        if (
            label != labels[producer]
            or _difference(buffer, place, payload, word) != 0
            or sequence >= np.uint64(8 * seen.shape[1])
        ):
            offset = _first_wrong_byte(buffer, place, payload, labels[producer], word)
            _corrupted(totals, np.int64(sequence), len(prefix) + offset)
            continue
        totals[INTACT] += 1
        _account(sequence, seen[producer], tallies[producer], totals)
        if intended != of_row:
            of_row = intended
            since = intended - axis[0] if intended > axis[0] else np.uint64(0)
            row = min(np.int64(since // axis[1]), np.int64(latency.shape[0] - 1))
        latency[row, position(now - intended if now > intended else np.uint64(0))] += 1
        service[row, position(now - sent if now > sent else np.uint64(0))] += 1
    return at
