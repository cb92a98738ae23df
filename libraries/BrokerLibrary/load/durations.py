"""Durations counted in ns by compiled kernels, a row for each stretch of time, and turned into histograms.

The layout is that of an HDR histogram whose unit is 1 ns and that keeps three digits, so a duration read back is at
most 0.1 % too long. Rows of several workers are added up before anything is asked of them.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from BrokerLibrary.load import kernels
from measurement.histogram import LatencyHistogram

NANOSECONDS = 1_000_000_000


class Durations:
    """Counts of durations, shape (rows, positions); row r holds what was intended in the r-th stretch of time."""

    def __init__(self, rows: int) -> None:
        self.counts: NDArray[np.int32] = np.zeros((rows, kernels.POSITIONS), dtype=np.int32)

    def add(self, row: int, nanoseconds: int, times: int = 1) -> None:
        """Count a duration; the last row takes what comes after it."""
        self.counts[min(row, len(self.counts) - 1), kernels.position(np.uint64(max(nanoseconds, 0)))] += times

    def merge(self, other: Self) -> Self:
        """Add all of another one's counts to this one, and return this one."""
        self.counts += other.counts
        return self

    def histogram(self, first: int = 0, end: int | None = None) -> LatencyHistogram:
        """Return the durations of some rows, in seconds."""
        counts = self.counts[first:end].sum(axis=0, dtype=np.int64)
        held = np.flatnonzero(counts)
        histogram = LatencyHistogram()
        histogram.record_counts(_longest(held) / NANOSECONDS, counts[held])
        return histogram

    def percentile(self, percent: float, first: int = 0, end: int | None = None) -> float:
        """Return the duration (seconds, to 0.1 %) that this share of the durations of some rows does not exceed.

        Raises:
            ValueError: there are none.
        """
        counts = np.cumsum(self.counts[first:end].sum(axis=0, dtype=np.int64))
        if not counts[-1]:
            raise ValueError(f"no percentile {percent:g} of no durations")
        rank = max(1, math.ceil(percent / 100 * int(counts[-1]) - 1e-9))
        return float(_longest(np.searchsorted(counts, rank).reshape(1))[0]) / NANOSECONDS

    def number(self, first: int = 0, end: int | None = None) -> int:
        """How many durations some rows hold."""
        return int(self.counts[first:end].sum(dtype=np.int64))

    def to_json(self) -> dict[str, Any]:
        """Return the positions that hold something, row by row."""
        rows = {}
        for index in np.flatnonzero(self.counts.any(axis=1)).tolist():
            held = np.flatnonzero(self.counts[index])
            rows[str(index)] = [held.tolist(), self.counts[index, held].tolist()]
        return {"rows": len(self.counts), "held": rows}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Read what `to_json` returned."""
        durations = cls(told["rows"])
        for index, (positions, counts) in told["held"].items():
            durations.counts[int(index), positions] = counts
        return durations


def _longest(positions: NDArray[np.intp]) -> NDArray[np.int64]:
    """The longest duration in ns that is counted at each position."""
    half = 1 << kernels.HALF_BITS
    bucket = np.maximum((positions >> kernels.HALF_BITS) - 1, 0)
    step = np.where(positions < half, positions, (positions & (half - 1)) + half)
    return np.asarray(((step + 1) << bucket) - 1, dtype=np.int64)
