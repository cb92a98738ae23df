from __future__ import annotations

import pytest

from BrokerLibrary.protocol_v2.errors import (
    DuplicateSequence,
    InvalidTimestamp,
    MessageTooLarge,
    PayloadSizeMismatch,
    SequenceGap,
    WrongDomain,
)
from BrokerLibrary.protocol_v2.header import Domain
from BrokerLibrary.protocol_v2.policy import Policy, Profile, Validator
from tests.broker.protocol_v2 import by_hand

NOW = 1_700_000_100_000_000_000
SECOND = 1_000_000_000


def validator(domain=Domain.EXECUTION, profile=Profile.DEFAULT, **settings):
    return Validator(Policy.of(domain, profile), lambda: NOW, **settings)


def order(sequence=1, timestamp=NOW, source=40):
    return by_hand.message(3, source, sequence, by_hand.tlv(40, by_hand.ORDER), timestamp=timestamp)


def filled(domain, number, size):
    """Make a message whose payload has this size, of values of a type that may have any."""
    rest, parts = size, []
    while rest:
        part = min(rest, 257) if rest != 258 else 200
        parts.append(by_hand.tlv(number, bytes(part - 2)))
        rest -= part
    return by_hand.message(domain, 1, 1, b"".join(parts), timestamp=NOW)


@pytest.mark.parametrize(
    ("profile", "domain", "number", "limit"),
    [
        (Profile.DEFAULT, 1, 8, 4096),
        (Profile.PRODUCTION, 1, 8, 2048),
        (Profile.DEVELOPMENT, 1, 8, 8192),
        (Profile.DEFAULT, 2, 33, 8192),
        (Profile.PRODUCTION, 2, 33, 4096),
        (Profile.DEVELOPMENT, 2, 33, 16384),
        (Profile.DEFAULT, 3, 50, 16384),
        (Profile.PRODUCTION, 3, 50, 8192),
        (Profile.DEVELOPMENT, 3, 50, 32768),
        (Profile.DEFAULT, 4, 99, 32768),
        (Profile.PRODUCTION, 4, 99, 16384),
        (Profile.DEVELOPMENT, 4, 99, 65536),
    ],
)
def test_a_payload_may_have_the_size_of_its_domain_and_no_byte_more(profile, domain, number, limit):
    judge = validator(Domain(domain), profile)
    assert judge.accept(filled(domain, number, limit)).header.payload_size == limit
    with pytest.raises(MessageTooLarge) as caught:
        validator(Domain(domain), profile).accept(filled(domain, number, limit + 1))
    assert caught.value == MessageTooLarge(limit + 1, limit)


@pytest.mark.parametrize(
    ("profile", "early", "old"), [(Profile.DEFAULT, 5, 60), (Profile.PRODUCTION, 2, 30)], ids=["default", "production"]
)
def test_a_message_is_neither_too_old_nor_from_the_future(profile, early, old):
    for timestamp in (NOW + early * SECOND, NOW - old * SECOND):
        validator(profile=profile).accept(order(timestamp=timestamp))
    for timestamp, limit, words in (
        (NOW + early * SECOND + 1, early, f"is {early}.000 s in the future; at most {early} s are allowed"),
        (NOW - old * SECOND - 1, old, f"is {old}.000 s old; at most {old} s are allowed"),
    ):
        with pytest.raises(InvalidTimestamp, match=words) as caught:
            validator(profile=profile).accept(order(timestamp=timestamp))
        assert caught.value == InvalidTimestamp(timestamp, NOW, limit)


def test_timestamps_count_on_execution_and_not_in_development_nor_elsewhere():
    ancient = order(timestamp=1)
    with pytest.raises(InvalidTimestamp):
        validator().accept(ancient)
    validator(profile=Profile.DEVELOPMENT).accept(ancient)
    validator(Domain.SIGNAL).accept(by_hand.message(2, 20, 1, b"", timestamp=1))
    validator(Domain.MARKET_DATA).accept(by_hand.message(1, 2, 1, b"", timestamp=1))


def test_the_first_sequence_of_a_source_may_be_any_and_the_next_must_be_above():
    judge = validator()
    judge.accept(order(500))
    judge.accept(order(501))
    judge.accept(order(7, source=41))
    for sequence in (501, 500, 0):
        with pytest.raises(DuplicateSequence) as caught:
            judge.accept(order(sequence))
        assert caught.value == DuplicateSequence(40, 501, sequence)
    judge.accept(order(502))


@pytest.mark.parametrize(
    ("profile", "largest"), [(Profile.DEFAULT, 100), (Profile.PRODUCTION, 50), (Profile.DEVELOPMENT, 1000)]
)
def test_so_many_may_be_missing_and_a_larger_gap_leaves_the_sequence_where_it_was(profile, largest):
    judge = validator(profile=profile)
    judge.accept(order(10))
    with pytest.raises(SequenceGap, match=f"{largest + 1} are missing, at most {largest} may be") as caught:
        judge.accept(order(10 + largest + 2))
    assert caught.value == SequenceGap(40, 10, 10 + largest + 2, largest)
    judge.accept(order(10 + largest + 1))


def test_sequences_do_not_count_on_market_data_nor_when_they_are_not_asked_for():
    for judge, message in (
        (validator(Domain.MARKET_DATA), by_hand.message(1, 2, 5, b"")),
        (validator(monotonic=False), order(5)),
    ):
        judge.accept(message)
        judge.accept(message)
    signals = validator(Domain.SIGNAL)
    signals.accept(by_hand.message(2, 20, 5, b""))
    with pytest.raises(DuplicateSequence):
        signals.accept(by_hand.message(2, 20, 5, b""))


def test_a_message_refused_for_anything_else_does_not_use_up_its_sequence():
    judge = validator()
    with pytest.raises(InvalidTimestamp):
        judge.accept(order(900, timestamp=1))
    judge.accept(order(1))


def test_a_relay_accepts_its_own_domain_only():
    with pytest.raises(WrongDomain, match="a message of domain 3 among those of domain 2"):
        validator(Domain.SIGNAL).accept(order())


def test_values_keep_to_the_bounds_of_their_type():
    judge = validator(Domain.MARKET_DATA)
    judge.accept(by_hand.message(1, 4, 1, by_hand.tlv(14, bytes(30)) + by_hand.tlv(14, bytes(120))))
    with pytest.raises(PayloadSizeMismatch) as caught:
        judge.accept(by_hand.message(1, 4, 1, by_hand.tlv(14, bytes(121))))
    assert caught.value == PayloadSizeMismatch(14, (30, 120), 121)
