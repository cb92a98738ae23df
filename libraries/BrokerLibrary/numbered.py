"""Messages that say who published them, where and as the how-manyth, with content that anybody can make again."""

from __future__ import annotations

import random
import zlib

from oracles.messages import UNREADABLE, MessageId

_FILLING = random.Random(20).randbytes(1 << 17)
"""What messages are filled with, each from another place."""


def compose(identity: MessageId, size: int = 0) -> bytes:
    """Return the payload of a numbered message.

    Args:
        identity: stands at its beginning; names without `|`.
        size: bytes it is filled up to, at most 64 KiB; at least the identity is there.
    """
    head = f"{identity.producer}|{identity.topic}|{identity.number}|".encode()
    missing = max(0, size - len(head))
    start = zlib.crc32(head) & 0xFFFF
    return head + _FILLING[start : start + missing]


def identity_of(payload: bytes) -> str:
    """Return the id that a payload states as text, `UNREADABLE` when it is not the payload that `compose` makes."""
    parts = payload[:600].split(b"|", 3)
    try:
        producer, topic, number = (part.decode() for part in parts[:3])
        identity = MessageId(producer, topic, int(number))
    except ValueError:
        return UNREADABLE
    return str(identity) if compose(identity, len(payload)) == payload else UNREADABLE


def checksum(payload: bytes) -> str:
    """Return a payload's CRC-32 as eight hexadecimal digits."""
    return f"{zlib.crc32(payload):08x}"
