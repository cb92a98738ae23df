"""What each domain accepts beyond a message that can be read: sizes, types, timestamps and sequences.

These are the rules of the relays' validators (contract section 3.9). The harder a domain's level, the more of them
count: market data is fast, execution is audited.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from BrokerLibrary.protocol_v2.errors import (
    DuplicateSequence,
    InvalidTimestamp,
    MessageTooLarge,
    SequenceGap,
    WrongDomain,
)
from BrokerLibrary.protocol_v2.header import Domain, Header
from BrokerLibrary.protocol_v2.messages import Message, parse
from BrokerLibrary.protocol_v2.registry import demand_size


class Level(IntEnum):
    """How much is looked at."""

    PERFORMANCE = 1  # size and types
    STANDARD = 2  # and sequences
    AUDIT = 3  # and timestamps


class Profile(StrEnum):
    """Where the validators run."""

    DEFAULT = "default"
    PRODUCTION = "production"
    DEVELOPMENT = "development"


LEVELS = {
    Domain.MARKET_DATA: Level.PERFORMANCE,
    Domain.SIGNAL: Level.STANDARD,
    Domain.EXECUTION: Level.AUDIT,
    Domain.SYSTEM: Level.AUDIT,  # nobody says; its limits stand beside those of execution
}

LARGEST_PAYLOADS = {
    Profile.DEFAULT: {
        Domain.MARKET_DATA: 4096,
        Domain.SIGNAL: 8192,
        Domain.EXECUTION: 16384,
        Domain.SYSTEM: 32768,
    },
    Profile.PRODUCTION: {
        Domain.MARKET_DATA: 2048,
        Domain.SIGNAL: 4096,
        Domain.EXECUTION: 8192,
        Domain.SYSTEM: 16384,
    },
    Profile.DEVELOPMENT: {
        Domain.MARKET_DATA: 8192,
        Domain.SIGNAL: 16384,
        Domain.EXECUTION: 32768,
        Domain.SYSTEM: 65536,
    },
}
"""In bytes. The limit is for the payload, the header does not count."""

LARGEST_GAPS = {Profile.DEFAULT: 100, Profile.PRODUCTION: 50, Profile.DEVELOPMENT: 1000}
SECONDS_EARLY_AND_OLD = {Profile.DEFAULT: (5.0, 60.0), Profile.PRODUCTION: (2.0, 30.0), Profile.DEVELOPMENT: None}


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one domain.

    Attributes:
        domain: whose messages are accepted.
        level: how much is looked at.
        largest_payload: in bytes.
        largest_gap: sequences that may be missing between two messages of one source.
        times: how early and how old a message may be, in seconds; None: timestamps are not looked at.
    """

    domain: Domain
    level: Level
    largest_payload: int
    largest_gap: int
    times: tuple[float, float] | None

    @classmethod
    def of(cls, domain: Domain, profile: Profile = Profile.DEFAULT) -> Policy:
        """Return the rules that the validators have for a domain."""
        return cls(
            domain,
            LEVELS[domain],
            LARGEST_PAYLOADS[profile][domain],
            LARGEST_GAPS[profile],
            SECONDS_EARLY_AND_OLD[profile],
        )


class Validator:
    """Judges the messages of one relay, and remembers the last sequence of each source.

    Args:
        policy: the rules.
        clock: ns since the epoch.
        monotonic: whether sequences are looked at.
    """

    def __init__(self, policy: Policy, clock: Callable[[], int] = time.time_ns, *, monotonic: bool = True) -> None:
        self.policy = policy
        self._clock = clock
        self._monotonic = monotonic and policy.level >= Level.STANDARD
        self._last: dict[int, int] = {}

    def accept(self, message: bytes) -> Message:
        """Read a message that the domain accepts.

        A message that is refused leaves no trace: the sequence of its source stays where it was.

        Raises:
            MessageProblem: one of those of `messages.parse` with `in_domain`, or
            WrongDomain: it is of another domain;
            MessageTooLarge: its payload is larger than the domain allows;
            PayloadSizeMismatch: a value is smaller or larger than its type allows;
            InvalidTimestamp: it is too old, or from the future;
            DuplicateSequence, SequenceGap: it does not follow the one before it from its source.
        """
        read = parse(message, in_domain=True)
        header, policy = read.header, self.policy
        if header.domain != policy.domain:
            raise WrongDomain(policy.domain, header.domain)
        if header.payload_size > policy.largest_payload:
            raise MessageTooLarge(header.payload_size, policy.largest_payload)
        for tlv in read.tlvs:
            demand_size(tlv.type, len(tlv.value))
        if policy.level >= Level.AUDIT and policy.times is not None:
            _demand_time(header.timestamp_ns, self._clock(), *policy.times)
        if self._monotonic:
            self._demand_sequence(header)
        return read

    def _demand_sequence(self, header: Header) -> None:
        last = self._last.get(header.source)
        if last is not None:
            if header.sequence <= last:
                raise DuplicateSequence(header.source, last, header.sequence)
            if header.sequence - last - 1 > self.policy.largest_gap:
                raise SequenceGap(header.source, last, header.sequence, self.policy.largest_gap)
        self._last[header.source] = header.sequence


def _demand_time(timestamp_ns: int, now_ns: int, early: float, old: float) -> None:
    difference = timestamp_ns - now_ns
    if difference > early * 1e9:
        raise InvalidTimestamp(timestamp_ns, now_ns, early)
    if -difference > old * 1e9:
        raise InvalidTimestamp(timestamp_ns, now_ns, old)
