"""Writes every page of a run and notes its verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from criteria import Criterion, LastVerdict, VerdictBook
from reporting.markdown import summary
from reporting.page import index_page
from reporting.rundata import RunData, read_run
from reporting.split import split_by_phase


def write_reports(
    directory: Path,
    known: Sequence[Criterion] = (),
    verdicts: Path | None = None,
    kills: Path | None = None,
) -> RunData:
    """Make the pages of a run from what it recorded: per-phase files, `summary.md`, `index.html`.

    Args:
        directory: `results/<run-id>`; the run may be complete, stopped or killed.
        known: criteria to take sources and budgets from where the run has not written them down itself.
        verdicts: the book of last verdicts to bring up to date; None leaves it alone.
        kills: the record of what has been proven able to fail.

    Returns:
        The run as it was read.

    Raises:
        OSError: the pages cannot be written.
    """
    run = read_run(directory, known, kills)
    phases = split_by_phase(run)
    (directory / "summary.md").write_text(summary(run), encoding="utf-8")
    (directory / "index.html").write_text(index_page(run, phases), encoding="utf-8")
    if verdicts is not None and not run.fingerprint.get("defect"):
        VerdictBook(verdicts).update(last_verdicts(run))
    return run


def last_verdicts(run: RunData) -> dict[str, LastVerdict]:
    """Return the verdicts of a run's criteria; one that never came to run has none."""
    date = (run.started or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
    sha = str(run.fingerprint.get("git", "unknown"))
    return {
        row.id: LastVerdict(row.verdict, date, sha, run.directory.name)
        for row in run.rows
        if row.id and row.verdict != "not run"
    }
