"""How messages become batches: by what the stream says of them, however they come."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from nats.js.api import ConsumerConfig, ConsumerInfo

from reference.fraiseql.observers.config import BatchSettings, SinkName
from reference.fraiseql.observers.feed import Frame
from reference.fraiseql.observers.intake import AHEAD, Intake
from reference.fraiseql.observers.metrics import Metrics
from reference.fraiseql.observers.stream import Lost, Source

SECOND = 1_000_000_000
SOURCE = Source("events", "events-1", "sink_search", delivered=2)


class Client:
    """As much of a NATS client as an intake needs."""

    max_payload = 1 << 20

    def __init__(self) -> None:
        self.asked: list[dict[str, int]] = []
        self.acknowledged: list[str] = []
        self.heard: Callable[[Sequence[Frame]], Awaitable[None]] | None = None

    def new_inbox(self) -> str:
        return "_INBOX.x"

    def jetstream(self) -> Client:
        return self

    async def consumer_info(self, stream: str, consumer: str) -> ConsumerInfo:
        return ConsumerInfo(consumer, stream, ConsumerConfig(), datetime.now(UTC), num_ack_pending=3, num_pending=4)

    async def feed(self, subject: str, take: Callable[[Sequence[Frame]], Awaitable[None]]) -> None:
        self.heard = take

    async def publish(self, subject: str, payload: bytes = b"", reply: str = "") -> None:
        if subject.startswith("$JS.API.CONSUMER.MSG.NEXT.events.sink_search"):
            self.asked.append(json.loads(payload))
        else:
            self.acknowledged.append(subject)

    async def give(
        self, sequence: int, *, place: int | None = None, stored: float = 0, times: int = 1, size: int = 0
    ) -> None:
        """Deliver one message; stored: in seconds."""
        reply = f"$JS.ACK.events.sink_search.{times}.{sequence}.{place or sequence}.{round(stored * SECOND)}.0"
        await self.tell(Frame(b"fraiseql.mutation.Order.INSERT", reply.encode(), b"", b"x" * size))

    async def status(self, status: str, *fields: str) -> None:
        head = "\r\n".join([f"NATS/1.0 {status}", *fields, "", ""])
        await self.tell(Frame(b"_INBOX.x.next", b"", head.encode(), b""))

    async def tell(self, *frames: Frame) -> None:
        assert self.heard is not None
        await self.heard(frames)


def with_intake(work: Callable[[Client, Intake], Awaitable[Any]], *, joins: bool = False) -> Metrics:
    metrics = Metrics(SinkName.SEARCH)

    async def run() -> None:
        client = Client()
        intake = Intake(client, SOURCE, BatchSettings(size=4, linger_ms=100), metrics, joins=joins)  # type: ignore[arg-type]
        await intake.start()
        await asyncio.wait_for(work(client, intake), 5)

    asyncio.run(run())
    return metrics


async def taken(intake: Intake, count: int) -> list[list[int]]:
    return [[message.sequence for message in (await intake.take()).messages] for _ in range(count)]


STORED = [0.0, 0.05, 0.0999, 0.1, 0.15, 0.15, 0.16, 0.17, 0.18, 0.5, 0.7]
CUT = [[1, 2, 3], [4, 5, 6, 7], [8, 9], [10], [11]]


@pytest.mark.parametrize("turns", [0, 1], ids=["at once", "one by one"])
def test_batches_are_cut_by_when_the_stream_stored_them(turns: int) -> None:
    async def work(client: Client, intake: Intake) -> None:
        for sequence, stored in enumerate(STORED, 1):
            await client.give(sequence, stored=stored)
            for _ in range(turns):
                await asyncio.sleep(0)
        assert await taken(intake, len(CUT)) == CUT

    with_intake(work)


@pytest.mark.parametrize("start", [1, 4, 8, 10])
def test_what_is_delivered_again_from_the_end_of_a_batch_is_cut_as_before(start: int) -> None:
    async def work(client: Client, intake: Intake) -> None:
        for place, sequence in enumerate(range(start, len(STORED) + 1), 1):
            await client.give(sequence, place=place, stored=STORED[sequence - 1])
        expected = [batch for batch in CUT if batch[0] >= start]
        assert await taken(intake, len(expected)) == expected

    with_intake(work)


def test_batches_that_wait_are_joined_where_the_sink_does_not_mind() -> None:
    async def work(client: Client, intake: Intake) -> None:
        for sequence, stored in enumerate([0, 0, 1, 2, 3, 4, 4, 5], 1):
            await client.give(sequence, stored=stored)
        assert await taken(intake, 3) == [[1, 2, 3, 4], [5, 6, 7], [8]]

    with_intake(work, joins=True)


def test_a_batch_is_bounded_in_bytes_and_has_one_message_at_least() -> None:
    async def work(client: Client, intake: Intake) -> None:
        for sequence, size in enumerate([3 << 20, 4 << 20, 2 << 20, 9 << 20, 1], 1):
            await client.give(sequence, size=size)
        assert await taken(intake, 4) == [[1, 2], [3], [4], [5]]

    with_intake(work)


def test_no_more_is_asked_for_than_is_held_and_taken() -> None:
    async def work(client: Client, intake: Intake) -> None:
        assert [wish["batch"] for wish in client.asked] == [4] * AHEAD
        for sequence in range(1, 4 * AHEAD + 1):
            await client.give(sequence)
        assert len(client.asked) == AHEAD, "what is held counts"
        await intake.take()
        assert len(client.asked) == AHEAD + 1

    with_intake(work)


def test_what_was_asked_in_vain_is_asked_again() -> None:
    async def work(client: Client, intake: Intake) -> None:
        await client.status("408 Request Timeout", "Nats-Pending-Messages: 3")
        assert len(client.asked) == AHEAD, "one message of that request is still to come"
        await client.status("408 Request Timeout", "Nats-Pending-Messages: 1")
        assert len(client.asked) == AHEAD + 1

    with_intake(work)


def test_requests_that_are_never_answered_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(client: Client, intake: Intake) -> None:
        await intake.watch()
        assert len(client.asked) == AHEAD
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 11)
        await intake.watch()
        assert len(client.asked) == 2 * AHEAD

    metrics = with_intake(work)
    assert 'pending{sink="search"} 7.0' in metrics.page().decode()


def test_a_message_that_is_missing_ends_the_session() -> None:
    async def work(client: Client, intake: Intake) -> None:
        for sequence in (1, 2, 3, 4, 6):
            await client.give(sequence)
        assert await taken(intake, 1) == [[1, 2, 3, 4]]
        with pytest.raises(Lost, match="message 6 of the delivery came after message 4"):
            await intake.take()

    with_intake(work)


def test_a_consumer_that_is_deleted_ends_the_session() -> None:
    async def work(client: Client, intake: Intake) -> None:
        await client.status("409 Consumer Deleted")
        with pytest.raises(Lost, match="NATS says 409 Consumer Deleted"):
            await intake.take()

    with_intake(work)


def test_what_is_sent_again_in_a_session_is_there_already() -> None:
    async def work(client: Client, intake: Intake) -> None:
        for place, (sequence, times) in enumerate([(1, 1), (2, 1), (1, 2), (2, 2), (3, 1), (4, 2)], 1):
            await client.give(sequence, place=place, times=times)
        assert await taken(intake, 1) == [[1, 2, 3, 4]]

    metrics = with_intake(work)
    page = metrics.page().decode()
    assert 'received_total{sink="search"} 4.0' in page
    assert 'redelivered_total{sink="search"} 3.0' in page, "1 and 2 before this session, 4 by its own words"


def test_an_acknowledgement_is_that_of_the_last_message() -> None:
    async def work(client: Client, intake: Intake) -> None:
        for sequence in (1, 2, 3, 4):
            await client.give(sequence)
        await intake.acknowledge(await intake.take())
        assert client.acknowledged == ["$JS.ACK.events.sink_search.1.4.4.0.0"]

    with_intake(work)


def test_batches_are_acknowledged_in_their_order_whichever_is_done_first() -> None:
    async def work(client: Client, intake: Intake) -> None:
        for sequence in range(1, 13):
            await client.give(sequence)
        first, second, third = [await intake.take() for _ in range(3)]
        await intake.done(second)
        assert client.acknowledged == []
        await intake.done(first)
        await intake.done(third)
        assert client.acknowledged == [f"$JS.ACK.events.sink_search.1.{last}.{last}.0.0" for last in (8, 12)]

    with_intake(work)


def test_replies_of_a_domain_are_read_as_well() -> None:
    async def work(client: Client, intake: Intake) -> None:
        for place in (1, 2, 3, 4):
            reply = f"$JS.ACK.hub.hash.events.sink_search.1.{place + 100}.{place}.5.0.random"
            await client.tell(Frame(b"s", reply.encode(), b"", b""))
        assert await taken(intake, 1) == [[101, 102, 103, 104]]

    with_intake(work)
