"""A NATS connection on which one subject is read many messages at a time.

nats-py looks for each message with up to six patterns, reads all of its headers, and hands it on through a queue and
a task: 10 us. Here what belongs to the subject is cut out of what has come and handed on as it is, which is 2 us; all
else goes to nats-py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.protocol.parser import Parser

_END = b"\r\n"


class Frame(NamedTuple):
    """One message as it came.

    Args:
        subject: it was published to.
        reply: where to answer; empty: nowhere.
        head: its headers, see `fields_of`; empty: none.
        payload: what it says.
    """

    subject: bytes
    reply: bytes
    head: bytes
    payload: bytes


Take = Callable[[Sequence[Frame]], Awaitable[None]]


def fields_of(head: bytes) -> dict[str, str]:
    """Return headers by name; what NATS itself says is under `Status` and `Description`."""
    first, *lines = head.decode(errors="replace").rstrip().split("\r\n")
    _, *status = first.split(maxsplit=2)
    fields = dict(zip(("Status", "Description"), status, strict=False))
    for line in lines:
        name, _, value = line.partition(":")
        fields[name] = value.strip()
    return fields


class FeedClient(Client):
    """A client of NATS that can read one subject in bulk, see `feed`."""

    def __init__(self) -> None:
        super().__init__()
        self._reading = self._ps = BulkParser(self)

    async def feed(self, subject: str, take: Take) -> None:
        """Let `take` have what comes on a subject: all that has come at once, in its order.

        What `take` raises is told to the client's `error_cb`.
        """
        subscription = await self.subscribe(subject, cb=_never)
        self._reading.sid, self._reading.take = str(subscription._id).encode(), take


async def _never(message: Msg) -> None:
    raise AssertionError(f"a message to {message.subject} came by the way of a single one")


class BulkParser(Parser):
    """Cuts what comes into messages and words of the protocol; hands some on, gives nats-py the rest, each whole."""

    sid = b""
    take: Take

    def reset(self) -> None:
        """Forget what has not come whole."""
        super().reset()
        self._rest = b""

    async def parse(self, data: bytes = b"") -> None:
        """Take what has come."""
        data, begin, frames = self._rest + data, 0, list[Frame]()
        while (line := data.find(_END, begin)) >= 0:
            words = data[begin:line].split()
            is_message = bool(words) and words[0] in (b"HMSG", b"MSG")
            end = line + len(_END) + (int(words[-1]) + len(_END) if is_message else 0)
            if end > len(data):
                break
            if is_message and words[2] == self.sid:
                frames.append(_frame(words, data[line + len(_END) : end - len(_END)]))
            else:
                await super().parse(data[begin:end])
            begin = end
        self._rest = data[begin:]
        if frames:
            await self._hand_on(frames)

    async def _hand_on(self, frames: Sequence[Frame]) -> None:
        try:
            await self.take(frames)
        except Exception as problem:  # noqa: BLE001 - as nats-py does with what a subscription's callback raises
            await self.nc._error_cb(problem)


def _frame(words: Sequence[bytes], content: bytes) -> Frame:
    """Make a message of its line, `[H]MSG subject sid [reply] [size-of-head] size`, and its content."""
    sizes = 2 if words[0] == b"HMSG" else 1
    reply = words[3] if len(words) > 3 + sizes else b""
    head = int(words[-2]) if sizes == 2 else 0
    return Frame(words[1], reply, content[:head], content[head:])
