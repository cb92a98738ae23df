"""Intended start times of an open-loop load, as offsets in seconds from its beginning.

They are fixed before the load begins: how the system answers can never change when it is asked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Offsets = NDArray[np.float64]


def constant_rate(rate_per_second: float, duration_seconds: float) -> Offsets:
    """Space the starts evenly.

    Args:
        rate_per_second: starts a second.
        duration_seconds: no start is at or after this offset.

    Raises:
        ValueError: rate or duration is not positive.
    """
    number = math.ceil(_expected_starts(rate_per_second, duration_seconds) - 1e-9)  # rounding must not add a start
    return np.arange(number, dtype=np.float64) / rate_per_second


def poisson(rate_per_second: float, duration_seconds: float, seed: int) -> Offsets:
    """Let the starts arrive independently of each other, as many users do: exponential distances.

    Args:
        rate_per_second: starts a second on average.
        duration_seconds: no start is at or after this offset.
        seed: of the pseudo-random generator; the same seed gives the same offsets.

    Raises:
        ValueError: rate or duration is not positive.
    """
    expected = _expected_starts(rate_per_second, duration_seconds)
    random = np.random.default_rng(seed)
    offsets = np.empty(0, dtype=np.float64)
    while not offsets.size or offsets[-1] < duration_seconds:
        number = int(expected + 6 * math.sqrt(expected) + 16)
        start = offsets[-1] if offsets.size else 0.0
        offsets = np.concatenate([offsets, start + np.cumsum(random.exponential(1 / rate_per_second, number))])
    return offsets[offsets < duration_seconds]


def steps(stages: Iterable[tuple[float, float]]) -> Offsets:
    """Chain constant rates, such as half load, overload and half load again.

    Args:
        stages: pairs of rate (starts a second) and duration (seconds).
    """
    begin, parts = 0.0, []
    for rate, duration in stages:
        parts.append(begin + constant_rate(rate, duration))
        begin += duration
    if not parts:
        raise ValueError("a load needs at least one stage")
    return np.concatenate(parts)


def _expected_starts(rate: float, duration: float) -> float:
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"a rate must be a positive number of starts a second, not {rate}")
    if not (math.isfinite(duration) and duration > 0):
        raise ValueError(f"a duration must be a positive number of seconds, not {duration}")
    return rate * duration
