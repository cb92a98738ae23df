"""The codec against the contract's own vectors, and everything that a broker must not send."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from BrokerLibrary import wire
from BrokerLibrary.wire import Decoder, ErrorCode, Frame, Opcode, WireProblem

DELIVERY = bytes.fromhex("110000000600 0b00 6d61726b65745f64617461 6869")
TOPICS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60)


def body(opcode, topic=b"", payload=b"", flags=0, topic_length=None):
    length = len(topic) if topic_length is None else topic_length
    content = struct.pack("<BBH", opcode, flags, length) + topic + payload
    return struct.pack("<I", len(content)) + content


def test_frames_are_those_of_the_contract():
    assert wire.publish("market_data", b"hi") == bytes.fromhex("1100000001000b006d61726b65745f646174616869")
    assert wire.publish("market_data", b"hi", ack=True) == bytes.fromhex("1100000001010b006d61726b65745f646174616869")
    assert wire.subscribe("signals") == bytes.fromhex("0b00000002000700 7369676e616c73")
    assert wire.unsubscribe("signals") == bytes.fromhex("0b00000003000700 7369676e616c73")
    assert wire.ping(b"x") == bytes.fromhex("0500000009000000 78")
    assert wire.stats() == bytes.fromhex("040000000b000000")


def test_a_delivery_is_read_as_the_contract_has_it():
    assert Decoder().feed(DELIVERY) == [Frame(Opcode.DELIVER, "market_data", b"hi")]


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60), st.binary())
    ),
    st.integers(1, 50),
)
def test_any_frames_are_read_from_any_pieces(contents, size):
    frames = [Frame(Opcode.DELIVER, topic, payload) for topic, payload in contents]
    stream = b"".join(map(wire.encode, frames))
    decoder, read = Decoder(), []
    for start in range(0, len(stream), size):
        read += decoder.feed(stream[start : start + size])
    assert (read, decoder.incomplete) == (frames, 0)


def test_an_incomplete_frame_waits_for_its_rest():
    decoder = Decoder()
    assert decoder.feed(DELIVERY[:-1]) == []
    assert decoder.incomplete == len(DELIVERY) - 1
    assert len(decoder.feed(DELIVERY[-1:] + DELIVERY)) == 2


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (struct.pack("<I", 3), "a body of 3 bytes"),
        (struct.pack("<I", wire.LONGEST_BODY + 1), "a body of 67108865 bytes"),
        (body(6, b"ab", topic_length=9), "a topic of 9 bytes in a body of 6"),
        (body(1, b"a"), "opcode 1, which a broker does not send"),
        (body(13, b"a"), "opcode 13, which a broker does not send"),
        (body(6, b"a", flags=1), "flags 0x01 with opcode 6"),
        (body(6, b"", b"x"), "DELIVER without a topic"),
        (body(6, b"a\0b"), "the topic b'a"),
        (body(6, b"\xff"), "is not UTF-8"),
        (body(6, b"a" * 256), "of 256 bytes"),
        (body(4, b"a", b"x"), "SUBSCRIBE_ACK with a payload of 1 bytes; it has none"),
        (body(7, b"a", b"1234"), "PUBLISH_ACK with a payload of 4 bytes; it has 8"),
        (body(8, b"", b"\x01"), "ERROR with a payload of 1 bytes"),
        (body(8, b"", struct.pack("<H", 99)), "ERROR with code 99"),
        (body(8, b"", struct.pack("<H", 7) + b"1234567"), "ERROR with code 7 and no count"),
        (body(8, b"", struct.pack("<H", 1) + b"\xff"), "a text that is not UTF-8"),
    ],
)
def test_what_no_broker_may_send_is_refused(stream, problem):
    with pytest.raises(WireProblem, match=problem.replace("(", r"\(")):
        Decoder().feed(stream)


def test_a_count_and_errors_are_read_from_their_payloads():
    (ack,) = Decoder().feed(body(7, b"t", struct.pack("<Q", 2**40)))
    assert wire.accepted_count(ack) == 2**40
    plain, lag = Decoder().feed(
        body(8, b"t", struct.pack("<H", 2) + b"too large") + body(8, b"t", struct.pack("<HQ", 7, 12) + b"late")
    )
    assert wire.error_of(plain) == wire.BrokerError(ErrorCode.PAYLOAD_TOO_LARGE, "too large", "t")
    assert wire.error_of(lag) == wire.BrokerError(ErrorCode.LAGGED, "late", "t", 12)
    assert str(wire.error_of(plain)) == "Error 2 (PAYLOAD_TOO_LARGE) about t: too large"
