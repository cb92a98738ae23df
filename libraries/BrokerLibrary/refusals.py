"""Everything a broker must refuse, as bytes, with the error it must answer and whether it must then hang up.

Frame errors end a connection, because nobody can tell where the next frame begins; errors of meaning do not (contract,
section 2.2). Each wrong frame is followed in the same write by a right one: after a frame error it must not be looked
at any more, after an error of meaning it must be accepted.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from BrokerLibrary import wire
from BrokerLibrary.connection import ConnectionLost
from BrokerLibrary.numbered import compose
from BrokerLibrary.raw import RawConnection
from BrokerLibrary.wire import ErrorCode, Frame, Opcode
from oracles.messages import MessageId

WATCHED, LONELY = "watched", "lonely"
"""The topic with a consumer, on which nothing wrong may come out; and one without, for what is right."""

_TOPIC_LIMIT_PART = 4 + wire.LONGEST_TOPIC


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that must be refused.

    Attributes:
        what: in words.
        data: what is sent.
        code: of the one Error frame that must come back.
        closes: whether the broker must then close the connection.
    """

    what: str
    data: bytes
    code: ErrorCode
    closes: bool


def wrong_frames(limit: int, largest_limit: int) -> list[Wrong]:
    """Return all of them.

    Args:
        limit: `max_message_size` of the watched topic.
        largest_limit: the largest of any topic; with it the longest frame is 4 + 255 + this many bytes.
    """
    return [*_meaning(limit), *_lengths(largest_limit), *_topics(), *_flags_and_payloads(), *_opcodes()]


def refused_wrongly(wrong: Wrong, socket: Path, number: int, within: float) -> str | None:
    """Send a wrong frame on a connection of its own, and a right one behind it; say what was not as declared.

    Args:
        wrong: what to send.
        socket: of the broker.
        number: of this attempt, in the right message behind it.
        within: deadline of each answer, seconds.
    """
    topic = WATCHED if wrong.closes else LONELY
    follower = wire.publish(topic, compose(MessageId("behind-a-wrong-frame", topic, number)), ack=True)
    try:
        return _refused_wrongly(wrong, RawConnection(socket), follower, within)
    except (ConnectionLost, TimeoutError) as error:
        return f"{wrong.what}: the broker serves no connection any more ({error})"


def _refused_wrongly(wrong: Wrong, connection: RawConnection, follower: bytes, within: float) -> str | None:
    with connection:
        connection.send(wrong.data + follower)
        if wrong.closes:
            met = "closed" if connection.read_to_the_end(within) else "left open"
        else:
            met = "left open" if connection.answers_ping(within) else "closed"
        codes = [error.code for error in connection.errors]
        acked = sum(frame.opcode == Opcode.PUBLISH_ACK for frame in connection.frames)
    expected = "closed" if wrong.closes else "left open"
    if codes != [wrong.code]:
        answers = ", ".join(map(str, codes)) or "none"
        return f"{wrong.what}: expected error {wrong.code.value} ({wrong.code.name}), was {answers}"
    if met != expected:
        return f"{wrong.what}: expected that the connection is {expected}, it is {met}"
    if acked != (0 if wrong.closes else 1):
        return f"{wrong.what}: the right message behind it was acknowledged {acked} times"
    return None


def expected_counts(done: Sequence[Wrong]) -> dict[str, int]:
    """Return by how much each counter of the statistics must have grown."""
    codes = Counter(wrong.code for wrong in done)
    return {
        "unknown_topic": codes[ErrorCode.UNKNOWN_TOPIC],
        f"topics.{WATCHED}.rejected_too_large": codes[ErrorCode.PAYLOAD_TOO_LARGE],
        "frames.malformed": codes[ErrorCode.MALFORMED_FRAME] + codes[ErrorCode.UNKNOWN_OPCODE],
        "connections.rejected": codes[ErrorCode.TOO_MANY_CONNECTIONS],
    }


def _meaning(limit: int) -> list[Wrong]:
    unknown, large = ErrorCode.UNKNOWN_TOPIC, ErrorCode.PAYLOAD_TOO_LARGE
    return [
        Wrong("a publish to an unknown topic", wire.publish("nowhere", b"x"), unknown, False),
        Wrong("an acknowledged publish to an unknown topic", wire.publish("nowhere", b"x", ack=True), unknown, False),
        Wrong("a subscription to an unknown topic", wire.subscribe("nowhere"), unknown, False),
        Wrong("a topic that differs in case", wire.subscribe(WATCHED.upper()), unknown, False),
        Wrong("a payload one byte too long", wire.publish(WATCHED, bytes(limit + 1)), large, False),
        Wrong("a payload twice as long as allowed", wire.publish(WATCHED, bytes(2 * limit), ack=True), large, False),
    ]


def _lengths(largest_limit: int) -> list[Wrong]:
    longest = _TOPIC_LIMIT_PART + largest_limit
    lies = {
        "a frame one byte longer than the longest allowed": _prefixed(longest + 1, bytes(longest + 1)),
        "a frame of 4 GiB": _prefixed(0xFFFFFFFF, b"\x01\x00"),
        "an empty body": _prefixed(0, b""),
        "a body of 3 bytes": _prefixed(3, b"\x09\x00\x00"),
        "a topic longer than its body": _frame(1, b"ab", topic_length=7),
        "a topic length of 65535": _frame(2, b"ab", topic_length=0xFFFF),
    }
    return [_malformed(what, data) for what, data in lies.items()]


def _topics() -> list[Wrong]:
    names = {
        "a publish without a topic": _frame(1, b"", b"x"),
        "a subscription without a topic": _frame(2, b""),
        "a topic of 256 bytes": _frame(2, b"t" * 256),
        "a topic with a NUL": _frame(2, b"wat\0hed"),
        "a topic that is not UTF-8": _frame(1, b"\xff\xfe", b"x"),
    }
    return [_malformed(what, data) for what, data in names.items()]


def _flags_and_payloads() -> list[Wrong]:
    watched = WATCHED.encode()
    bad = {
        "a publish with a reserved flag": _frame(1, watched, b"x", flags=0x02),
        "a publish with all flags": _frame(1, watched, b"x", flags=0xFF),
        "a subscription with a flag": _frame(2, watched, flags=0x01),
        "a ping with a flag": _frame(9, b"", flags=0x80),
        "a subscription with a payload": _frame(2, watched, b"x"),
        "an unsubscription with a payload": _frame(3, watched, b"x"),
    }
    return [_malformed(what, data) for what, data in bad.items()]


def _opcodes() -> list[Wrong]:
    from_broker = [
        _malformed(f"a {Opcode(code).name} from a client", wire.encode(Frame(code, WATCHED, b"12345678")))
        for code in sorted(wire.FROM_BROKER)
    ]
    unknown = [Wrong(f"opcode {code}", _frame(code, b""), ErrorCode.UNKNOWN_OPCODE, True) for code in (0, 13, 255)]
    return [*from_broker, *unknown]


def _malformed(what: str, data: bytes) -> Wrong:
    return Wrong(what, data, ErrorCode.MALFORMED_FRAME, True)


def _frame(
    opcode: int, topic: bytes, payload: bytes = b"", *, flags: int = 0, topic_length: int | None = None
) -> bytes:
    length = len(topic) if topic_length is None else topic_length
    body = wire.HEAD.pack(opcode, flags, length) + topic + payload
    return _prefixed(len(body), body)


def _prefixed(size: int, body: bytes) -> bytes:
    return struct.pack("<I", size) + body
