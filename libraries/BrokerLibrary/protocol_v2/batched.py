"""Many messages at once: built from columns into one buffer, read from one buffer into columns.

`build` writes messages of one layout each; `parse` reads any messages that follow each other directly, and finds the
same things wrong with them as `messages.parse` does, in the same order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from BrokerLibrary.protocol_v2 import kernels, messages
from BrokerLibrary.protocol_v2.errors import (
    ChecksumMismatch,
    InvalidDomain,
    InvalidExtendedTLV,
    InvalidMagic,
    InvalidSource,
    InvalidTLVForDomain,
    MessageProblem,
    MessageTooLarge,
    MessageTooSmall,
    PayloadSizeMismatch,
    TruncatedTLV,
    UnsupportedVersion,
)
from BrokerLibrary.protocol_v2.header import (
    ABSENT,
    HEADER_SIZE,
    LARGEST_MESSAGE,
    LARGEST_SOURCE,
    MAGIC,
    VERSION,
    Domain,
    Header,
)
from BrokerLibrary.protocol_v2.layout import Layout
from BrokerLibrary.protocol_v2.registry import SIZES, belongs
from BrokerLibrary.protocol_v2.tlv import Tlv, framing

Octets = NDArray[np.uint8]
Rows = NDArray[np.void]

HEADER_COLUMNS = np.dtype(
    {
        "names": list(Header._fields),
        "formats": ["u1", "u1", "u1", "u1", "<u8", "<u8", "<u4", "<u4"],
        "offsets": [4, 5, 6, 7, 8, 16, 24, 28],
        "itemsize": HEADER_SIZE,
    }
)
TLV_COLUMNS = np.dtype(
    {
        "names": ["message", "begin", "type", "extended", "length"],
        "formats": ["<i8", "<i8", "u1", "?", "<u4"],
        "offsets": [0, 8, 16, 17, 20],
        "itemsize": 24,
    }
)

_PROBLEMS: dict[int, type[MessageProblem]] = {
    kernels.TOO_SMALL: MessageTooSmall,
    kernels.MAGIC: InvalidMagic,
    kernels.VERSION: UnsupportedVersion,
    kernels.DOMAIN: InvalidDomain,
    kernels.SOURCE: InvalidSource,
    kernels.TOO_LARGE: MessageTooLarge,
    kernels.SHORT_OF_PAYLOAD: MessageTooSmall,
    kernels.CHECKSUM_MISMATCH: ChecksumMismatch,
    kernels.TRUNCATED: TruncatedTLV,
    kernels.EXTENDED: InvalidExtendedTLV,
    kernels.SIZE: PayloadSizeMismatch,
    kernels.DOMAIN_OF_TLV: InvalidTLVForDomain,
}


def _facts() -> NDArray[np.int64]:
    facts = np.zeros(kernels.FACTS, dtype=np.int64)
    facts[kernels.THE_MAGIC], facts[kernels.THE_VERSION] = MAGIC, VERSION
    facts[kernels.LAST_DOMAIN], facts[kernels.LAST_SOURCE] = max(Domain), LARGEST_SOURCE
    facts[kernels.LARGEST], facts[kernels.UNCHECKED] = LARGEST_MESSAGE, Domain.MARKET_DATA
    return facts


_FACTS = _facts()
_FIXED = np.array([SIZES[n].least if n in SIZES and SIZES[n].fixed else -1 for n in range(256)], dtype=np.int32)
_ANY = np.ones((max(Domain) + 1, 256), dtype=np.uint8)
_OWN = np.array([[d in tuple(Domain) and belongs(n, d) for n in range(256)] for d in range(max(Domain) + 1)], np.uint8)


@dataclass(frozen=True, slots=True)
class FirstProblem:
    """The first message of a batch that is wrong.

    Attributes:
        index: how many messages are before it.
        offset: where it begins in the buffer.
        problem: what is wrong with it.
    """

    index: int
    offset: int
    problem: MessageProblem

    def __str__(self) -> str:
        return f"message {self.index} at byte {self.offset}: {type(self.problem).__name__}: {self.problem}"


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Messages that were read; rows are in the order of the buffer.

    Attributes:
        buffer: where they are.
        headers: `[messages]` of HEADER_COLUMNS.
        offsets: `[messages]`, where each begins in the buffer.
        tlvs: `[TLVs]` of TLV_COLUMNS: which message each belongs to, where in the buffer its value begins.
        wrong: the first message that could not be read, after which nothing was; None: all could.
    """

    buffer: Octets
    headers: Rows
    offsets: NDArray[np.int64]
    tlvs: Rows
    wrong: FirstProblem | None

    def demand_all(self) -> Batch:
        """Return the batch itself when all messages could be read, else raise what is wrong with the first other."""
        if self.wrong is not None:
            raise self.wrong.problem
        return self

    def header(self, index: int) -> Header:
        """Return the header of one message."""
        return Header(*self.headers[index].item())

    def tlvs_of(self, index: int) -> tuple[int, int]:
        """Return the first row of one message's TLVs, and the first behind them."""
        start, stop = np.searchsorted(self.tlvs["message"], (index, index + 1))
        return int(start), int(stop)

    def tlv(self, row: int) -> Tlv:
        """Return one TLV, its value copied."""
        _, begin, tlv_type, extended, length = self.tlvs[row].item()
        return Tlv(tlv_type, self.buffer[begin : begin + length].tobytes(), extended)

    def values(self, layout: type[Layout]) -> Rows:
        """Return the values of all TLVs that have a layout's type and size, as `[number]` of its dtype."""
        assert layout.TYPE is not None, f"{layout.__name__} is only a part of other values"
        chosen = (self.tlvs["type"] == layout.TYPE) & (self.tlvs["length"] == layout.SIZE)
        begins = self.tlvs["begin"] if chosen.all() else self.tlvs["begin"][chosen]
        values = np.empty(len(begins), dtype=layout.dtype())
        kernels.gather(self.buffer, begins, layout.SIZE, values.view(np.uint8))
        return values


def rows(layout: type[Layout], columns: Mapping[str, ArrayLike]) -> Rows:
    """Return `[number]` values of a layout from one array for each of its fields; other bytes are zero.

    Raises:
        ValueError: fields are missing or unknown, or the arrays have not one length.
    """
    dtype = layout.dtype()
    if columns.keys() != set(dtype.names or ()):
        raise ValueError(f"{layout.__name__} has the fields {', '.join(dtype.names or ())}; got {', '.join(columns)}")
    lengths = {len(np.asarray(column)) for column in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"columns of {layout.__name__} have different lengths: {sorted(lengths)}")
    values = np.zeros(lengths.pop(), dtype=dtype)
    for name, column in columns.items():
        values[name] = column
    return values


def build(
    layout: type[Layout],
    values: Rows,
    sequences: ArrayLike,
    timestamps_ns: ArrayLike,
    *,
    domain: int = Domain.MARKET_DATA,
    source: int = 1,
    checked: bool = True,
    into: Octets | None = None,
) -> Octets:
    """Return messages of one TLV each, one directly after the other.

    Args:
        layout: of all values.
        values: `[number]` of its dtype, see `rows`.
        sequences: `[number]`.
        timestamps_ns: `[number]`.
        domain: the same for all, as it stands in the header.
        source: likewise.
        checked: with checksums.
        into: a buffer to write them to, which may be larger; None: a new one.

    Raises:
        ValueError: the arrays have not one length, or the buffer is too small.
    """
    assert layout.TYPE is not None, f"{layout.__name__} is only a part of other values"
    numbers, stamps = _unsigned(sequences), _unsigned(timestamps_ns)
    if not len(values) == len(numbers) == len(stamps):
        raise ValueError(f"{len(values)} values, {len(numbers)} sequences and {len(stamps)} timestamps")
    front = framing(layout.TYPE, layout.SIZE)
    header = Header(domain, VERSION, source, 0, 0, 0, len(front) + layout.SIZE, ABSENT)
    size = len(values) * header.message_size
    buffer = np.empty(size, dtype=np.uint8) if into is None else into
    if len(buffer) < size:
        raise ValueError(f"{size} bytes are needed, the buffer has {len(buffer)}")
    octets = np.ascontiguousarray(values).view(np.uint8)
    lead = np.frombuffer(header.pack() + front, dtype=np.uint8)
    written = kernels.build(octets, layout.SIZE, lead, numbers, stamps, checked, buffer)
    return buffer[:written]


def parse(buffer: Octets | bytes, *, in_domain: bool = False) -> Batch:
    """Read messages that follow each other directly, until the end or the first that is wrong.

    Args:
        buffer: the messages, and nothing else.
        in_domain: TLVs that do not belong to their message's domain are wrong, as in `messages.parse`.
    """
    octets = np.frombuffer(buffer, dtype=np.uint8) if len(buffer) else np.empty(0, dtype=np.uint8)
    most_messages, most_tlvs = kernels.count(octets)
    headers = np.empty(most_messages, dtype=HEADER_COLUMNS)
    offsets = np.empty(most_messages, dtype=np.int64)
    tlvs = np.empty((most_tlvs, 3), dtype=np.int64)
    found = np.zeros(kernels.FOUND, dtype=np.int64)
    own = _OWN if in_domain else _ANY
    read = kernels.parse(octets, _FACTS, _FIXED, own, headers.view(np.uint8), offsets, tlvs, found)
    return Batch(
        octets,
        headers[:read],
        offsets[:read],
        tlvs.reshape(-1).view(TLV_COLUMNS)[: found[kernels.TLVS]],
        _first_problem(octets, found, in_domain) if found[kernels.PROBLEM] else None,
    )


def _unsigned(numbers: ArrayLike) -> NDArray[np.uint64]:
    return np.ascontiguousarray(numbers, dtype=np.uint64)


def _first_problem(octets: Octets, found: NDArray[Any], in_domain: bool) -> FirstProblem:
    """Say in full what the kernel saw: the scalar parser looks at that message again."""
    kind, index, offset = (int(found[at]) for at in (kernels.PROBLEM, kernels.AT_MESSAGE, kernels.AT_BYTE))
    try:
        next(messages.parse_all(octets[offset:].tobytes(), in_domain=in_domain))
    except _PROBLEMS[kind] as problem:
        return FirstProblem(index, offset, problem)
    raise AssertionError(f"message {index} at byte {offset} is {_PROBLEMS[kind].__name__} to one parser only")
