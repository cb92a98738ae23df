"""A server that stalls once, and results made by hand."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from measurement.results import OK, LoadResult, Samples


class StallingServer:
    """Serves one request at a time and stands still once, however many ask meanwhile."""

    def __init__(self, service_seconds: float, stall_at_seconds: float, stall_seconds: float) -> None:
        self._service, self._stall_at, self._stall = service_seconds, stall_at_seconds, stall_seconds
        self._lock = threading.Lock()
        self._first: float | None = None
        self._stalled = False

    def __call__(self, number: int) -> None:
        with self._lock:
            now = time.perf_counter()
            self._first = now if self._first is None else self._first
            if not self._stalled and now - self._first >= self._stall_at:
                self._stalled = True
                time.sleep(self._stall)
            time.sleep(self._service)


def result_of(
    latencies: Sequence[float],
    *,
    rate: float = 100.0,
    lag: float | Sequence[float] = 0.0,
    queue: float | Sequence[float] = 0.0,
    outcomes: Sequence[int] | None = None,
    classes: tuple[str, ...] = (),
    mode: Literal["open", "closed"] = "open",
    cpu: float = 10.0,
    warm_up_seconds: float = 0.0,
    **more: Any,
) -> LoadResult:
    """Make a result whose operation n was intended at n / rate and took so long, of which so much was queue and lag."""
    n = len(latencies)
    intended = np.arange(n) / rate
    outcome = np.full(n, OK, dtype=np.int16) if outcomes is None else np.asarray(outcomes, dtype=np.int16)
    free = np.where(np.asarray(queue) > 0, intended + queue, intended - 0.001)
    sent = np.maximum(intended, free) + lag
    completed = intended + np.asarray(latencies)
    for column in (free, sent, completed):
        column[outcome < 0] = np.nan
    return LoadResult(
        mode=mode,
        workers=4,
        started_at=1_700_000_000.0,
        schedule_seconds=n / rate,
        warm_up_seconds=warm_up_seconds,
        samples=Samples(intended, free, sent, completed, outcome, classes),
        client_cpu_percent=cpu,
        **more,
    )
