from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from BrokerLibrary.protocol_v2 import batched, kernels, messages, workload
from BrokerLibrary.protocol_v2.errors import (
    ChecksumMismatch,
    InvalidMagic,
    InvalidTLVForDomain,
    MessageProblem,
)
from BrokerLibrary.protocol_v2.layouts import LAYOUTS, Quote, Trade
from tests.broker.protocol_v2 import by_hand, made_up

PACKAGE = Path(batched.__file__).parent
in_time = settings(deadline=2000)
every = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.__name__)


def names_of(layout):
    return [field.name for field in dataclasses.fields(layout)]


@pytest.mark.parametrize("size", range(32, 120))
def test_the_compiled_checksum_is_zlibs_at_every_length(size):
    data = np.random.default_rng(size).integers(0, 256, size + 3, dtype=np.uint8)
    octets = data[3:].tobytes()
    assert kernels.checksum(data, 3, len(data)) == zlib.crc32(octets[32:], zlib.crc32(octets[:28]))


@every
@given(data=st.data(), number=st.integers(0, 5), checked=st.booleans())
@settings(deadline=None, max_examples=20)
def test_a_batch_is_byte_for_byte_what_is_built_singly(layout, data, number, checked):
    values = [data.draw(made_up.values_of(layout)) for _ in range(number)]
    sequences = [data.draw(st.integers(0, 2**64 - 1)) for _ in range(number)]
    stamps = [data.draw(st.integers(0, 2**64 - 1)) for _ in range(number)]
    rows = np.frombuffer(b"".join(value.pack() for value in values) or b"", dtype=layout.dtype(), count=number)
    together = batched.build(layout, rows, sequences, stamps, domain=2, source=7, checked=checked)
    singly = [
        messages.build(2, 7, sequence, stamp, [value.tlv()], checked=checked)
        for sequence, stamp, value in zip(sequences, stamps, values, strict=True)
    ]
    assert together.tobytes() == b"".join(singly)


@every
@given(data=st.data())
@settings(deadline=None, max_examples=20)
def test_values_are_read_back_out_of_a_batch(layout, data):
    values = [data.draw(made_up.values_of(layout)) for _ in range(3)]
    other = by_hand.RIGHT["signal identity and economics"]
    stream = b"".join(messages.build(1, 7, 1, 1, [value.tlv(), value.tlv()]) + other for value in values)
    read = batched.parse(stream).demand_all().values(layout)
    assert [layout.unpack(row.tobytes()) for row in read] == [value for value in values for _ in range(2)]


def test_values_of_another_size_are_not_taken_for_those_of_a_layout():
    payload = by_hand.extended(1, b"short") + by_hand.tlv(1, by_hand.TRADE) + by_hand.extended(1, b"")
    batch = batched.parse(by_hand.message(1, 2, 1, payload)).demand_all()
    assert [row.tobytes() for row in batch.values(Trade)] == [by_hand.TRADE]


@given(st.lists(st.sampled_from(made_up.STREAM) | made_up.messages(), max_size=6), st.booleans())
@in_time
def test_a_stream_is_read_as_message_by_message(some, in_domain):
    stream = b"".join(some)
    assert made_up.read_at_once(stream, in_domain=in_domain) == made_up.read_singly(stream, in_domain=in_domain)


@pytest.mark.parametrize("name", by_hand.WRONG)
def test_every_recorded_mistake_is_found_at_once_as_it_is_singly(name):
    wrong, right = by_hand.WRONG[name], b"".join(by_hand.RIGHT.values())
    for stream in (wrong, right + wrong, wrong + right):
        for in_domain in (False, True):
            singly = made_up.read_singly(stream, in_domain=in_domain)
            assert made_up.read_at_once(stream, in_domain=in_domain) == singly


def test_the_first_wrong_message_is_named_and_those_before_it_are_read():
    good, bad = by_hand.RIGHT["trade"], by_hand.WRONG["one bit flipped"]
    batch = batched.parse(good * 3 + bad + good)
    assert len(batch.headers) == len(batch.offsets) == len(batch.tlvs) == 3
    assert batch.wrong is not None
    assert (batch.wrong.index, batch.wrong.offset) == (3, 222)
    assert str(batch.wrong).startswith("message 3 at byte 222: ChecksumMismatch: checksum 0xc5a41675 in the header")
    with pytest.raises(ChecksumMismatch):
        batch.demand_all()


def test_tlvs_of_a_message_that_turns_out_wrong_are_not_read():
    payload = by_hand.tlv(8, b"a") + by_hand.tlv(9, b"b") + b"\7"
    batch = batched.parse(by_hand.RIGHT["trade"] + by_hand.message(1, 2, 2, payload))
    assert batch.tlvs["type"].tolist() == [1]


def test_a_batch_is_judged_by_domain_when_that_is_asked_for():
    stream = by_hand.RIGHT["arbitrage signal"] + by_hand.WRONG["trade among signals"]
    assert batched.parse(stream).wrong is None
    wrong = batched.parse(stream, in_domain=True).wrong
    assert wrong is not None
    assert (wrong.index, wrong.problem) == (1, InvalidTLVForDomain(1, 2))


@pytest.mark.parametrize("container", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_any_buffer_can_be_parsed_and_an_empty_one_has_nothing(container):
    assert len(batched.parse(container(by_hand.RIGHT["trade"])).headers) == 1
    assert len(batched.parse(container(b"")).demand_all().headers) == 0


def test_rows_are_made_of_columns_with_zeros_between_them():
    columns = {name: [0] for name in names_of(Quote)}
    rows = batched.rows(Quote, {**columns, "ask_size": [7], "asset_type": [255]})
    assert Quote.unpack(rows.tobytes()) == Quote(0, 0, 0, 0, 7, 0, 0, 255)
    noise = np.full(100_000, 0xEE, dtype=np.uint8)  # memory that is likely to be handed out again
    del noise
    many = batched.rows(Trade, {name: np.zeros(2500) for name in names_of(Trade)})
    assert not any(many.tobytes())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda columns: columns.pop("side"), "Trade has the fields asset_id, price, .*; got asset_id, price"),
        (lambda columns: columns.update(colour=[1]), "got .*colour"),
        (lambda columns: columns.update(side=[1, 0]), r"columns of Trade have different lengths: \[1, 2\]"),
    ],
)
def test_columns_must_be_those_of_the_layout(change, problem):
    columns = {name: [0] for name in names_of(Trade)}
    change(columns)
    with pytest.raises(ValueError, match=problem):
        batched.rows(Trade, columns)


def test_a_batch_needs_as_many_of_everything_and_room():
    rows = np.zeros(2, dtype=Trade.dtype())
    with pytest.raises(ValueError, match="2 values, 1 sequences and 2 timestamps"):
        batched.build(Trade, rows, [1], [1, 2])
    with pytest.raises(ValueError, match="148 bytes are needed, the buffer has 147"):
        batched.build(Trade, rows, [1, 2], [1, 2], into=np.zeros(147, dtype=np.uint8))
    buffer = np.full(150, 9, dtype=np.uint8)
    assert len(batched.build(Trade, rows, [1, 2], [1, 2], into=buffer)) == 148
    assert buffer[148:].tolist() == [9, 9]


def test_a_batch_of_trades_is_what_single_messages_are():
    batch = workload.trades(300, seed=4)
    buffer = batch.buffer()
    assert workload.construct(batch, buffer) == (300, 300 * 74)
    assert workload.construct_singly(batch) == buffer.tobytes()
    assert workload.parse(buffer) == (300, 300 * 74)
    assert workload.parse_singly(buffer.tobytes()) == (300, 300 * 74)


def test_trades_are_the_same_for_the_same_seed_only():
    one, again, other = (workload.construct_singly(workload.trades(20, seed)) for seed in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize("parse", [workload.parse, lambda buffer: workload.parse_singly(buffer.tobytes())])
def test_no_rate_is_counted_for_messages_that_are_wrong(parse):
    batch = workload.trades(50, seed=5)
    buffer = batch.buffer()
    workload.construct(batch, buffer)
    buffer[74 * 49 + 60] ^= 1
    with pytest.raises(ChecksumMismatch):
        parse(buffer)
    buffer[74 * 20] ^= 1
    with pytest.raises(InvalidMagic):
        parse(buffer)


def test_the_problem_that_only_one_parser_sees_is_a_mistake_of_ours(monkeypatch):
    monkeypatch.setattr(messages, "parse_all", lambda stream, in_domain: iter([(0, None)]))
    with pytest.raises(AssertionError, match="message 0 at byte 0 is InvalidMagic to one parser only"):
        batched.parse(bytes(40))


def test_kernels_work_where_their_cache_cannot_be_written(tmp_path):
    copy = tmp_path / "BrokerLibrary" / "protocol_v2"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy.parent / "__init__.py").touch()
    (copy / "__pycache__").touch()  # where a directory should be: nothing can be written there, not even by root
    program = "from BrokerLibrary.protocol_v2 import golden; assert not golden.deviations(golden.read())"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("NUMBA_CACHE_DIR", None)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=120)
    assert list((tmp_path / "cache" / "numba").rglob("kernels.parse-*.nbi"))


def test_every_problem_of_the_kernels_has_a_name():
    codes = {getattr(kernels, name) for name in ("TOO_SMALL", "MAGIC", "VERSION", "DOMAIN", "SOURCE", "TOO_LARGE")}
    codes |= {kernels.SHORT_OF_PAYLOAD, kernels.CHECKSUM_MISMATCH, kernels.TRUNCATED, kernels.EXTENDED}
    codes |= {kernels.SIZE, kernels.DOMAIN_OF_TLV}
    assert codes == set(range(1, 13)) == set(batched._PROBLEMS)
    assert all(issubclass(problem, MessageProblem) for problem in batched._PROBLEMS.values())
