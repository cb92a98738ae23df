"""What a load saw when its operations are too many to keep one by one: counts and histograms, made where they ran.

Half a million operations a second for minutes do not fit in memory as rows of instants. Whoever offered them counts
durations into histograms and outcomes into numbers; from here on such a result is judged and recorded as any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from measurement.histogram import LatencyHistogram
from measurement.observed import OfNormal
from measurement.punctual import Scheduling
from measurement.results import NORMAL, WARM_UP, Band, ErrorClass, SampleSet


@dataclass(frozen=True)
class CountedSet:
    """Operations of one kind of sample, counted; see `measurement.observed.SetSeen`.

    `sent_seconds` is how long it took until the last of them was sent, when that was longer than `seconds`.
    """

    label: str
    sample_type: str
    start: float  # seconds since the load began
    seconds: float
    offered: int
    ok: int
    dropped: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    service_time: LatencyHistogram = field(default_factory=LatencyHistogram)
    queue_delay: LatencyHistogram = field(default_factory=LatencyHistogram)
    generator_lag: LatencyHistogram = field(default_factory=LatencyHistogram)
    sent_seconds: float = 0.0
    closed: bool = False

    @property
    def failed(self) -> int:
        """Errors and wrong responses."""
        return sum(self.errors.values())

    @property
    def late(self) -> int:
        """Operations that found every worker busy at their intended start."""
        return self.queue_delay.count_above(0.0)

    @property
    def offered_rate(self) -> float:
        """Intended starts a second."""
        return self.offered / self.seconds if self.seconds > 0 else 0.0

    @property
    def achieved_rate(self) -> float:
        """Correct responses a second, over the time until the last of them was sent."""
        longest = max(self.seconds, self.sent_seconds)
        return self.ok / longest if longest > 0 else 0.0

    @property
    def system_latency(self) -> LatencyHistogram:
        """A lower bound of what the system made each operation wait: the service time, without queue delay.

        Lag is known of the operations as a whole only and cannot be taken off each; so doubt in the generator weighs
        more here than where every operation was kept.
        """
        return self.service_time


@dataclass(frozen=True)
class Stretch:
    """What became of the operations intended in a short stretch of time."""

    ok: int
    failed: int
    latency: LatencyHistogram


@dataclass(frozen=True)
class CountedResult(OfNormal):
    """Everything a load saw, counted.

    Attributes that are not named here are those of `measurement.results.LoadResult`.

    Attributes:
        measured: all operations after the warm-up.
        warm_up: those of the warm-up.
        stretches: warm-up included, each `stretch_seconds` long by intended start.
        ended_at: epoch seconds at which the last operation was over; rounds of several loads may lie in between.
    """

    mode: Literal["open", "closed"]
    workers: int
    started_at: float
    schedule_seconds: float
    ended_at: float
    measured: CountedSet
    warm_up: CountedSet = field(default_factory=lambda: CountedSet(WARM_UP, WARM_UP, 0.0, 0.0, 0, 0))
    stretches: Sequence[Stretch] = ()
    stretch_seconds: float = 1.0
    error_details: dict[str, ErrorClass] = field(default_factory=dict)
    client_cpu_percent: float = 0.0
    client_scheduling: Scheduling = "ordinary"
    stopped: bool = False
    drop_after_seconds: float | None = None

    @property
    def normal(self) -> CountedSet:
        """All operations after the warm-up."""
        return self.measured

    def windows_unchecked(self, bands: Sequence[Band] | None = None) -> Iterator[SampleSet]:
        """Return no windows: single operations, which could be cut into them, are not kept.

        Raises:
            ValueError: bands are given.
        """
        if bands:
            raise ValueError("a counted load has no windows; measure them one by one")
        return iter(())


__all__ = ["NORMAL", "WARM_UP", "CountedResult", "CountedSet", "Stretch"]
