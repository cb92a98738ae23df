"""The text of `SHOW MIRROR READINESS`: read line by line, each held to its exact form, and compared with our own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from PgDogLibrary.readiness import MET, Assessment, Observed, Thresholds, assess

TITLE = "=== Mirror Migration Readiness Report ==="
_LAST_PLACE = 0.0005  # ms
_DECIMALS_3, _DECIMALS_2, _DECIMALS_1, _WHOLE = r"(\d+\.\d{3})", r"(\d+\.\d\d)", r"(\d+\.\d)", r"(\d+)"
_METRICS = (
    ("error_rate", rf"  Error Rate: {_DECIMALS_3}%"),
    ("success_rate", rf"  Success Rate: {_DECIMALS_3}%"),
    ("average_latency_ms", rf"  Avg Latency: {_WHOLE}ms"),
    ("uptime_hours", rf"  Uptime: {_DECIMALS_1} hours"),
    ("total", rf"  Total Requests: {_WHOLE}"),
    ("successes", rf"  Consecutive Successes: {_WHOLE}"),
)
_CRITERIA = (
    ("max_error_rate", rf"  Max Error Rate: {_DECIMALS_2}%"),
    ("max_latency_ms", rf"  Max Latency: {_WHOLE}ms"),
    ("min_runtime_hours", rf"  Min Runtime: {_WHOLE} hours"),
    ("min_requests", rf"  Min Requests: {_WHOLE}"),
)
_REASON = re.compile(
    "|".join(
        (
            rf"Error rate {_DECIMALS_2}% exceeds threshold {_DECIMALS_2}%",
            rf"Average latency {_WHOLE}ms exceeds threshold {_WHOLE}ms",
            rf"Runtime {_DECIMALS_1} hours below minimum \d+(\.\d*[1-9])? hours",
            rf"Total requests {_WHOLE} below minimum {_WHOLE}",
            rf"High consecutive error count: {_WHOLE}",
            MET,
        )
    )
)
_ADVICE = {
    "proceed": ("✅✓✔", "safe to proceed"),
    "review": ("⚠", "review"),
    "address": ("⚠", "address issues"),
    "stop": ("❌✗✘", "do not migrate"),
}


class WrongReport(AssertionError):
    """A report is not of the form it must have; the message has the number of the line, the line, and the form."""


@dataclass(frozen=True, slots=True)
class Report:
    """A report as it was read.

    Attributes:
        ready: whether it says READY.
        score: in percent.
        metrics: `error_rate` and `success_rate` in percent, `average_latency_ms`, `uptime_hours`, `total`, `successes`.
        criteria: `max_error_rate` in percent, `max_latency_ms`, `min_runtime_hours`, `min_requests`.
        reasons: as they are written.
        advice: proceed, review, address or stop.
        lines: all of it.
    """

    ready: bool
    score: float
    metrics: dict[str, float]
    criteria: dict[str, float]
    reasons: tuple[str, ...]
    advice: str
    lines: tuple[str, ...]


def parse(lines: Sequence[str]) -> Report:
    """Read a report.

    Args:
        lines: of it, however many rows of the answer they came in.

    Raises:
        WrongReport: a line is missing, there is one too many, or one is not of its exact form.
    """
    reader = _Reader([line for row in lines for line in row.split("\n")])
    reader.exactly(TITLE)
    reader.exactly("")
    ready = reader.form("Status: (READY|NOT READY)")[0] == "READY"
    score = float(reader.form(rf"Confidence Score: {_DECIMALS_1}%")[0])
    metrics = reader.block("Metrics:", _METRICS)
    criteria = reader.block("Criteria:", _CRITERIA)
    reader.exactly("")
    reader.exactly("Assessment:")
    reasons = tuple(reader.reasons())
    reader.exactly("")
    reader.exactly("Recommendation:")
    advice = reader.advice()
    reader.end()
    return Report(ready, score, metrics, criteria, reasons, advice, tuple(reader.lines))


def written(assessment: Assessment, observed: Observed, wanted: Thresholds) -> list[str]:
    """Write the report that these numbers make, up to the recommendation's own line, whose words are free.

    Raises:
        ValueError: a number is not known, so nobody can write a report of it.
    """
    rates = (observed.error_rate, observed.success_rate, observed.average_latency_ms, observed.uptime_hours)
    if None in rates or observed.total is None:
        raise ValueError(f"there is no report of numbers that are not known: {observed}")
    error, success, latency, uptime = (rate or 0.0 for rate in rates)
    return [
        TITLE,
        "",
        f"Status: {assessment.status}",
        f"Confidence Score: {assessment.score:.1f}%",
        "",
        "Metrics:",
        f"  Error Rate: {error * 100:.3f}%",
        f"  Success Rate: {success * 100:.3f}%",
        f"  Avg Latency: {latency:.0f}ms",
        f"  Uptime: {uptime:.1f} hours",
        f"  Total Requests: {observed.total}",
        f"  Consecutive Successes: {observed.successes}",
        "",
        "Criteria:",
        f"  Max Error Rate: {wanted.max_error_rate * 100:.2f}%",
        f"  Max Latency: {wanted.max_latency_ms:.0f}ms",
        f"  Min Runtime: {wanted.min_runtime_hours:.0f} hours",
        f"  Min Requests: {wanted.min_requests}",
        "",
        "Assessment:",
        *(f"  - {reason}" for reason in assessment.reasons),
        "",
        "Recommendation:",
    ]


def difference(report: Report, wanted: Thresholds, before: Observed, after: Observed) -> str | None:
    """Say which line of a report is the first that our own computation does not make; None when all agree.

    A latency is on a page with three places, so that its last digit may round either way in the report.

    Args:
        report: as it was read.
        wanted: the proxy's thresholds.
        before: numbers read just before the report.
        after: numbers read just after it: uptime may have gone on in between, so either of the two may be shown.
    """
    own = [replace(numbers, average_latency_ms=ms) for numbers in (before, after) for ms in _as_shown(numbers)]
    assessed = [assess(numbers, wanted) for numbers in own]
    ours = [written(assessment, numbers, wanted) for assessment, numbers in zip(assessed, own, strict=True)]
    for number, line in enumerate(report.lines[:-1]):
        expected = list(dict.fromkeys(lines[number] for lines in ours if number < len(lines)))
        if line not in expected:
            right = " or ".join(f"'{one}'" for one in expected) or "no such line"
            return f"line {number + 1} of the report is '{line}', its numbers make {right}"
    advices = {assessment.advice for assessment in assessed}
    if report.advice not in advices:
        return f"the report recommends to {report.advice}, its numbers to {' or '.join(sorted(advices))}"
    return None


def _as_shown(numbers: Observed) -> tuple[float | None, ...]:
    """The latencies that a page shows as this one."""
    shown = numbers.average_latency_ms
    return (shown,) if not shown else (shown, shown - _LAST_PLACE, shown + _LAST_PLACE)


class _Reader:
    """The lines of a report and how far they have been read."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self._next = 0

    def exactly(self, text: str) -> None:
        """Take a line that is just this."""
        if self._line(f"'{text}'") != text:
            raise self._wrong(f"'{text}'")
        self._next += 1

    def form(self, pattern: str) -> tuple[str, ...]:
        """Take a line of this form and return what varies in it."""
        match = re.fullmatch(pattern, self._line(pattern))
        if match is None:
            raise self._wrong(pattern)
        self._next += 1
        return match.groups()

    def block(self, title: str, forms: Sequence[tuple[str, str]]) -> dict[str, float]:
        """Take an empty line, a title, and a line of each form; return the numbers by their names."""
        self.exactly("")
        self.exactly(title)
        return {name: float(self.form(pattern)[0]) for name, pattern in forms}

    def reasons(self) -> Iterator[str]:
        """Take at least one reason, and all that follow."""
        while True:
            [reason] = self.form(r"  - (.+)")
            if _REASON.fullmatch(reason) is None:
                self._next -= 1
                raise self._wrong("a reason of the algorithm")
            yield reason
            if not self._line("an empty line").startswith("  - "):
                return

    def advice(self) -> str:
        """Take the recommendation, whatever its words: a mark, and what it comes down to."""
        mark, words = self.form(r"  (\S+) (.+)")
        for name, (marks, sense) in _ADVICE.items():
            if mark[0] in marks and sense in words.lower():
                return name
        self._next -= 1
        raise self._wrong("a mark and one of " + ", ".join(sense for _, sense in _ADVICE.values()))

    def end(self) -> None:
        """Make sure that nothing follows."""
        if self._next < len(self.lines):
            raise self._wrong("the end of the report")

    def _line(self, expected: str) -> str:
        if self._next >= len(self.lines):
            raise WrongReport(f"the report ends after {self._next} lines, expected {expected}")
        return self.lines[self._next]

    def _wrong(self, expected: str) -> WrongReport:
        return WrongReport(f"line {self._next + 1} of the report is '{self.lines[self._next]}', expected {expected}")
