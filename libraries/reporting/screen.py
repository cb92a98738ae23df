"""The one screen a run ends with: what failed and why, what was skipped, where the time went, where to look."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from reporting.explained import (
    Group,
    fault_times,
    grouped,
    headline,
    overhead_share,
    proven,
    services_line,
    since,
    time_spent,
    unproven,
)
from reporting.rundata import RunData
from reporting.texts import duration, first_lines
from reporting.verdicts import WORDS, Word

FAILURES, FAULTS, LINES = 8, 8, 3
_MARK = {"fail": "x", "inconclusive": "?", "not run": "-", "skip": "skipped", "pass": "+"}
_COLOUR = {"PASS": 32, "FAIL": 31, "STOPPED": 33, "NOTHING JUDGED": 33, "x": 31, "?": 33, "-": 33}


def screen(run: RunData, stream: TextIO, root: Path) -> str:
    """Return the screen as text.

    Args:
        run: the run.
        stream: where it will be printed; colours are used on a terminal only.
        root: what paths are shown relative to.
    """
    width = min(120, shutil.get_terminal_size((120, 24)).columns)
    colours = stream.isatty() and not os.environ.get("NO_COLOR")
    return "\n".join(["", *_lines(run, root, width, _Paint(colours)), ""])


class _Paint:
    def __init__(self, colours: bool) -> None:
        self.colours = colours

    def __call__(self, text: str) -> str:
        return f"\033[{_COLOUR[text]}m{text}\033[0m" if self.colours and text in _COLOUR else text


def _lines(run: RunData, root: Path, width: int, paint: _Paint) -> Iterator[str]:
    yield f"{paint(run.verdict)}  {headline(run)}"
    if services := services_line(run):
        yield from textwrap.wrap(services, width, initial_indent="  ", subsequent_indent="  ")
    yield f"criteria {len(run.rows)}: " + ", ".join(f"{n} {word}" for word, n in _told(run))
    yield from _proof(run, width)
    yield from (f"! {remark}" for remark in run.remarks)
    yield from _failures(run, width, paint)
    yield from _skips(run, width)
    yield from _faults(run)
    yield from _time(run, width)
    yield from _paths(run, root)


def _told(run: RunData) -> list[tuple[str, int]]:
    order: tuple[Word, ...] = ("pass", "fail", "inconclusive", "not run", "skip")
    return [(word, run.counts[word]) for word in order if run.counts[word] or word in ("pass", "fail")]


def _proof(run: RunData, width: int) -> Iterator[str]:
    if any(row.id for row in run.rows):
        missing = ", ".join(unproven(run))
        yield (f"{proven(run)}; unproven: {missing}" if missing else proven(run))[:width]


def _failures(run: RunData, width: int, paint: _Paint) -> Iterator[str]:
    groups = grouped(run.rows, WORDS[:3])
    for group in groups[:FAILURES]:
        yield f"{paint(_MARK[group.verdict])} {_subject(group)}"[: width + 9 * paint.colours]
        for line in first_lines(group.reason, LINES):
            yield from textwrap.wrap(line, width, initial_indent="    ", subsequent_indent="    ", max_lines=LINES)
    if len(groups) > FAILURES:
        yield f"  and {len(groups) - FAILURES} more, see the pages below"
    failed = [row.id for group in groups for row in group.rows if row.id and row.verdict != "not run"]
    if failed and run.fingerprint.get("seed") is not None:
        more = f" (and {len(failed) - 6} more)" if len(failed) > 6 else ""
        again = run.again("--criterion", ",".join(failed[:6]))
        yield f"  again{more}: {again} -- --variable SEED:{run.fingerprint['seed']}"


def _subject(group: Group) -> str:
    if len(group.rows) == 1:
        row = group.rows[0]
        return f"{row.id} {row.statement}".strip()
    return f"{len(group.rows)} criteria: {group.ids}"


def _skips(run: RunData, width: int) -> Iterator[str]:
    for group in grouped(run.rows, ["skip"]):
        yield f"skipped {len(group.rows)}: {group.reason}  [{group.ids}]"[:width]


def _faults(run: RunData) -> Iterator[str]:
    if not run.faults:
        return
    yield f"{'fault':<34}{'criterion':<11}{'in effect':<11}{'healed':<11}steady again"
    for record in run.faults[:FAULTS]:
        times = fault_times(record)
        name = f"{record.get('fault', '')} {record.get('target', '')}".strip()
        injected = times["injected"]
        yield (
            f"  {name[:31]:<32}{record.get('criterion') or '':<11}{since(times['in_effect'], injected):<11}"
            f"{since(times['healed'], injected):<11}{since(times['steady'], injected)}"
        )
    if len(run.faults) > FAULTS:
        yield f"  and {len(run.faults) - FAULTS} more faults"


def _time(run: RunData, width: int) -> Iterator[str]:
    if not run.timings:
        return
    parts = ", ".join(f"{name} {duration(seconds)} ({share:.0%})" for name, seconds, share in time_spent(run))
    yield from textwrap.wrap(f"time {duration(run.seconds)}: {parts}", width, subsequent_indent="     ")
    yield f"     start-up, teardown and waiting together: {overhead_share(run):.0%} of the run"


def _paths(run: RunData, root: Path) -> Iterator[str]:
    for name, what in (("index.html", "look here first"), ("log.html", "every step"), ("report.html", "by suite")):
        path = run.directory / name
        if path.is_file():
            shown = path.relative_to(root) if path.is_relative_to(root) else path
            yield f"{shown!s}  ({what})"
