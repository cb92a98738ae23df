"""One direction of a connection: what its source has sent, and when its sink gets it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from .addresses import LINGER_ZERO
from .conditions import HEALTHY, SLICE_SECONDS, Condition

CATCH_UP_SECONDS = 0.05  # a late timer may be made good by this much, so that the rate is met on average

EOF, RESET = object(), object()  # marks in a stream: the sender has finished, the sender has broken off


class Pipe:
    """One direction of one connection: what was read from its source and not yet written to its sink."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lane: Lane) -> None:
        self._loop, self.lane = loop, lane
        self.source: Side | None = None
        self.sink: Side | None = None
        self.queue: deque[tuple[float, Any]] = deque()  # (not before, bytes or mark)
        self.held = 0
        self.finished = False
        self.on_end: Callable[[Pipe, object], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def feed(self, data: bytes) -> None:
        """Take what the source has sent."""
        if self.finished:
            return  # the sink is gone; nobody will read this
        sink = self.sink
        if self.lane.plain and not self.queue and sink is not None and sink.ready:
            self._write(sink, data)
            return
        self._append(data)
        self.held += len(data)
        if self.held > self.lane.capacity and self.source is not None:
            self.source.pause_reading()
        self.pump()

    def mark(self, mark: object) -> None:
        """Take note that the source has finished or broken off, behind all it has sent."""
        self._append(mark)
        self.pump()

    def pump(self) -> None:
        """Pass on what may be passed on now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop, lane = self._loop, self.lane
        while self.queue and not lane.hangs:
            not_before, item = self.queue[0]
            if self.sink is None or (isinstance(item, memoryview) and not self.sink.ready):
                return  # the sink calls again when it is there and ready
            if lane.rate and isinstance(item, memoryview):
                not_before = max(not_before, lane.free_at)
            if not_before > loop.time():
                self._timer = loop.call_at(not_before, self.pump)
                return
            if not isinstance(item, memoryview):
                self.queue.popleft()
                self._end(item)
                return
            self._pass(item)

    def condition_changed(self) -> None:
        """Let go what the condition before held back; a new delay is for what comes from now on."""
        self.queue = deque((0.0, item) for _, item in self.queue)
        if self.held > self.lane.capacity and self.source is not None:
            self.source.pause_reading()
        self.pump()

    def discard(self) -> None:
        """Forget everything held; the connection is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.queue.clear()
        self.held = 0

    def _append(self, item: object) -> None:
        not_before = self._loop.time() + self.lane.delay() if self.lane.delays else 0.0
        self.queue.append((not_before, memoryview(item) if isinstance(item, bytes) else item))

    def _pass(self, item: memoryview) -> None:
        assert self.sink is not None
        part = item[: self.lane.slice(self._loop.time())]
        if len(part) == len(item):
            self.queue.popleft()
        else:
            self.queue[0] = (0.0, item[len(part) :])
        self.held -= len(part)
        self._write(self.sink, bytes(part))
        if self.held <= self.lane.capacity // 2 and self.source is not None:
            self.source.resume_reading()

    def _write(self, sink: Side, data: bytes) -> None:
        self.lane.passed += len(data)
        sink.write(data)

    def _end(self, mark: object) -> None:
        self.finished = True
        if self.on_end is not None:
            self.on_end(self, mark)


class Lane:
    """One direction of a link: what its condition says, the clock its connections share, and what has passed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, chance: random.Random) -> None:
        self._loop, self._chance = loop, chance
        self.passed = 0  # bytes, since the link was made
        self.free_at = 0.0
        self.apply(HEALTHY)

    def apply(self, condition: Condition) -> None:
        """Take over what concerns this direction."""
        self.hangs = condition.hang
        self.delays = condition.latency_ms > 0
        self.rate = condition.bandwidth_bytes_per_second
        self.capacity = condition.capacity
        self.plain = condition == HEALTHY
        self._latency, self._jitter = condition.latency_ms / 1000, condition.jitter_ms / 1000
        self.free_at = 0.0

    def delay(self) -> float:
        """Seconds by which bytes that come now are late."""
        return self._latency + self._chance.uniform(-self._jitter, self._jitter)

    def slice(self, now: float) -> int | None:
        """How many bytes may pass now (None: all), booking the time they take."""
        if not self.rate:
            return None
        size = max(1, int(self.rate * SLICE_SECONDS))
        self.free_at = max(self.free_at, now - CATCH_UP_SECONDS) + size / self.rate
        return size


class Side(asyncio.Protocol):
    """One socket of a connection: source of one pipe and sink of the other."""

    def __init__(self, outgoing: Pipe, incoming: Pipe, lost: Callable[[Side, Exception | None], None]) -> None:
        self._outgoing, self._incoming, self._lost = outgoing, incoming, lost
        self.transport: asyncio.Transport | None = None
        self.ready = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take part: pass on what came for this side before it was there."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.ready = True
        self._outgoing.source = self
        self._incoming.sink = self
        self._incoming.pump()

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        self._outgoing.feed(data)

    def eof_received(self) -> bool:
        """Pass on that this side has sent all it had; it may still receive."""
        self._outgoing.mark(EOF)
        return True

    def pause_writing(self) -> None:
        """Note that the receiver does not keep up."""
        self.ready = False

    def resume_writing(self) -> None:
        """Go on, now that the receiver has caught up."""
        self.ready = True
        self._incoming.pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; an exception means it was broken off."""
        self.transport, self.ready = None, False
        self._lost(self, exc)

    def write(self, data: bytes) -> None:
        """Send, or keep until the receiver takes it."""
        assert self.transport is not None
        self.transport.write(data)

    def finish(self) -> None:
        """Pass on that the other side has sent all it had."""
        if self.transport is not None and not self.transport.is_closing():
            try:
                self.transport.write_eof()
            except OSError:  # it has broken off, and the loop has not told yet
                self.transport.abort()

    def pause_reading(self) -> None:
        """Let the sender wait."""
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Let the sender go on."""
        if self.transport is not None:
            self.transport.resume_reading()

    def close(self) -> None:
        """End the connection after what was written has been sent."""
        if self.transport is not None:
            self.transport.close()

    def abort(self, *, reset: bool) -> None:
        """Drop the connection at once, with RST or with what the kernel chooses (FIN, if nothing was unread)."""
        if self.transport is not None:
            if reset:
                raw = self.transport.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            self.transport.abort()
