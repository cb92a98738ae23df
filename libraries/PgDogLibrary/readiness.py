"""Whether a mirror is ready to be cut over to, by the numbers: the plan's algorithm, and what it makes of unknown ones.

Two readings are settled here, where the plan contradicts itself: an error does not raise the total once more, and
uptime is the time for which mirroring has been observed, since the proxy's start, not since the last success.
"""

from __future__ import annotations

from dataclasses import dataclass

from PgDogLibrary.counts import Tally

MET = "All migration criteria met"
CONSECUTIVE = 100  # errors in a row, above which it is told


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is demanded: a fraction, milliseconds, hours and a number of transactions."""

    max_error_rate: float = 0.01
    max_latency_ms: float = 1000.0
    min_runtime_hours: float = 24.0
    min_requests: int = 100_000


@dataclass(frozen=True, slots=True)
class Observed:
    """The numbers that the verdict rests on; None is a number that nobody tells.

    Attributes:
        total: transactions that were to be mirrored.
        mirrored: of them, those that were.
        errors: of them, those that failed or found a full queue.
        average_latency_ms: of a replay; 0 where there was none.
        uptime_hours: for which mirroring was observed.
        consecutive_errors: since the last success.
    """

    total: int | None
    mirrored: int | None
    errors: int | None
    average_latency_ms: float | None
    uptime_hours: float | None
    consecutive_errors: int | None

    @classmethod
    def of(cls, tally: Tally, uptime_hours: float | None) -> Observed:
        """Take the numbers of a page; how long it was observed the caller knows."""
        latency = 0.0 if tally.latency.count == 0 else tally.latency.average_ms
        consecutive = tally.health.consecutive_errors
        return cls(tally.attempted, tally.mirrored, tally.errors, latency, uptime_hours, consecutive)

    @property
    def error_rate(self) -> float | None:
        """Errors in one attempt, 0 when there was none."""
        return None if self.errors is None else self._share(self.errors)

    @property
    def success_rate(self) -> float | None:
        """What is left of the mirrored when the errors are taken off them, in one attempt."""
        return None if self.successes is None else self._share(self.successes)

    @property
    def successes(self) -> int | None:
        """What the plan calls consecutive successes: mirrored without errors, and never below 0."""
        return None if self.mirrored is None or self.errors is None else max(self.mirrored - self.errors, 0)

    def _share(self, number: int) -> float | None:
        if self.total is None:
            return None
        return number / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Assessment:
    """The verdict of the algorithm.

    Attributes:
        ready: whether every criterion is met; one that cannot be judged is not.
        score: 0 to 100.
        reasons: in the order of the checks, never empty.
        unknown: the numbers that nobody told; each has its reason too.
        failing: the reasons of those checks that known numbers fail.
    """

    ready: bool
    score: float
    reasons: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """As the report writes it."""
        return "READY" if self.ready else "NOT READY"

    @property
    def advice(self) -> str:
        """The band of the recommendation: proceed, review, address or stop."""
        if self.ready and self.score >= 95:
            return "proceed"
        if self.ready and self.score >= 80:
            return "review"
        return "address" if self.score >= 60 else "stop"


def assess(observed: Observed, wanted: Thresholds) -> Assessment:
    """Judge by the plan's algorithm; a number that nobody tells costs as much as one that fails."""
    checks = (
        _error_rate(observed, wanted),
        _latency(observed, wanted),
        _runtime(observed, wanted),
        _requests(observed, wanted),
        _consecutive(observed),
    )
    ready = not any(check.fails for check in checks)
    reasons = [check.reason for check in checks if check.reason]
    unknown = tuple(check.unknown for check in checks if check.unknown)
    score = 100.0 - sum(check.costs for check in checks)
    failing = tuple(check.reason for check in checks if check.fails and not check.unknown)
    return Assessment(ready, max(score, 0.0), tuple(reasons or [MET]), unknown, failing)


@dataclass(frozen=True, slots=True)
class _Check:
    costs: float = 0.0
    reason: str = ""
    fails: bool = False
    unknown: str = ""


def _not_told(what: str, costs: float, *, fails: bool = True) -> _Check:
    return _Check(costs, f"{what} is not known", fails=fails, unknown=what)


def _error_rate(observed: Observed, wanted: Thresholds) -> _Check:
    rate, limit = observed.error_rate, wanted.max_error_rate
    if rate is None:
        return _not_told("Error rate", 30.0)
    if rate > limit:
        return _Check(30.0, f"Error rate {rate * 100:.2f}% exceeds threshold {limit * 100:.2f}%", fails=True)
    return _Check(10.0 if rate > 0.5 * limit else 0.0)


def _latency(observed: Observed, wanted: Thresholds) -> _Check:
    average, limit = observed.average_latency_ms, wanted.max_latency_ms
    if average is None:
        return _not_told("Average latency", 20.0)
    if average > limit:
        return _Check(20.0, f"Average latency {average:.0f}ms exceeds threshold {limit:.0f}ms", fails=True)
    return _Check(5.0 if average > 0.75 * limit else 0.0)


def _runtime(observed: Observed, wanted: Thresholds) -> _Check:
    uptime, limit = observed.uptime_hours, wanted.min_runtime_hours
    if uptime is None:
        return _not_told("Runtime", 25.0) if limit > 0 else _Check()
    if uptime < limit:
        return _Check(25.0, f"Runtime {uptime:.1f} hours below minimum {shortest(limit)} hours", fails=True)
    return _Check()


def _requests(observed: Observed, wanted: Thresholds) -> _Check:
    total, limit = observed.total, wanted.min_requests
    if total is None:
        return _not_told("Total requests", 25.0)
    if total < limit:
        return _Check(25.0, f"Total requests {total} below minimum {limit}", fails=True)
    return _Check(5.0 if total < 2 * limit else 0.0)


def _consecutive(observed: Observed) -> _Check:
    """Too many errors in a row never fail by themselves. Of no more errors in all there is no longer row."""
    number = observed.consecutive_errors
    if number is None:
        few = observed.errors is not None and observed.errors <= CONSECUTIVE
        return _Check() if few else _not_told("Consecutive error count", 10.0, fails=False)
    return _Check(10.0, f"High consecutive error count: {number}") if number > CONSECUTIVE else _Check()


def shortest(number: float) -> str:
    """Write a number in the fewest digits: 24 and 0.5."""
    return str(int(number)) if float(number).is_integer() else repr(float(number))
