"""The raw relay: what copying the same bytes over the same kind of sockets costs when nobody looks at them.

It is the baseline of every broker measurement: same language, same read and write sizes, same clients.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from BrokerLibrary.load import sockets
from BrokerLibrary.load.durations import NANOSECONDS
from BrokerLibrary.load.jobs import READ_BYTES, Relay
from BrokerLibrary.load.orders import Orders

clock = time.monotonic_ns


class RawRelay:
    """Copies what one producer writes to one consumer."""

    def __init__(self, job: Relay) -> None:
        """Listen.

        Raises:
            LoadProblem: a path cannot be listened on.
        """
        self._job = job
        self._listeners = [sockets.listener(path) for path in (job.entry, job.exit)]

    def run(self, orders: Orders) -> dict[str, Any]:
        """Copy until the producer closes its connection, and close the consumer's then.

        Raises:
            LoadProblem: a peer went away too early, or the time is over.
        """
        orders.wait_for_go()
        deadline = clock() + int(self._job.deadline_s * NANOSECONDS)
        entry, exit_ = (sockets.with_options(listener.accept()[0]) for listener in self._listeners)
        self.close()
        cpu = time.process_time()
        with contextlib.closing(entry), contextlib.closing(exit_):
            copied = _copy(entry, exit_, orders, deadline)
        return {"bytes": copied, "cpu_s": time.process_time() - cpu}

    def close(self) -> None:
        """Stop listening."""
        for listener in self._listeners:
            sockets.stop_listening(listener)


def _copy(entry: socket.socket, exit_: socket.socket, orders: Orders, deadline: int) -> int:
    buffer = memoryview(bytearray(READ_BYTES))
    copied = 0
    while not orders.stopped and clock() < deadline:
        try:
            got = entry.recv_into(buffer)
        except BlockingIOError:
            continue
        if got == 0:
            return copied
        _write(exit_, buffer[:got], orders, deadline)
        copied += got
    raise sockets.LoadProblem(f"the raw relay was not done in time, after {copied} bytes")


def _write(exit_: socket.socket, left: memoryview, orders: Orders, deadline: int) -> None:
    while left:
        try:
            left = left[exit_.send(left) :]
        except BlockingIOError:
            if orders.stopped or clock() > deadline:
                return
        except OSError as error:
            raise sockets.LoadProblem(f"the consumer of the raw relay went away: {error}") from None
