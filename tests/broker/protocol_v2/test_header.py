from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from BrokerLibrary.protocol_v2 import header
from BrokerLibrary.protocol_v2.errors import InvalidDomain, InvalidSource, MessageTooLarge
from BrokerLibrary.protocol_v2.header import Domain, Header, Source
from tests.broker.protocol_v2 import by_hand

u32, u64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)


@given(st.integers(1, 4), st.integers(1, 100), st.integers(0, 255), u64, u64, st.integers(0, 2**20 - 32), u32)
def test_a_header_is_packed_as_by_hand_and_read_again(domain, source, flags, sequence, timestamp, size, checksum):
    made = Header(domain, 1, source, flags, sequence, timestamp, size, checksum)
    packed = bytearray(by_hand.front(domain, source, sequence, timestamp, size) + checksum.to_bytes(4, "little"))
    packed[7] = flags
    assert made.pack() == packed
    assert header.read(bytes(packed)) == made


@given(st.binary(min_size=32, max_size=300))
def test_a_checksum_covers_every_byte_but_its_own(data):
    assert header.checksum(data) == by_hand.crc(data[:28], data[32:])
    for at in range(len(data)):
        other = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert (header.checksum(other) == header.checksum(data)) == (28 <= at < 32)


@pytest.mark.parametrize("domain", [0, 5, 255])
def test_domains_are_one_to_four(domain):
    with pytest.raises(InvalidDomain, match=f"relay domain {domain}; domains are 1 to 4"):
        header.read(by_hand.message(domain, 1, 1, b""))


def test_every_source_up_to_a_hundred_is_read_and_no_other():
    for source in range(1, 101):
        assert header.read(by_hand.message(1, source, 1, b"")).source == source
    for source in (0, 101, 255):
        with pytest.raises(InvalidSource, match=f"source {source}; sources are 1 to 100"):
            header.read(by_hand.message(1, source, 1, b""))


def test_a_message_may_have_a_mebibyte_header_included():
    largest = 2**20 - 32
    assert header.read(by_hand.message(1, 1, 1, b"", size=largest)).message_size == 2**20
    with pytest.raises(MessageTooLarge) as caught:
        header.read(by_hand.message(1, 1, 1, b"", size=largest + 1))
    assert caught.value == MessageTooLarge(2**20 + 1, 2**20)


def test_numbers_of_sources_are_those_of_the_codec():
    assert (Source.KRAKEN_COLLECTOR, Source.COINBASE_COLLECTOR, Source.ARBITRAGE_STRATEGY) == (2, 3, 20)
    ranges = {range(1, 20): 5, range(20, 40): 4, range(40, 60): 3, range(60, 80): 3, range(80, 100): 3}
    assert [sum(source in numbers for source in Source) for numbers in ranges] == list(ranges.values())
    assert list(Domain) == [1, 2, 3, 4]
