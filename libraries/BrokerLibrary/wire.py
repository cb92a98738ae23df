"""MYC-wire/1: frames between a broker and its clients, as section 2.2 of the contract lays them out.

A frame is a u32 length of its body, then the body: opcode u8, flags u8, length of the topic u16, topic, payload. All
numbers are little-endian. Whoever reads a stream gets frames from a `Decoder`, which accepts nothing that a broker
must not send: a codec that forgives would hide what the broker does wrong.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

PREFIX = struct.Struct("<I")
HEAD = struct.Struct("<BBH")
_PREFIXED_HEAD = struct.Struct("<IBBH")
_U64 = struct.Struct("<Q")
_CODE = struct.Struct("<H")
_CODE_AND_COUNT = struct.Struct("<HQ")

LONGEST_TOPIC = 255  # bytes
LONGEST_BODY = 64 * 1024 * 1024  # bytes; no topic of any criterion allows messages near this
ACK_REQUESTED = 0x01  # the only flag there is, and only a Publish may have it


class Opcode(IntEnum):
    """What a frame is."""

    PUBLISH = 1
    SUBSCRIBE = 2
    UNSUBSCRIBE = 3
    SUBSCRIBE_ACK = 4
    UNSUBSCRIBE_ACK = 5
    DELIVER = 6
    PUBLISH_ACK = 7
    ERROR = 8
    PING = 9
    PONG = 10
    STATS = 11
    STATS_REPLY = 12


class ErrorCode(IntEnum):
    """Why the broker refuses something, or what it has to tell."""

    UNKNOWN_TOPIC = 1
    PAYLOAD_TOO_LARGE = 2
    MALFORMED_FRAME = 3
    UNKNOWN_OPCODE = 4
    TOO_MANY_CONNECTIONS = 5
    SHUTTING_DOWN = 6
    LAGGED = 7


FROM_BROKER = frozenset(
    {
        Opcode.SUBSCRIBE_ACK,
        Opcode.UNSUBSCRIBE_ACK,
        Opcode.DELIVER,
        Opcode.PUBLISH_ACK,
        Opcode.ERROR,
        Opcode.PONG,
        Opcode.STATS_REPLY,
    }
)
_WITHOUT_TOPIC = frozenset({Opcode.ERROR, Opcode.PONG, Opcode.STATS_REPLY})
_EMPTY = frozenset({Opcode.SUBSCRIBE_ACK, Opcode.UNSUBSCRIBE_ACK})


class WireProblem(Exception):
    """Bytes from the broker that no broker may send. What follows them cannot be read."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, its parts as they stand on the wire."""

    opcode: int
    topic: str = ""
    payload: bytes = b""
    flags: int = 0


@dataclass(frozen=True, slots=True)
class BrokerError:
    """The content of an Error frame. `count` is the number of dropped messages, only of a Lagged notice."""

    code: ErrorCode
    text: str
    topic: str = ""
    count: int | None = None

    def __str__(self) -> str:
        about = f" about {self.topic}" if self.topic else ""
        return f"Error {self.code.value} ({self.code.name}){about}: {self.text}"


def encode(frame: Frame) -> bytes:
    """Return a frame's bytes, prefix included; nothing is checked, so that wrong frames can be made too."""
    topic = frame.topic.encode()
    size = HEAD.size + len(topic) + len(frame.payload)
    return _PREFIXED_HEAD.pack(size, frame.opcode, frame.flags, len(topic)) + topic + frame.payload


def publish(topic: str, payload: bytes, *, ack: bool = False) -> bytes:
    """Return the frame that publishes a payload, with or without a request to acknowledge it."""
    return encode(Frame(Opcode.PUBLISH, topic, payload, ACK_REQUESTED if ack else 0))


def subscribe(topic: str) -> bytes:
    """Return the frame that asks for all messages of a topic from now on."""
    return encode(Frame(Opcode.SUBSCRIBE, topic))


def unsubscribe(topic: str) -> bytes:
    """Return the frame that ends a subscription."""
    return encode(Frame(Opcode.UNSUBSCRIBE, topic))


def ping(payload: bytes = b"") -> bytes:
    """Return the frame that asks for its own payload back."""
    return encode(Frame(Opcode.PING, payload=payload))


def stats() -> bytes:
    """Return the frame that asks for the broker's statistics."""
    return encode(Frame(Opcode.STATS))


def accepted_count(frame: Frame) -> int:
    """Return how many messages of this connection a PublishAck says have been accepted."""
    return int(_U64.unpack(frame.payload)[0])


def error_of(frame: Frame) -> BrokerError:
    """Read the content of an Error frame that a `Decoder` let pass."""
    (number,) = _CODE.unpack_from(frame.payload)
    if number != ErrorCode.LAGGED:
        return BrokerError(ErrorCode(number), frame.payload[_CODE.size :].decode(), frame.topic)
    _, count = _CODE_AND_COUNT.unpack_from(frame.payload)
    return BrokerError(ErrorCode.LAGGED, frame.payload[_CODE_AND_COUNT.size :].decode(), frame.topic, count)


class Decoder:
    """Cuts a stream from the broker into frames, however it arrives in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def incomplete(self) -> int:
        """Bytes of a frame that has not arrived whole."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes of the stream and return the frames that are now complete.

        Raises:
            WireProblem: a frame is not one that a broker may send; the frames before it in this piece are lost.
        """
        buffer = self._buffer
        buffer += data
        frames, start, end = [], 0, len(buffer)
        while end - start >= PREFIX.size:
            (size,) = PREFIX.unpack_from(buffer, start)
            if not HEAD.size <= size <= LONGEST_BODY:
                raise WireProblem(f"a body of {size} bytes; it must have {HEAD.size} to {LONGEST_BODY}")
            stop = start + PREFIX.size + size
            if stop > end:
                break
            frames.append(_parsed(buffer, start + PREFIX.size, stop))
            start = stop
        del buffer[:start]
        return frames


def _parsed(buffer: bytearray, start: int, stop: int) -> Frame:
    opcode, flags, topic_length = HEAD.unpack_from(buffer, start)
    begin = start + HEAD.size + topic_length
    if begin > stop:
        raise WireProblem(f"a topic of {topic_length} bytes in a body of {stop - start}")
    if opcode not in FROM_BROKER:
        raise WireProblem(f"opcode {opcode}, which a broker does not send")
    if flags:
        raise WireProblem(f"flags {flags:#04x} with opcode {opcode}; a broker sets none")
    payload = bytes(buffer[begin:stop])
    topic = _topic(bytes(buffer[start + HEAD.size : begin]), opcode)
    if problem := _payload_problem(opcode, payload):
        raise WireProblem(f"{Opcode(opcode).name} with {problem}")
    return Frame(opcode, topic, payload)


def _topic(name: bytes, opcode: int) -> str:
    if not name and opcode not in _WITHOUT_TOPIC:
        raise WireProblem(f"{Opcode(opcode).name} without a topic")
    if len(name) > LONGEST_TOPIC or b"\0" in name:
        raise WireProblem(f"the topic {name[:40]!r} of {len(name)} bytes")
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise WireProblem(f"the topic {name[:40]!r}, which is not UTF-8") from None


def _payload_problem(opcode: int, payload: bytes) -> str | None:
    if opcode in _EMPTY and payload:
        return f"a payload of {len(payload)} bytes; it has none"
    if opcode == Opcode.PUBLISH_ACK and len(payload) != _U64.size:
        return f"a payload of {len(payload)} bytes; it has {_U64.size}"
    if opcode == Opcode.ERROR:
        return _error_problem(payload)
    return None


def _error_problem(payload: bytes) -> str | None:
    if len(payload) < _CODE.size:
        return f"a payload of {len(payload)} bytes; it has a code"
    (number,) = _CODE.unpack_from(payload)
    if number not in ErrorCode._value2member_map_:
        return f"code {number}, which is not in the contract"
    begin = _CODE_AND_COUNT.size if number == ErrorCode.LAGGED else _CODE.size
    if len(payload) < begin:
        return f"code {number} and no count"
    try:
        payload[begin:].decode()
    except UnicodeDecodeError:
        return f"code {number} and a text that is not UTF-8"
    return None
