"""Rows that one writer changes again and again while clients read them at a steady rate, and the history of both.

The versions of a row are 1, 2, 3 and so on, so that of two answers it is known which is older. Every other row is
changed only while a fault lasts: an answer that was kept before the fault and outlives it is not replaced soon after.
No robot import.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, Self

from measurement.budgets import failure_of, milliseconds
from measurement.openloop import Offering
from measurement.results import LoadResult
from measurement.schedule import constant_rate
from measurement.verdicts import Inconclusive, Judgement, Verdict
from oracles.history import History, Kind, Operation, Result
from oracles.versions import Report, counted

SampleType = Literal["normal", "fault", "recovery"]


class Reader(Protocol):
    """One client."""

    def __call__(self, row: str, /) -> int | None:
        """Return the version of a row that an answer holds; None: it says that there is no such row.

        Raises:
            Exception: no answer came, or what came is none.
        """

    def close(self) -> None:
        """End it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who does what.

    Attributes:
        reads: a second, by intended starts.
        changes: a second, at most.
        clients: with a request under way each, at most.
        longest: seconds after which nothing is read any more.
    """

    reads: float
    changes: float = 10.0
    clients: int = 8
    longest: float = 900.0


class Traffic:
    """Clients and a writer that run in the background from `start` to `stop`.

    Args:
        rows: their ids; each has version 1 now.
        connect: makes a client, in its thread.
        change: commits a version of a row.
        plan: who does what.
    """

    def __init__(
        self, rows: Sequence[str], connect: Callable[[], Reader], change: Callable[[str, int], None], plan: Plan
    ) -> None:
        self._rows, self._connect, self._change, self._plan = rows, connect, change, plan
        self._load = Offering(lambda _: _Client(self), constant_rate(plan.reads, plan.longest), plan.clients)
        self._writer = threading.Thread(target=self._write, name="writer", daemon=True)
        self._wall = time.time() - time.perf_counter()  # one clock for all: it neither jumps nor runs back
        began = self.now()
        self._operations = [Operation(row, Kind.WRITE, began, began, Result.ACKED, 1) for row in rows]
        self._marks: dict[str, float] = {}
        self._fault = False
        self._end = threading.Event()
        self._problem: str | None = None

    def start(self, window: str) -> Self:
        """Let all of them go, in a first window."""
        self._load.start()
        self.begin(window)
        self._writer.start()
        return self

    def begin(self, window: str, sample_type: SampleType = "normal") -> None:
        """Begin a window of that name now; the one before it ends.

        Args:
            window: such as "Redis is killed".
            sample_type: of its samples; while it is `fault` all rows are changed, else every other one.
        """
        self._marks[window] = self.now()
        self._load.mark(window, sample_type=sample_type)
        self._fault = sample_type == "fault"

    def stop(self) -> None:
        """Ask nothing more, and wait for the answers that are due."""
        self._end.set()
        self._load.stop()
        if self._writer.ident is not None:
            self._writer.join()

    def seen(self, since: float) -> Counter[str]:
        """What began since an instant and is over: "reads", "acked" changes, and reads that "failed".

        Raises:
            Inconclusive: rows are not changed any more.
        """
        if self._problem is not None:
            raise Inconclusive(self._problem)
        return counted(operation for operation in list(self._operations) if operation.invoked >= since)

    def result(self) -> LoadResult:
        """Return the load of the clients, with its windows; after `stop`."""
        return self._load.result()

    def report(self, criterion: str, seed: int) -> Report:
        """Return what was seen so far; all of it after `stop`."""
        operations = sorted(self._operations, key=lambda operation: operation.completed)
        return Report(History.of(operations, kind="answers", criterion=criterion, seed=seed, marks=dict(self._marks)))

    def now(self) -> float:
        """Epoch seconds, by the clock of the history."""
        return self._wall + time.perf_counter()

    def client(self) -> Reader:
        """Return a new client."""
        return self._connect()

    def read(self, reader: Reader, number: int) -> None:
        """Read the row whose turn it is.

        Raises:
            Exception: what the reader raised; the history has it too.
        """
        row, began = self._rows[number % len(self._rows)], self.now()
        try:
            version = reader(row)
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
            self._operations.append(
                Operation(row, Kind.READ, began, self.now(), Result.FAILED, node="HTTP", detail=detail)
            )
            raise
        self._operations.append(Operation(row, Kind.READ, began, self.now(), Result.OBSERVED, version, "HTTP"))

    def _write(self) -> None:
        versions = dict.fromkeys(self._rows, 1)
        for position, row in itertools.cycle(enumerate(self._rows)):
            if position % 2 and not self._fault:
                continue
            if self._end.wait(1 / self._plan.changes):
                return
            versions[row] += 1
            began = self.now()
            try:
                self._change(row, versions[row])
            except Exception as error:  # noqa: BLE001 - without changes there is nothing to read
                self._problem = f"rows cannot be changed any more ({type(error).__name__}: {error})"
                return
            self._operations.append(Operation(row, Kind.WRITE, began, self.now(), Result.ACKED, versions[row]))


class _Client:
    """A worker of the load."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic, self._reader = traffic, traffic.client()

    def __call__(self, number: int) -> None:
        self._traffic.read(self._reader, number)

    def close(self) -> None:
        self._reader.close()


def judge_slowest(result: LoadResult, limit: float) -> Judgement:
    """Judge the slowest answer of all windows, from its intended start, against a limit in seconds."""
    if (failure := failure_of(result, 0)) is not None:
        return failure
    windows = [window for window in result.windows_unchecked() if window.ok]
    if not windows:
        return Judgement(Verdict.INCONCLUSIVE, "nothing was answered")
    worst = max(windows, key=lambda window: window.latency.max)
    facts = (
        f"the slowest of {sum(window.ok for window in windows)} answers took {milliseconds(worst.latency.max)}, in "
        f"'{worst.label}'; less than {milliseconds(limit)} wanted"
    )
    if worst.latency.max < limit:
        return Judgement(Verdict.PASS, facts)
    if worst.system_latency.max < limit:
        return Judgement(Verdict.INCONCLUSIVE, f"the clients themselves were late: {facts}")
    return Judgement(Verdict.FAIL, facts)
