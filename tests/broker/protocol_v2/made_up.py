"""Generated messages, streams of them, and what can happen to their bytes on the way."""

from __future__ import annotations

import dataclasses

from hypothesis import strategies as st

from BrokerLibrary.protocol_v2 import batched, golden
from BrokerLibrary.protocol_v2.book import Level
from BrokerLibrary.protocol_v2.errors import MessageProblem
from BrokerLibrary.protocol_v2.messages import Message, build, parse_all
from BrokerLibrary.protocol_v2.registry import SIZES
from BrokerLibrary.protocol_v2.tlv import Tlv
from tests.broker.protocol_v2 import by_hand

RECORDED = golden.read()
STREAM = [one.message for one in RECORDED.messages]

_INTEGERS = {"u1": (0, 2**8 - 1), "<u2": (0, 2**16 - 1), "<u4": (0, 2**32 - 1), "<u8": (0, 2**64 - 1)}
_INTEGERS |= {"<i4": (-(2**31), 2**31 - 1), "<i8": (-(2**63), 2**63 - 1)}
_LEVELS = st.lists(
    st.builds(Level, *(st.integers(*_INTEGERS[kind]) for kind in ("<i8", "<i8", "<u4"))), max_size=50
).map(tuple)


def field_values(field):
    kind = field.metadata["kind"]
    if isinstance(kind.column, str):
        return st.integers(*_INTEGERS[kind.column])
    size = int(kind.code[:-1])
    if size in (8, 20):
        return st.binary(min_size=size, max_size=size)
    return st.integers(0, 2 ** (8 * size) - 1) if size in (16, 32) else _LEVELS


def values_of(layout):
    return st.builds(layout, *(field_values(field) for field in dataclasses.fields(layout)))


@st.composite
def tlvs(draw):
    number = draw(st.integers(1, 254))
    size = SIZES.get(number)
    if size is not None and size.fixed:
        extended = draw(st.booleans())
        return Tlv(number, draw(st.binary(min_size=size.least, max_size=size.least)), extended)
    value = draw(st.binary(max_size=40) | st.integers(250, 700).map(bytes))
    return Tlv(number, value, len(value) > 255 or draw(st.booleans()))


@st.composite
def messages(draw):
    domain = draw(st.integers(1, 4))
    return build(
        domain,
        draw(st.integers(1, 100)),
        draw(st.integers(0, 2**64 - 1)),
        draw(st.integers(0, 2**64 - 1)),
        draw(st.lists(tlvs(), max_size=5)),
        flags=draw(st.integers(0, 255)),
        checked=domain != 1 or draw(st.booleans()),
    )


def sealed(message, *, sized):
    """Give changed bytes a right checksum again, and a right payload size, so that only their content is wrong."""
    if len(message) < 32:
        return message
    front, payload = message[:28], message[32:]
    if sized:
        front = front[:24] + len(payload).to_bytes(4, "little")
    return front + by_hand.crc(front, payload).to_bytes(4, "little") + payload


@st.composite
def damaged(draw):
    """A recorded or generated message some of whose bytes are changed, missing or too many."""
    data = bytearray(draw(st.sampled_from(STREAM) | messages()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["change", "flip", "remove", "insert", "cut"])):
            case "change":
                data[at : at + 1] = draw(st.sampled_from([b"\0", b"\1", b"\xff", b"\x28"]))
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "remove":
                del data[at : at + draw(st.integers(1, 8))]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "cut":
                del data[at:]
    sealing = draw(st.sampled_from(["none", "checksum", "checksum and size", "no checksum"]))
    if sealing == "no checksum":
        data[28:32] = bytes(len(data[28:32]))
        return bytes(data)
    return bytes(data) if sealing == "none" else sealed(bytes(data), sized=sealing == "checksum and size")


def outcome(judge):
    """Return what somebody makes of a message: a value, or the problem it is refused with."""
    try:
        return judge()
    except MessageProblem as problem:
        return problem


def read_singly(stream, *, in_domain=False):
    """Return what the scalar parser reads, and what stops it."""
    read: list[tuple[int, Message]] = []
    stopped = outcome(lambda: read.extend(parse_all(stream, in_domain=in_domain)))
    return read, stopped


def read_at_once(stream, *, in_domain=False):
    """Return the same of the batched parser, after looking at where it says that it stopped."""
    batch = batched.parse(stream, in_domain=in_domain)
    read = []
    for index, offset in enumerate(batch.offsets.tolist()):
        rows = range(*batch.tlvs_of(index))
        read.append((offset, Message(batch.header(index), tuple(batch.tlv(row) for row in rows))))
    assert sum(len(message.tlvs) for _, message in read) == len(batch.tlvs)
    if batch.wrong is None:
        return read, None
    assert batch.wrong.index == len(read)
    assert batch.wrong.offset == sum(message.header.message_size for _, message in read)
    return read, batch.wrong.problem
