"""The compiled loops against plain Python, on streams of any kind; nothing is read or written out of bounds."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.mycelium import wire
from reference.mycelium.config import TopicSettings
from reference.mycelium.fanout import Fanout
from reference.mycelium.kernels import BAD, ENDED, INCOMPLETE, OTHER, restore, scan, skip, whole
from reference.mycelium.topics import Registry
from tests.mycelium.client import PUBLISH, frame

NAMES = ("a", "bb", "market_data", "market_datb")


@pytest.fixture(scope="module")
def registry():
    registry = Registry()
    registry.replace(
        Fanout(TopicSettings(name, "Fanout", 10, 40 + number, "block"), print) for number, name in enumerate(NAMES)
    )
    return registry


def scanned(registry, stream, limit=1000, start=0):
    """Scan a stream that lies between guard bytes; return the result and the stream after it."""
    array = np.frombuffer(b"\xaa" * 16 + stream + b"\xaa" * 16, np.uint8).copy()
    outcome, topic, flag, stop, count, needed = scan(
        array, 16 + start, 16 + len(stream), limit, registry.longest, registry.names, registry.table
    )
    assert bytes(array[:16]) == bytes(array[-16:]) == b"\xaa" * 16
    return (outcome, topic, flag, stop - 16, count, needed), bytes(array[16:-16])


LONGEST = wire.longest_body(43)
PUBLISHES = st.builds(
    frame,
    st.just(PUBLISH),
    st.sampled_from([b"a", b"bb", b"bb", b"bb", b"market_data", b"market_datb"]),
    st.binary(max_size=43),
    st.sampled_from([0] * 8 + [1, 1, 2]),
)
OTHERS = st.builds(
    frame,
    st.integers(0, 14),
    st.sampled_from([b"", b"a", b"zz", b"\xff", bytes(255), bytes(256)]),
    st.binary(max_size=50),
    st.integers(0, 2),
)
HEADS = st.builds(
    struct.pack,
    st.just("<IBBH"),
    st.sampled_from([0, 3, 4, 5, LONGEST, LONGEST + 1, 2**32 - 1]),
    st.sampled_from([1, 2, 3, 9, 11, 4, 6]),
    st.sampled_from([0, 0, 0, 1]),
    st.sampled_from([0, 1, 2, 255, 256, 65_535]),
)
FRAMES = st.one_of(PUBLISHES, PUBLISHES, PUBLISHES, OTHERS, HEADS, st.binary(max_size=12))


def by_hand(stream, limit):
    """What `scan` has to find, in plain Python: outcome, topic, flag, where the run ends, its frames."""
    at = 0
    run: list[tuple[int, int]] = []
    names = {name.encode(): number for number, name in enumerate(NAMES)}
    while len(run) < limit:
        head = stream[at : at + 8]
        if len(head) < 4:
            return INCOMPLETE, run, at
        try:
            wire.check_head(memoryview(stream), at, LONGEST)
        except wire.MalformedFrame:
            return BAD, run, at
        (body,) = struct.unpack_from("<I", head)
        if len(stream) - at < 4 + body:
            return INCOMPLETE, run, at
        opcode, flag, size = struct.unpack_from("<BBH", head, 4)
        number = names.get(stream[at + 8 : at + 8 + size])
        if opcode != PUBLISH or number is None or body - 4 - size > 40 + number:
            return OTHER, run, at
        if run and run[0] != (number, flag):
            return ENDED, run, at
        run.append((number, flag))
        at += 4 + body
    return ENDED, run, at


@settings(max_examples=1000)
@given(st.lists(FRAMES, max_size=12).map(b"".join), st.integers(0, 30), st.sampled_from([1, 2, 1000]))
def test_scan_finds_what_plain_python_finds(registry, stream, cut, limit):
    stream = stream[: len(stream) - cut] if cut < len(stream) else stream
    (outcome, topic, flag, stop, count, needed), after = scanned(registry, stream, limit)
    expected, run, at = by_hand(stream, limit)
    assert (outcome, stop, count) == (expected, at, len(run))
    assert stream[stop:] == after[stop:]
    if run:
        assert (topic, flag) == run[0]
    if outcome == INCOMPLETE and len(stream) - stop >= 8:
        assert needed == 4 + struct.unpack_from("<I", stream, stop)[0]
    else:
        assert needed == 0
    array = np.frombuffer(after, np.uint8).copy() if after else np.zeros(1, np.uint8)
    assert whole(array, 0, stop) == (count, stop)
    for number in range(count + 1):
        assert whole(array, 0, skip(array, 0, number)) == (number, skip(array, 0, number))
    opcodes = [(array[skip(array, 0, n) + 4], array[skip(array, 0, n) + 5]) for n in range(count)]
    assert opcodes == [(6, 0)] * count
    restore(array, 0, stop, flag)
    assert bytes(array[: len(stream)]) == stream


def test_whole_stops_before_a_frame_that_is_cut():
    first, second = frame(6, "a", b"xyz"), frame(6, "a", b"")
    array = np.frombuffer(first + second, np.uint8).copy()
    for end in range(len(array) + 1):
        count = (end >= len(first)) + (end >= len(first) + len(second))
        assert whole(array, 0, end) == (count, [0, len(first), len(array)][count])


def test_a_limit_is_exact_and_names_that_differ_in_their_last_letter_are_told_apart(registry):
    fits, too_long = frame(PUBLISH, "market_data", bytes(42)), frame(PUBLISH, "market_data", bytes(43))
    other = frame(PUBLISH, "market_datb", bytes(43))
    assert scanned(registry, fits)[0] == (INCOMPLETE, 2, 0, len(fits), 1, 0)
    assert scanned(registry, too_long)[0][0] == OTHER
    assert scanned(registry, fits + other)[0] == (ENDED, 2, 0, len(fits), 1, 0)
    assert scanned(registry, fits + other, start=len(fits))[0][:2] == (INCOMPLETE, 3)
