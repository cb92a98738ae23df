"""`python -m reporting.field_report DIRECTORY`: writes the section of a vendor's server from a run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from criteria import CriteriaProblem, Criterion, catalogue
from environments.config import ROOT
from reporting.field_report.findings import FindingsProblem
from reporting.field_report.place import MarksProblem, placed
from reporting.field_report.section import section
from reporting.field_report.subject import ReportProblem, Subject, read_subject, sights

WRONG_USE = 252
REPORT = ROOT / "docs" / "field-report.md"


class _WrongUse(Exception):
    """The command line cannot be used."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _WrongUse(f"{message}; see python -m reporting.field_report --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the section of one system into the report.

    Returns:
        0: done; 252: there is nothing to report, or something is damaged: one line for each mistake.
    """
    try:
        given = _parser().parse_args(arguments)
        subject = read_subject(given.run.resolve(), given.system, given.findings, _known())
        _write(given.into, subject)
    except (_WrongUse, ReportProblem, FindingsProblem, MarksProblem) as problem:
        for line in str(problem).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return WRONG_USE
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return WRONG_USE
    stale = [sight for sight in sights(subject) if sight.instead]
    for sight in stale:
        print(f"! {sight.finding.title}: {sight.instead.splitlines()[0]}")
    print(f"{given.into}: {subject.system}, {len(subject.rows)} criteria, {len(subject.book.findings)} findings")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m reporting.field_report", description=__doc__, allow_abbrev=False)
    parser.add_argument("run", type=Path, metavar="results/RUN-ID", help="a run against a vendor's server")
    parser.add_argument("--system", metavar="NAME", help="which one, when the run holds several")
    parser.add_argument("--findings", type=Path, metavar="FILE", help="default: docs/findings/SYSTEM.yaml")
    parser.add_argument("--into", type=Path, default=REPORT, metavar="FILE", help="default: docs/field-report.md")
    return parser


def _write(report: Path, subject: Subject) -> None:
    text = report.read_text(encoding="utf-8") if report.exists() else ""
    try:
        new = placed(text, subject.system, section(subject))
    except MarksProblem as problem:
        raise MarksProblem(f"{report}: {problem}") from None
    report.write_text(new, encoding="utf-8")


def _known() -> list[Criterion]:
    try:
        return catalogue()
    except CriteriaProblem:
        return []  # the run's own list is enough


if __name__ == "__main__":
    sys.exit(main())
