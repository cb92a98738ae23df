"""Draws latency: of a measurement over time and by percentile, of several rates in one, of pairs by round."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from measurement import charts
from measurement.charts import Axis, FaultBand, Series, Target
from measurement.histogram import LatencyHistogram
from reporting.figure import Figure, bands_of
from reporting.rundata import Record, RunData
from reporting.texts import number

_UNIT_IN_MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_PERCENTILE = re.compile(r"\bp(\d+(?:\.\d+)?)\b")


def of_measurement(run: RunData, record: Record) -> Iterator[Figure]:
    """Draw an open-loop measurement over time and by percentile, or the rounds of a paired one."""
    identifier = str(record.get("criterion") or "")
    criteria = (identifier,) if identifier else ()
    verdict = record.get("verdict") or {}
    if isinstance(record.get("comparison"), dict):
        if not record.get("target") and any(curve.get("kind") == "sizes" for curve in run.of(run.curves, identifier)):
            return  # told only, and drawn by size
        yield Figure(str(verdict.get("reason", "")), _rounds(record), criteria)
        return
    if not isinstance(record.get("latency"), dict):
        return
    target, percent = _latency_target(record)
    over_time = _over_time(run, record, target) if record["timeline"]["ok"] else ""
    svg = over_time + _by_percentile(record, target, percent)
    yield Figure(str(verdict.get("reason", "")), svg, criteria)


def of_shares(run: RunData, criterion: str) -> Iterator[Figure]:
    """Draw the latencies at all shares of the maximum rate in one, with the budget of the share that has one."""
    records = {
        float(record["load"]["ratio_of_max"]): record  # of a share that was measured again the last one counts
        for record in run.of(run.measurements, criterion)
        if isinstance(record.get("latency"), dict) and record["load"].get("ratio_of_max") is not None
    }
    if len(records) < 2:
        return
    histograms, target, percent, found = dict[str, LatencyHistogram](), None, 99.0, []
    for share, record in sorted(records.items()):
        histogram = LatencyHistogram.decode(str(record["latency"]["hdr"]))
        at = f"{100 * share:.0f} %"
        histograms[f"{at} of the maximum, {record['load']['achieved_rate']:.0f}/s"] = histogram
        found.append(f"{number(histogram.percentile(99) * 1000)} ms at {at}")
        budget, of = _latency_target(record)
        if budget is not None:
            target, percent = Target(budget.value, f"{budget.label} at {at}"), of
    title = f"Latency by rate: p99 {', '.join(found)} of the maximum"
    svg = charts.responsive(
        lambda width: charts.percentile_chart(title, histograms, target=target, target_percent=percent, width=width)
    )
    yield Figure("Open loop, from intended starts; dotted where fewer than ten samples decide.", svg, (criterion,))


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
    bands = bands_of(run.faults, origin, (origin, end))
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
        if isinstance(record.get(key), dict)
        and record[key].get("hdr")
        and (key == "latency" or record[key]["hdr"] != record["latency"].get("hdr"))
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
    times = "times the time" if compared["ratio"] >= 1 else "of the time"
    title = (
        f"{record['name']}: {compared['a']} takes {compared['ratio']:.3g} {times} of {compared['b']} "
        f"({compared['confidence']:.0%} sure of {compared['low']:.3g} to {compared['high']:.3g})"
    )
    return charts.responsive(
        lambda width: charts.line_chart(
            title, series, x=Axis("round", whole=True), y=Axis("median, ms", log=True), width=width
        )
    )


def _warm_up(record: Record) -> list[Record]:
    return [sample for sample in record.get("samples") or [] if sample.get("sample_type") == "warm-up"]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else max(seconds * 1000, 1e-3)
