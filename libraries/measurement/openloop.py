"""Open-loop load: the intended start times come first, and nothing the system does can move them.

Worker threads take the next intended start, sleep until it and run the operation. When the system stalls, the starts
it should have served keep falling due, and their waiting is counted (see `results` for the four instants of an
operation). A worker that is slow never lowers the load that was asked for: it only sends later, which counts too.
"""

from __future__ import annotations

import math
import time
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from measurement.results import DROPPED, Band, LoadResult
from measurement.workers import Crew, Lane, Operation, OperationFactory, clock, samples_of

NAP_SECONDS = 0.1
"""A worker looks this often whether the load was stopped while it waits for its next start."""

PATIENCE_SECONDS = 60.0
"""The longest that `stop` waits for operations under way."""


def offer(
    operation: Operation,
    schedule: ArrayLike,
    workers: int,
    *,
    warm_up_seconds: float = 0.0,
    drop_after_seconds: float | None = None,
) -> LoadResult:
    """Offer a load and wait until it is over.

    Args:
        operation: what every worker runs; it must be safe to call from several threads.
        schedule: intended starts as offsets in seconds, see `measurement.schedule`; the warm-up is part of it.
        workers: threads, so many operations can be under way at once.
        warm_up_seconds: operations intended before this offset are labelled as warm-up.
        drop_after_seconds: an operation later than this is not sent any more, and counted as dropped; None: all are
            sent, however late.
    """
    return offer_each(
        lambda _: operation,
        schedule,
        workers,
        warm_up_seconds=warm_up_seconds,
        drop_after_seconds=drop_after_seconds,
    )


def offer_each(
    factory: OperationFactory,
    schedule: ArrayLike,
    workers: int,
    *,
    warm_up_seconds: float = 0.0,
    drop_after_seconds: float | None = None,
    punctual: bool = True,
) -> LoadResult:
    """Offer a load whose workers have an operation each, and wait until it is over. See `offer`."""
    offering = Offering(
        factory,
        schedule,
        workers,
        warm_up_seconds=warm_up_seconds,
        drop_after_seconds=drop_after_seconds,
        punctual=punctual,
    )
    with offering:
        offering.wait()
    return offering.result()


class Offering:
    """A load that runs in the background, for what has to happen meanwhile.

    On leaving the `with` block the load is stopped, whatever is left of its schedule; give it a longer schedule than
    the block can need.

        with Offering(factory, constant_rate(200, 120), workers=8) as load:
            load.mark("before")
            ...
            load.mark("during", sample_type="fault", minimum_ok=10)
            ...
        before, during = load.result().windows()
    """

    def __init__(
        self,
        factory: OperationFactory,
        schedule: ArrayLike,
        workers: int,
        *,
        warm_up_seconds: float = 0.0,
        drop_after_seconds: float | None = None,
        punctual: bool = True,
    ) -> None:
        """Prepare a load; `start` begins it. Arguments as for `offer`.

        `punctual` asks the kernel to run the workers as soon as they are due, see `measurement.punctual`.

        Raises:
            ValueError: no workers, or a schedule that does not grow.
        """
        self._intended = np.asarray(schedule, dtype=np.float64)
        if not self._intended.size or self._intended[0] < 0 or (np.diff(self._intended) < 0).any():
            raise ValueError("a schedule is a growing list of offsets of 0 s or more, with at least one start")
        self._crew = Crew(factory, workers, punctual=punctual)
        self._warm_up = warm_up_seconds
        self._drop_after = math.inf if drop_after_seconds is None else drop_after_seconds
        self._due = self._intended.tolist()
        self._numbers = iter(range(len(self._due)))  # taking the next one is a single step of the interpreter
        self._marks: list[Band] = []
        self._stopped_at: float | None = None
        self._result: LoadResult | None = None

    @property
    def started_at(self) -> float:
        """Epoch seconds at which the load began."""
        return self._crew.started_at

    def start(self) -> Self:
        """Prepare the workers, then begin.

        Raises:
            Exception: what a worker's factory raised.
            TimeoutError: a worker was not ready in time.
        """
        self._crew.start(self._loop)
        return self

    def mark(
        self,
        label: str,
        *,
        minimum_ok: int = 1,
        sample_type: Literal["normal", "fault", "recovery"] = "normal",
    ) -> float:
        """Begin a labelled window now; the one before it ends.

        Args:
            label: such as "before", "during" or "after".
            minimum_ok: successful operations without which the window says nothing.
            sample_type: how its operations are labelled in the record.

        Returns:
            Epoch seconds of this instant.
        """
        now = self._epoch(clock())
        self._end_window(now)
        self._marks.append(Band(label, now, math.inf, minimum_ok, sample_type))
        return now

    def wait(self) -> None:
        """Wait until every operation of the schedule is over."""
        self._crew.join()

    def stop(self) -> None:
        """Send nothing more, and wait for what is under way.

        Raises:
            TimeoutError: an operation did not come back.
        """
        if self._stopped_at is None:
            self._stopped_at = clock() - self._crew.origin
            self._crew.stopping = True
        self._crew.join(PATIENCE_SECONDS)

    def result(self) -> LoadResult:
        """Return what the load saw.

        Raises:
            RuntimeError: it is still running.
        """
        if self._result is None:
            if self._stopped_at is None:
                raise RuntimeError("the load is still running; stop it first")
            self._result = self._collect(self._stopped_at)
        return self._result

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _loop(self, lane: Lane, operation: Operation) -> None:
        crew, due_times, origin = self._crew, self._due, self._crew.origin
        free = clock() - origin
        for index in self._numbers:
            due = due_times[index]
            while (left := due - (clock() - origin)) > 0 and not crew.stopping:
                time.sleep(min(left, NAP_SECONDS))
            if crew.stopping:
                return
            sent = clock() - origin
            if sent - due > self._drop_after:
                lane.add(index, free, math.nan, math.nan, DROPPED)
                continue
            outcome = crew.run(operation, index, sent)
            completed = clock() - origin
            lane.add(index, free, sent, completed, outcome)
            free = completed

    def _collect(self, stopped_at: float) -> LoadResult:
        # A schedule covers one more distance after its last start: 100 starts at 10/s are a load of 10 s.
        last = float(self._intended[-1])
        planned = last + (last / (len(self._intended) - 1) if len(self._intended) > 1 else 1.0)
        early = stopped_at < last
        seconds = stopped_at if early else planned
        self._end_window(self.started_at + seconds)
        offered = self._intended[self._intended < seconds] if early else self._intended
        return LoadResult(
            mode="open",
            workers=len(self._crew.lanes),
            started_at=self.started_at,
            schedule_seconds=seconds,
            warm_up_seconds=min(self._warm_up, seconds),
            samples=samples_of(self._crew, offered),
            error_details=dict(self._crew.errors),
            client_cpu_percent=self._crew.cpu_percent,
            bands=tuple(self._marks),
            stopped=early,
            client_scheduling=self._crew.scheduling,
            drop_after_seconds=None if math.isinf(self._drop_after) else self._drop_after,
        )

    def _end_window(self, now: float) -> None:
        if self._marks and math.isinf(self._marks[-1].end):
            last = self._marks[-1]
            self._marks[-1] = Band(last.label, last.start, now, last.minimum_ok, last.sample_type)

    def _epoch(self, instant: float) -> float:
        return self._crew.started_at + (instant - self._crew.origin)
