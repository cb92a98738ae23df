"""Compiled loops over many frames at once; nothing in them allocates, and none of them knows a socket.

They are compiled on the first start of a checkout and read from `__pycache__` afterwards. The offsets are those of
`wire.py`: length at 0, opcode at 4, flags at 5, length of the topic at 6, topic at 8.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Number = Any  # an int in Python, an int64 once compiled

INCOMPLETE = 0  # the rest of the stream is less than a frame
ENDED = 1  # the run is over: another topic, another flag, or the limit
OTHER = 2  # the next frame is complete and for the slow path: no Publish, an unknown topic, or a payload too large
BAD = 3  # the next head is one that no client may send

_COMPILE: dict[str, Any] = {"cache": True, "nogil": True, "boundscheck": False}


@njit("int64(uint8[::1], int64)", **_COMPILE)
def _u16(stream: Bytes, at: Number) -> Number:
    return np.int64(stream[at]) | np.int64(stream[at + 1]) << 8


@njit("int64(uint8[::1], int64)", **_COMPILE)
def _body(stream: Bytes, at: Number) -> Number:
    """Return the length of the body of the frame at `at`."""
    return _u16(stream, at) | _u16(stream, at + 2) << 16


@njit("boolean(uint8[::1], int64, int64)", **_COMPILE)
def _is_bad(stream: Bytes, at: Number, body: Number) -> bool:
    """Whether no client may send this head; `wire.check_head` says why."""
    opcode, flags, name = np.int64(stream[at + 4]), np.int64(stream[at + 5]), _u16(stream, at + 6)
    if name > body - 4:
        return True
    if opcode == 1:
        return bool(flags > 1 or name == 0 or name > 255)
    if opcode == 2 or opcode == 3:
        return bool(flags != 0 or name == 0 or name > 255)
    return bool((opcode != 9 and opcode != 11) or flags != 0 or name > 255)


@njit("int64(uint8[::1], int64, int64, uint8[::1], int64[:, ::1], int64)", **_COMPILE)
def _find(stream: Bytes, at: Number, length: Number, names: Bytes, topics: NDArray[np.int64], guess: Number) -> Number:
    """Return the number of the topic whose name stands at `at`, -1 if there is none; tries `guess` first."""
    for k in range(-1 if guess >= 0 else 0, topics.shape[0]):
        number = guess if k < 0 else k
        if topics[number, 1] != length:
            continue
        offset = topics[number, 0]
        same = True
        for i in range(length):
            if names[offset + i] != stream[at + i]:
                same = False
                break
        if same:
            return number
    return -1


@njit(
    "UniTuple(int64, 6)(uint8[::1], int64, int64, int64, int64, uint8[::1], int64[:, ::1])",
    **_COMPILE,
)
def scan(
    stream: Bytes, start: Number, end: Number, limit: Number, longest: Number, names: Bytes, topics: NDArray[np.int64]
) -> tuple[int, int, int, int, int, int]:
    """Find a run: Publish frames of one topic and one flag, one after the other, and make Deliver frames of them.

    The two differ in opcode and flags only, so that a run goes to a subscriber as it stands. `restore` undoes it.

    Args:
        stream: received bytes.
        start: where the first frame begins.
        end: where the received bytes end.
        limit: how many frames the run may have, at least 1.
        longest: greatest length of a body.
        names: names of the topics, end to end.
        topics: for each topic a row of offset in `names`, bytes of the name, greatest payload in bytes.

    Returns:
        Outcome (why the run is over), topic and flag of the run, where it ends, its frames, and with INCOMPLETE how
        many bytes the next frame has in all (0 while that is not known).
    """
    at, count = start, 0
    topic: Number = -1
    flag: Number = 0
    while count < limit:
        left = end - at
        if left < 4:
            return INCOMPLETE, topic, flag, at, count, 0
        body = _body(stream, at)
        if body > longest or body < 4 or (left >= 8 and _is_bad(stream, at, body)):
            return BAD, topic, flag, at, count, 0
        if left < body + 4:
            return INCOMPLETE, topic, flag, at, count, body + 4 if left >= 8 else 0
        if stream[at + 4] != 1:
            return OTHER, topic, flag, at, count, 0
        name = _u16(stream, at + 6)
        found = _find(stream, at + 8, name, names, topics, topic)
        if found < 0 or body - 4 - name > topics[found, 2]:
            return OTHER, topic, flag, at, count, 0
        flags = np.int64(stream[at + 5])
        if count == 0:
            topic, flag = found, flags
        elif found != topic or flags != flag:
            break
        stream[at + 4] = 6
        stream[at + 5] = 0
        at += body + 4
        count += 1
    return ENDED, topic, flag, at, count, 0


@njit("UniTuple(int64, 2)(uint8[::1], int64, int64)", **_COMPILE)
def whole(stream: Bytes, start: Number, end: Number) -> tuple[int, Number]:
    """Return how many frames lie wholly between two places of a run, and where the last of them ends."""
    count = 0
    while end - start >= 4:
        after = start + 4 + _body(stream, start)
        if after > end:
            break
        start = after
        count += 1
    return count, start


@njit("int64(uint8[::1], int64, int64)", **_COMPILE)
def skip(stream: Bytes, start: Number, count: int) -> Number:
    """Return where the frame after `count` frames begins."""
    for _ in range(count):
        start += 4 + _body(stream, start)
    return start


@njit("void(uint8[::1], int64, int64, int64)", **_COMPILE)
def restore(stream: Bytes, start: Number, end: int, flag: int) -> None:
    """Make Publish frames with this flag again of a run that could not be taken."""
    while start < end:
        stream[start + 4] = 1
        stream[start + 5] = flag
        start += 4 + _body(stream, start)
