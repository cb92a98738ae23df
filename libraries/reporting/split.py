"""Splits a run's output by phase: each phase gets its own output, log, report and xUnit file."""

from __future__ import annotations

import io
from pathlib import Path

from robot.api import ResultWriter
from robot.output import LOGGER
from robot.result import Result

from criteria.discovery import PHASES
from reporting.rundata import RunData

FILES = ("output.xml", "log.html", "report.html", "xunit.xml")


def split_by_phase(run: RunData) -> list[str]:
    """Write `<phase>/{output.xml,log.html,report.html,xunit.xml}` for each phase that has tests.

    A run that was killed has no log of its own: it gets one from what was recorded.

    Returns:
        The phases written.
    """
    if run.output is None:
        return []
    LOGGER.register_console_logger("none", stdout=io.StringIO(), stderr=io.StringIO())
    name = run.directory.name
    if not run.output.complete:
        _write(run.output.result, run.directory, f"Run {name}, killed", output=None)
    written = []
    for phase in PHASES:
        suite = run.output.result.suite.deepcopy()
        suite.filter(included_tags=[f"phase:{phase}"])
        if suite.test_count:
            _write(Result(suite=suite, errors=run.output.result.errors), run.directory / phase, f"{phase}, run {name}")
            written.append(phase)
    return written


def _write(result: Result, directory: Path, title: str, output: str | None = "output.xml") -> None:
    directory.mkdir(exist_ok=True)
    ResultWriter(result).write_results(
        outputdir=str(directory),
        output=output,
        log="log.html",
        report="report.html",
        xunit="xunit.xml",
        logtitle=f"Log: {title}",
        reporttitle=f"Report: {title}",
        **STATISTICS,
    )


STATISTICS = {
    "tagstatinclude": ["phase:*", "system:*", "verdict:inconclusive"],
    "tagdoc": ["verdict?inconclusive:The evidence settles nothing; counted as failed."],
    "suitestatlevel": 3,
}
"""Options that keep the tag table of logs and reports to what is worth counting."""
