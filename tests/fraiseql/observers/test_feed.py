"""What NATS sends, cut into messages however it comes; what is not of the subject goes nats-py's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats.errors import ProtocolError

from reference.fraiseql.observers.feed import BulkParser, FeedClient, Frame, fields_of
from tests.fraiseql.observers.programs import Nats
from tests.fraiseql.observers.publishing import SUBJECT

HEAD = b"NATS/1.0\r\nNats-Msg-Id: one\r\n\r\n"
STREAM = (
    b"MSG a.b 7 5\r\nplain\r\n"
    b"PING\r\n"
    b"HMSG a.c 7 $JS.ACK.x %d %d\r\n%sbody\r\n\r\n"
    % (len(HEAD), len(HEAD) + 6, HEAD)
    + b"MSG other 8 _INBOX.1 7\r\nMSG a 7\r\n"
    b"MSG a.b 7 reply 0\r\n\r\n"
    b"HMSG a.d 7 16 16\r\nNATS/1.0 404\r\n\r\n\r\n"
    b"PONG\r\n"
)
FRAMES = [
    Frame(b"a.b", b"", b"", b"plain"),
    Frame(b"a.c", b"$JS.ACK.x", HEAD, b"body\r\n"),
    Frame(b"a.b", b"reply", b"", b""),
    Frame(b"a.d", b"", b"NATS/1.0 404\r\n\r\n", b""),
]


class Listener:
    """What nats-py's parser tells its client."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    async def _process_msg(self, *message: Any) -> None:
        self.told.append(message)

    async def _process_ping(self) -> None:
        self.told.append("PING")

    async def _process_pong(self) -> None:
        self.told.append("PONG")

    async def _error_cb(self, problem: Exception) -> None:
        self.told.append(problem)


def parsed(parts: Sequence[bytes], take: Callable[[Sequence[Frame]], Any] = lambda frames: None) -> tuple[Any, Any]:
    """What is taken and what is told of a stream that comes in parts."""
    listener, taken = Listener(), list[Frame]()

    async def note(frames: Sequence[Frame]) -> None:
        taken.extend(frames)
        take(frames)

    async def run() -> None:
        parser = BulkParser(listener)
        parser.sid, parser.take = b"7", note
        for part in parts:
            await parser.parse(part)

    asyncio.run(run())
    return taken, listener.told


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 1000])
def test_messages_are_the_same_however_they_come(size: int) -> None:
    taken, told = parsed([STREAM[begin : begin + size] for begin in range(0, len(STREAM), size)])
    assert taken == FRAMES
    assert told == ["PING", (8, b"other", b"_INBOX.1", b"MSG a 7", None), "PONG"]


def test_what_cannot_be_taken_is_told_and_the_next_is_taken() -> None:
    def refuse(frames: Sequence[Frame]) -> None:
        if frames[0].payload == b"plain":
            raise ValueError("plain")

    begin = len(b"MSG a.b 7 5\r\nplain\r\n")
    taken, (problem, *_) = parsed([STREAM[:begin], STREAM[begin:]], refuse)
    assert taken == FRAMES
    assert isinstance(problem, ValueError)


def test_what_is_no_word_of_the_protocol_ends_the_connection() -> None:
    with pytest.raises(ProtocolError):
        parsed([b"HTTP/1.1 400 Bad Request\r\n"])


@pytest.mark.parametrize(
    ("head", "fields"),
    [
        (HEAD, {"Nats-Msg-Id": "one"}),
        (b"NATS/1.0 404\r\n\r\n", {"Status": "404"}),
        (
            b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 3\r\nNats-Pending-Bytes: 0\r\n\r\n",
            {
                "Status": "408",
                "Description": "Request Timeout",
                "Nats-Pending-Messages": "3",
                "Nats-Pending-Bytes": "0",
            },
        ),
        (b"NATS/1.0\r\nA:b: c\r\n\r\n", {"A": "b: c"}),
    ],
)
def test_headers_and_what_nats_itself_says(head: bytes, fields: dict[str, str]) -> None:
    assert fields_of(head) == fields


@pytest.mark.servers
def test_a_subject_is_read_in_bulk_and_requests_still_work(nats: Nats) -> None:
    """With NATS itself: the numbers of a thousand messages in their order, while another subject is read by nats-py."""
    numbers, others = list[int](), list[bytes]()

    async def take(frames: Sequence[Frame]) -> None:
        numbers.extend(int(frame.payload) for frame in frames)
        sizes.append(len(frames))

    async def other(message: Msg) -> None:
        others.append(message.data)

    async def run() -> None:
        client = FeedClient()
        await client.connect(nats.url)
        await client.feed(SUBJECT, take)
        await client.subscribe("other", cb=other)
        for number in range(1000):
            await client.publish(SUBJECT, str(number).encode(), headers={"A": "b"} if number % 2 else None)
            if number % 100 == 0:
                await client.publish("other", b"x")
        await client.flush()
        assert (await client.jetstream().account_info()).streams == 0
        await client.close()

    sizes = list[int]()
    asyncio.run(run())
    assert numbers == list(range(1000))
    assert len(others) == 10
    assert max(sizes) > 10, "many at a time"
