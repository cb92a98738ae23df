"""A load over time in a few hundred stretches, however long it lasted: what its drawing is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ObserverLibrary.event import MICROSECONDS
from ObserverLibrary.lag import Lag, Look
from ObserverLibrary.ledger import Published

POINTS = 240
STRETCHES = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds; none is shorter than five looks of a watch."""


def events_over_time(published: Published, looks: Mapping[str, Sequence[Look]]) -> dict[str, Any]:
    """Return acknowledgements, what waited for them, and the lag of each sink over time, see `reporting.curves`.

    Args:
        published: the load; also one that was broken off.
        looks: of the watches, by sink.
    """
    begin = published.outcome.started_us
    origin = begin / MICROSECONDS
    acknowledged = published.rows["acked"][published.acked]
    intended = published.intended_us[published.acked] / MICROSECONDS
    lags = {sink: Lag(sink, tuple(seen), intended) for sink, seen in looks.items()}
    last = max([acknowledged.max(initial=begin) / MICROSECONDS, *(lag.last_seen(origin) for lag in lags.values())])
    seconds = max(published.seconds, last - origin)
    stretch = next((s for s in STRETCHES if seconds / s <= POINTS), STRETCHES[-1])
    number = int(seconds / stretch) + 1
    acked = np.bincount((acknowledged - begin) // int(stretch * MICROSECONDS), minlength=number)[:number]
    ends = np.arange(1, number + 1) * stretch
    due = np.minimum(np.floor(ends * published.plan.rate), len(published.rows)).astype(np.int64)
    return {
        "name": published.path.stem,
        "origin": round(origin, 3),
        "stretch_s": stretch,
        "rate": published.plan.rate,
        "acked": acked.tolist(),
        "waiting": np.maximum(due - np.cumsum(acked), 0).tolist(),
        "sinks": {sink: lag.over_time(origin, stretch, number) for sink, lag in lags.items()},
    }
