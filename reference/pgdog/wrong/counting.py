"""Counters that count wrongly."""

from __future__ import annotations

import time

from reference.pgdog.metrics.plan import family
from reference.pgdog.metrics.process import resident
from reference.pgdog.metrics.text import Writer
from reference.pgdog.tally import Health, Kind, Tallies, Tally


class HalvingTally(Tally):
    """Raises the count of the average twice."""

    def attempt(self) -> None:
        """See `Tally.attempt`."""
        super().attempt()
        self.latency_count += 1


class ForgetfulTally(Tally):
    """Takes the last value for the maximum."""

    def succeed(self, seconds: float) -> None:
        """See `Tally.succeed`."""
        super().succeed(seconds)
        self.slowest = seconds

    def add(self, other: Tally) -> None:
        """See `Tally.add`."""
        super().add(other)
        self.slowest = other.slowest or self.slowest


class DoublyCountingTally(Tally):
    """Counts a request that failed as another one."""

    def overflow(self) -> None:
        """See `Tally.overflow`."""
        super().overflow()
        self.attempted += 1

    def fail(self, kind: Kind) -> None:
        """See `Tally.fail`."""
        super().fail(kind)
        self.attempted += 1


class SilentTally(Tally):
    """Does not note when it succeeds."""

    def succeed(self, seconds: float) -> None:
        """See `Tally.succeed`."""
        before = self.health.last_success
        super().succeed(seconds)
        self.health.last_success = before


class HalvingTallies(Tallies):
    """Has `HalvingTally`."""

    kind = HalvingTally


class ForgetfulTallies(Tallies):
    """Has `ForgetfulTally`."""

    kind = ForgetfulTally


class DoublyCountingTallies(Tallies):
    """Has `DoublyCountingTally`."""

    kind = DoublyCountingTally


class SilentTallies(Tallies):
    """Has `SilentTally`."""

    kind = SilentTally


class OneDatabase(Tallies):
    """Knows one database, the first."""

    def of(self, source: str, destination: str, user: str) -> Tally:
        """See `Tallies.of`."""
        first = next(iter(self.all()), None)
        if first is not None:
            source, destination = first.source, first.destination
        return super().of(source, destination, user)


class OneUser(Tallies):
    """Knows one user of each database, the first."""

    def of(self, source: str, destination: str, user: str) -> Tally:
        """See `Tallies.of`."""
        users = [tally.user for tally in self.all() if (tally.source, tally.destination) == (source, destination)]
        return super().of(source, destination, users[0] if users else user)


class AlwaysCounting(Tallies):
    """Counts, whatever the switch says."""

    def __init__(self, *, counting: bool = True) -> None:
        super().__init__(counting=True)


class RecountingTally(Tally):
    """Makes the page with everything it counts."""

    whole: Tallies

    def attempt(self) -> None:
        """See `Tally.attempt`."""
        super().attempt()
        self._make_page()

    def succeed(self, seconds: float) -> None:
        """See `Tally.succeed`."""
        super().succeed(seconds)
        self._make_page()

    def fail(self, kind: Kind) -> None:
        """See `Tally.fail`."""
        super().fail(kind)
        self._make_page()

    def _make_page(self) -> None:
        resident()
        Writer().page([family(self.whole)])


class RecountingTallies(Tallies):
    """Has `RecountingTally`, where anything is counted."""

    def make(self, source: str, destination: str, user: str) -> Tally:
        """See `Tallies.make`."""
        if not self.counting:
            return super().make(source, destination, user)
        tally = RecountingTally(source, destination, user, self.health)
        tally.whole = self
        return tally


def forget(tallies: Tallies) -> None:
    """Begin all counters at zero, but for what waits."""
    for tally in tallies.all():
        tally.clear()
    tallies.health.consecutive_errors = Health().consecutive_errors
    tallies.started = time.monotonic()
