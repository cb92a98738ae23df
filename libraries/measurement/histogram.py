"""Latency histograms: High Dynamic Range, mergeable without loss, stored as V2 blobs.

Values are kept in whole microseconds from 1 us to 1 h with three significant digits, so a percentile is at most
0.1 % above the true one. Histograms of several workers or runs are merged and then asked; percentiles are never
averaged, since the average of percentiles is a percentile of nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import ArrayLike, NDArray

LOWEST_US = 1
HIGHEST_US = 3_600_000_000
DIGITS = 3
TAIL_SAMPLES = 10
"""A percentile is published only with at least this many samples beyond it: p99.9 needs 10 000, p99 needs 1 000."""


class LatencyHistogram:
    """Counts of durations; seconds go in and come out."""

    def __init__(self) -> None:
        self._hdr = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
        self._counts = np.ctypeslib.as_array(self._hdr.counts)
        self._max_seconds = 0.0
        self.clipped = 0  # values above an hour, counted as an hour

    def record_seconds(self, seconds: float) -> None:
        """Count one duration."""
        self.record_many([seconds])

    def record_many(self, seconds: ArrayLike) -> None:
        """Count many durations at once.

        Raises:
            ValueError: a duration is negative or not a number.
        """
        values = np.asarray(seconds, dtype=np.float64)
        self._record(values, np.ones(values.size, dtype=np.int64))

    def record_counts(self, seconds: ArrayLike, times: ArrayLike) -> None:
        """Count durations that somebody else has counted already, each of them so many times.

        Raises:
            ValueError: a duration is negative or not a number, or there is not one count for each.
        """
        values, numbers = np.asarray(seconds, dtype=np.float64), np.asarray(times, dtype=np.int64)
        if values.shape != numbers.shape:
            raise ValueError(f"{values.size} durations and {numbers.size} counts do not pair up")
        self._record(values[numbers > 0], numbers[numbers > 0])

    def _record(self, values: NDArray[np.float64], times: NDArray[np.int64]) -> None:
        if not values.size:
            return
        lowest, highest = float(values.min()), float(values.max())
        if not lowest >= 0:
            raise ValueError(f"a duration of {lowest} s cannot be: the clock went backwards or a value is missing")
        micros = np.rint(values * 1e6)
        self.clipped += int(times[micros > HIGHEST_US].sum())
        micros = np.minimum(micros, HIGHEST_US).astype(np.int64)
        counted = np.bincount(self._positions(micros), weights=times, minlength=self._counts.size)  # exact below 2**53
        self._counts += counted.astype(self._counts.dtype)
        hdr = self._hdr
        hdr.total_count += int(times.sum())
        hdr.min_value = min(hdr.min_value, int(micros.min()))
        hdr.max_value = max(hdr.max_value, int(micros.max()))
        self._max_seconds = max(self._max_seconds, highest)

    def merge(self, other: Self) -> Self:
        """Add all of another histogram's counts to this one, and return this one."""
        if other.n:
            self._counts += other._counts
            self._hdr.total_count += other.n
            self._hdr.min_value = min(self._hdr.min_value, other._hdr.min_value)
            self._hdr.max_value = max(self._hdr.max_value, other._hdr.max_value)
            self._max_seconds = max(self._max_seconds, other._max_seconds)
            self.clipped += other.clipped
        return self

    @classmethod
    def merged(cls, histograms: Iterable[Self]) -> Self:
        """Return a new histogram of all that the given ones counted."""
        whole = cls()
        for histogram in histograms:
            whole.merge(histogram)
        return whole

    @classmethod
    def of(cls, seconds: ArrayLike) -> Self:
        """Return a histogram of these durations."""
        histogram = cls()
        histogram.record_many(seconds)
        return histogram

    @property
    def n(self) -> int:
        """How many durations were counted."""
        return int(self._hdr.total_count)

    @property
    def max(self) -> float:
        """The longest duration in seconds: exact while in memory, within 0.1 % after decoding; 0.0 when empty."""
        return self._max_seconds

    @property
    def min(self) -> float:
        """The shortest duration in seconds, within 1 us; 0.0 when empty."""
        return float(self._hdr.min_value) / 1e6 if self.n else 0.0

    def percentile(self, percent: float) -> float:
        """Return the duration (seconds) that this share of all durations does not exceed.

        Args:
            percent: above 0 and up to 100.

        Raises:
            ValueError: the histogram is empty, or the percentage is not one.
        """
        if not 0 < percent <= 100:
            raise ValueError(f"a percentile lies above 0 and up to 100, not {percent}")
        if not self.n:
            raise ValueError(f"no percentile {percent:g} of an empty histogram")
        rank = max(1, math.ceil(percent / 100 * self.n - 1e-9))  # nearest rank: the smallest value with enough below
        position = int(np.searchsorted(np.cumsum(self._counts), rank))
        return min(self._upper_seconds(position), self._max_seconds)

    def settles(self, percent: float) -> bool:
        """Whether there are enough samples beyond this percentile to publish it."""
        return self.n * (100 - percent) / 100 >= TAIL_SAMPLES - 1e-9

    def count_above(self, seconds: float) -> int:
        """Return how many durations are longer, within the histogram's resolution."""
        position = int(self._positions(np.array([min(round(seconds * 1e6), HIGHEST_US)], dtype=np.int64))[0])
        return int(self._counts[position + 1 :].sum())

    def curve(self) -> list[tuple[float, float]]:
        """Return (percent, seconds) at each duration that occurs, from the shortest to the longest."""
        positions = np.flatnonzero(self._counts)
        share = np.cumsum(self._counts[positions]) / max(self.n, 1) * 100
        return [
            (float(percent), min(self._upper_seconds(int(position)), self._max_seconds))
            for percent, position in zip(share, positions, strict=True)
        ]

    def encode(self) -> str:
        """Return the histogram as a base64 V2 blob, readable by every HdrHistogram library."""
        return str(self._hdr.encode().decode("ascii"))

    @classmethod
    def decode(cls, blob: str) -> Self:
        """Read a blob that `encode` wrote."""
        histogram = cls()
        hdr = HdrHistogram.decode(blob)
        if hdr.get_total_count():
            histogram._hdr.add(hdr)
            histogram._max_seconds = hdr.get_max_value() / 1e6
        return histogram

    def summary(self, percents: Sequence[float] = (50, 90, 99)) -> dict[str, float | int | None]:
        """Return n, the percentiles, p99.9 and the maximum, in seconds.

        A percentile key is `p50` and so on. p99.9 is None below 10 000 samples, all are None without samples.
        """
        values: dict[str, float | int | None] = {"n": self.n}
        for percent in percents:
            values[f"p{percent:g}"] = self.percentile(percent) if self.n else None
        values["p999"] = self.percentile(99.9) if self.settles(99.9) else None
        values["max"] = self.max if self.n else None
        return values

    @staticmethod
    def _positions(micros: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions in the counts of an HDR histogram whose unit is 1, for many values at once."""
        half_magnitude = math.ceil(math.log2(2 * 10**DIGITS)) - 1
        half = 1 << half_magnitude
        mask = 2 * half - 1
        bits = np.frexp((micros | mask).astype(np.float64))[1].astype(np.int64)  # bit length; exact below 2**53
        bucket = bits - (half_magnitude + 1)
        return ((bucket + 1) << half_magnitude) + ((micros >> bucket) - half)

    def _upper_seconds(self, position: int) -> float:
        """The largest duration that is counted at a position."""
        value = self._hdr.get_value_from_index(position)
        return float(self._hdr.get_highest_equivalent_value(value)) / 1e6
