"""Chooses what of a run is worth a drawing and hands it to `measurement.charts`.

A record that cannot be drawn (a torn file, an older schema) costs its own figure, never the page.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from measurement import charts
from measurement.charts import Axis, FaultBand, Moment, Series, Target
from measurement.histogram import LatencyHistogram
from measurement.verdicts import Inconclusive
from oracles.history import History, Kind
from oracles.writes import availability, longest_gap
from reporting.explained import fault_times
from reporting.lanes import lanes_chart, spans_of
from reporting.rundata import Record, RunData
from reporting.texts import number
from reporting.verdicts import WORDS

Given = TypeVar("Given")

BUCKET = 0.1  # seconds
PATIENCE = 1.0  # seconds a member's last word is held to be true
_UNIT_IN_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_PERCENTILE = re.compile(r"\bp(\d+(?:\.\d+)?)\b")


@dataclass(frozen=True, slots=True)
class Figure:
    """Drawings that belong together, with their caption."""

    caption: str
    svg: str
    criteria: tuple[str, ...] = ()  # those it is evidence of
    wide: bool = False


def figures(run: RunData) -> list[Figure]:
    """Return the drawings of a run: those of failed criteria first, the run as a whole last."""
    drawn = [
        *(figure for path in run.histories for figure in _attempted(_of_history, run, path)),
        *(figure for record in run.measurements for figure in _attempted(_of_measurement, run, record)),
    ]
    order = {row.id: (WORDS.index(row.verdict), place) for place, row in enumerate(run.rows)}
    drawn.sort(key=lambda figure: min((order.get(i, (9, 0)) for i in figure.criteria), default=(9, 0)))
    return [*drawn, *_attempted(_of_memory, run, run.samples)]


def _attempted(draw: Callable[[RunData, Given], Iterator[Figure]], run: RunData, given: Given) -> list[Figure]:
    try:
        return list(draw(run, given))
    except (ValueError, KeyError, TypeError, OSError):
        return []


# -- write availability ----------------------------------------------------------------------------------------


def _of_history(run: RunData, path: Path) -> Iterator[Figure]:
    """Draw a ledger of writes, and below it who accepted writes meanwhile."""
    ledger = History.read(path)
    if ledger.header["kind"] != "ledger" or not any(True for _ in ledger.writes()):
        return
    writes = list(ledger.writes())
    begin, end = min(o.invoked for o in writes), max(o.completed for o in writes)
    struck = [r for r in run.faults if _overlaps(r, begin, end)]
    origin = min((t for r in struck if (t := fault_times(r)["injected"])), default=begin)
    bands = [band for record in struck for band in _bands(record, origin, (begin, end))]
    moments = [Moment(b.start - origin, b.acked, b.failed, b.unknown) for b in availability(ledger, BUCKET)]
    gap = _gap(ledger, origin if struck else None)
    identifier = str(ledger.header.get("criterion") or "")
    statement = next((row.statement for row in run.rows if row.id == identifier), "")
    drawings = [
        charts.responsive(
            lambda width: charts.availability_chart(
                f"{identifier} writes through the primary port".strip(),
                moments,
                bucket_seconds=BUCKET,
                bands=bands,
                gap=(gap[0] - origin, gap[1] - origin) if gap else None,
                width=width,
            )
        ),
        *_who_accepts(path, origin, (begin, end), bands),
    ]
    acked = sum(moment.acked for moment in moments)
    zero = "the injection of the fault" if struck else "the first write"
    caption = f"{statement}. {number(acked)} of {number(len(writes))} writes acknowledged; time 0 is {zero}."
    yield Figure(caption.removeprefix(". "), "".join(drawings), (identifier,) if identifier else ())


def _gap(ledger: History, since: float | None) -> tuple[float, float] | None:
    try:
        gap = longest_gap(ledger, since=since)
    except Inconclusive:
        return None
    return (gap.start, gap.end) if gap.seconds > 5 * BUCKET else None


def _who_accepts(ledger: Path, origin: float, span: tuple[float, float], bands: Sequence[FaultBand]) -> Iterator[str]:
    """Draw each member's own word on whether it accepts writes: never may two lanes be filled at once."""
    path = ledger.with_name(ledger.name.replace("-ledger", "-primaries"))
    if path == ledger or not path.is_file():
        return
    said: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for o in History.read(path).operations:
        if o.kind is Kind.OBSERVE and o.node:
            said[o.node].append((o.completed - origin, o.value is True))
    lanes = {node: spans_of(sorted(said[node]), PATIENCE) for node in sorted(said)}
    yield charts.responsive(
        lambda width: lanes_chart(
            "Members that accept writes, asked on their own ports",
            lanes,
            (span[0] - origin, span[1] - origin),
            bands=bands,
            width=width,
        )
    )


# -- latency ---------------------------------------------------------------------------------------------------


def _of_measurement(run: RunData, record: Record) -> Iterator[Figure]:
    """Draw an open-loop measurement over time and by percentile, or the rounds of a paired one."""
    identifier = str(record.get("criterion") or "")
    criteria = (identifier,) if identifier else ()
    verdict = record.get("verdict") or {}
    if isinstance(record.get("comparison"), dict):
        yield Figure(str(verdict.get("reason", "")), _rounds(record), criteria)
        return
    if not isinstance(record.get("latency"), dict):
        return
    target, percent = _latency_target(record)
    svg = _over_time(run, record, target) + _by_percentile(record, target, percent)
    yield Figure(str(verdict.get("reason", "")), svg, criteria)


def _latency_target(record: Record) -> tuple[Target | None, float]:
    budget = record.get("target") or {}
    percentile = _PERCENTILE.search(str(budget.get("of", "")))
    scale = _UNIT_IN_MS.get(str(budget.get("unit")))
    if percentile is None or scale is None:
        return None, 99.0
    value = float(budget["limit"]) * scale
    return Target(value, f"{percentile.group(0)} {budget.get('bound', 'at most')} {number(value)} ms"), float(
        percentile.group(1)
    )


def _over_time(run: RunData, record: Record, target: Target | None) -> str:
    timeline, origin = record["timeline"], float(record["started_epoch"])
    step, start = float(timeline["interval_s"]), float(timeline["start_s"])
    shown: list[tuple[str, str, Literal["line", "dots"]]] = [
        ("median", "p50", "line"),
        ("p99", "p99", "line"),
        ("slowest", "max", "dots"),
    ]
    series = [
        Series(name, [(start + (i + 0.5) * step, _ms(v)) for i, v in enumerate(timeline[key])], style)
        for name, key, style in shown
        if any(value is not None for value in timeline[key])
    ]
    end = origin + start + step * len(timeline["ok"])
    bands = [b for r in run.faults if _overlaps(r, origin, end) for b in _bands(r, origin, (origin, end))]
    bands += [FaultBand("warm-up", s["start_s"], s["start_s"] + s["seconds"], "calm") for s in _warm_up(record)]
    rate = f"{record['load']['offered_rate']:.0f}/s offered, {record['load']['achieved_rate']:.0f}/s achieved"
    return charts.responsive(
        lambda width: charts.line_chart(
            f"{record['name']}: latency over time, {rate}",
            series,
            x=Axis("seconds"),
            y=Axis("ms", log=True),
            target=target,
            bands=bands,
            width=width,
        )
    )


def _by_percentile(record: Record, target: Target | None, percent: float) -> str:
    shown = {
        "latency from the intended start": "latency",
        "service time": "service_time",
        "generator lag": "generator_lag",
    }
    histograms = {
        name: LatencyHistogram.decode(str(record[key]["hdr"]))
        for name, key in shown.items()
        if isinstance(record.get(key), dict) and record[key].get("hdr")
    }
    if not histograms:
        return ""
    return charts.responsive(
        lambda width: charts.percentile_chart(
            f"{record['name']}: latency by percentile",
            histograms,
            target=target,
            target_percent=percent,
            width=width,
        )
    )


def _rounds(record: Record) -> str:
    compared = record["comparison"]
    series = [
        Series(compared[side], [(float(n), v * 1000) for n, v in enumerate(compared[f"{side}_p50_s"], start=1)])
        for side in ("a", "b")
    ]
    title = (
        f"{record['name']}: {compared['a']} takes {compared['ratio']:.3g} of the time of {compared['b']} "
        f"({compared['confidence']:.0%} sure of {compared['low']:.3g} to {compared['high']:.3g})"
    )
    return charts.responsive(
        lambda width: charts.line_chart(title, series, x=Axis("round"), y=Axis("median, ms", log=True), width=width)
    )


def _warm_up(record: Record) -> list[Record]:
    return [sample for sample in record.get("samples") or [] if sample.get("sample_type") == "warm-up"]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else max(seconds * 1000, 1e-3)


# -- memory ----------------------------------------------------------------------------------------------------


def _of_memory(run: RunData, samples: Sequence[Record]) -> Iterator[Figure]:
    services: dict[str, list[tuple[float, float]]] = defaultdict(list)
    origin = min((float(sample["t"]) for sample in samples), default=0.0)
    for sample in samples:
        services[str(sample["service"])].append((float(sample["t"]) - origin, float(sample["rss_bytes"])))
    if not services:
        return
    bands = list(_by_criterion(run, origin))
    svg = charts.responsive(
        lambda width: charts.memory_chart("Resident memory of each service", services, bands=bands, width=width)
    )
    yield Figure("Shared memory counts once for each process that has it mapped.", svg, wide=True)


def _by_criterion(run: RunData, origin: float) -> Iterator[FaultBand]:
    """Return one band a criterion that had faults in force: over a whole run single faults are too many to name."""
    spans: dict[str, list[float]] = defaultdict(list)
    for record in run.faults:
        times = fault_times(record)
        spans[str(record.get("criterion") or "")] += [t for t in (times["injected"], times["healed"]) if t is not None]
    for identifier, instants in spans.items():
        if len(instants) > 1:
            yield FaultBand(identifier, min(instants) - origin, max(instants) - origin)


# -- faults ----------------------------------------------------------------------------------------------------


def _overlaps(record: Record, begin: float, end: float) -> bool:
    times = fault_times(record)
    injected, healed = times["injected"], times["healed"]
    return injected is not None and injected < end and (healed is None or healed > begin)


def _bands(record: Record, origin: float, span: tuple[float, float]) -> Iterator[FaultBand]:
    """Return when a fault was in force, and from healing until the system was steady, within a span of time."""
    times = fault_times(record)
    name = f"{record.get('fault', '')} {record.get('target', '')}".strip()
    for label, start, end, phase in (
        (name, times["injected"], times["healed"], "fault"),
        ("healed", times["healed"], times["steady"], "heal"),
    ):
        if start is None or start >= span[1]:
            continue
        until = span[1] if end is None else min(end, span[1])
        yield FaultBand(label, max(start, span[0]) - origin, until - origin, phase)  # type: ignore[arg-type]
