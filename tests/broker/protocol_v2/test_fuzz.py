"""Whatever the bytes are: they are read, or refused by name, by both parsers alike, and in no time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from BrokerLibrary.protocol_v2.errors import InvalidField, MessageProblem, MessageTooSmall, PayloadSizeMismatch
from BrokerLibrary.protocol_v2.header import Domain
from BrokerLibrary.protocol_v2.layouts import LAYOUTS
from BrokerLibrary.protocol_v2.messages import parse
from BrokerLibrary.protocol_v2.policy import Policy, Validator
from tests.broker.protocol_v2 import by_hand, made_up

many = settings(deadline=2000, max_examples=1000)
recorded = pytest.mark.parametrize("name", by_hand.RIGHT)


def agree(stream):
    for in_domain in (False, True):
        singly = made_up.read_singly(stream, in_domain=in_domain)
        assert made_up.read_at_once(stream, in_domain=in_domain) == singly
    return singly


@given(st.binary(max_size=200))
@many
def test_random_bytes_are_refused_by_both_parsers_alike(data):
    read, problem = agree(data)
    assert read == []
    assert (problem is None) == (data == b"")


@given(st.binary(max_size=120), st.integers(0, 5), st.integers(0, 101), st.booleans())
@many
def test_random_content_with_a_right_checksum_is_read_or_refused_by_both_parsers_alike(
    payload, domain, source, checked
):
    agree(by_hand.message(domain, source, 1, payload, checksum=None if checked else 0))


@given(made_up.damaged(), st.sampled_from(made_up.STREAM))
@many
def test_damaged_messages_are_read_or_refused_by_both_parsers_alike(message, neighbour):
    agree(message)
    agree(neighbour + message + neighbour)


@given(made_up.damaged())
@many
def test_a_damaged_message_is_accepted_or_refused_by_name_whoever_judges(message):
    for domain in Domain:
        verdict = made_up.outcome(lambda: Validator(Policy.of(domain)).accept(message))  # noqa: B023 - called at once
        assert str(verdict)
        if not isinstance(verdict, MessageProblem):
            assert verdict.header.domain == domain


@given(made_up.damaged())
@many
def test_the_values_of_a_damaged_message_are_read_or_refused_by_name(message):
    read = made_up.outcome(lambda: parse(message))
    for tlv in () if isinstance(read, MessageProblem) else read.tlvs:
        if tlv.type not in LAYOUTS:
            continue
        layout = LAYOUTS[tlv.type]
        value = made_up.outcome(lambda: layout.unpack(tlv.value))  # noqa: B023 - called at once
        match value:
            case PayloadSizeMismatch():
                assert len(tlv.value) != layout.SIZE
            case InvalidField():
                assert tlv.type == 3
            case _:
                assert value.tlv().type == tlv.type


@recorded
def test_a_message_cut_anywhere_is_too_small(name):
    message = by_hand.RIGHT[name]
    for length in range(len(message)):
        with pytest.raises(MessageTooSmall) as caught:
            parse(message[:length])
        assert caught.value.need == (32 if length < 32 else len(message))
        assert caught.value.got == length
        agree(message + message[:length])


@pytest.mark.parametrize("name", [name for name, message in by_hand.RIGHT.items() if any(message[28:32])])
def test_no_byte_of_a_message_with_a_checksum_can_change_unseen(name):
    message = by_hand.RIGHT[name]
    for at in range(len(message)):
        changed = message[:at] + bytes([message[at] ^ 0x40]) + message[at + 1 :]
        with pytest.raises(MessageProblem):
            parse(changed)
        agree(changed)
