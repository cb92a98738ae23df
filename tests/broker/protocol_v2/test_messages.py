from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from BrokerLibrary.protocol_v2 import samples
from BrokerLibrary.protocol_v2.errors import ChecksumMismatch, InvalidTLVForDomain, MessageTooLarge, MessageTooSmall
from BrokerLibrary.protocol_v2.header import Domain
from BrokerLibrary.protocol_v2.messages import build, parse, parse_all
from BrokerLibrary.protocol_v2.policy import Policy, Validator
from BrokerLibrary.protocol_v2.tlv import Tlv
from tests.broker.protocol_v2 import by_hand, made_up


@given(st.integers(2, 4), st.integers(1, 100), st.integers(0, 2**64 - 1), st.lists(made_up.tlvs(), max_size=6))
def test_any_message_is_built_as_by_hand_and_read_again(domain, source, sequence, some):
    message = build(domain, source, sequence, 123, some)
    payload = message[32:]
    assert message == by_hand.message(domain, source, sequence, payload, timestamp=123)
    read = parse(message)
    assert read.tlvs == tuple(some)
    assert read.header[:6] == (domain, 1, source, 0, sequence, 123)


@given(st.lists(made_up.messages(), max_size=5))
def test_messages_that_follow_each_other_are_read_each_by_itself(some):
    read = list(parse_all(b"".join(some)))
    assert [message for _, message in read] == [parse(message) for message in some]
    assert [offset for offset, _ in read] == [len(b"".join(some[:number])) for number in range(len(some))]


def test_a_message_of_more_than_a_mebibyte_is_not_built():
    parts = [Tlv(8, bytes(65_530))] * 15 + [Tlv(8, bytes(2**20 - 32 - 15 * 65_535 - 5))]
    assert len(build(1, 1, 1, 1, parts)) == 2**20
    with pytest.raises(MessageTooLarge) as caught:
        build(1, 1, 1, 1, [*parts, Tlv(9, b"")])
    assert caught.value == MessageTooLarge(2**20 + 2, 2**20)


def test_a_message_may_do_without_a_checksum_on_market_data_only():
    assert parse(build(1, 1, 1, 1, [], checked=False)).header.checksum == 0
    for domain in (2, 3, 4):
        with pytest.raises(ChecksumMismatch, match=f"there is none, and messages of domain {domain} must have one"):
            parse(build(domain, 1, 1, 1, [], checked=False))


def test_types_belong_to_their_domain_only_when_that_is_asked_for():
    message = build(2, 20, 1, 1, [Tlv(20, bytes(16)), Tlv(60, bytes(32))])
    assert len(parse(message).tlvs) == 2
    with pytest.raises(InvalidTLVForDomain) as caught:
        parse(message, in_domain=True)
    assert caught.value == InvalidTLVForDomain(60, 2)


def test_a_problem_shows_its_facts_and_survives_being_sent_to_another_process():
    problem = MessageTooSmall(32, 5, "a header")
    assert str(problem) == "a header needs 32 bytes, 5 are there"
    assert problem.args == (32, 5, "a header")
    assert pickle.loads(pickle.dumps(problem)) == problem
    assert problem != MessageTooSmall(32, 6, "a header")


@pytest.mark.parametrize("topic", samples.DOMAIN_OF_TOPIC)
def test_a_sample_is_what_the_validators_of_its_topic_accept(topic):
    validator = Validator(Policy.of(samples.DOMAIN_OF_TOPIC[topic]))
    one, other = (validator.accept(samples.message_for(topic)) for _ in range(2))
    assert (one.header.domain, len(one.tlvs)) == (samples.DOMAIN_OF_TOPIC[topic], 1)
    assert other.header.sequence == one.header.sequence + 1


def test_there_is_no_sample_for_a_topic_of_nobodys():
    assert list(samples.DOMAIN_OF_TOPIC.values()) == [Domain.MARKET_DATA, Domain.SIGNAL, Domain.EXECUTION]
    with pytest.raises(KeyError):
        samples.message_for("weather")
