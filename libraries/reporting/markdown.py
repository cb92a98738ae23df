"""`summary.md`: the run for a pull request or a chat, links relative to the run directory."""

from __future__ import annotations

from collections.abc import Iterator

from reporting.explained import (
    fault_times,
    grouped,
    headline,
    hit,
    measured,
    overhead_share,
    proven,
    services_line,
    since,
    time_spent,
)
from reporting.rundata import Row, RunData
from reporting.texts import duration, first_lines
from reporting.verdicts import WORDS


def summary(run: RunData) -> str:
    """Return the page as Markdown."""
    return "\n".join(_lines(run)) + "\n"


def _lines(run: RunData) -> Iterator[str]:
    counted = ", ".join(f"{number} {word}" for word, number in run.counts.items() if number)
    yield f"# {run.verdict}: {counted or 'nothing ran'}"
    yield ""
    yield f"Run `{run.directory.name}` · {headline(run)}"
    if services := services_line(run):
        yield f"<br>{services}"
    yield f"<br>{proven(run)}"
    yield ""
    yield "[overview](index.html) · [log](log.html) · [report](report.html)"
    yield from (f"\n> {remark}" for remark in run.remarks)
    yield from _failures(run)
    yield from _skips(run)
    yield from _table(run)
    yield from _faults(run)
    yield from _time(run)


def _failures(run: RunData) -> Iterator[str]:
    for group in grouped(run.rows, WORDS[:3]):
        yield ""
        for row in group.rows[:5]:
            link = run.log_link(row)
            name = f"[{row.id or 'test'}]({link})" if link else row.id or "test"
            yield f"**{row.verdict}** {name} {row.statement}<br>"
        if len(group.rows) > 5:
            yield f"and {len(group.rows) - 5} more: {group.ids}"
        yield "```"
        yield from first_lines(group.reason, 8)
        yield "```"


def _skips(run: RunData) -> Iterator[str]:
    groups = grouped(run.rows, ["skip"])
    if groups:
        yield "\n## Skipped\n"
    for group in groups:
        yield f"* {len(group.rows)}: {group.reason} ({group.ids})"


def _table(run: RunData) -> Iterator[str]:
    if not run.rows:
        return
    yield "\n## Criteria\n"
    yield "| id | phase | verdict | time | measured | budget | criterion | fails on |"
    yield "|---|---|---|---:|---|---|---|---|"
    for row in run.rows:
        values = measured(run, row)
        cells = [
            row.id,
            row.phase,
            row.verdict,
            duration(row.seconds) if row.outcome and row.verdict != "skip" else "",
            "<br>".join(f"{value.of} {value.value}" for value in values if value.value),
            "<br>".join(value.budget for value in values),
            row.statement,
            _fails_on(run, row),
        ]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _fails_on(run: RunData, row: Row) -> str:
    if not row.id:
        return ""
    kill = run.kills.get(row.id)
    return f"`{kill.defect}` {kill.date}" if kill else "**unproven**"


def _faults(run: RunData) -> Iterator[str]:
    if not run.faults:
        return
    yield "\n## Faults\n"
    yield "| criterion | fault | target | hit | in effect | healed | steady again |"
    yield "|---|---|---|---|---:|---:|---:|"
    for record in run.faults:
        times = fault_times(record)
        cells = [str(record.get(key) or "") for key in ("criterion", "fault", "target")] + [hit(record)]
        cells += [since(times[name], times["injected"]) for name in ("in_effect", "healed", "steady")]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _time(run: RunData) -> Iterator[str]:
    if not run.timings:
        return
    yield "\n## Where the time went\n"
    yield from (f"* {name}: {duration(seconds)} ({share:.0%})" for name, seconds, share in time_spent(run))
    yield f"* start-up, teardown and waiting together: {overhead_share(run):.0%} of the run"
