"""The worker threads of a load: they prepare, begin together, run a loop each, and what they saw is put together.

The loop itself, open or closed, is given by the caller.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np

from measurement.punctual import Scheduling, be_punctual
from measurement.results import DROPPED, OK, ErrorClass, Outcome, Samples, error_class

Operation = Callable[[int], Outcome | None]
"""Runs the operation of this number; returns None or `Outcome()` for a correct response, an `Outcome` with an error
for a wrong one, or raises."""

OperationFactory = Callable[[int], Operation]
"""Makes the operation of the worker of this number, such as one with a connection of its own. It is called in that
worker's thread before the load begins; an operation that has a `close()` is closed afterwards."""

SWITCH_SECONDS = 0.0005
"""While a load runs, a thread that wakes up waits at most about this long for the interpreter (5 ms otherwise)."""

SETUP_SECONDS = 30.0
"""The longest that workers may take to prepare before a load begins."""

LEAD_SECONDS = 0.005
"""A load begins this long after its workers are ready, so that none of them is late for the first start."""

clock = time.perf_counter


class Lane:
    """What one worker saw, an entry for each operation it took."""

    def __init__(self) -> None:
        self.index = array("q")
        self.free = array("d")
        self.sent = array("d")
        self.completed = array("d")
        self.outcome = array("h")

    def add(self, index: int, free: float, sent: float, completed: float, outcome: int) -> None:
        """Keep one operation; times in seconds since the load began, NaN for what never came."""
        self.index.append(index)
        self.free.append(free)
        self.sent.append(sent)
        self.completed.append(completed)
        self.outcome.append(outcome)


class Crew:
    """Threads that run the same loop, each with its own operation and its own lane."""

    def __init__(self, factory: OperationFactory, workers: int, *, punctual: bool = False) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            factory: makes each worker's operation.
            workers: threads.
            punctual: ask the kernel to run the workers as soon as they are due, see `punctual`.

        Raises:
            ValueError: fewer than one worker.
        """
        if workers < 1:
            raise ValueError(f"a load needs at least one worker, not {workers}")
        self.lanes = [Lane() for _ in range(workers)]
        self.stopping = False
        self.origin = 0.0  # clock() at the beginning
        self.started_at = 0.0  # epoch seconds of the same instant
        self.cpu_percent = 0.0
        self.scheduling: Scheduling = "ordinary"
        self._punctual = punctual
        self.errors: dict[str, ErrorClass] = {}
        self._codes: dict[str, int] = {}
        self._lock = threading.Lock()
        self._factory = factory
        self._ready = threading.Barrier(workers + 1, action=self._begin)
        self._setup_error: Exception | None = None
        self._threads: list[threading.Thread] = []
        self._cpu_before = 0.0

    def start(self, loop: Callable[[Lane, Operation], None]) -> None:
        """Let every worker prepare, then let all begin at once.

        Raises:
            Exception: what a worker's factory raised.
            TimeoutError: a worker was not ready in time.
        """
        self._threads = [
            threading.Thread(target=self._work, args=(number, loop), name=f"load-{number}", daemon=True)
            for number in range(len(self.lanes))
        ]
        for thread in self._threads:
            thread.start()
        try:
            self._ready.wait(SETUP_SECONDS)
        except threading.BrokenBarrierError:
            if self._setup_error is not None:
                raise self._setup_error from None
            raise TimeoutError(f"the workers of a load were not ready after {SETUP_SECONDS:g} s") from None

    def join(self, patience_seconds: float | None = None) -> None:
        """Wait until every worker's loop has ended.

        Args:
            patience_seconds: None: as long as it takes.

        Raises:
            TimeoutError: workers are still in an operation; it needs a timeout of its own.
        """
        deadline = None if patience_seconds is None else clock() + patience_seconds
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - clock()))
        stuck = [thread.name for thread in self._threads if thread.is_alive()]
        if stuck:
            raise TimeoutError(
                f"{len(stuck)} of {len(self._threads)} workers are still in an operation after {patience_seconds:g} s; "
                "give the operation a timeout of its own"
            )
        elapsed = clock() - self.origin
        self.cpu_percent = 100 * (time.process_time() - self._cpu_before) / elapsed if elapsed > 0 else 0.0

    def run(self, operation: Operation, index: int, sent: float) -> int:
        """Run one operation and return its outcome code."""
        try:
            outcome = operation(index)
        except Exception as error:  # noqa: BLE001 - whatever an operation raises is what the system answered
            return self._error(error_class(error), str(error), sent)
        if outcome is None or outcome.error is None:
            return OK
        return self._error(outcome.error, outcome.detail, sent)

    def columns(self) -> tuple[np.ndarray[Any, Any], ...]:
        """Return index, free, sent, completed and outcome of all lanes, one after the other."""
        return (
            np.concatenate([np.asarray(lane.index, dtype=np.int64) for lane in self.lanes]),
            np.concatenate([np.asarray(lane.free, dtype=np.float64) for lane in self.lanes]),
            np.concatenate([np.asarray(lane.sent, dtype=np.float64) for lane in self.lanes]),
            np.concatenate([np.asarray(lane.completed, dtype=np.float64) for lane in self.lanes]),
            np.concatenate([np.asarray(lane.outcome, dtype=np.int16) for lane in self.lanes]),
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Error classes in the order of their codes, beginning with code 1."""
        return tuple(self._codes)

    def _begin(self) -> None:
        """Set the beginning; the last thread to be ready calls it before any goes on."""
        self._cpu_before = time.process_time()
        self.origin = clock() + LEAD_SECONDS
        self.started_at = time.time() + LEAD_SECONDS

    def _work(self, number: int, loop: Callable[[Lane, Operation], None]) -> None:
        operation: Operation | None = None
        try:
            operation = self._factory(number)
        except Exception as error:  # noqa: BLE001 - raised again by start()
            self._setup_error = error
            self._ready.abort()
            return
        try:
            self._ready.wait()
            if self._punctual:
                self.scheduling = be_punctual()
            with _quick_interpreter:
                loop(self.lanes[number], operation)
        except threading.BrokenBarrierError:
            pass  # another worker could not prepare; start() says so
        finally:
            close = getattr(operation, "close", None)
            if close is not None:
                close()

    def _error(self, label: str, detail: str, sent: float) -> int:
        with self._lock:
            code = self._codes.setdefault(label, len(self._codes) + 1)
            known = self.errors.get(label)
            if known is None or sent < known.first_at:
                text, at = " ".join(detail.split())[:300], sent
            else:
                text, at = known.first_detail, known.first_at
            self.errors[label] = ErrorClass((known.count if known else 0) + 1, text, at)
        return code


class _QuickInterpreter:
    """Lets threads that wake up have the interpreter soon, and keeps old objects out of garbage collections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._interval = sys.getswitchinterval()

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._interval = sys.getswitchinterval()
                sys.setswitchinterval(SWITCH_SECONDS)
                gc.freeze()

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sys.setswitchinterval(self._interval)
                gc.unfreeze()


_quick_interpreter = _QuickInterpreter()


def samples_of(crew: Crew, intended: np.ndarray[Any, Any] | None) -> Samples:
    """Put the lanes of a crew together in the order of their intended starts.

    Args:
        crew: whose loops have ended.
        intended: intended starts of a schedule, by operation number; operations of it that no worker took are
            dropped. None: a closed loop, whose operations are intended when they are sent.
    """
    index, free, sent, completed, outcome = crew.columns()
    if intended is None:
        order = np.argsort(sent, kind="stable")
        return Samples(sent[order], free[order], sent[order], completed[order], outcome[order], crew.classes)
    known = index < len(intended)  # a load that was stopped has a shorter schedule than its workers took from
    index = index[known]

    def by_number(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        column = np.full(len(intended), np.nan)
        column[index] = values[known]
        return column

    outcomes = np.full(len(intended), DROPPED, dtype=np.int16)
    outcomes[index] = outcome[known]
    return Samples(
        np.asarray(intended, dtype=np.float64),
        by_number(free),
        by_number(sent),
        by_number(completed),
        outcomes,
        crew.classes,
    )
