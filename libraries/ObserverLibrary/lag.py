"""How far a sink is behind: when each event is first seen there, by an observer that only counts entries.

A watch asks a sink, ten times a second, how many entries it has. When n of a load's events are there, the n-th by
intended time is there, whichever came in which order: its lag is at most the time from its intended publication to the
answer that first counted it. So no lag is told too small; it is too large by one period and one question at most, which
is the resolution. What a search engine counts is what a search finds: its index's refresh is part of the lag.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from measurement.histogram import LatencyHistogram
from measurement.verdicts import Inconclusive

PERIOD_SECONDS = 0.1
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Look:
    """One question: when it was asked and answered (epoch seconds), and how many new entries there were then.

    `count` is None where no answer came.
    """

    asked: float
    answered: float
    count: int | None


class Watch:
    """Asks a sink how many entries it has, until it is stopped.

    Args:
        sink: its name.
        count: asks it; what it raises means that the sink does not answer.
        period_seconds: between the beginnings of two questions.
    """

    def __init__(self, sink: str, count: Callable[[], int], period_seconds: float = PERIOD_SECONDS) -> None:
        self.sink = sink
        self._count, self._period = count, period_seconds
        self._base = 0
        self._looks: list[Look] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch of {sink}", daemon=True)

    def start(self) -> Self:
        """Begin with what is there now; only entries that come from now on are counted.

        Raises:
            Exception: the sink does not answer.
        """
        self._base = self._count()
        self._thread.start()
        return self

    def stop(self) -> tuple[Look, ...]:
        """End, after the question under way; return all of them. Harmless when it has ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        return self.looks

    @property
    def looks(self) -> tuple[Look, ...]:
        """The questions so far."""
        return tuple(self._looks)

    @property
    def seen(self) -> int:
        """How many new entries have been seen so far."""
        return max((look.count or 0 for look in self.looks), default=0)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._period, time.monotonic())
            asked = time.time()
            try:
                count: int | None = self._count() - self._base
            except Exception:  # noqa: BLE001 - a sink that is away is what may be watched
                count = None
            self._looks.append(Look(asked, max(asked, time.time()), count))


@dataclass(frozen=True)
class Lag:
    """What a watch saw of a load.

    Args:
        sink: its name.
        looks: of the watch, in their order.
        intended: when each acknowledged event was to be published, epoch seconds, in that order.
    """

    sink: str
    looks: tuple[Look, ...]
    intended: NDArray[np.float64]

    @property
    def seen(self) -> int:
        """How many events were seen."""
        return int(self._steps()[1][-1]) if len(self.intended) and self.looks else 0

    @property
    def resolution(self) -> float:
        """The longest time, seconds, by which a lag can be told too large while the sink answered."""
        answered = [look for look in self.looks if look.count is not None]
        gaps = [later.answered - earlier.asked for earlier, later in itertools.pairwise(answered)]
        return float(np.percentile(gaps, 99)) if gaps else float("inf")

    def histogram(self) -> LatencyHistogram:
        """Return the lags of all events that were seen."""
        answered, counts = self._steps()
        new = np.diff(counts, prepend=0)
        first_seen = np.repeat(answered, new)
        return LatencyHistogram.of(np.maximum(first_seen - self.intended[: len(first_seen)], 0.0))

    def caught_up_at(self, since: float, behind: float) -> float | None:
        """Return when the sink was first seen not to be behind any more, from an instant on (epoch seconds).

        Args:
            since: only later answers count.
            behind: seconds; the oldest event not seen yet must be younger.
        """
        for at, age in self.ages():
            if at >= since and age <= behind:
                return at
        return None

    def ages(self) -> list[tuple[float, float]]:
        """Return at each answer (epoch seconds) how old the oldest event was that the sink did not show (seconds)."""
        answered, counts = self._steps()
        following = np.append(self.intended, np.inf)[counts]
        return list(zip(answered.tolist(), np.maximum(answered - following, 0.0).tolist(), strict=True))

    def last_seen(self, begin: float) -> float:
        """Return when a new event was last seen (epoch seconds), the beginning if none was."""
        answered, counts = self._steps()
        came = answered[np.diff(counts, prepend=0) > 0]
        return float(came[-1]) if len(came) else begin

    def over_time(self, begin: float, stretch: float, number: int) -> dict[str, list[Any]]:
        """Return the lags of the events that were first seen in each of some stretches of time.

        Args:
            begin: of the first stretch, epoch seconds.
            stretch: how long each is, seconds.
            number: of stretches; what is seen later counts in the last.

        Returns:
            A value a stretch: `seen`, how many events, and `p50_s` and `max_s` of their lags, None where none was seen.
        """
        answered, counts = self._steps()
        found: dict[str, list[Any]] = {"seen": [0] * number, "p50_s": [None] * number, "max_s": [None] * number}
        places = np.clip((answered - begin) // stretch, 0, number - 1).astype(int)
        for place in np.unique(places).tolist():
            here = np.flatnonzero(places == place)
            first = int(counts[here[0] - 1]) if here[0] else 0
            new = np.diff(counts[here], prepend=first)
            lags = np.repeat(answered[here], new) - self.intended[first : int(counts[here[-1]])]
            if len(lags):
                found["seen"][place] = len(lags)
                found["p50_s"][place] = round(max(0.0, float(np.median(lags))), 4)
                found["max_s"][place] = round(max(0.0, float(np.max(lags))), 4)
        return found

    def longest_pause(self, since: float, until: float) -> float:
        """Return the longest time (seconds) in which no new event was seen, between two instants (epoch seconds).

        Raises:
            Inconclusive: the watch saw nothing of that time.
        """
        answered, counts = self._steps()
        came = answered[np.flatnonzero(np.diff(counts, prepend=0) > 0)]
        if not len(answered) or answered[-1] < until or until <= since:
            raise Inconclusive(f"{self.sink} was not watched until the end of the time that is asked about")
        within = came[(came > since) & (came < until)]
        return float(np.max(np.diff(np.concatenate([[since], within, [until]]))))

    def _steps(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """When answers came, and how many events of the load had been seen by then."""
        answers = [(look.answered, look.count) for look in self.looks if look.count is not None]
        counts = np.array([count for _, count in answers], dtype=np.int64)
        seen = np.minimum(np.maximum.accumulate(np.maximum(counts, 0)), len(self.intended)) if len(counts) else counts
        return np.array([at for at, _ in answers], dtype=np.float64), seen
