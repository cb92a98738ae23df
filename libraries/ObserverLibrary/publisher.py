"""A publisher of events that nothing can slow down or make forget: open loop, acknowledged, sent again if need be.

Intended times come first. Every 5 ms it sends what is due by the plan; an event is at most that much late by the
publisher's own fault, and its ledger tells. NATS acknowledges each event on a subject of its own, whenever it likes.
While NATS is away, or `WINDOW` events are unacknowledged, nothing is sent and nothing is lost: an event that is due is
a number, made into a message when it can go. What is not acknowledged in time, or at the end of a connection, is sent
again with the same id, by which NATS and the sinks know it.

nats-py's own `publish_async` makes a future, a token and a subject for each event: 22 us of CPU. With `publish`, reply
subjects that are counted and one subscription for all of them it is 8 to 12 us and 40 000 events a second, so that
nothing below the library is needed.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import Header
from numpy.typing import NDArray

from ObserverLibrary.event import MICROSECONDS, EntityEvent, EventSource
from ObserverLibrary.ledger import Outcome, Plan

MSG_ID = str(Header.MSG_ID.value)  # by which NATS knows an event that it has already
TICK_SECONDS = 0.005
BATCH = 100  # events between two looks at the clock, and at what has come
WINDOW = 20_000  # unacknowledged events, then nothing more is sent
PENDING_BYTES = 1 << 20  # not taken by the kernel yet, then nothing more is sent
ACK_SECONDS = 2.0  # then an event is sent again
REFUSED_SECONDS = 0.1  # until an event that NATS would not store is sent again
CONNECT_SECONDS = 5.0
PING_SECONDS = 1  # a connection that has not answered two of them is given up
RECONNECT_SECONDS = 0.1


class Publisher:
    """One load.

    Args:
        url: of NATS.
        plan: what to publish.
        rows: of a ledger of that many events, see `ledger.ROW`.
    """

    def __init__(self, url: str, plan: Plan, rows: NDArray[Any]) -> None:
        self.url, self.plan = url, plan
        self.outcome = Outcome(0)
        self.acked = self.sent = 0
        self._free, self._sent, self._acked = rows["free"], rows["sent"], rows["acked"]
        self._attempts, self._repeated, self._error = rows["attempts"], rows["repeated"], rows["error"]
        self._source = EventSource(plan.seed)
        self._unacked: dict[int, int] = {}  # number -> when it was last sent, oldest first
        self._again: deque[tuple[int, int]] = deque()  # (from when on to send it again, number), earliest first
        self._held_until = 0  # the last instant at which due events could not be sent for the system's sake
        self._lost_at = 0  # when the last connection ended: what was sent before may never have arrived
        self._last_ack = 0
        self._expected = f'"stream":"{plan.stream}"'.encode()
        self._client = Client()
        self._stop = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether NATS is there."""
        return self._client.is_connected

    def due(self) -> int:
        """Return how many events should have been sent by now."""
        return self.plan.due(_now() - self.outcome.started_us) if self.outcome.started_us else 0

    def stop(self) -> None:
        """Let no more events fall due; what has is still sent, and acknowledgements are waited for."""
        if not self._stop.is_set():
            self._stop.set()
            self.outcome.stopped, self.outcome.offered = True, self.due()

    async def connect(self) -> None:
        """Connect, before the clock runs.

        Raises:
            TimeoutError: NATS is not there.
        """
        await _connected(self._client, self.url, disconnected_cb=self._on_disconnect)
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(f"{self._inbox}.*", cb=self._on_answer)
        await self._client.flush()

    async def run(self) -> Outcome:
        """Publish everything; return when all is acknowledged, or the drain is over."""
        outcome, processor = self.outcome, _cpu_seconds()
        outcome.started_us = begin = _now()
        next_tick, drain_until = time.monotonic(), None
        while True:
            next_tick = max(next_tick + TICK_SECONDS, time.monotonic())
            await self._tick()
            if self.due() >= self._last():
                drain_until = drain_until or time.monotonic() + self.plan.drain_seconds
                if (self.sent >= self._last() and not self._unacked) or time.monotonic() > drain_until:
                    break
            await asyncio.sleep(max(0.0, next_tick - time.monotonic()))
        outcome.offered = self._last()
        outcome.wall_seconds = (max(self._last_ack, begin) - begin) / MICROSECONDS
        outcome.cpu_seconds = _cpu_seconds() - processor
        outcome.reconnects = self._client.stats["reconnects"]
        await self._client.close()
        return outcome

    def _last(self) -> int:
        return self.outcome.offered if self._stop.is_set() else self.plan.events

    # -- sending ---------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        """Send again what must be, then what is due, as far as the system lets it."""
        while self._passes() and (again := self._overdue()):
            await self._send(again)
        due = min(self.due(), self._last())
        held = self.sent < due and self._intended(self.sent) <= self._held_until
        while self.sent < due and self._ready():
            number, now = self.sent, _now()
            batch = range(number, min(due, number + BATCH, number + WINDOW - len(self._unacked)))
            for event in batch:
                intended = self._intended(event)
                self._free[event] = now if intended <= self._held_until else intended
            self._sent[batch.start : batch.stop] = now
            self.sent = batch.stop
            await self._send(batch)
        if held or self.sent < due:  # what fell due meanwhile waited behind what the system had held up
            self._held_until = _now()

    def _ready(self) -> bool:
        return self._passes() and len(self._unacked) < WINDOW

    def _passes(self) -> bool:
        return self._client.is_connected and self._client.pending_data_size < PENDING_BYTES

    def _overdue(self) -> Sequence[int]:
        """Take the events that are to be sent again now, a batch at most."""
        now, taken = _now(), list[int]()
        while self._again and self._again[0][0] <= now and len(taken) < BATCH:
            number = self._again.popleft()[1]
            if not self._acked[number]:
                taken.append(number)
        for number, sent in self._unacked.items():
            if len(taken) >= BATCH or (sent > self._lost_at and sent > now - ACK_SECONDS * MICROSECONDS):
                break
            taken.append(number)
        return taken

    async def _send(self, numbers: Sequence[int]) -> None:
        now, unacked = _now(), self._unacked
        for number in numbers:
            unacked.pop(number, None)
            unacked[number] = now
            topic, payload = self._source.message(number, self._intended(number))
            identifier = payload[7:43].decode()  # behind `{"id":"`
            self._attempts[number] += 1
            try:
                await self._client.publish(
                    f"{self.plan.subject}.{topic}",
                    payload,
                    reply=f"{self._inbox}.{number}",
                    headers={MSG_ID: identifier},
                )
            except NatsError as error:  # the connection ended just now; the event is sent again by the next
                self._note(number, f"not sent: {error}")
        await asyncio.sleep(0)

    def _intended(self, number: int) -> int:
        return self.outcome.started_us + self.plan.offset(number)

    # -- what comes ------------------------------------------------------------------------------------------

    async def _on_answer(self, message: Msg) -> None:
        number, now = int(message.subject[len(self._inbox) + 1 :]), _now()
        if self._acked[number]:
            return
        if self._expected not in message.data or b'"seq":' not in message.data or b'"error":' in message.data:
            status = (message.headers or {}).get("Status", "")
            self._note(number, f"NATS answered {status} {message.data.decode(errors='replace')[:200]}".strip())
            if self._unacked.pop(number, None) is not None:
                self._unacked[number] = now  # it stays unacknowledged, and has its turn below
                self._again.append((now + int(REFUSED_SECONDS * MICROSECONDS), number))
            return
        self._acked[number] = self._last_ack = now
        self._repeated[number] = b'"duplicate"' in message.data
        self._unacked.pop(number, None)
        self.acked += 1

    async def _on_disconnect(self) -> None:
        self._lost_at = _now()

    def _note(self, number: int, error: str) -> None:
        self._error[number] = self.outcome.code(error)


async def _connected(client: Client, url: str, **callbacks: Any) -> None:
    async def unheard(_: Exception) -> None:
        """Nobody is told on standard error: the ledger tells what it cost."""

    async with asyncio.timeout(CONNECT_SECONDS):
        await client.connect(
            url,
            error_cb=unheard,
            connect_timeout=1,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_SECONDS,  # type: ignore[arg-type]  # slept as it is
            ping_interval=PING_SECONDS,
            max_outstanding_pings=2,
            **callbacks,
        )


def publish_one(url: str, prefix: str, event: EntityEvent, seconds: float, *, known: bool = True) -> int:
    """Publish one event and wait for its acknowledgement; return its sequence in the stream.

    Args:
        url: of NATS.
        prefix: of the subject.
        event: what to publish.
        seconds: deadline of the acknowledgement.
        known: whether NATS is told its id, so that it stores the event once.

    Raises:
        TimeoutError: NATS is not there, or does not answer in time.
        nats.js.errors.APIError: it would not store the event.
    """

    async def publish() -> int:
        client = Client()
        await _connected(client, url)
        try:
            headers = {MSG_ID: event.id} if known else None
            ack = await client.jetstream().publish(event.subject(prefix), event.payload(), seconds, headers=headers)
            return ack.seq
        finally:
            await client.close()

    return asyncio.run(publish())


def _now() -> int:
    """Microseconds since the epoch; unlike the wall clock it never goes back."""
    return _ORIGIN + time.monotonic_ns() // 1000


_ORIGIN = time.time_ns() // 1000 - time.monotonic_ns() // 1000


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
