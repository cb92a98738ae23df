from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from BrokerLibrary.protocol_v2 import tlv
from BrokerLibrary.protocol_v2.errors import (
    InvalidExtendedTLV,
    MessageTooLarge,
    PayloadSizeMismatch,
    TruncatedTLV,
)
from BrokerLibrary.protocol_v2.tlv import Tlv
from tests.broker.protocol_v2 import by_hand, made_up


@given(st.lists(made_up.tlvs(), max_size=6))
def test_any_list_of_tlvs_is_written_as_by_hand_and_read_again(some):
    payload = tlv.encode(some)
    forms = [by_hand.extended if one.extended else by_hand.tlv for one in some]
    assert payload == b"".join(form(one.type, one.value) for form, one in zip(forms, some, strict=True))
    assert list(tlv.walk(payload)) == some


def test_a_value_is_extended_from_256_bytes_on():
    assert tlv.framing(8, 255) == b"\x08\xff"
    assert tlv.framing(8, 256) == b"\xff\x00\x08\x00\x01"
    assert tlv.framing(8, 65_535) == b"\xff\x00\x08\xff\xff"
    assert tlv.framing(8, 3, extended=True) == b"\xff\x00\x08\x03\x00"


@pytest.mark.parametrize("number", [0, 255, 256, -1])
def test_a_type_that_no_tlv_can_have_is_not_written(number):
    with pytest.raises(ValueError, match=f"a type from 1 to 254, not {number}"):
        tlv.encode([Tlv(number, b"")])


def test_a_value_too_long_for_any_tlv_is_not_written():
    with pytest.raises(MessageTooLarge) as caught:
        tlv.encode([Tlv(8, bytes(65_536))])
    assert caught.value == MessageTooLarge(65_536, 65_535)


def test_a_value_of_the_wrong_size_is_not_written():
    with pytest.raises(PayloadSizeMismatch, match="a value of 24 bytes for type 1, which has 40"):
        tlv.encode([Tlv(1, bytes(24))])


def test_tlvs_before_the_wrong_one_are_still_read():
    walked = tlv.walk(by_hand.tlv(9, b"x") + b"\x08\x02y")
    assert next(walked) == Tlv(9, b"x")
    with pytest.raises(TruncatedTLV) as caught:
        next(walked)
    assert caught.value == TruncatedTLV(buffer_size=6, required=7, type=8, offset=3)


def test_only_a_zero_may_follow_the_marker():
    for follows in range(1, 256):
        with pytest.raises(InvalidExtendedTLV) as caught:
            list(tlv.walk(bytes([255, follows, 8, 0, 0])))
        assert caught.value == InvalidExtendedTLV(0, follows)


def test_the_size_of_an_extended_value_is_not_judged_as_the_relays_do_not():
    assert list(tlv.walk(by_hand.extended(1, b"short"))) == [Tlv(1, b"short", True)]


@pytest.mark.parametrize("size", [1, 65_531, 65_532, 200_000])
def test_a_value_too_long_for_one_tlv_comes_in_numbered_chunks(size):
    value = bytes(i * 7 & 255 for i in range(size))
    chunks = tlv.chunks(202, value)
    read = list(tlv.walk(tlv.encode(chunks)))
    assert [int.from_bytes(one.value[:4], "little") for one in read] == list(range(-(-size // 65_531)))
    assert b"".join(one.value[4:] for one in read) == value
    assert all(one.extended and one.type == 202 for one in read)
