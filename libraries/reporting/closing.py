"""The plain line both commands end with, for people and for programs that read only that."""

from __future__ import annotations

import re

from reporting.rundata import RunData

PATTERN = re.compile(r"^(\d+) passed, (\d+) failed, (\d+) skipped$")


def closing(passed: int, failed: int, skipped: int) -> str:
    """Return the line."""
    return f"{passed} passed, {failed} failed, {skipped} skipped"


def closing_line(run: RunData) -> str:
    """Return the line of a run; whatever is neither passed nor skipped is failed, also what never came to run."""
    counts = run.counts
    return closing(counts["pass"], counts["fail"] + counts["inconclusive"] + counts["not run"], counts["skip"])
