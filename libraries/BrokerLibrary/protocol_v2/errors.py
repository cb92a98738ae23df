"""What can be wrong with a message: one class for each error that section 3.10 of the contract names.

Where the contract is silent (bytes after the payload, a timestamp out of bounds, a count that cannot be) the class is
ours, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MessageProblem(Exception):
    """A message that has to be refused; equal to another when class and facts are."""

    def __post_init__(self) -> None:
        """Give the facts to the exception too: it shows and copies them."""
        super().__init__(*vars(self).values())


class MagicDiagnosis(StrEnum):
    """What a wrong magic number looks like."""

    ZEROS = "all zero: the buffer was never filled"
    ONES = "all ones: erased or uninitialised memory"
    SWAPPED = "its bytes are in the opposite order: the sender wrote big-endian"
    OTHER = "not this protocol, or not the beginning of a message"


@dataclass(unsafe_hash=True)
class MessageTooSmall(MessageProblem):
    """Less there than the header, or what the header announces, needs."""

    need: int
    got: int
    context: str

    def __str__(self) -> str:
        return f"{self.context} needs {self.need} bytes, {self.got} are there"


@dataclass(unsafe_hash=True)
class InvalidDomain(MessageTooSmall):
    """A domain that does not exist. The codec reports it, oddly, as MessageTooSmall with a text, so it is one."""

    def __str__(self) -> str:
        return f"relay domain {self.got}; {self.context}"


@dataclass(unsafe_hash=True)
class InvalidSource(MessageTooSmall):
    """A source that cannot be. The codec reports it, oddly, as MessageTooSmall with a text, so it is one."""

    def __str__(self) -> str:
        return f"source {self.got}; {self.context}"


@dataclass(unsafe_hash=True)
class InvalidMagic(MessageProblem):
    """The first four bytes are not those of this protocol."""

    expected: int
    actual: int
    offset: int
    diagnosis: MagicDiagnosis

    def __str__(self) -> str:
        found = f"magic {self.actual:#010x} at offset {self.offset} instead of {self.expected:#010x}"
        return f"{found}: {self.diagnosis.value}"


@dataclass(unsafe_hash=True)
class UnsupportedVersion(MessageProblem):
    """Another version of the protocol. The codec declares this error and never raises it; we do."""

    version: int
    supported: int

    def __str__(self) -> str:
        return f"protocol version {self.version}; only {self.supported} is known"


@dataclass(unsafe_hash=True)
class ChecksumMismatch(MessageProblem):
    """The checksum is not that of the bytes, or is absent where there has to be one.

    `expected` is what the header says, `tlv_count` how many TLVs can be told apart in the payload.
    """

    expected: int
    calculated: int
    message_size: int
    tlv_count: int
    cause: str

    def __str__(self) -> str:
        return (
            f"checksum {self.expected:#010x} in the header, {self.calculated:#010x} calculated over "
            f"{self.message_size} bytes with {self.tlv_count} TLVs: {self.cause}"
        )


@dataclass(unsafe_hash=True)
class TrailingBytes(MessageProblem):
    """More bytes than the header announces, in a message without a checksum that would show it. Ours."""

    expected: int
    got: int

    def __str__(self) -> str:
        return f"{self.got} bytes for a message of {self.expected}"


@dataclass(unsafe_hash=True)
class MessageTooLarge(MessageProblem):
    """More than the codec, or the domain, allows."""

    size: int
    max: int

    def __str__(self) -> str:
        return f"{self.size} bytes; at most {self.max} are allowed"


@dataclass(unsafe_hash=True)
class TruncatedTLV(MessageProblem):
    """A TLV does not fit into what is left of the payload; sizes and offset count from the payload's beginning."""

    buffer_size: int
    required: int
    type: int
    offset: int

    def __str__(self) -> str:
        return (
            f"TLV of type {self.type} at offset {self.offset} of the payload needs it to have {self.required} bytes, "
            f"it has {self.buffer_size}"
        )


@dataclass(unsafe_hash=True)
class InvalidExtendedTLV(MessageProblem):
    """The marker of an extended TLV without the zero that must follow it."""

    offset: int
    follows: int

    def __str__(self) -> str:
        return f"0xff at offset {self.offset} of the payload is followed by {self.follows:#04x} instead of 0x00"


@dataclass(unsafe_hash=True)
class PayloadSizeMismatch(MessageProblem):
    """A value that has not the size of its type; `expected` is one size, or the least and the most."""

    type: int
    expected: int | tuple[int, int]
    got: int

    def __str__(self) -> str:
        expected = "{} to {}".format(*self.expected) if isinstance(self.expected, tuple) else self.expected
        return f"a value of {self.got} bytes for type {self.type}, which has {expected}"


@dataclass(unsafe_hash=True)
class InvalidField(MessageProblem):
    """A value of the right size with a field that cannot be. Ours."""

    type: int
    field: str
    value: int
    max: int

    def __str__(self) -> str:
        return f"{self.field} is {self.value} in a value of type {self.type}; it is at most {self.max}"


@dataclass(unsafe_hash=True)
class InvalidTLVForDomain(MessageProblem):
    """A type that does not belong to the message's domain; 255 stands for any extended TLV."""

    type: int
    domain: int

    def __str__(self) -> str:
        return f"TLV of type {self.type} in a message of domain {self.domain}"


@dataclass(unsafe_hash=True)
class WrongDomain(MessageProblem):
    """A message of one domain where those of another are relayed."""

    expected: int
    got: int

    def __str__(self) -> str:
        return f"a message of domain {self.got} among those of domain {self.expected}"


@dataclass(unsafe_hash=True)
class InvalidTimestamp(MessageProblem):
    """A timestamp too far from now, in ns; a message is allowed to be `max` seconds old, or early. Ours."""

    timestamp_ns: int
    now_ns: int
    max: float

    def __str__(self) -> str:
        seconds = (self.timestamp_ns - self.now_ns) / 1e9
        where = f"{seconds:.3f} s in the future" if seconds > 0 else f"{-seconds:.3f} s old"
        return f"timestamp {self.timestamp_ns} is {where}; at most {self.max:g} s are allowed"


@dataclass(unsafe_hash=True)
class DuplicateSequence(MessageProblem):
    """A sequence not above the last one of its source."""

    source: int
    last: int
    got: int

    def __str__(self) -> str:
        return f"sequence {self.got} of source {self.source} after {self.last}"


@dataclass(unsafe_hash=True)
class SequenceGap(MessageProblem):
    """Too many sequences missing between a message and the one before it from the same source."""

    source: int
    last: int
    got: int
    max: int

    def __str__(self) -> str:
        missing = self.got - self.last - 1
        return (
            f"sequence {self.got} of source {self.source} after {self.last}: {missing} are missing, "
            f"at most {self.max} may be"
        )
