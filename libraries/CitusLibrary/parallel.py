"""How many tasks of a query were under way at one time. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class GroupWork:
    """One group of a query's answer: how many rows, and from when to when a task worked on it."""

    namespace: str
    count: int
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class ParallelRun:
    """One run of a query whose work is known."""

    groups: tuple[GroupWork, ...]
    seconds: float  # from sending the query to its answer
    work_seconds: float  # what one task after the other would take

    @property
    def at_once(self) -> int:
        """The most groups that were worked on at the same time."""
        return most_at_once((group.begin, group.end) for group in self.groups)


def most_at_once(intervals: Iterable[tuple[datetime, datetime]]) -> int:
    """Return how many of the intervals overlap at the busiest instant; touching ends do not overlap."""
    steps = sorted((moment, step) for begin, end in intervals for moment, step in ((begin, 1), (end, -1)))
    running = most = 0
    for _, step in steps:
        running += step
        most = max(most, running)
    return most
