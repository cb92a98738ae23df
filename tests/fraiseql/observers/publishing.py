"""Events for these tests, published to NATS and looked after there."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

import nats
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

STREAM = "fraiseql_events"
SUBJECT = "fraiseql.mutation.Order.INSERT"
DEAD_LETTERS = "fraiseql_dead_letters"
T = TypeVar("T")


def uuid7() -> str:
    """An id whose order is that of time."""
    random = int.from_bytes(os.urandom(10), "big")
    milliseconds = time.time_ns() // 1_000_000
    high, low = random >> 68 & 0xFFF, random & ((1 << 62) - 1)
    return str(UUID(int=(milliseconds << 80) | (7 << 76) | (high << 64) | (2 << 62) | low))


def event(**changed: Any) -> dict[str, Any]:
    """An EntityEvent, with fields replaced; one that is given as `...` is left out."""
    content = {
        "id": uuid7(),
        "event_type": "INSERT",
        "entity_type": "Order",
        "entity_id": str(uuid4()),
        "data": {"total": 12.5, "note": "Zoë's order, 30 characters and more of it"},
        "user_id": "user-1",
        "tenant_id": "tenant-1",
        "timestamp": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
    } | changed
    return {name: value for name, value in content.items() if value is not ...}


def encoded(content: Mapping[str, Any]) -> bytes:
    """An event as it is published."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def with_jetstream(url: str, work: Callable[[JetStreamContext], Awaitable[T]]) -> T:
    """Do something over a connection of its own."""

    async def connected() -> T:
        client = await nats.connect(url, connect_timeout=2)
        try:
            return await work(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(connected())


def publish(url: str, payloads: Iterable[bytes | Mapping[str, Any]], *, message_ids: bool = True) -> list[str]:
    """Publish messages, all acknowledged when this returns; return the ids of those that are events, in order."""
    ids: list[str] = []

    async def work(context: JetStreamContext) -> None:
        under_way = []
        for payload in payloads:
            if isinstance(payload, bytes):
                under_way.append(await context.publish_async(SUBJECT, payload))
            else:
                ids.append(payload["id"])
                headers = {"Nats-Msg-Id": payload["id"]} if message_ids else None
                under_way.append(await context.publish_async(SUBJECT, encoded(payload), headers=headers))
        await asyncio.gather(*under_way)

    with_jetstream(url, work)
    return ids


def pending(url: str, sink: str) -> int:
    """Messages that the observer of a sink has not acknowledged."""

    async def work(context: JetStreamContext) -> int:
        info = await context.consumer_info(STREAM, f"sink_{sink}")
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    return with_jetstream(url, work)


def dead_letters(url: str) -> list[tuple[str, dict[str, str], bytes]]:
    """Those that are kept: subject, headers, payload."""

    async def work(context: JetStreamContext) -> list[tuple[str, dict[str, str], bytes]]:
        state = (await context.stream_info(DEAD_LETTERS)).state
        kept = []
        for sequence in range(max(1, state.first_seq), state.last_seq + 1):
            try:
                letter = await context.get_msg(DEAD_LETTERS, sequence)
            except NotFoundError:
                continue
            kept.append((letter.subject or "", dict(letter.headers or {}), letter.data or b""))
        return kept

    return with_jetstream(url, work)


def shorten_ack_wait(url: str, sink: str, seconds: float) -> None:
    """Let NATS deliver again what is not acknowledged after so many seconds."""

    async def work(context: JetStreamContext) -> None:
        info = await context.consumer_info(STREAM, f"sink_{sink}")
        await context.add_consumer(STREAM, info.config, ack_wait=seconds)

    with_jetstream(url, work)
