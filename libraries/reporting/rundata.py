"""Everything a run left behind, read once, whatever is missing."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from criteria.catalogue import Criterion
from criteria.discovery import PHASES
from criteria.kills import Kill, read_kills
from reporting.outcomes import Outcome, Output, read_output
from reporting.verdicts import WORDS, Word

Record = Mapping[str, Any]
SELECTION = "criteria.json"
CONDITIONS = "conditions.json"
KINDS = ("startup", "teardown", "waiting", "measuring")
PRECEDENCE = ("startup", "teardown", "measuring", "waiting")


@dataclass(frozen=True, slots=True)
class Row:
    """One criterion (or test without one) and how it ended; without an outcome it never ran."""

    id: str
    statement: str
    phase: str
    system: str
    criterion: Criterion | None
    outcome: Outcome | None

    @property
    def verdict(self) -> Word:
        """How it ended."""
        return self.outcome.verdict if self.outcome else "not run"

    @property
    def message(self) -> str:
        """Why."""
        return self.outcome.message if self.outcome else "The run ended before it began."

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.outcome.seconds if self.outcome else 0.0


@dataclass(frozen=True)
class RunData:
    """A run directory, read.

    Args:
        directory: where it is.
        fingerprint: `environment.json`.
        output: what Robot Framework recorded; None when nothing of it can be read.
        conditions: the options of `run.sh` that say against what and how it ran.
        selection: the criteria that were to run, in their order; empty when the run did not write them down.
        known: what is known of criteria beyond that, by id.
        measurements: `measurements.jsonl`.
        samples: `samples.jsonl`.
        faults: `faults.jsonl`.
        timings: `timings.jsonl`.
        values: `values.jsonl`, single measured numbers such as a write gap.
        curves: `curves.jsonl`, what drawings are made from, see `reporting.curves`.
        histories: the files of `histories/`.
        kills: when criteria last failed on their defect, by id.
        remarks: what could not be read, one line each.
    """

    directory: Path
    fingerprint: Record = field(default_factory=dict)
    output: Output | None = None
    conditions: Sequence[str] = ()
    selection: Sequence[Criterion] = ()
    known: Mapping[str, Criterion] = field(default_factory=dict)
    measurements: Sequence[Record] = ()
    samples: Sequence[Record] = ()
    faults: Sequence[Record] = ()
    timings: Sequence[Record] = ()
    values: Sequence[Record] = ()
    curves: Sequence[Record] = ()
    histories: Sequence[Path] = ()
    kills: Mapping[str, Kill] = field(default_factory=dict)
    remarks: Sequence[str] = ()

    @cached_property
    def rows(self) -> list[Row]:
        """Every criterion that was to run, then the tests that state none."""
        planned = {criterion.id for criterion in self.selection}
        by_name = {criterion.statement: criterion.id for criterion in self.selection}
        outcomes: dict[str, Outcome] = {}
        rest = []
        for outcome in self.output.outcomes if self.output else ():
            # A killed test has no tags yet: its name tells which criterion it states.
            identifier = outcome.id or by_name.get(outcome.name, "")
            if identifier and identifier not in outcomes:
                outcomes[identifier] = outcome
            else:
                rest.append(outcome)
        rows = [_row(outcomes.get(criterion.id), criterion) for criterion in self.selection]
        rows += [
            _row(outcome, self.known.get(identifier))
            for identifier, outcome in outcomes.items()
            if identifier not in planned
        ]
        rows += [_row(outcome, None) for outcome in rest]
        order = {phase: place for place, phase in enumerate(PHASES)}
        return sorted(rows, key=lambda row: order.get(row.phase, len(order)))

    @cached_property
    def counts(self) -> dict[Word, int]:
        """How many criteria ended in which way."""
        counted = Counter(row.verdict for row in self.rows)
        return {word: counted[word] for word in WORDS}

    @property
    def complete(self) -> bool:
        """Whether Robot Framework came to its end."""
        return self.output is not None and self.output.complete

    @property
    def verdict(self) -> str:
        """PASS, FAIL, STOPPED (it did not come to its end) or NOTHING JUDGED (only skips, or nothing at all)."""
        counts = self.counts
        if counts["fail"] or counts["inconclusive"]:
            return "FAIL"
        if not self.complete or counts["not run"]:
            return "STOPPED"
        return "PASS" if counts["pass"] else "NOTHING JUDGED"

    @cached_property
    def seconds(self) -> float:
        """How long the run took, as far as Robot Framework recorded it."""
        if self.output is None:
            return 0.0
        suite = self.output.result.suite
        return float(suite.elapsed_time.total_seconds()) or sum(row.seconds for row in self.rows)

    @property
    def started(self) -> datetime | None:
        """When the run began."""
        try:
            return datetime.fromisoformat(str(self.fingerprint["started_at"]))
        except (KeyError, ValueError):
            started = self.output.result.suite.start_time if self.output else None
            return started if isinstance(started, datetime) else None

    @cached_property
    def spent(self) -> dict[str, float]:
        """Seconds by kind of `timings.jsonl`, and what is left of the run as "other"."""
        spent = time_by_kind(self.timings)
        return {**spent, "other": max(0.0, self.seconds - sum(spent.values()))}

    def again(self, *choice: str) -> str:
        """Return the command that runs chosen criteria again as this run did.

        Args:
            choice: options that choose them.
        """
        return shlex.join(["./run.sh", *choice, *self.conditions])

    def of(self, records: Sequence[Record], identifier: str) -> list[Record]:
        """Return those records that belong to a criterion."""
        return [record for record in records if record.get("criterion") == identifier]

    def log_link(self, row: Row) -> str | None:
        """Relative link to a row's place in the log."""
        return f"log.html#{row.outcome.log_id}" if row.outcome and (self.directory / "log.html").is_file() else None


def read_run(directory: Path, known: Sequence[Criterion] = (), kills: Path | None = None) -> RunData:
    """Read a run directory; missing files are empty, damaged lines are left out and remarked on.

    Args:
        directory: `results/<run-id>`.
        known: criteria to take sources and budgets from where the run has not written them down itself.
        kills: the record of what has been proven able to fail.
    """
    remarks: list[str] = []
    lines = {
        name: _json_lines(directory / f"{name}.jsonl", remarks)
        for name in ("measurements", "samples", "faults", "timings", "values", "curves")
    }
    written = [Criterion.from_json(content) for content in _json(directory / SELECTION, remarks) or []]
    output = read_output(directory / "output.xml")
    if output is None:
        remarks.append("output.xml: nothing to be read; no criterion had begun")
    elif not output.complete:
        remarks.append("output.xml: breaks off; the run was killed, what it had recorded is shown")
    return RunData(
        directory=directory,
        fingerprint=_json(directory / "environment.json", remarks) or {},
        output=output,
        conditions=_json(directory / CONDITIONS, remarks) or (),
        selection=written,
        known={criterion.id: criterion for criterion in known},
        measurements=lines["measurements"],
        samples=lines["samples"],
        faults=lines["faults"],
        timings=lines["timings"],
        values=lines["values"],
        curves=lines["curves"],
        histories=sorted((directory / "histories").glob("*.jsonl")),
        kills=_kills(kills, remarks),
        remarks=remarks,
    )


def time_by_kind(timings: Sequence[Record]) -> dict[str, float]:
    """Return how many seconds went into each kind; where steps lie within one another no second counts twice.

    What is measured meanwhile is no waiting, so kinds are asked in the order of `PRECEDENCE`.
    """
    taken: list[tuple[float, float]] = []
    spent = dict.fromkeys(KINDS, 0.0)
    for kind in PRECEDENCE:
        steps = [record for record in timings if record.get("kind") == kind]
        spent[kind] += sum(float(r.get("seconds", 0)) for r in steps if "ended" not in r)
        before = _covered(taken)
        taken += [(float(r["ended"]) - float(r.get("seconds", 0)), float(r["ended"])) for r in steps if "ended" in r]
        spent[kind] += _covered(taken) - before
    return spent


def _covered(intervals: Sequence[tuple[float, float]]) -> float:
    """Return the length of the union of intervals."""
    length, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        length += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return length


def _row(outcome: Outcome | None, criterion: Criterion | None) -> Row:
    if criterion is not None:
        if outcome is not None and not outcome.id:
            outcome = replace(outcome, id=criterion.id, phase=criterion.phase, system=criterion.system)
        return Row(criterion.id, criterion.statement, criterion.phase, criterion.system, criterion, outcome)
    assert outcome is not None
    return Row(outcome.id, outcome.name, outcome.phase, outcome.system, None, outcome)


def _kills(path: Path | None, remarks: list[str]) -> dict[str, Kill]:
    try:
        return read_kills(path) if path else {}
    except (OSError, ValueError) as error:
        remarks.append(str(error))
        return {}


def _json(path: Path, remarks: list[str]) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        remarks.append(f"{path.name}: cannot be read")
        return None


def _json_lines(path: Path, remarks: list[str]) -> list[Record]:
    """Read JSON lines; the last one may be torn when the run was killed."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        remarks.append(f"{path.name}: cannot be read ({error.strerror})")
        return []
    records: list[Record] = []
    damaged = 0
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            damaged += 1
            continue
        if isinstance(record, dict):
            records.append(record)
    if damaged:
        remarks.append(f"{path.name}: {damaged} of {damaged + len(records)} lines are damaged and left out")
    return records
