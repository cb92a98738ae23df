"""MYC-wire/1, the one place that knows how frames look: numbers, and the frames the broker writes.

A frame is `u32 body length | u8 opcode | u8 flags | u16 topic length | topic | payload`, all little-endian; the length
counts the body only. Reading many frames at once is the work of `kernels.py`, which keeps to the offsets given here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

PREFIX = 4  # bytes of the length
HEAD = 8  # bytes of length, opcode, flags and length of the topic
BODY_HEAD = HEAD - PREFIX
LONGEST_TOPIC = 255  # bytes
ACK_REQUESTED = 1  # flag of a Publish

_HEAD = struct.Struct("<IBBH")
_U16 = struct.Struct("<H")
_U64 = struct.Struct("<Q")
_CODE_AND_COUNT = struct.Struct("<HQ")


class Opcode(IntEnum):
    """Kinds of frames."""

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
    """What an Error frame says; 3 to 6 are the last frame of their connection."""

    UNKNOWN_TOPIC = 1
    PAYLOAD_TOO_LARGE = 2
    MALFORMED_FRAME = 3
    UNKNOWN_OPCODE = 4
    TOO_MANY_CONNECTIONS = 5
    SHUTTING_DOWN = 6
    LAGGED = 7


class MalformedFrame(Exception):
    """A frame after which the connection is closed."""

    def __init__(self, text: str, code: ErrorCode = ErrorCode.MALFORMED_FRAME) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Frame:
    """One complete frame of a client; `payload` points into the buffer it was received in."""

    opcode: Opcode
    flags: int
    topic: bytes
    payload: memoryview
    size: int  # bytes on the wire


def frame(opcode: Opcode, topic: bytes = b"", payload: bytes | memoryview = b"") -> bytes:
    """Return a frame as it goes over the wire."""
    return _HEAD.pack(BODY_HEAD + len(topic) + len(payload), opcode, 0, len(topic)) + topic + payload


def publish_ack(topic: bytes, accepted: int) -> bytes:
    """Acknowledge the first `accepted` messages of a connection."""
    return frame(Opcode.PUBLISH_ACK, topic, _U64.pack(accepted))


def error(code: ErrorCode, text: str, topic: bytes = b"") -> bytes:
    """Tell what is wrong."""
    return frame(Opcode.ERROR, topic, _U16.pack(code) + text.encode())


def lagged(topic: bytes, count: int) -> bytes:
    """Tell a subscriber how many messages were dropped before the next one it gets."""
    text = f"{count} messages were dropped because this subscriber was too slow"
    return frame(Opcode.ERROR, topic, _CODE_AND_COUNT.pack(ErrorCode.LAGGED, count) + text.encode())


def longest_body(longest_payload: int) -> int:
    """Return the greatest body length that is no frame error, from the greatest payload of any topic."""
    return BODY_HEAD + LONGEST_TOPIC + longest_payload


def parse(stream: memoryview, start: int) -> Frame:
    """Read the frame at `start`, which is known to be complete unless its head is wrong.

    Raises:
        MalformedFrame: what a client must not send.
    """
    check_head(stream, start)
    body, opcode, flags, topic_length = _HEAD.unpack_from(stream, start)
    payload_at, end = start + HEAD + topic_length, start + PREFIX + body
    topic = bytes(stream[start + HEAD : payload_at])
    if b"\0" in topic or not _is_utf8(topic):
        raise MalformedFrame("the topic is not UTF-8 without NUL")
    if opcode in (Opcode.SUBSCRIBE, Opcode.UNSUBSCRIBE) and payload_at != end:
        raise MalformedFrame(f"{Opcode(opcode).name} carries no payload")
    return Frame(Opcode(opcode), flags, topic, stream[payload_at:end], end - start)


def check_head(stream: memoryview, start: int, longest: int | None = None) -> None:
    """Raise for a head no client may send; one of less than 8 bytes is judged by its length alone.

    Raises:
        MalformedFrame: what is wrong.
    """
    head = bytes(stream[start : start + HEAD])
    body = int.from_bytes(head[:PREFIX], "little")
    if longest is not None and body > longest:
        raise MalformedFrame(f"a body of {body} bytes is longer than {longest}")
    if body < BODY_HEAD:
        raise MalformedFrame(f"a body of {body} bytes is shorter than {BODY_HEAD}")
    if len(head) < HEAD:
        return
    opcode, flags, topic_length = struct.unpack_from("<BBH", head, PREFIX)
    if opcode not in Opcode.__members__.values():
        raise MalformedFrame(f"there is no opcode {opcode}", ErrorCode.UNKNOWN_OPCODE)
    if opcode not in FROM_CLIENT:
        raise MalformedFrame(f"{Opcode(opcode).name} is never sent to a broker")
    if flags & ~(ACK_REQUESTED if opcode == Opcode.PUBLISH else 0):
        raise MalformedFrame(f"flags {flags:#04x} of {Opcode(opcode).name} are reserved")
    if topic_length > body - BODY_HEAD:
        raise MalformedFrame(f"a topic of {topic_length} bytes does not fit a body of {body}")
    if topic_length > LONGEST_TOPIC or (topic_length == 0 and opcode not in WITHOUT_TOPIC):
        raise MalformedFrame(f"{Opcode(opcode).name} has a topic of 1 to {LONGEST_TOPIC} bytes, not {topic_length}")


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


FROM_CLIENT = frozenset({Opcode.PUBLISH, Opcode.SUBSCRIBE, Opcode.UNSUBSCRIBE, Opcode.PING, Opcode.STATS})
WITHOUT_TOPIC = frozenset({Opcode.PING, Opcode.STATS})
