"""What the crew tells a worker while it works: begin, this much was sent, stop."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from typing import IO, Any

from BrokerLibrary.load.durations import NANOSECONDS

GO_SECONDS = 120.0
"""The longest that a worker that is ready waits for the others."""


class Orders:
    """Reads lines of JSON in a thread, so that a worker need not ask the kernel whether there is one.

    Attributes:
        sent: messages that the producers have sent in all; known when `drained_at` is.
        told_at: instant (ns) at which that was told.
        drained_at: instant at which what has not arrived is given up; None while producers send.
        stopped: the job is to end now.
    """

    def __init__(self, lines: IO[str]) -> None:
        self._lines = lines
        self._jobs: deque[dict[str, Any]] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._forget()
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    def next_job(self) -> dict[str, Any] | None:
        """Wait for the next job; None when there will be none. What belonged to the last one is forgotten."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._ended)
            self._forget()
            return self._jobs.popleft() if self._jobs else None

    def wait_for_go(self) -> int:
        """Wait for the beginning and return it, in ns.

        Raises:
            TimeoutError: the others were not ready in time, or the job was stopped.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._go is not None or self.stopped, GO_SECONDS)
            if self._go is None:
                raise TimeoutError("the load was given up before it began")
            return self._go

    def wait_for_release(self) -> None:
        """Wait until nobody needs this worker's connections any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._released or self.stopped)

    def _forget(self) -> None:
        self.sent = 0
        self.told_at = 0
        self.drained_at: int | None = None
        self.stopped = self._ended
        self._go: int | None = None
        self._released = False

    def _read(self) -> None:
        for line in self._lines:
            with self._changed:
                self._take(json.loads(line))
                self._changed.notify_all()
        with self._changed:  # whoever gave the orders is gone
            self._ended = self.stopped = True
            self._changed.notify_all()

    def _take(self, order: dict[str, Any]) -> None:
        match order:
            case {"job": job}:
                self._jobs.append(job)
            case {"go": int(origin)}:
                self._go = origin
            case {"sent": int(sent), "drain_s": drain}:
                self.sent = sent
                self.told_at = time.monotonic_ns()
                self.drained_at = self.told_at + int(drain * NANOSECONDS)
            case {"release": True}:
                self._released = True
            case {"stop": True}:
                self.stopped = True
            case _:
                raise ValueError(f"not an order: {order}")
