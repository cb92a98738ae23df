"""Whole messages, one at a time: a header and the TLVs behind it. See `batched` for many at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from BrokerLibrary.protocol_v2 import header as headers
from BrokerLibrary.protocol_v2.errors import (
    ChecksumMismatch,
    InvalidTLVForDomain,
    MessageProblem,
    MessageTooLarge,
    MessageTooSmall,
    TrailingBytes,
)
from BrokerLibrary.protocol_v2.header import ABSENT, HEADER_SIZE, LARGEST_MESSAGE, UNCHECKED_DOMAINS, VERSION, Header
from BrokerLibrary.protocol_v2.registry import MARKER, belongs
from BrokerLibrary.protocol_v2.tlv import Tlv, encode, walk


class Message(NamedTuple):
    """One message as it was read."""

    header: Header
    tlvs: tuple[Tlv, ...]


def build(
    domain: int,
    source: int,
    sequence: int,
    timestamp_ns: int,
    tlvs: Iterable[Tlv],
    *,
    flags: int = 0,
    checked: bool = True,
) -> bytes:
    """Return the bytes of a message.

    Args:
        domain: where it belongs; no field of the header is judged here.
        source: who sends it.
        sequence: counted by the source.
        timestamp_ns: since the epoch.
        tlvs: its content.
        flags: always 0, unless something wrong is to be made.
        checked: with a checksum; the relays' own producers of market data leave it out.

    Raises:
        ValueError: a type is none that a TLV can have.
        PayloadSizeMismatch: a value has not the size of its type.
        MessageTooLarge: a value is longer than 65535 bytes, or the message than 1 MiB.
    """
    payload = encode(tlvs)
    header = Header(domain, VERSION, source, flags, sequence, timestamp_ns, len(payload), ABSENT)
    if header.message_size > LARGEST_MESSAGE:
        raise MessageTooLarge(header.message_size, LARGEST_MESSAGE)
    if checked:
        header = header._replace(checksum=headers.checksum(header.pack() + payload))
    return header.pack() + payload


def parse(message: bytes | memoryview, *, in_domain: bool = False, verified: bool = True) -> Message:
    """Read a message that ends where the bytes end.

    What is wrong is looked for in this order: header, size, checksum, then one TLV after the other.

    Args:
        message: its bytes.
        in_domain: refuse TLVs that do not belong to the message's domain, as the relays do.
        verified: read the checksum; a channel may do without that is trusted not to change a byte.

    Raises:
        MessageProblem: one of those of `header.read`, of `tlv.walk`, or
        MessageTooSmall: the payload is not there in full;
        ChecksumMismatch: the checksum is wrong, or absent outside market data;
        TrailingBytes: bytes follow the payload of a message without a checksum;
        InvalidTLVForDomain: only with `in_domain`.
    """
    header = headers.read(message)
    if header.message_size > len(message):
        raise MessageTooSmall(header.message_size, len(message), "a message with the payload its header announces")
    if verified and (header.checksum != ABSENT or header.domain not in UNCHECKED_DOMAINS):
        _demand_checksum(header, message)
    if header.message_size < len(message):
        raise TrailingBytes(header.message_size, len(message))
    tlvs = walk(memoryview(message)[HEADER_SIZE:])
    return Message(header, tuple(_judged(tlvs, header.domain) if in_domain else tlvs))


def parse_all(stream: bytes, *, in_domain: bool = False) -> Iterator[tuple[int, Message]]:
    """Read messages that follow each other directly; yield where each begins, and it.

    Raises:
        MessageProblem: as `parse`, of the first message that is wrong; where the next begins nobody knows then.
    """
    view, at = memoryview(stream), 0
    while at < len(view):
        rest = view[at:]
        message = parse(rest[: headers.read(rest).message_size], in_domain=in_domain)
        yield at, message
        at += message.header.message_size


def _judged(tlvs: Iterable[Tlv], domain: int) -> Iterator[Tlv]:
    for tlv in tlvs:
        if tlv.extended:  # the relays look at the marker, never at the type behind it
            raise InvalidTLVForDomain(MARKER, domain)
        if not belongs(tlv.type, domain):
            raise InvalidTLVForDomain(tlv.type, domain)
        yield tlv


def _demand_checksum(header: Header, message: bytes | memoryview) -> None:
    calculated = headers.checksum(message)
    absent = header.checksum == ABSENT and header.domain not in UNCHECKED_DOMAINS
    if calculated == header.checksum and not absent:
        return
    whole = bytes(message)
    raise ChecksumMismatch(header.checksum, calculated, len(whole), _count(whole), _cause(header, whole))


def _cause(header: Header, message: bytes) -> str:
    if header.checksum == ABSENT:
        return f"there is none, and messages of domain {header.domain} must have one"
    if header.message_size < len(message):
        return f"the header announces {header.message_size} bytes"
    return headers.rival_rule(message, header.checksum) or "the message was changed, or never had the right one"


def _count(message: bytes) -> int:
    """How many TLVs can be told apart, for the report of a message that is wrong anyway."""
    count = 0
    try:
        for _ in walk(memoryview(message)[HEADER_SIZE:]):
            count += 1
    except MessageProblem:
        pass
    return count
