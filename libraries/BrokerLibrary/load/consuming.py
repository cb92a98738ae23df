"""Consumers: read as much as there is, and check every byte of it."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from BrokerLibrary import wire
from BrokerLibrary.load import sockets
from BrokerLibrary.load.checking import LARGEST_BODY, Book, Checker, prefix_of
from BrokerLibrary.load.durations import NANOSECONDS
from BrokerLibrary.load.jobs import READ_BYTES, TICK_SECONDS, Consume, Pace
from BrokerLibrary.load.orders import Orders
from measurement.punctual import be_punctual

clock = time.monotonic_ns

QUIET_NS = 2 * NANOSECONDS
"""When all is sent and nothing has come for so long, what is missing is lost; nobody waits for the drain's end."""


class Consumers:
    """The connections of one job. All share a read buffer, so that it stays in the processor's cache."""

    def __init__(self, job: Consume) -> None:
        """Connect and subscribe; the acknowledgements have come when this returns.

        Raises:
            LoadProblem: the broker refused.
        """
        shape = job.shape
        self._job = job
        self._book = Book.new(shape.rows, shape.row_ns)
        self._buffer = np.zeros(READ_BYTES + LARGEST_BODY, dtype=np.uint8)
        self._prefix = prefix_of(wire.Opcode.DELIVER, shape.topic, shape.payload)
        self._inlets: list[_Inlet] = []
        self._listener = sockets.listener(job.socket) if job.listen else None
        self._checker().check(self._buffer, 0, 0)  # the kernel is loaded before the clock runs
        try:
            for _ in range(0 if job.listen else job.connections):
                self._add(sockets.connect(job.socket))
                if job.subscribe:
                    sockets.subscribe(self._inlets[-1].peer, shape.topic)
        except BaseException:
            self.close()
            raise

    def run(self, orders: Orders) -> dict[str, Any]:
        """Read until everything that was sent is accounted for, or the time for that is over."""
        origin = orders.wait_for_go()
        if self._listener is not None:
            self._add(sockets.with_options(self._listener.accept()[0]))
        self._book.axis[0] = origin
        deadline = clock() + int(self._job.deadline_s * NANOSECONDS)
        cpu = time.process_time()
        scheduling = be_punctual() if self._job.punctual else "ordinary"
        if self._job.pace is not None:
            self._read_slowly(self._job.pace, origin, orders)
        self._read_all(orders, deadline)
        return {
            "connections": [inlet.to_json() for inlet in self._inlets],
            "cpu_s": time.process_time() - cpu,
            "latency": self._book.latency.to_json(),
            "service": self._book.service.to_json(),
            "scheduling": scheduling,
        }

    def close(self) -> None:
        """Close all connections."""
        if self._listener is not None:
            sockets.stop_listening(self._listener)
        for inlet in self._inlets:
            inlet.peer.close()

    def _checker(self) -> Checker:
        shape = self._job.shape
        return Checker(self._prefix, shape.payload, shape.run, self._job.counts, self._book)

    def _add(self, peer: socket.socket) -> None:
        self._inlets.append(_Inlet(peer, self._checker(), self._buffer))

    def _read_all(self, orders: Orders, deadline: int) -> None:
        """Read until the drain is over; a message that comes once more after the last one is still seen."""
        heard = clock()
        rounds = self._alone(self._inlets[0]) if len(self._inlets) == 1 else self._in_turns()
        for read_something in rounds:
            now = clock()
            heard = now if read_something else heard
            if orders.drained_at is not None:
                done = all(inlet.done(orders.sent) for inlet in self._inlets)
                silent = now - max(heard, orders.told_at) > QUIET_NS
                if (done and not read_something) or silent or now > orders.drained_at:
                    return
            if orders.stopped or now > deadline or all(inlet.closed for inlet in self._inlets):
                return

    def _alone(self, inlet: _Inlet) -> Iterator[bool]:
        while True:
            yield inlet.read()

    def _in_turns(self) -> Iterator[bool]:
        with select.epoll() as poll:
            by_number: dict[int, _Inlet] = {inlet.peer.fileno(): inlet for inlet in self._inlets}
            for number in by_number:
                poll.register(number, select.EPOLLIN)
            while True:
                ready = poll.poll(TICK_SECONDS)
                for number, _ in ready:
                    by_number[number].read()
                    if by_number[number].closed:
                        poll.unregister(number)
                yield bool(ready)

    def _read_slowly(self, pace: Pace, origin: int, orders: Orders) -> None:
        end = origin + int(pace.seconds * NANOSECONDS)
        while (left := end - clock()) > 0 and not orders.stopped:
            time.sleep(min(pace.every_s, left / NANOSECONDS))
            if pace.read_bytes:
                self._inlets[0].read(pace.read_bytes)


class _Inlet:
    """One connection, and the piece of a frame that its last read ended with."""

    def __init__(self, peer: socket.socket, checker: Checker, buffer: Any) -> None:
        self.peer = peer
        self.closed = False
        self._checker = checker
        self._buffer, self._view = buffer, memoryview(buffer)
        self._rest: Any = buffer[:0].copy()
        self._first_ns = self._last_ns = 0
        self._reads = self._bytes = 0

    def read(self, size: int = READ_BYTES) -> bool:
        """Read once and check it; False when nothing came within a tick."""
        kept = len(self._rest)
        self._buffer[:kept] = self._rest
        try:
            got = self.peer.recv_into(self._view[kept : kept + size])
        except BlockingIOError:
            return False
        except OSError:
            got = 0
        now = clock()
        if got == 0:
            self.closed = True
            return False
        end = kept + got
        at = self._checker.check(self._buffer, end, now)
        self._rest = self._buffer[at:end].copy()
        self._first_ns = self._first_ns or now
        self._last_ns = now
        self._reads += 1
        self._bytes += got
        if self._checker.broken:
            self.closed = True
        return True

    def done(self, sent: int) -> bool:
        """Whether nothing more can come: all is accounted for, or the connection has ended."""
        return self.closed or self._checker.accounted >= sent

    def to_json(self) -> dict[str, Any]:
        """Return what arrived."""
        return {
            **self._checker.to_json(),
            "first_ns": self._first_ns,
            "last_ns": self._last_ns,
            "reads": self._reads,
            "bytes": self._bytes,
            "left_over": len(self._rest),
            "closed": self.closed,
        }
