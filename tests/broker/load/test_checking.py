from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from BrokerLibrary import wire
from BrokerLibrary.load import kernels
from BrokerLibrary.load.checking import label_of, prefix_of
from tests.broker.load.conftest import BEGINNING, RUN, TOPIC, Channel

NOTHING_WRONG = {
    "duplicated": [0],
    "reordered": [0],
    "corrupted": 0,
    "notices": 0,
    "lagged": 0,
    "unannounced": 0,
    "errors": 0,
    "unexpected": 0,
    "broken": False,
}


def wrong(told):
    """What a checker counted beyond messages that are as they must be."""
    return {name: told[name] for name in NOTHING_WRONG if told[name] != NOTHING_WRONG[name]}


def lagged(count, topic=TOPIC):
    payload = struct.pack("<HQ", wire.ErrorCode.LAGGED, count) + b"too slow"
    return wire.encode(wire.Frame(wire.Opcode.ERROR, topic, payload))


def test_a_frame_is_what_the_contract_says_and_its_fields_stand_where_the_table_says(channel):
    (frame,) = wire.Decoder().feed(channel.message(5, intended=11, sent=12))
    assert (frame.opcode, frame.topic, len(frame.payload)) == (wire.Opcode.DELIVER, TOPIC, 64)
    assert struct.unpack_from("<QQQII", frame.payload) == (5, 11, 12, 0, RUN)


@given(st.integers(kernels.LEAST_PAYLOAD, 200), st.integers(1, 20), st.integers(0, 2**40))
def test_what_was_built_is_intact_for_every_payload_size(payload, count, intended):
    channel = Channel(payload)
    buffer = np.zeros(channel.frame * count, dtype=np.uint8)
    size = kernels.build(buffer, channel.prefix, payload, label_of(0, RUN), 0, intended, intended + 5, count)
    assert size == buffer.size
    told = channel.check(buffer)
    assert (told["received"], wrong(told), channel.rest) == ([count], {}, 0)
    assert [frame.opcode for frame in wire.Decoder().feed(buffer.tobytes())] == [wire.Opcode.DELIVER] * count


def test_bodies_differ_between_messages_producers_and_runs_in_every_word(channel):
    def words(**fields):
        body = wire.Decoder().feed(channel.message(**fields))[0].payload[kernels.HEAD :]
        return np.frombuffer(body, dtype="<u8")

    one = words(sequence=1)
    for other in ({"sequence": 2}, {"sequence": 1, "producer": 1}, {"sequence": 1, "run": RUN + 1}):
        assert (one != words(**other)).all()


@given(st.data(), st.integers(kernels.LEAST_PAYLOAD, 90))
def test_any_changed_byte_is_noticed(data, payload):
    channel = Channel(payload)
    good = channel.messages(0, 1, 2)
    place = data.draw(st.integers(4, channel.frame - 1)) + channel.frame  # not of the length, which has its own test
    bad = bytearray(good)
    bad[place] ^= data.draw(st.integers(1, 255))
    told = channel.check(bad)
    assert told["corrupted"] + told["unexpected"] + told["errors"] == 1
    assert channel.checker.failed
    assert told["received"] == [2]


def test_the_first_wrong_byte_of_a_body_is_told_with_its_sequence(channel):
    bad = bytearray(channel.messages(0, 1))
    bad[-3] ^= 1
    bad[-1] ^= 1
    told = channel.check(bytes(bad) + channel.message(2, run=RUN + 1))
    assert told["corrupted"] == 2
    assert told["first_wrong"] == [1, channel.frame - 3]


def test_bodies_that_change_places_are_noticed(channel):
    frames = [bytearray(channel.message(sequence)) for sequence in (0, 1)]
    body = len(channel.prefix) + kernels.HEAD
    frames[0][body:], frames[1][body:] = frames[1][body:], frames[0][body:]
    assert channel.check(b"".join(frames))["corrupted"] == 2


@pytest.mark.parametrize(
    "fields", [{"run": RUN + 1}, {"producer": 1}, {"topic": "perf_tesu"}, {"topic": "perf"}, {"payload": 65}]
)
def test_a_message_of_another_load_producer_topic_or_size_is_corrupted(channel, fields):
    told = channel.check(channel.message(0, **fields) + channel.message(0))
    assert (told["corrupted"], told["received"]) == (1, [1])


def test_a_sequence_beyond_what_may_come_is_corrupted():
    channel = Channel(most=8)
    assert channel.check(channel.messages(7, 8))["corrupted"] == 1


def test_a_missing_message_is_lost_and_seen_where_it_is_missing(channel):
    told = channel.check(channel.messages(0, 1, 4))
    assert (told["received"], wrong(told)) == ([3], {"unannounced": 2})


def test_a_repeated_message_is_a_duplicate_and_not_received_twice(channel):
    told = channel.check(channel.messages(0, 1, 1, 0, 2))
    assert (told["received"], wrong(told)) == ([3], {"duplicated": [2]})


def test_a_message_that_comes_after_a_later_one_is_reordered_and_not_a_duplicate(channel):
    told = channel.check(channel.messages(0, 2, 1, 3))
    assert (told["received"], wrong(told)) == ([4], {"reordered": [1], "unannounced": 1})


def test_each_producer_has_its_own_order():
    channel = Channel(producers=2)
    data = b"".join(channel.message(s, producer=p) for s, p in ((0, 1), (0, 0), (1, 1), (2, 0), (1, 0)))
    told = channel.check(data)
    assert (told["received"], told["reordered"], told["duplicated"]) == ([3, 2], [1, 0], [0, 0])


@given(st.data())
def test_frames_may_arrive_in_any_pieces(data):
    channel = Channel()
    stream = channel.messages(*range(5)) + lagged(3) + channel.messages(8, 9)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=30))
    rest = b""
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(stream)], strict=True):
        piece = rest + stream[begin:end]
        told = channel.check(piece)
        rest = piece[len(piece) - channel.rest :]
    assert (told["received"], wrong(told), rest) == ([7], {"notices": 1, "lagged": 3}, b"")


def test_a_gap_after_its_notice_is_announced(channel):
    told = channel.check(channel.messages(0) + lagged(4) + channel.messages(5, 6))
    assert wrong(told) == {"notices": 1, "lagged": 4}
    assert channel.checker.accounted == 7


def test_a_notice_covers_no_more_than_it_says(channel):
    told = channel.check(channel.messages(0) + lagged(3) + channel.messages(5))
    assert wrong(told) == {"notices": 1, "lagged": 3, "unannounced": 1}


def test_a_notice_is_used_up_by_the_gap_it_announces(channel):
    told = channel.check(lagged(2) + channel.messages(2, 5))
    assert wrong(told) == {"notices": 1, "lagged": 2, "unannounced": 2}


def test_a_notice_after_the_gap_comes_too_late(channel):
    assert channel.check(channel.messages(0, 3) + lagged(2))["unannounced"] == 2


def test_another_error_is_counted_with_its_code(channel):
    payload = struct.pack("<H", wire.ErrorCode.SHUTTING_DOWN)
    told = channel.check(wire.encode(wire.Frame(wire.Opcode.ERROR, "", payload)) + channel.messages(0))
    assert (told["errors"], told["last_error"], told["received"]) == (1, wire.ErrorCode.SHUTTING_DOWN, [1])


@pytest.mark.parametrize("opcode", [wire.Opcode.SUBSCRIBE_ACK, wire.Opcode.PONG, wire.Opcode.PUBLISH, 77])
def test_a_frame_that_is_no_delivery_is_unexpected(channel, opcode):
    told = channel.check(wire.encode(wire.Frame(opcode, TOPIC)) + channel.messages(0))
    assert (wrong(told), told["received"]) == ({"unexpected": 1}, [1])


@pytest.mark.parametrize("length", [0, 3, 2**31, 2**32 - 1])
def test_an_impossible_length_ends_the_reading(channel, length):
    told = channel.check(channel.messages(0) + struct.pack("<I", length) + channel.messages(1))
    assert (told["broken"], told["received"], channel.rest) == (True, [1], 0)


def test_a_wrong_length_of_one_frame_is_never_taken_for_right(channel):
    bad = bytearray(channel.messages(0, 1, 2))
    bad[channel.frame] += 1
    channel.check(bad)
    assert channel.checker.failed


def test_durations_count_from_the_intended_start_and_from_sending_in_the_row_of_the_start(channel):
    def arrive(sequence, intended, sent, now):
        frame = channel.message(sequence, intended=BEGINNING + intended, sent=BEGINNING + sent)
        channel.check(frame, now=BEGINNING + now)

    arrive(0, intended=500, sent=1_500, now=8_500)
    arrive(1, intended=2_001_000, sent=2_001_700, now=2_002_000)
    arrive(2, intended=90_000_000, sent=90_000_001, now=90_000_009)
    latency, service = channel.book.latency, channel.book.service
    assert [latency.number(row, row + 1) for row in range(4)] == [1, 0, 1, 1]
    assert latency.percentile(50, 0, 1) == pytest.approx(8e-6, rel=1e-3)
    assert service.percentile(50, 0, 1) == pytest.approx(7e-6, rel=1e-3)
    assert (latency.percentile(50, 2, 3), service.percentile(50, 2, 3)) == pytest.approx((1e-6, 0.3e-6), rel=1e-3)


def test_the_prefix_has_the_length_of_the_whole_body():
    prefix = prefix_of(wire.Opcode.PUBLISH, "t", 100)
    assert prefix.tobytes() == struct.pack("<IBBH", 105, 1, 0, 1) + b"t"
