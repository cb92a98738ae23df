"""What a field report is about: one run, one system in it, its server under test, and what was found on that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from criteria.catalogue import Criterion
from environments.config import ROOT
from reporting.explained import skip_reason
from reporting.field_report.findings import Finding, Findings, read_findings
from reporting.rundata import Record, Row, RunData, read_run
from reporting.texts import plain
from reporting.verdicts import WORDS

FINDINGS = ROOT / "docs" / "findings"


class ReportProblem(Exception):
    """There is nothing to report, or not enough; one line that says why and what helps."""


@dataclass(frozen=True)
class Subject:
    """One system of a run, with the vendor's server in it.

    Args:
        run: the whole run.
        system: such as "fraiseql".
        server: that server's entry in the fingerprint.
        book: what was found on it.
    """

    run: RunData
    system: str
    server: Record
    book: Findings

    @property
    def rows(self) -> list[Row]:
        """The system's criteria, worst verdict first."""
        return sorted(_rows_of(self.run, self.system), key=lambda row: (WORDS.index(row.verdict), row.id))

    @property
    def name(self) -> str:
        """The run's own name, also when its directory was moved."""
        return str(self.run.fingerprint.get("run_id") or self.run.directory.name)

    def told(self, text: str) -> str:
        """Return a message or a file of the run with paths below `results/`, wherever the run took place."""
        return re.sub(rf"[^\s'\"]*/{re.escape(self.name)}/", f"results/{self.name}/", plain(text))

    def command(self, *criteria: str) -> str:
        """Return the command that runs these criteria again as this run did; without one all of the system."""
        return self.run.again("--system", self.system, *(["--criterion", ",".join(criteria)] if criteria else []))


@dataclass(frozen=True, slots=True)
class Sight:
    """Whether a run shows a finding.

    Args:
        finding: the finding.
        seen: by a criterion of this run; None: nothing in it could show it, only commands do.
        instead: what was seen in its place, or why its commands may be out of date; "" when there is nothing to say.
    """

    finding: Finding
    seen: bool | None
    instead: str = ""


def read_subject(
    directory: Path, system: str | None = None, findings: Path | None = None, known: Sequence[Criterion] = ()
) -> Subject:
    """Read a run and the findings that go with it.

    Args:
        directory: `results/<run-id>`.
        system: the one to report on; None: the run has only one.
        findings: None: `docs/findings/SYSTEM.yaml`.
        known: criteria to take what the run has not written down from.

    Raises:
        ReportProblem: it is no run to report on.
        FindingsProblem: the findings are damaged.
    """
    if not directory.is_dir():
        raise ReportProblem(f"{directory}: no such run; results/latest is the last one")
    run = read_run(directory, known)
    name = _system(run, system)
    _settled(run, name)
    book = read_findings(findings or FINDINGS / f"{name}.yaml")
    return Subject(run, name, _server(run, name, book.service), book)


def sights(subject: Subject) -> list[Sight]:
    """Hold every finding against the run, new and weighty ones first."""
    rows = {row.id: row for row in subject.rows}
    return [_sight(subject, finding, rows) for finding in subject.book.by_weight]


def _sight(subject: Subject, finding: Finding, rows: Mapping[str, Row]) -> Sight:
    if finding.criterion is None:
        asked, tested = subject.book.version, str(subject.server.get("version"))
        stale = "" if asked == tested else f"seen on {asked}, not tried on {tested}"
        return Sight(finding, None, stale)
    row = rows.get(finding.criterion)
    if row is None:
        return Sight(finding, False, f"{finding.criterion} was not part of the run")
    if row.verdict == "skip":
        return Sight(finding, False, f"{row.id} was skipped: {skip_reason(row.message)}")
    message = subject.told(row.message)
    if row.verdict != "fail":
        return Sight(finding, False, f"{row.id} {_ENDED[row.verdict]}")
    if not re.search(finding.shows or "", message):
        return Sight(finding, False, f"{row.id} failed with something else: {message}")
    return Sight(finding, True)


_ENDED = {"pass": "passed", "not run": "did not come to run", "inconclusive": "was inconclusive"}


def _system(run: RunData, wanted: str | None) -> str:
    systems = sorted({row.system for row in run.rows if row.system})
    place = run.directory.name
    if not systems:
        raise ReportProblem(f"{place}: holds no criterion of any system; there is nothing to report")
    if wanted is None and len(systems) > 1:
        raise ReportProblem(f"{place}: holds several systems ({', '.join(systems)}); choose one with --system")
    if wanted is not None and wanted not in systems:
        raise ReportProblem(f"{place}: holds no criterion of '{wanted}', only of {', '.join(systems)}")
    return wanted or systems[0]


def _settled(run: RunData, system: str) -> None:
    missing = [row.id for row in _rows_of(run, system) if row.verdict == "not run"]
    if missing or not (run.complete or run.selection):
        at = f" before {missing[0]} had ended" if missing else ""
        raise ReportProblem(f"{run.directory.name}: broke off{at}; only a run that came to its end is reported")
    if run.fingerprint.get("defect"):
        raise ReportProblem(
            f"{run.directory.name}: ran with the defect {run.fingerprint['defect']} on purpose; run without it"
        )


def _rows_of(run: RunData, system: str) -> list[Row]:
    return [row for row in run.rows if row.id and row.system == system]


def _server(run: RunData, system: str, service: str) -> Record:
    services = [s for s in run.fingerprint.get("services") or [] if s.get("system") == system]
    server = next((s for s in services if s.get("name") == service), None)
    place = run.directory.name
    if server is None:
        names = ", ".join(str(s.get("name")) for s in services) or "none"
        raise ReportProblem(f"{place}: environment.json names no service '{service}' of {system} (it names: {names})")
    if server.get("kind") != "real":
        raise ReportProblem(
            f"{place}: its {service} was the reference of this project; the field report is of a vendor's server, "
            "see ./run.sh --help"
        )
    return dict(server)
