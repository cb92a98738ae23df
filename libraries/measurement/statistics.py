"""Intervals for what was measured: how sure a ratio or a percentile is.

A comparison is paired: A and B are measured in turns, so that what disturbs the machine disturbs both, and each round
gives one ratio. The unit of replication is the round, never the single request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

RESAMPLES = 9999
MINIMUM_PAIRS = 5
"""Below this many rounds a bootstrap interval is not worth printing."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A ratio with its confidence interval."""

    ratio: float
    low: float
    high: float
    n: int
    confidence: float = 0.95

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out 1, so that A and B really differ."""
        return not self.low <= 1 <= self.high

    def __str__(self) -> str:
        percent = f"{self.confidence * 100:g}"
        return f"{self.ratio:.3g} [{self.low:.3g}, {self.high:.3g}] ({percent} % interval, n = {self.n} pairs)"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A percentile of samples with its distribution-free confidence interval, in the unit of the samples.

    A bound is None when there are too few samples for one at that confidence.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    confidence: float = 0.95


def paired_ratio(a: Sequence[float] | ArrayLike, b: Sequence[float] | ArrayLike, confidence: float = 0.95) -> Interval:
    """Return the geometric mean of a/b over paired rounds, with a bootstrap interval over the rounds.

    The geometric mean makes the ratio of A to B the inverse of that of B to A. The interval is bias-corrected and
    accelerated where the rounds differ, and the plain percentile interval where that is not defined. Resampling is
    seeded: the same rounds give the same interval.

    Args:
        a: one value a round, such as its median latency.
        b: the other value of the same rounds.
        confidence: of the interval.

    Raises:
        ValueError: the rounds do not pair up, a value is not positive, or there are fewer than five rounds.
    """
    first, second = _positive(a, "a"), _positive(b, "b")
    if first.size != second.size:
        raise ValueError(f"rounds do not pair up: {first.size} values of a, {second.size} of b")
    if first.size < MINIMUM_PAIRS:
        raise ValueError(f"{first.size} paired rounds are too few for an interval, at least {MINIMUM_PAIRS} needed")
    ratio = float(_geometric_ratio(first, second))
    if np.ptp(np.log(first / second)) < 1e-12:
        return Interval(ratio, ratio, ratio, first.size, confidence)
    for method in ("BCa", "percentile"):
        with np.errstate(all="ignore"):
            found = stats.bootstrap(
                (first, second),
                _geometric_ratio,
                paired=True,
                vectorized=True,
                n_resamples=RESAMPLES,
                confidence_level=confidence,
                method=method,
                rng=np.random.default_rng(first.size),
            ).confidence_interval
        if np.isfinite([found.low, found.high]).all():
            break
    return Interval(ratio, float(found.low), float(found.high), first.size, confidence)


def percentile_interval(samples: Sequence[float] | ArrayLike, percent: float, confidence: float = 0.95) -> Estimate:
    """Return a percentile with an interval that assumes nothing about how the samples are distributed.

    It assumes that they are independent. Latencies of one run are not quite (a stall hits neighbours), so over several
    runs the interval of their percentiles is the honest one; this is for one run.

    Args:
        samples: in any unit.
        percent: above 0 and below 100.
        confidence: of the interval.

    Raises:
        ValueError: no samples, or the percentage is not one.
    """
    values = np.asarray(samples, dtype=np.float64)
    if not values.size:
        raise ValueError(f"no percentile {percent:g} without samples")
    if not 0 < percent < 100:
        raise ValueError(f"a percentile lies between 0 and 100, not at {percent}")
    value = float(np.quantile(values, percent / 100, method="inverted_cdf"))
    test = stats.quantile_test(values, q=value, p=percent / 100)
    found = test.confidence_interval(confidence_level=confidence)
    low, high = (float(bound) if np.isfinite(bound) else None for bound in (found.low, found.high))
    return Estimate(value, low, high, int(values.size), confidence)


def slope(x: Sequence[float] | ArrayLike, y: Sequence[float] | ArrayLike, confidence: float = 0.95) -> Estimate:
    """Return how much y grows with x: the slope of the straight line through the points, with its interval.

    The interval takes what lies off the line for independent noise; its bounds are None when there are too few points
    to tell line from noise.

    Args:
        x: such as the number of a round.
        y: what was measured there.
        confidence: of the interval.

    Raises:
        ValueError: fewer than two points, or they do not pair up.
    """
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if first.size != second.size or first.size < 2:
        raise ValueError(f"no slope through {first.size} and {second.size} values; pairs are needed, at least two")
    if not np.ptp(second):
        return Estimate(0.0, 0.0, 0.0, first.size, confidence)  # nothing grew, and there is no noise to divide by
    found = stats.linregress(first, second)
    if first.size == 2:
        return Estimate(float(found.slope), None, None, 2, confidence)
    reach = float(stats.t.ppf((1 + confidence) / 2, first.size - 2) * found.stderr)
    return Estimate(float(found.slope), float(found.slope) - reach, float(found.slope) + reach, first.size, confidence)


def _positive(values: Sequence[float] | ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if not (np.isfinite(array).all() and (array > 0).all()):
        raise ValueError(f"every value of {name} must be a positive number for a ratio to mean anything")
    return array


def _geometric_ratio(a: NDArray[np.float64], b: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    return np.asarray(np.exp(np.mean(np.log(a) - np.log(b), axis=axis)))
