"""What a proxy counted of its mirroring, in one model for all dialects, and how far it moved between readings.

A number that a dialect does not tell is None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeVar

from PgDogLibrary.queued import Queued

_COUNTS = ("attempted", "mirrored", "sampled_out", "overflow", "errors", "connection", "query", "timeout", "backlog")
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True)
class Latency:
    """How long replays took, in milliseconds.

    Attributes:
        total_ms: of all replays that count here.
        count: of these replays.
        average_ms: of one.
        maximum_ms: of one; of a difference only where the longest replay fell into it for certain.
    """

    total_ms: float | None = None
    count: int | None = None
    average_ms: float | None = None
    maximum_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How mirroring does at the moment: errors since the last success, and seconds since it."""

    consecutive_errors: int | None = None
    last_success_seconds_ago: float | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Transactions whose mirroring was counted: all, those of one database, or those of one user of it.

    Attributes:
        attempted: that were to be mirrored.
        mirrored: that took effect on the mirror, as far as the proxy knows.
        sampled_out: left out by `exposure`.
        overflow: left out since the queue was full.
        errors: all that failed: overflow and the three kinds that follow.
        connection: failed since the mirror was not to be reached.
        query: refused by the mirror.
        timeout: took too long.
        backlog: queued or being replayed.
        latency: of replays.
        health: of mirroring.
        raw: upstream's own numbers, from which the others are concluded.
        grows: every series this was read from that only grows while the proxy runs -> its value.
    """

    attempted: int | None = None
    mirrored: int | None = None
    sampled_out: int | None = None
    overflow: int | None = None
    errors: int | None = None
    connection: int | None = None
    query: int | None = None
    timeout: int | None = None
    backlog: int | None = None
    latency: Latency = Latency()
    health: Health = Health()
    raw: Queued | None = None
    grows: Mapping[str, float] = field(default_factory=dict)

    def unaccounted(self) -> int | None:
        """Return attempts without an outcome that are not queued either; below 0: outcomes without an attempt.

        It is 0 at every quiet moment. None: the dialect tells too little to say.
        """
        ended = added([self.mirrored, self.sampled_out, self.errors, self.backlog])
        return None if self.attempted is None or ended is None else self.attempted - ended

    def announced(self) -> int | None:
        """Return how many attempts the proxy itself says did not reach the mirror, for whatever reason.

        None: it tells of none of the reasons.
        """
        told = [number for number in (self.errors, self.sampled_out) if number is not None]
        return sum(told) if told else None

    def unbalanced(self) -> str | None:
        """Say that attempts and outcomes do not add up; None when they do, or when the dialect cannot tell."""
        if self.unaccounted() in (0, None):
            return None
        return f"{self.unaccounted()} of {self.attempted} attempts are unaccounted for: {self}"

    def __str__(self) -> str:
        shown = ((name.replace("_", " "), getattr(self, name)) for name in _COUNTS)
        return ", ".join(f"{name} {'not told' if value is None else value}" for name, value in shown)


@dataclass(frozen=True, slots=True)
class MirrorCounts:
    """What one page tells of mirroring, or how far that moved.

    Attributes:
        at: epoch seconds at which the page was read.
        total: of everything.
        databases: by the name of the database that clients connect to.
        users: by that name and the user.
        started: epoch seconds at which the proxy started, where the page says it.
        contradictions: numbers of this page that cannot all be right, each as a sentence.
    """

    at: float
    total: Tally
    databases: Mapping[str, Tally] = field(default_factory=dict)
    users: Mapping[tuple[str, str], Tally] = field(default_factory=dict)
    started: float | None = None
    contradictions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """How far counters moved over a sequence of readings.

    Attributes:
        counts: the differences, the backlog's too; health as it was last.
        resets: how often counters began again at zero. What was counted after the last reading before a reset is not
            in the differences: with a reset they are what moved at least.
        seconds: between the first reading and the last.
    """

    counts: MirrorCounts
    resets: int
    seconds: float


def moved(readings: Sequence[MirrorCounts]) -> Moved:
    """Return how far counters moved from the first reading to the last, whatever restarted in between.

    A reset is seen by a counter that went down, or by the proxy's start. To lose nothing over a restart that is
    planned, read just before it.

    Args:
        readings: in their order, at least two.
    """
    if len(readings) < 2:
        raise ValueError("one reading has not moved from anywhere")
    first, last = readings[0], readings[-1]
    steps = [_step(before, after) for before, after in pairwise(readings)]
    counts = MirrorCounts(
        last.at,
        _joined([step.counts.total for step in steps]),
        _joined_by_key([step.counts.databases for step in steps]),
        _joined_by_key([step.counts.users for step in steps]),
        last.started,
        last.contradictions,
    )
    return Moved(counts, sum(step.resets for step in steps), last.at - first.at)


def concluded(raw: Queued, latency: Latency, grows: Mapping[str, float]) -> Tally:
    """Return a tally of what upstream's numbers tell."""
    numbers: dict[str, Any] = raw.concluded()
    return Tally(**numbers, latency=latency, raw=raw, grows=grows)


def added(numbers: Iterable[int | None]) -> int | None:
    """Return the sum, None when one of the numbers is not known."""
    known = []
    for number in numbers:
        if number is None:
            return None
        known.append(number)
    return sum(known)


def _step(before: MirrorCounts, after: MirrorCounts) -> Moved:
    restarted = before.started is not None and after.started is not None and after.started - before.started > 1.0
    again = restarted or _went_down(before.total, after.total)
    counts = MirrorCounts(
        after.at,
        _difference(before.total, after.total, again),
        {k: _difference(before.databases.get(k), tally, again) for k, tally in after.databases.items()},
        {k: _difference(before.users.get(k), tally, again) for k, tally in after.users.items()},
    )
    return Moved(counts, int(again), after.at - before.at)


def _went_down(before: Tally, after: Tally) -> bool:
    return any(after.grows.get(series, 0.0) < value for series, value in before.grows.items())


def _difference(before: Tally | None, after: Tally, again: bool) -> Tally:
    """Subtract; what began again, or is there for the first time, has moved by all that it shows."""
    if before is None or again or _went_down(before, after):
        return after
    latency = _latency(before.latency, after.latency)
    if before.raw is not None and after.raw is not None:
        return concluded(after.raw - before.raw, latency, after.grows)
    numbers: dict[str, Any] = {name: _minus(getattr(after, name), getattr(before, name)) for name in _COUNTS}
    return replace(after, **numbers, latency=latency)


def _latency(before: Latency, after: Latency) -> Latency:
    if not before.count:
        return after
    count = _minus(after.count, before.count)
    if count is None or after.total_ms is None or before.total_ms is None:
        return Latency(count=count)
    total, longest = after.total_ms - before.total_ms, after.maximum_ms
    surely = longest is not None and (before.maximum_ms is None or longest > before.maximum_ms)
    return Latency(total, count, total / count if count else None, longest if surely else None)


def _joined(steps: Sequence[Tally]) -> Tally:
    if len(steps) == 1:
        return steps[0]
    timed = [step.latency for step in steps if step.latency.count != 0] or [steps[-1].latency]
    count = added(latency.count for latency in timed)
    totals = [latency.total_ms for latency in timed if latency.total_ms is not None]
    total = sum(totals) if len(totals) == len(timed) else None
    longest = [latency.maximum_ms for latency in timed if latency.maximum_ms is not None]
    average = total / count if count and total is not None else None
    latency = Latency(total, count, average, max(longest) if len(longest) == len(timed) else None)
    raw = [step.raw for step in steps if step.raw is not None]
    if len(raw) == len(steps):
        return concluded(sum(raw, Queued()), latency, steps[-1].grows)
    numbers: dict[str, Any] = {name: added(getattr(step, name) for step in steps) for name in _COUNTS}
    return replace(steps[-1], **numbers, latency=latency)


def _joined_by_key(steps: Sequence[Mapping[_Key, Tally]]) -> dict[_Key, Tally]:
    keys = dict.fromkeys(key for step in steps for key in step)
    return {key: _joined([step[key] for step in steps if key in step]) for key in keys}


def _minus(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before
