"""`index.html`: one file that needs no network, for looking rather than reading."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from criteria.discovery import PHASES
from measurement.drawing import STYLE
from reporting import explained
from reporting.figure import Figure
from reporting.figures import figures
from reporting.rundata import Row, RunData
from reporting.texts import duration, first_lines
from reporting.verdicts import WORDS

TEMPLATES = Path(__file__).with_name("templates")
MESSAGE_LINES = 12


@dataclass(frozen=True, slots=True)
class Section:
    """The criteria of one phase."""

    phase: str
    rows: tuple[Row, ...]
    has_log: bool


def index_page(run: RunData, phases: Iterable[str] = ()) -> str:
    """Return the page of a run.

    Args:
        run: the run.
        phases: those that have a log and a report of their own.
    """
    engine = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters |= {"duration": duration, "lines": _lines}
    return engine.get_template("index.html").render(
        run=run,
        title=run.directory.name,
        headline=explained.headline(run),
        proven=explained.proven(run),
        unproven=explained.unproven(run),
        counts=[(word, run.counts[word]) for word in reversed(WORDS) if run.counts[word]],
        failures=explained.grouped(run.rows, WORDS[:3]),
        skips=explained.grouped(run.rows, ["skip"]),
        spent=explained.time_spent(run),
        overhead=explained.overhead_share(run),
        sections=list(_sections(run, set(phases))),
        measured={row.id: explained.measured(run, row) for row in run.rows},
        figures=figures(run),
        faults=[(record, explained.fault_times(record)) for record in run.faults],
        since=explained.since,
        hit=explained.hit,
        clock=_clock,
        files=list(_files(run)),
        svg=_svg,
        chart_style=Markup(STYLE),  # noqa: S704
    )


def _lines(text: str) -> list[str]:
    return first_lines(text, MESSAGE_LINES)


def _clock(instant: float | None) -> str:
    return "–" if instant is None else f"{datetime.fromtimestamp(instant).astimezone():%H:%M:%S}"


def _svg(figure: Figure) -> Markup:
    """Trust the drawing: it was made by our own chart functions, which escape what they are given.

    Each drawing brings its style along; in the page it stands once.
    """
    return Markup(figure.svg.replace(f"<style>{STYLE}</style>", ""))  # noqa: S704


def _sections(run: RunData, with_log: set[str]) -> Iterable[Section]:
    for phase in (*PHASES, *sorted({row.phase for row in run.rows} - set(PHASES))):
        rows = tuple(row for row in run.rows if row.phase == phase)
        if rows:
            yield Section(phase or "no phase", rows, phase in with_log)


def _files(run: RunData) -> Iterable[tuple[str, str]]:
    """Return the run's files as (relative path, meaning), those that exist."""
    known = {
        "log.html": "every step of every criterion",
        "report.html": "results by suite and tag",
        "summary.md": "this page as text",
        "environment.json": "versions, machine, seed",
        "environment.yaml": "the environment file as it was used",
        "conditions.json": "the options of run.sh that say against what and how",
        "measurements.jsonl": "one record a measured phase, with its histogram",
        "values.jsonl": "single measured numbers",
        "curves.jsonl": "lag, memory of single processes, and times by size: what their drawings are made from",
        "samples.jsonl": "CPU, memory and open files of every service",
        "faults.jsonl": "every fault with its instants",
        "timings.jsonl": "where the time went",
        "evidence": "a look at everything while a fault was in force",
        "histories": "what clients attempted, were told and saw",
        "sut": "the services' own logs",
        "xunit.xml": "for CI systems",
        "output.xml": "Robot Framework's own record",
    }
    for name, meaning in known.items():
        path = run.directory / name
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            yield (f"{name}/" if path.is_dir() else name), meaning
