"""A producer: as fast as its messages are taken, or each at its intended start."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from BrokerLibrary import wire
from BrokerLibrary.load import kernels, sockets
from BrokerLibrary.load.checking import label_of, prefix_of
from BrokerLibrary.load.durations import NANOSECONDS, Durations
from BrokerLibrary.load.jobs import WRITE_BYTES, Produce
from BrokerLibrary.load.orders import Orders
from measurement.punctual import Scheduling, be_punctual

clock = time.monotonic_ns


class Producer:
    """Sends the messages of one job."""

    def __init__(self, job: Produce) -> None:
        """Connect.

        Raises:
            LoadProblem: nobody takes the connection.
        """
        shape = job.shape
        self._job = job
        self._prefix = prefix_of(shape.opcode_sent, shape.topic, shape.payload)
        self._frame = len(self._prefix) + shape.payload
        self._label = label_of(job.producer, shape.run)
        self._most = max(WRITE_BYTES // self._frame, 1)  # messages of one write
        self._buffer = np.zeros(self._most * self._frame, dtype=np.uint8)
        self._view = memoryview(self._buffer)  # type: ignore[arg-type]
        self._decoder = wire.Decoder()
        self._peer = sockets.connect(job.socket)
        self._deadline = 0
        self._sequence = 0
        self._send(0, 0, 0)  # the kernel is loaded before the clock runs

    def run(self, orders: Orders) -> dict[str, Any]:
        """Send everything and return what was done. The connection stays open: it is closed by `close`.

        Raises:
            LoadProblem: the broker complained, or went away.
        """
        job = self._job
        origin = orders.wait_for_go()
        self._deadline = clock() + int(job.deadline_s * NANOSECONDS)
        cpu = time.process_time()
        paced = _Paced(job, origin) if job.rate is not None else None
        _wait_until(origin)
        began = clock()
        if paced is None:
            self._flood(orders)
        else:
            scheduling = be_punctual()
            self._pace(paced, orders)
        ended = clock()
        told = {
            "sent": self._sequence,
            "started_ns": origin if paced else began,
            "ended_ns": ended,
            "cpu_s": time.process_time() - cpu,
        }
        return told if paced is None else {**told, **paced.to_json(scheduling)}

    def close(self) -> None:
        """Close the connection."""
        self._peer.close()

    def _flood(self, orders: Orders) -> None:
        count = self._job.count
        while self._sequence < count and not self._over(orders):
            now = clock()
            self._send(now, now, min(self._most, count - self._sequence))
            self._listen()

    def _pace(self, paced: _Paced, orders: Orders) -> None:
        free = clock()
        for due, messages in paced:
            if self._over(orders):
                return
            _wait_until(due - self._job.spin_ns)
            while (sent := clock()) < due:
                pass
            if sent - due > self._job.drop_after_ns:
                paced.dropped += messages
                continue
            paced.count(due, free, sent, messages)
            for first in range(0, messages, self._most):
                self._send(due, sent, min(self._most, messages - first))
            free = clock()
            self._listen()

    def _send(self, intended: int, sent: int, messages: int) -> None:
        size = int(
            kernels.build(
                self._buffer,
                self._prefix,
                self._job.shape.payload,
                self._label,
                self._sequence,
                intended,
                sent,
                messages,
            )
        )
        left = self._view[:size]
        while left:
            try:
                left = left[self._peer.send(left) :]
            except BlockingIOError:
                self._listen()
                if clock() > self._deadline:
                    raise sockets.LoadProblem(
                        f"message {self._sequence} of {self._job.count} was not taken within the deadline of "
                        f"{self._job.deadline_s:g} s"
                    ) from None
            except OSError as error:
                self._listen()
                raise sockets.LoadProblem(f"the connection broke after {self._sequence} messages: {error}") from None
        self._sequence += messages

    def _listen(self) -> None:
        if found := sockets.complaints(self._peer, self._decoder):
            raise sockets.LoadProblem(f"the broker answered a producer: {found[0]} ({len(found)} such answers)")

    def _over(self, orders: Orders) -> bool:
        return orders.stopped or clock() > self._deadline


class _Paced:
    """Intended starts of a producer, and how well it kept them."""

    def __init__(self, job: Produce, origin: int) -> None:
        self._origin, self._job = origin, job
        self.lag = Durations(job.shape.rows)
        self.queue = Durations(job.shape.rows)
        self.dropped = 0
        self._burst = self._longest_burst = 0
        self._last_sent = origin

    def __iter__(self) -> Any:
        """Yield each intended start (ns) and how many messages are due then."""
        job = self._job
        assert job.rate is not None
        number = due_before = 0
        while due_before < job.count:
            due = min(int((number + 1) * job.quantum_ns * job.rate / NANOSECONDS + 1e-6), job.count)
            if due > due_before:
                yield self._origin + number * job.quantum_ns, due - due_before
            number, due_before = number + 1, due

    def count(self, due: int, free: int, sent: int, messages: int) -> None:
        """Keep what became of one intended start: when the producer was free for it, and when it sent."""
        row = max(due - self._origin, 0) // self._job.shape.row_ns
        self.lag.add(row, sent - max(due, free), messages)
        self.queue.add(row, max(free - due, 0), messages)
        self._burst = messages + (self._burst if free > due else 0)
        self._longest_burst = max(self._longest_burst, self._burst)
        self._last_sent = sent

    def to_json(self, scheduling: Scheduling) -> dict[str, Any]:
        """Return the numbers that tell whether the generator cheated."""
        return {
            "dropped": self.dropped,
            "longest_burst": self._longest_burst,
            "last_sent_ns": self._last_sent,
            "lag": self.lag.to_json(),
            "queue": self.queue.to_json(),
            "scheduling": scheduling,
        }


def _wait_until(instant: int) -> None:
    while (left := instant - clock()) > 0:
        time.sleep(left / NANOSECONDS)
