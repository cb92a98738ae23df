"""What a load saw: every operation's times and outcome, and what follows from them.

Four instants belong to one operation: *intended* (fixed by the schedule), *free* (a worker had nothing else to do and
took it), *sent* and *completed*. From them follow

* latency = completed - intended: what a user who came at that time waited;
* service time = completed - sent: what the system needed once asked;
* queue delay = free - intended, where positive: every worker was busy, the system's own backlog;
* generator lag = sent - max(intended, free): a worker was there and still sent late, the generator's own fault.

So latency = queue delay + generator lag + service time for every single operation. A slow system shows in queue delay
and service time and must count against it; only generator lag can make a measurement worthless. Two limits remain: a
worker that wakes late delays what queues behind it, and a starved client process slows every part, which is why its
CPU share is recorded and judged too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from measurement.histogram import LatencyHistogram
from measurement.observed import OfNormal
from measurement.punctual import Scheduling
from measurement.verdicts import Inconclusive

Floats = NDArray[np.float64]

OK = 0
"""Outcome code of a correct response."""
DROPPED = -1
"""Outcome code of an operation that was never sent: it came too late to be worth sending, or the load was stopped."""

WARM_UP = "warm-up"
NORMAL = "normal"
WRONG_RESPONSE = "wrong-response"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operation says about its own response.

    Attributes:
        error: None for a correct response, otherwise the class it is counted under.
        detail: what was wrong; the first of each class is kept.
    """

    error: str | None = None
    detail: str = ""

    @classmethod
    def wrong(cls, detail: str) -> Outcome:
        """The system answered, and the answer is not right."""
        return cls(WRONG_RESPONSE, detail)


def error_class(error: BaseException) -> str:
    """Return the SQLSTATE of a database error, else the name of the exception's class."""
    state = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
    return str(state) if state else type(error).__name__


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """Errors of one class."""

    count: int
    first_detail: str
    first_at: float  # seconds since the load began


@dataclass(frozen=True, slots=True)
class Band:
    """A labelled stretch of a load, such as the time a fault was in effect (epoch seconds)."""

    label: str
    start: float
    end: float
    minimum_ok: int = 1  # successful operations without which nothing can be said about it
    sample_type: Literal["normal", "fault", "recovery"] = "normal"


@dataclass(frozen=True)
class Samples:
    """The single operations, one row each, times in seconds since the load began.

    `outcome` is 0 for a correct response, -1 for an operation never sent, and n for errors of the class
    `classes[n - 1]`. Times that never came are NaN.
    """

    intended: Floats
    free: Floats
    sent: Floats
    completed: Floats
    outcome: NDArray[np.int16]
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.intended)

    def where(self, chosen: NDArray[np.bool_]) -> Samples:
        """Return only the chosen rows."""
        return Samples(
            self.intended[chosen],
            self.free[chosen],
            self.sent[chosen],
            self.completed[chosen],
            self.outcome[chosen],
            self.classes,
        )

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Which operations had a correct response."""
        return np.asarray(self.outcome == OK)

    @property
    def failed(self) -> NDArray[np.bool_]:
        """Which operations had an error or a wrong response."""
        return np.asarray(self.outcome > OK)

    @property
    def dropped(self) -> NDArray[np.bool_]:
        """Which operations were never sent."""
        return np.asarray(self.outcome == DROPPED)

    def error_counts(self) -> dict[str, int]:
        """Count errors by class, the most frequent first."""
        counts = Counter(self.classes[code - 1] for code in self.outcome[self.failed].tolist())
        return dict(counts.most_common())


@dataclass(frozen=True)
class SampleSet:
    """Operations of one kind of sample, or of one window: counts, rates and histograms.

    `seconds` is how long their intended starts span; histograms of latency and service time hold correct responses
    only (a refused connection is quick and says nothing), failed ones have their own.
    """

    label: str
    sample_type: str
    start: float  # seconds since the load began
    seconds: float
    samples: Samples
    closed: bool = False

    @cached_property
    def offered(self) -> int:
        """Operations whose intended start lies here."""
        return len(self.samples)

    @cached_property
    def ok(self) -> int:
        """Correct responses."""
        return int(self.samples.ok.sum())

    @cached_property
    def failed(self) -> int:
        """Errors and wrong responses."""
        return int(self.samples.failed.sum())

    @cached_property
    def dropped(self) -> int:
        """Operations never sent."""
        return int(self.samples.dropped.sum())

    @cached_property
    def late(self) -> int:
        """Operations that found every worker busy at their intended start."""
        return 0 if self.closed else int((self._queue > 0).sum())

    @cached_property
    def offered_rate(self) -> float:
        """Intended starts a second."""
        return self.offered / self.seconds if self.seconds > 0 else 0.0

    @cached_property
    def achieved_rate(self) -> float:
        """Correct responses a second, over the time until the last of them was sent.

        A backlog that is sent after the schedule's end lowers it; the response time of the last operation does not.
        """
        if not self.ok:
            return 0.0
        last = float(np.nanmax(self.samples.completed if self.closed else self.samples.sent)) - self.start
        return self.ok / max(self.seconds, last)

    @cached_property
    def latency(self) -> LatencyHistogram:
        """From the intended start to the correct response. Empty for a closed loop, which has no intended starts."""
        ok = self.samples.ok
        return LatencyHistogram.of([] if self.closed else (self.samples.completed - self.samples.intended)[ok])

    @cached_property
    def failed_latency(self) -> LatencyHistogram:
        """From the intended start to the error."""
        failed = self.samples.failed
        return LatencyHistogram.of((self.samples.completed - self.samples.intended)[failed])

    @cached_property
    def service_time(self) -> LatencyHistogram:
        """From sending to the correct response."""
        ok = self.samples.ok
        return LatencyHistogram.of((self.samples.completed - self.samples.sent)[ok])

    @cached_property
    def queue_delay(self) -> LatencyHistogram:
        """How long operations waited because every worker was busy. Part of the latency."""
        return LatencyHistogram.of([] if self.closed else self._queue)

    @cached_property
    def generator_lag(self) -> LatencyHistogram:
        """How late operations were sent although a worker was free: what the generator adds to the latency."""
        if self.closed:
            return LatencyHistogram()
        sent = self.samples.sent
        due = np.maximum(self.samples.intended, self.samples.free)
        lag = (sent - due)[~np.isnan(sent)]
        return LatencyHistogram.of(np.maximum(lag, 0.0))

    @cached_property
    def system_latency(self) -> LatencyHistogram:
        """The latency less the generator lag: what the system made each operation wait, as far as that can be told."""
        ok = self.samples.where(self.samples.ok)
        lag = np.maximum(ok.sent - np.maximum(ok.intended, ok.free), 0.0)
        return LatencyHistogram.of([] if self.closed else np.maximum(ok.completed - ok.intended - lag, 0.0))

    @cached_property
    def errors(self) -> dict[str, int]:
        """Errors by class, the most frequent first."""
        return self.samples.error_counts()

    def require(self, minimum_ok: int) -> None:
        """Make sure that enough succeeded to say anything.

        Raises:
            Inconclusive: fewer correct responses than `minimum_ok`.
        """
        if self.ok < minimum_ok:
            raise Inconclusive(
                f"window '{self.label}': {self.ok} successful operations in {self.seconds:.1f} s, "
                f"at least {minimum_ok} needed ({self.failed} failed, {self.dropped} dropped)"
            )

    @property
    def _queue(self) -> Floats:
        waits = self.samples.free - self.samples.intended
        return np.maximum(waits[~np.isnan(self.samples.sent)], 0.0)


@dataclass(frozen=True)
class LoadResult(OfNormal):
    """Everything a load saw.

    Attributes:
        mode: "open" (latency counts from intended starts) or "closed" (maximum rate only, no latency).
        workers: threads that sent operations.
        started_at: epoch seconds at which the load began.
        schedule_seconds: how long the load was to last, warm-up included.
        warm_up_seconds: operations intended before this offset are labelled warm-up.
        samples: every operation.
        error_details: the first error of each class.
        client_cpu_percent: CPU time of this process per time, 100 being one core.
        client_scheduling: how the kernel ran the workers, see `punctual`.
        bands: labelled stretches, such as before, during and after a fault.
        stopped: whether somebody stopped the load before its schedule ended.
        drop_after_seconds: operations later than this were dropped; None: none was for being late.
    """

    mode: Literal["open", "closed"]
    workers: int
    started_at: float
    schedule_seconds: float
    warm_up_seconds: float
    samples: Samples
    error_details: dict[str, ErrorClass] = field(default_factory=dict)
    client_cpu_percent: float = 0.0
    client_scheduling: Scheduling = "ordinary"
    bands: tuple[Band, ...] = ()
    stopped: bool = False
    drop_after_seconds: float | None = None

    @cached_property
    def normal(self) -> SampleSet:
        """All operations after the warm-up."""
        return self._set(NORMAL, NORMAL, self.warm_up_seconds, self.schedule_seconds)

    @cached_property
    def warm_up(self) -> SampleSet:
        """The operations of the warm-up: labelled, not thrown away."""
        return self._set(WARM_UP, WARM_UP, 0.0, self.warm_up_seconds)

    @property
    def ended_at(self) -> float:
        """Epoch seconds at which the schedule ended."""
        return self.started_at + self.schedule_seconds

    def windows(self, bands: Sequence[Band] | None = None) -> tuple[SampleSet, ...]:
        """Cut the load into labelled windows by intended start.

        Args:
            bands: the windows; those marked while the load ran when None.

        Raises:
            Inconclusive: a window has fewer successful operations than its band demands.
        """
        sets = tuple(self.windows_unchecked(bands))
        for window, band in zip(sets, self.bands if bands is None else bands, strict=True):
            window.require(band.minimum_ok)
        return sets

    def windows_unchecked(self, bands: Sequence[Band] | None = None) -> Iterator[SampleSet]:
        """Cut the load into labelled windows, however little succeeded in them."""
        for band in self.bands if bands is None else bands:
            yield self._set(band.label, band.sample_type, band.start - self.started_at, band.end - self.started_at)

    def _set(self, label: str, sample_type: str, start: float, end: float) -> SampleSet:
        intended = self.samples.intended
        chosen = self.samples.where((intended >= start) & (intended < end))
        return SampleSet(label, sample_type, start, max(end - start, 0.0), chosen, closed=self.mode == "closed")
