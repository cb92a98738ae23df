"""Whether work may be moved to the mirror: the checks, what they leave of the score, and the report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from reference.pgdog.settings import Thresholds
from reference.pgdog.tally import Tallies

_MANY_IN_A_ROW = 100  # errors; more of them cost points, and do not fail


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen of all mirrors together."""

    total: int
    mirrored: int
    errors: int
    latency_ms: float  # average, 0 where there was none
    uptime_hours: float
    consecutive_errors: int

    @property
    def error_rate(self) -> float:
        """The share of errors, 0 to 1."""
        return self.errors / self.total if self.total else 0.0

    @property
    def successes(self) -> int:
        """What the plan calls consecutive successes, and are not."""
        return max(self.mirrored - self.errors, 0)

    @property
    def success_rate(self) -> float:
        """The share of these, 0 to 1."""
        return self.successes / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checks came to. `score` is out of 100."""

    ready: bool
    score: float
    reasons: tuple[str, ...]


def observed(tallies: Tallies) -> Observed:
    """Return what was seen until now; uptime is counted since the process began to observe.

    The plan counts it since the last success: a mirror in steady use would never be old enough, a dead one would.
    """
    total = tallies.total()
    hours = int(time.monotonic() - tallies.started) / 3600
    return Observed(
        total.attempted, total.mirrored, total.errors, total.latency_ms, hours, total.health.consecutive_errors
    )


def assess(seen: Observed, limits: Thresholds) -> Verdict:
    """Return the verdict. A failed check says why; one that is near its limit costs a few points and says nothing."""
    lost, near, notes = [], [], []
    if seen.error_rate > limits.max_error_rate:
        rates = f"{100 * seen.error_rate:.2f}% exceeds threshold {100 * limits.max_error_rate:.2f}%"
        lost.append((30, f"Error rate {rates}"))
    elif seen.error_rate > 0.5 * limits.max_error_rate:
        near.append(10)
    if seen.latency_ms > limits.max_latency_ms:
        lost.append((20, f"Average latency {seen.latency_ms:.0f}ms exceeds threshold {limits.max_latency_ms:.0f}ms"))
    elif seen.latency_ms > 0.75 * limits.max_latency_ms:
        near.append(5)
    if seen.uptime_hours < limits.min_runtime_hours:
        hours = f"{seen.uptime_hours:.1f} hours below minimum {_shortest(limits.min_runtime_hours)} hours"
        lost.append((25, f"Runtime {hours}"))
    if seen.total < limits.min_requests:
        lost.append((25, f"Total requests {seen.total} below minimum {limits.min_requests}"))
    elif seen.total < 2 * limits.min_requests:
        near.append(5)
    if seen.consecutive_errors > _MANY_IN_A_ROW:
        near.append(10)
        notes.append(f"High consecutive error count: {seen.consecutive_errors}")
    score = max(100 - sum(points for points, _ in lost) - sum(near), 0)
    reasons = [reason for _, reason in lost] + notes
    return Verdict(not lost, float(score), tuple(reasons or ["All migration criteria met"]))


def report(verdict: Verdict, seen: Observed, limits: Thresholds) -> Iterator[str]:
    """Yield the report line by line."""
    yield "=== Mirror Migration Readiness Report ==="
    yield ""
    yield f"Status: {'READY' if verdict.ready else 'NOT READY'}"
    yield f"Confidence Score: {verdict.score:.1f}%"
    yield ""
    yield "Metrics:"
    yield f"  Error Rate: {100 * seen.error_rate:.3f}%"
    yield f"  Success Rate: {100 * seen.success_rate:.3f}%"
    yield f"  Avg Latency: {seen.latency_ms:.0f}ms"
    yield f"  Uptime: {seen.uptime_hours:.1f} hours"
    yield f"  Total Requests: {seen.total}"
    yield f"  Consecutive Successes: {seen.successes}"
    yield ""
    yield "Criteria:"
    yield f"  Max Error Rate: {100 * limits.max_error_rate:.2f}%"
    yield f"  Max Latency: {limits.max_latency_ms:.0f}ms"
    yield f"  Min Runtime: {limits.min_runtime_hours:.0f} hours"
    yield f"  Min Requests: {limits.min_requests}"
    yield ""
    yield "Assessment:"
    for reason in verdict.reasons:
        yield f"  - {reason}"
    yield ""
    yield "Recommendation:"
    yield f"  {_recommendation(verdict)}"


def _recommendation(verdict: Verdict) -> str:
    if verdict.ready and verdict.score >= 95:
        return "✓ safe to proceed with the migration"
    if verdict.ready and verdict.score >= 80:
        return "⚠ possible, review the metrics before the migration"
    if verdict.score >= 60:
        return "⚠ address issues before the migration"
    return "✗ do not migrate"


def _shortest(number: float) -> str:
    """A number with no more places than it needs: 24, 0.5."""
    return str(int(number)) if number == int(number) else repr(float(number))
