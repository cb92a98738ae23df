"""Messages pulled ahead of the sink, cut into batches.

A batch is what the stream stored within the linger time after its first message, up to a size. That depends on the
stream alone. Acknowledgements stand at ends of batches, so what is delivered again after a restart is cut as before.
Where a sink does not need that, batches that wait for it are joined.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from reference.fraiseql.observers.config import BatchSettings
from reference.fraiseql.observers.events import Message
from reference.fraiseql.observers.feed import FeedClient, Frame, fields_of
from reference.fraiseql.observers.metrics import Metrics
from reference.fraiseql.observers.stream import Lost, Source

AHEAD = 3  # batches asked for before they are needed
MOST_BYTES = 8 << 20  # of one batch, and of one request for messages
_BESIDES_PAYLOAD = 4096  # bytes of a message: subject, reply
_EXPIRES_SECONDS = 5.0  # of a request for messages
_GRACE_SECONDS = 0.02  # that a message may be under way from the stream
_SILENCE_SECONDS = _EXPIRES_SECONDS + 5.0
_ASKED_IN_VAIN = ("408", "409")  # it expired, or it was ended early; the number of messages not sent is told


@dataclass(slots=True)
class Batch:
    """Messages in the order of the stream that go to the sink together."""

    horizon: int  # nanoseconds since 1970; what was stored from then on belongs to the next batch
    messages: list[Message] = field(default_factory=list)
    bytes: int = 0
    again: int = 0  # messages that had been delivered to an observer before
    done: bool = False

    def takes(self, message: Message, size: int) -> bool:
        """Whether a message belongs to it."""
        small = len(self.messages) < size and self.bytes + len(message.payload) <= MOST_BYTES
        return not self.messages or (small and message.stored < self.horizon)

    def has_room_for(self, later: Batch, size: int) -> bool:
        """Whether the next batch could be a part of it."""
        return len(self.messages) + len(later.messages) <= size and self.bytes + later.bytes <= MOST_BYTES

    def join(self, later: Batch) -> None:
        """Take the next batch in."""
        self.messages += later.messages
        self.bytes += later.bytes
        self.again += later.again

    def add(self, message: Message, *, again: bool) -> None:
        """Add the next message."""
        self.messages.append(message)
        self.bytes += len(message.payload)
        self.again += again


class Intake:
    """The consumer's messages in one session with NATS.

    Args:
        client: connected to NATS.
        source: the stream and the consumer.
        settings: how batches are cut.
        metrics: where messages are counted.
        joins: whether batches that wait may be joined up to the size of one.
    """

    def __init__(
        self, client: FeedClient, source: Source, settings: BatchSettings, metrics: Metrics, *, joins: bool
    ) -> None:
        self._joins = joins
        self._client, self._source, self._metrics = client, source, metrics
        self._size, self._linger = settings.size, settings.linger_ms / 1000
        self._inbox = client.new_inbox()
        self._open: Batch | None = None
        self._ready: deque[Batch] = deque()
        self._taken: deque[Batch] = deque()  # and not acknowledged
        self._waiting = asyncio.Event()  # set while there is something for who waits for a batch
        self._asked = 0  # messages that NATS has been asked for and that have not come
        self._held = 0  # messages that have come and not been taken
        self._last = (0, 0)  # sequences of the last message: in the stream, of this delivery
        self._heard = time.monotonic()
        self._problem: Lost | None = None

    async def start(self) -> None:
        """Ask for the first messages."""
        await self._client.feed(f"{self._inbox}.*", self._on_frames)
        await self._ask()

    async def take(self) -> Batch:
        """Wait for a batch.

        Raises:
            Lost: no further batch can be trusted to be the next one.
        """
        while not self._ready:
            if self._problem is not None:
                raise self._problem
            self._waiting.clear()
            await self._waiting.wait()
        batch = self._ready.popleft()
        self._taken.append(batch)
        self._held -= len(batch.messages)
        self._metrics.add("received", len(batch.messages))
        self._metrics.add("redelivered", batch.again)
        await self._ask()
        return batch

    async def done(self, batch: Batch) -> None:
        """Acknowledge a batch when all that were taken before it are done too, else with the last of those."""
        batch.done, last = True, None
        while self._taken and self._taken[0].done:
            last = self._taken.popleft()
        if last is not None:
            await self.acknowledge(last)

    async def acknowledge(self, batch: Batch) -> None:
        """Tell NATS that everything up to the end of a batch is done."""
        await self._client.publish(batch.messages[-1].reply.decode())

    async def watch(self) -> None:
        """Look after the consumer: once, to be called again and again.

        Raises:
            nats.errors.Error: it is not there, or NATS does not answer.
        """
        info = await self._client.jetstream().consumer_info(self._source.stream, self._source.consumer)
        self._metrics.show("pending", (info.num_pending or 0) + (info.num_ack_pending or 0))
        if time.monotonic() - self._heard > _SILENCE_SECONDS:  # requests are gone: NATS was restarted, a leader changed
            self._asked = 0
            await self._ask()

    async def _ask(self) -> None:
        while self._asked + self._held <= (AHEAD - 1) * self._size:
            self._asked += self._size
            self._heard = time.monotonic()
            most = max(MOST_BYTES, self._client.max_payload + _BESIDES_PAYLOAD)  # one message has to fit
            wish = {"batch": self._size, "max_bytes": most, "expires": round(_EXPIRES_SECONDS * 1e9)}
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._source.stream}.{self._source.consumer}"
            await self._client.publish(subject, json.dumps(wish).encode(), f"{self._inbox}.next")

    async def _on_frames(self, frames: Sequence[Frame]) -> None:
        self._heard = time.monotonic()
        for frame in frames:
            if frame.reply:
                self._on_message(frame)
            else:  # no message of the stream: NATS itself speaks
                await self._on_status(frame)

    def _on_message(self, frame: Frame) -> None:
        self._asked -= 1
        message, place, times = _read(frame)
        if place != self._last[1] + 1:
            self._lose(f"message {place} of the delivery came after message {self._last[1]}")
        elif message.sequence > self._last[0]:
            self._last = (message.sequence, place)
            self._add(message, again=times > 1 or message.sequence <= self._source.delivered)
        else:  # sent again because the sink takes so long: it is here already
            self._last = (self._last[0], place)

    async def _on_status(self, frame: Frame) -> None:
        said = fields_of(frame.head)
        left = said.get("Nats-Pending-Messages")
        if said.get("Status") in _ASKED_IN_VAIN and left is not None:
            self._asked -= int(left)
            await self._ask()
        else:
            self._lose(f"NATS says {said.get('Status')} {said.get('Description', '')}")

    def _add(self, message: Message, *, again: bool) -> None:
        self._held += 1
        if self._open is not None and not self._open.takes(message, self._size):
            self._close(self._open)
        if self._open is None:
            self._open = Batch(message.stored + round(self._linger * 1e9))
            asyncio.get_running_loop().call_later(self._linger + _GRACE_SECONDS, self._close, self._open)
        self._open.add(message, again=again)
        if len(self._open.messages) == self._size:
            self._close(self._open)

    def _close(self, batch: Batch) -> None:
        if batch is self._open:
            self._open = None
            if self._joins and self._ready and self._ready[-1].has_room_for(batch, self._size):
                self._ready[-1].join(batch)
            else:
                self._ready.append(batch)
            self._waiting.set()

    def _lose(self, why: str) -> None:
        self._problem = Lost(why)
        self._waiting.set()


def _read(frame: Frame) -> tuple[Message, int, int]:
    """Return a message, its place in this delivery, and how often it has been delivered."""
    # $JS.ACK.[domain.account.]stream.consumer.times.sequence.place.stored.pending[.random]
    parts = frame.reply.split(b".")
    times, sequence, place, stored = parts[4:8] if len(parts) == 9 else parts[6:10]
    message = Message(frame.subject, int(sequence), int(stored), frame.reply, frame.payload, frame.head)
    return message, int(place), int(times)
