"""What a run means: failures told once, skips by reason, measured against budget, where the time went."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from criteria.registry import Budget
from measurement.histogram import LatencyHistogram
from reporting.rundata import Record, Row, RunData
from reporting.texts import duration, plain, ranges, with_unit
from reporting.verdicts import Word

_NEEDS = re.compile(r"needs (.+)$", re.DOTALL)
_PERCENTILE = re.compile(r"\bp(\d+(?:\.\d+)?)\b")
_SCALE = {"s": 1.0, "seconds": 1.0, "ms": 1000.0, "milliseconds": 1000.0, "us": 1e6}
Value = tuple[float, str]  # with its unit
_USED_UP = {"s", "ms", "KiB", "MiB"}  # units of budgets that are used up; of a share or a number more may be better
OVERHEAD = ("startup", "teardown", "waiting")
KIND_NAMES = {"startup": "start-up", "teardown": "teardown", "waiting": "waiting", "measuring": "measuring"}


@dataclass(frozen=True, slots=True)
class Group:
    """Criteria that ended in the same way for the same reason."""

    verdict: Word
    reason: str
    rows: tuple[Row, ...]

    @property
    def ids(self) -> str:
        """Their ids, consecutive ones shortened."""
        return ", ".join(ranges(row.id or row.statement for row in self.rows))


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured value beside its budget, both with their unit."""

    of: str
    value: str  # "" when the run holds no value for this budget
    budget: str
    verdict: str  # pass, fail, inconclusive, measured or ""
    reason: str = ""
    share: float | None = None  # of the budget used up, for a bar; None where more is better or nothing is known


def grouped(rows: Iterable[Row], words: Sequence[Word]) -> list[Group]:
    """Put rows with the same verdict and reason together, worst verdict first."""
    groups: dict[tuple[Word, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.verdict in words:
            reason = skip_reason(row.message) if row.verdict == "skip" else plain(row.message)
            groups[row.verdict, reason].append(row)
    found = [Group(word, reason, tuple(members)) for (word, reason), members in groups.items()]
    return sorted(found, key=lambda group: words.index(group.verdict))


def skip_reason(message: str) -> str:
    """Return why something was skipped without the criterion it was said of, so that equal reasons look equal."""
    text = " ".join(plain(message).split())
    needs = _NEEDS.search(text)
    return f"needs {needs.group(1)}" if needs else text or "no reason given"


def measured(run: RunData, row: Row) -> list[Measured]:
    """Return every budget of a criterion with what was measured for it, then what was measured beyond that."""
    if not row.id:
        return []
    records = [record for record in run.of(run.measurements, row.id) if record.get("target")]
    found = [_of_record(record, named=len(records) > 1) for record in records]
    told = {
        _in_seconds(float(record["target"].get("limit", 0)), record["target"].get("unit", "")) for record in records
    }
    all_of_them = row.criterion.budgets if row.criterion else ()
    budgets = [budget for budget in all_of_them if _in_seconds(budget.limit, budget.unit) not in told]
    values = _by_budget(budgets, _worst_values(run, row))
    found += [_of_budget(budget, values.pop(budget.of, None), row) for budget in budgets]
    return found + [Measured(of, with_unit(*value), "", "") for of, value in values.items()]


def _in_seconds(limit: float, unit: str) -> Value:
    """Return a time in seconds, whatever its unit, and anything else as it is: 5 000 ms are the budget of 5 s."""
    return (round(limit / _SCALE[unit], 9), "s") if unit in _SCALE else (limit, unit)


def _of_budget(budget: Budget, value: Value | None, row: Row) -> Measured:
    share = value[0] / budget.limit if value and budget.limit and budget.unit in _USED_UP else None
    if share is not None and share > 1 and row.verdict == "pass":
        share = None  # such as a time-out, which ends after its time
    return Measured(
        budget.of, with_unit(*value) if value else "", with_unit(budget.limit, budget.unit), "", share=share
    )


def _by_budget(budgets: Sequence[Budget], values: Mapping[str, Value]) -> dict[str, Value]:
    """Name values as their budgets do.

    A sentence may name a value otherwise than the registry; one that is left alone belongs to the budget left alone.
    """
    names = {budget.of for budget in budgets}
    waiting = [budget for budget in budgets if budget.of not in values]
    strange = [of for of in values if of not in names]
    if len(waiting) == len(strange) == 1 and values[strange[0]][1] == waiting[0].unit:
        return {waiting[0].of if of == strange[0] else of: value for of, value in values.items()}
    return dict(values)


def _worst_values(run: RunData, row: Row) -> dict[str, Value]:
    """Return the single values a criterion noted, by name; of several with one name the greatest, with its unit."""
    values: dict[str, Value] = {}
    for record in run.of(run.values, row.id):
        of, value = str(record.get("of")), float(record.get("value", 0))
        if of not in values or value > values[of][0]:
            values[of] = (value, str(record.get("unit", "")))
    return values


def _of_record(record: Record, *, named: bool) -> Measured:
    target, verdict = record["target"], record.get("verdict") or {}
    value = _value(record, str(target.get("of", "")), str(target.get("unit", "")))
    bound = "≥" if target.get("bound") == "at least" else "≤"
    unit, limit = str(target.get("unit", "")), float(target.get("limit", 0))
    return Measured(
        of=f"{record.get('name', '') if named else ''} {target.get('of', '')}".strip(),
        value="" if value is None else with_unit(value, unit),
        budget=f"{bound} {with_unit(limit, unit)}",
        verdict=str(verdict.get("value", "")),
        reason=str(verdict.get("reason", "")),
        share=value / limit if value is not None and limit and bound == "≤" else None,
    )


def _shown(value: Record | None) -> str:
    return "" if value is None else with_unit(float(value.get("value", 0)), str(value.get("unit", "")))


def time_spent(run: RunData) -> list[tuple[str, float, float]]:
    """Return what the run's time went into as (name, seconds, share of the run), in a fixed order."""
    whole = max(run.seconds, sum(run.spent.values())) or 1.0
    named = {**KIND_NAMES, "other": "steps of criteria"}
    return [(named[kind], seconds, seconds / whole) for kind, seconds in run.spent.items()]


def overhead_share(run: RunData) -> float:
    """Return the share of start-up, teardown and waiting in the run."""
    return sum(share for name, _, share in time_spent(run) if name in {KIND_NAMES[kind] for kind in OVERHEAD})


def fault_times(record: Record) -> dict[str, float | None]:
    """Return a fault's instants in epoch seconds; None for one that never came."""
    events = record.get("events") or {}
    names = ("prepared", "injected", "in_effect", "healed", "steady", "cleaned")
    return {name: float(events[name]) if events.get(name) is not None else None for name in names}


def hit(record: Record) -> str:
    """Return what a fault really hit, such as `walsenders of member3 (leader)`."""
    found = record.get("hit") or []
    if isinstance(found, str):
        return found
    return ", ".join(_hit(one) if isinstance(one, dict) else str(one) for one in found)


def _hit(one: Record) -> str:
    if one.get("link"):
        return f"link {one['link']}"
    part = f"{one['part']} of " if one.get("part") not in (None, "", "all") else ""
    role = f" ({one['role']})" if one.get("role") else ""
    count = f", {len(one['pids'])} processes" if len(one.get("pids") or ()) > 1 else ""
    return f"{part}{one.get('service', '')}{role}{count}"


def since(later: float | None, earlier: float | None) -> str:
    """Write how long after an instant another came, such as `+0.8 s`; a dash when one of them never did."""
    return "–" if later is None or earlier is None else f"+{duration(max(0.0, later - earlier))}"


def proven(run: RunData) -> str:
    """Return how many of the run's criteria have failed on a defect before, and when that was last seen."""
    ids = [row.id for row in run.rows if row.id]
    dates = [run.kills[identifier].date for identifier in ids if identifier in run.kills]
    last = f" (last: {max(dates)})" if dates else ""
    return f"proven able to fail {len(dates)}/{len(ids)}{last}"


def unproven(run: RunData) -> list[str]:
    """Return the criteria that nothing has shown able to fail, consecutive ids shortened."""
    return ranges(row.id for row in run.rows if row.id and row.id not in run.kills)


def headline(run: RunData) -> str:
    """Return environment, profile, systems, commit, seed and duration in one line."""
    facts = run.fingerprint
    parts = [
        f"environment {facts['environment']}" if facts.get("environment") else "",
        f"profile {facts['profile']}" if facts.get("profile") else "",
        f"DEFECT {facts['defect']}" if facts.get("defect") else "",
        f"commit {facts['git']}" if facts.get("git") else "",
        f"seed {facts['seed']}" if facts.get("seed") is not None else "",
        duration(run.seconds) if run.seconds else "",
    ]
    return " · ".join(part for part in parts if part)


def services_line(run: RunData) -> str:
    """Return every server's version once, such as `PostgreSQL 18.4 ×3, Patroni 4.1.5`, and what is not real."""
    counts: dict[str, int] = defaultdict(int)
    for service in run.fingerprint.get("services") or []:
        name = re.sub(r"\d+$", "", str(service.get("name", "")))
        kind = "" if service.get("kind") == "real" else f" ({service.get('kind')})"
        counts[f"{name} {service.get('version', '')}{kind}".strip()] += 1
    return ", ".join(f"{name} ×{count}" if count > 1 else name for name, count in counts.items())


def _percentile(durations: Record, percent: str) -> float | None:
    """A percentile that the record does not name, from its histogram."""
    histogram = LatencyHistogram.decode(str(durations["hdr"])) if durations.get("hdr") else LatencyHistogram()
    return histogram.percentile(float(percent)) if histogram.settles(float(percent)) else None


def _value(record: Record, of: str, unit: str) -> float | None:
    """Return what a record measured, in the budget's unit."""
    comparison = record.get("comparison")
    if isinstance(comparison, dict):
        return float(comparison["ratio"]) * (100 if unit == "%" else 1)
    scale = _SCALE.get(unit)
    percentile = _PERCENTILE.search(of)
    durations = record.get("latency") or record.get("service_time")
    if percentile and scale and isinstance(durations, dict):
        value = durations.get("p" + percentile.group(1).replace(".", "")) or _percentile(durations, percentile.group(1))
        return None if value is None else float(value) * scale
    load = record.get("load")
    if isinstance(load, dict) and ("rate" in of or "/s" in unit or "per second" in unit):
        return float(load.get("achieved_rate", 0.0))
    return None
