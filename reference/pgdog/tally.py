"""Counters of what became of each transaction: one outcome for each attempt. One event loop writes them, no locks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Literal, TypeVar

Kind = Literal["connection", "query", "timeout"]
Key = TypeVar("Key")


class Health:
    """What is known of the mirrors as a whole."""

    def __init__(self) -> None:
        self.consecutive_errors = 0  # since the last success
        self.last_success = time.monotonic()  # the start counts as one, so that its age is that of the silence


class Tally:
    """Counters of one source, destination and user.

    At any quiet moment

        attempted = sampled_out + overflowed + mirrored + connection + query + timeout + backlog

    `backlog` (queued, outcome not counted yet) and `sessions` (open on the mirror) are set by who replays.
    """

    def __init__(self, source: str = "", destination: str = "", user: str = "", health: Health | None = None) -> None:
        self.source, self.destination, self.user = source, destination, user
        self.health = health or Health()
        self.backlog = self.sessions = 0
        self.clear()

    def clear(self) -> None:
        """Begin at zero."""
        self.attempted = self.sampled_out = self.overflowed = 0
        self.mirrored = self.connection = self.query = self.timeout = 0
        self.seconds = self.slowest = 0.0  # of successes
        self.latency_count = 0

    @property
    def failed(self) -> int:
        """Replays that were tried and did not succeed."""
        return self.connection + self.query + self.timeout

    @property
    def errors(self) -> int:
        """All that did not reach the mirror although it should have."""
        return self.failed + self.overflowed

    @property
    def latency_ms(self) -> float:
        """The average replay in milliseconds, 0 where there was none."""
        return 1000 * self.seconds / self.latency_count if self.latency_count else 0.0

    def attempt(self) -> None:
        """Count a transaction that took effect on the primary."""
        self.attempted += 1

    def sample_out(self) -> None:
        """Count one that the exposure left out."""
        self.sampled_out += 1

    def overflow(self) -> None:
        """Count one that found no room to wait."""
        self.overflowed += 1
        self.health.consecutive_errors += 1

    def succeed(self, seconds: float) -> None:
        """Count one that the mirror has done, and how long it took there."""
        self.mirrored += 1
        self.latency_count += 1
        self.seconds += seconds
        self.slowest = max(self.slowest, seconds)
        self.health.consecutive_errors = 0
        self.health.last_success = time.monotonic()

    def fail(self, kind: Kind) -> None:
        """Count one that was tried in vain."""
        if kind == "connection":
            self.connection += 1
        elif kind == "query":
            self.query += 1
        else:
            self.timeout += 1
        self.health.consecutive_errors += 1

    def add(self, other: Tally) -> None:
        """Add another's counters to these; the larger maximum stays."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.slowest = max(self.slowest, other.slowest)


_SUMS = (
    "attempted", "sampled_out", "overflowed", "mirrored", "connection", "query", "timeout",
    "seconds", "latency_count", "backlog", "sessions",
)  # fmt: skip


class Uncounted(Tally):
    """What stands in for a tally where metrics are off: nothing is counted, and it costs nothing."""

    def attempt(self) -> None:
        """See `Tally.attempt`."""

    def sample_out(self) -> None:
        """See `Tally.sample_out`."""

    def overflow(self) -> None:
        """See `Tally.overflow`."""

    def succeed(self, seconds: float) -> None:
        """See `Tally.succeed`."""

    def fail(self, kind: Kind) -> None:
        """See `Tally.fail`."""


class Tallies:
    """All tallies of a process, and when it began to count."""

    kind: type[Tally] = Tally

    def __init__(self, *, counting: bool = True) -> None:
        self.counting = counting
        self.health = Health()
        self.started = time.monotonic()
        self._all: dict[tuple[str, str, str], Tally] = {}

    def of(self, source: str, destination: str, user: str) -> Tally:
        """Return the tally of this source, destination and user, the same one each time."""
        key = (source, destination, user)
        if key not in self._all:
            self._all[key] = self.make(*key)
        return self._all[key]

    def make(self, source: str, destination: str, user: str) -> Tally:
        """Return a new tally that belongs to nothing yet."""
        return (self.kind if self.counting else Uncounted)(source, destination, user, self.health)

    def all(self) -> list[Tally]:
        """Return every tally, in the order in which they were first asked for."""
        return list(self._all.values())

    def total(self) -> Tally:
        """Return a sum of them all, which nothing changes any more."""
        return self._sum(self._all.values())

    def grouped(self, key: Callable[[Tally], Key]) -> dict[Key, Tally]:
        """Return a sum for each value of a key, in the order in which these first came up."""
        groups: dict[Key, list[Tally]] = {}
        for tally in self._all.values():
            groups.setdefault(key(tally), []).append(tally)
        return {value: self._sum(tallies) for value, tallies in groups.items()}

    def _sum(self, tallies: Iterable[Tally]) -> Tally:
        total = self.make("", "", "")
        for tally in tallies:
            total.add(tally)
        return total
