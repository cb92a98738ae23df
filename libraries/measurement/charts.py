"""Charts as SVG text: latency over time, latency by percentile, write availability; more in `measurement.curves`.

Each function returns one drawing for one width in pixels. `responsive` puts a narrow, a middle and a wide drawing of
the same chart together and lets the page show the one that fits. Colours follow the reader's light or dark setting; a
page may set `--chart-ink`, `--chart-dim`, `--chart-rule` and `--chart-paper`. Series differ in dashes too, bands in
their labels, so that nothing depends on colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from measurement.drawing import Point, bars, number
from measurement.histogram import TAIL_SAMPLES, LatencyHistogram
from measurement.plot import Axis, FaultBand, Key, Phase, Plot, Target, key_of

__all__ = [
    "Axis",
    "FaultBand",
    "Moment",
    "Phase",
    "Series",
    "Target",
    "availability_chart",
    "line_chart",
    "percentile_chart",
    "responsive",
    "with_gaps",
]

WIDTHS = (360, 660, 1040)
"""Widths in pixels that a chart is drawn for: telephone, half a page, a page."""


@dataclass(frozen=True, slots=True)
class Series:
    """Points (x, y) in the order of x; a y of None leaves a gap. `hue`: of which series it has the colour; its own."""

    label: str
    points: Sequence[tuple[float, float | None]]
    style: Literal["line", "dots"] = "line"
    hue: int | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """What was acknowledged and what was not in one stretch of time; `start` in seconds."""

    start: float
    acked: int
    failed: int = 0
    unknown: int = 0


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x: Axis,
    y: Axis,
    target: Target | None = None,
    bands: Sequence[FaultBand] = (),
    description: str = "",
    width: int = 660,
    height: float | None = None,
    room_left: float = 0.0,
) -> str:
    """Draw series over time or another quantity.

    Args:
        title: one line above the chart.
        series: lines or dots.
        x: horizontal axis.
        y: vertical axis.
        target: drawn across, and always within the range.
        bands: shaded behind, with their labels above.
        description: for those who do not see it; what there is to see when empty.
        width: in pixels.
        height: of the plot, in pixels.
        room_left: pixels left of the plot at least, so that the times of charts below one another line up.
    """
    text = description or described(series, x, y, target, bands)
    plot = Plot(title, text, width, bands, legend=_keys(series), height=height, room_left=room_left)
    xs = [point[0] for s in series for point in s.points] + [
        e for b in bands for e in (b.start, b.end) if e is not None
    ]
    ys = [point[1] for s in series for point in s.points if point[1] is not None]
    plot.axes(x, y, xs, [*ys, target.value] if target else ys)
    if not ys:
        plot.nothing("no data")
    for index, one in enumerate(series):
        places = [None if value is None else (plot.x(at), plot.y(value)) for at, value in one.points]
        plot.series(index if one.hue is None else one.hue, places, one.style)
    if target:
        plot.target(target)
    return plot.svg()


def percentile_chart(
    title: str,
    histograms: Mapping[str, LatencyHistogram],
    *,
    target: Target | None = None,
    target_percent: float = 99.0,
    description: str = "",
    width: int = 660,
) -> str:
    """Draw latency by percentile, each further nine taking the same room; both axes logarithmic, latency in ms.

    A curve is solid as far as ten samples lie beyond it, and dotted where fewer decide.

    Args:
        title: one line above the chart.
        histograms: label -> durations.
        target: in milliseconds, met or missed at `target_percent`.
        target_percent: where the target applies.
        description: for those who do not see it.
        width: in pixels.
    """
    known = {label: h for label, h in histograms.items() if h.n}
    text = description or _described_percentiles(known, target, target_percent)
    plot = Plot(title, text, width, (), legend=_keys([Series(label, []) for label in known]))
    nines = max([math.log10(2 * h.n) for h in known.values()] or [2.0])
    values = [seconds * 1000 for h in known.values() for _, seconds in h.curve()]
    plot.axes(
        Axis("percentile", low=0.0, high=max(nines, 2.0)),
        Axis("ms", log=True),
        [],
        [*values, target.value] if target else values,
        ticks=_percent_ticks(max(nines, 2.0)),
    )
    for index, histogram in enumerate(known.values()):
        settled, tail = _curve(histogram)
        plot.series(index, [(plot.x(nine), plot.y(value)) for nine, value in settled], "line")
        plot.weak(index, [(plot.x(nine), plot.y(value)) for nine, value in tail])
    if target:
        plot.target(target)
        at = plot.x(_nines(target_percent / 100))
        plot.drawing.add(
            f'<circle cx="{number(at)}" cy="{number(plot.y(target.value))}" r="4" style="fill:var(--bad)"/>'
        )
    return plot.svg()


def availability_chart(
    title: str,
    moments: Sequence[Moment],
    *,
    bucket_seconds: float = 0.1,
    bands: Sequence[FaultBand] = (),
    gap: tuple[float, float] | None = None,
    description: str = "",
    width: int = 660,
) -> str:
    """Draw what became of writes around a fault: acknowledged upwards, failed and unknown downwards.

    Args:
        title: one line above the chart.
        moments: one for each stretch of time, empty ones included; time 0 is best the injection.
        bucket_seconds: how long each stretch is. Stretches too short for the width are added up.
        bands: injection, effect, healing and steadiness of the fault.
        gap: start and end of the longest time without an acknowledged write.
        description: for those who do not see it.
        width: in pixels.
    """
    inner = width - 76
    factor = max(1, math.ceil(len(moments) * 2.5 / inner))
    moments, bucket = _added_up(moments, factor), bucket_seconds * factor
    text = description or _described_availability(moments, gap, bands)
    labels = ["acknowledged"] + [name for name in ("failed", "unknown") if any(getattr(m, name) for m in moments)]
    plot = Plot(title, text, width, bands, legend=[Key(name, "bar", _OUTCOME[name]) for name in labels])
    up = max([m.acked for m in moments] or [1])
    down = max([m.failed + m.unknown for m in moments] or [0])
    xs = [m.start for m in moments] + [moments[-1].start + bucket if moments else 1.0]
    xs += [e for b in bands for e in (b.start, b.end) if e is not None]
    plot.axes(
        Axis("seconds", low=min(xs), high=max(xs)),
        Axis(f"writes per {bucket * 1000:g} ms", low=-1.15 * down, high=max(up, 1) * 1.25, mirrored=True),
        [],
        [],
    )
    zero, thick = plot.y(0), plot.x(bucket) - plot.x(0) if moments else 1.0
    thick = max(1.0, thick - (0.6 if thick > 3 else 0.0))
    plot.drawing.path(
        bars((plot.x(m.start), plot.y(m.acked), thick, zero - plot.y(m.acked)) for m in moments), "", fill="--good"
    )
    plot.drawing.path(bars((plot.x(m.start), zero, thick, plot.y(-m.failed) - zero) for m in moments), "", fill="--bad")
    unknown = (
        (plot.x(m.start), plot.y(-m.failed), thick, plot.y(-m.failed - m.unknown) - plot.y(-m.failed)) for m in moments
    )
    plot.drawing.path(bars(unknown), "", fill="--unsure")
    plot.drawing.path(f"M{number(plot.left)} {number(zero)}H{number(plot.right)}", "axis")
    if gap:
        plot.bracket(*gap, f"no write acknowledged for {gap[1] - gap[0]:.1f} s")
    return plot.svg()


def responsive(draw: Callable[[int], str], widths: Sequence[int] = WIDTHS) -> str:
    """Return HTML that shows the drawing made for the width there is.

    Args:
        draw: makes the chart for a width in pixels, such as `lambda width: line_chart(..., width=width)`.
        widths: growing.
    """
    edges = [(a + b) / 2 for a, b in pairwise(widths)]
    rules = [
        ".chart-fit{container-type:inline-size}.chart-fit>div{display:none}.chart-fit svg{display:block;height:auto}"
    ]
    for index in range(len(widths)):
        conditions = [f"(min-width:{edges[index - 1]:g}px)"] if index else []
        conditions += [f"(max-width:{edges[index] - 0.01:g}px)"] if index < len(edges) else []
        query = " and ".join(conditions) or "(min-width:0px)"
        rules.append(f"@container {query}{{.chart-fit>.chart-{index}{{display:block}}}}")
    drawings = "".join(f'<div class="chart-{index}">{draw(width)}</div>' for index, width in enumerate(widths))
    return f'<div class="chart-fit"><style>{"".join(rules)}</style>{drawings}</div>'


def with_gaps(points: Sequence[Point], longest: float | None = None) -> list[tuple[float, float | None]]:
    """Part a line where points are missing, as they are while a service is down.

    Args:
        points: in the order of x.
        longest: distance of two points that are joined; four times the usual distance by default.
    """
    if longest is None and len(points) < 3:
        return list(points)
    if longest is None:
        distances = sorted(b[0] - a[0] for a, b in pairwise(points))
        longest = 4 * distances[len(distances) // 2]
    result: list[tuple[float, float | None]] = []
    for point in points:
        if result and point[0] - result[-1][0] > longest:
            result.append((point[0], None))
        result.append(point)
    return result


def described(series: Sequence[Series], x: Axis, y: Axis, target: Target | None, bands: Sequence[FaultBand]) -> str:
    """Say what a chart shows, for those who do not see it."""
    parts = [f"{y.label} by {x.label}."]
    for one in series:
        values = [value for _, value in one.points if value is not None]
        if values:
            parts.append(f"{one.label}: from {min(values):.3g} to {max(values):.3g}, last {values[-1]:.3g}.")
    if target:
        parts.append(f"{target.label}: {target.value:g}.")
    return " ".join([*parts, *_described_bands(bands)])


_OUTCOME = {"acknowledged": "--good", "failed": "--bad", "unknown": "--unsure"}


def _nines(share: float) -> float:
    """Room on the axis: one for each nine, so 90 % is 1, 99 % is 2."""
    return -math.log10(max(1 - share, 1e-12))


def _percent_ticks(high: float) -> list[tuple[float, str]]:
    labels = [(0.0, "0 %"), (0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")]
    labels += [(0.99999, "99.999 %"), (0.999999, "99.9999 %")]
    return [(_nines(share), label) for share, label in labels if _nines(share) <= high + 1e-9]


def _curve(histogram: LatencyHistogram) -> tuple[list[Point], list[Point]]:
    """Return (nines, ms) of a histogram as steps, parted where fewer than ten samples lie beyond."""
    points: list[Point] = []
    before = 0.0
    for percent, seconds in histogram.curve():
        share = min(percent / 100, 1 - 0.5 / histogram.n)
        points += [(_nines(before), seconds * 1000), (_nines(share), seconds * 1000)]
        before = share
    edge = _nines(max(0.0, 1 - TAIL_SAMPLES / histogram.n)) + 1e-9
    settled = [point for point in points if point[0] <= edge]
    tail = [point for point in points if point[0] > edge]
    return settled, [*settled[-1:], *tail]


def _keys(series: Sequence[Series]) -> list[Key]:
    """A legend for several series; one alone is named by the title and the axis."""
    if len(series) < 2:
        return []
    hues = [index if one.hue is None else one.hue for index, one in enumerate(series)]
    return [key_of(one.label, hue, one.style) for one, hue in zip(series, hues, strict=True)]


def _added_up(moments: Sequence[Moment], factor: int) -> list[Moment]:
    groups = [moments[i : i + factor] for i in range(0, len(moments), factor)]
    return [
        Moment(g[0].start, sum(m.acked for m in g), sum(m.failed for m in g), sum(m.unknown for m in g)) for g in groups
    ]


def _described_percentiles(histograms: Mapping[str, LatencyHistogram], target: Target | None, percent: float) -> str:
    parts = ["Latency in milliseconds by percentile."]
    for label, histogram in histograms.items():
        values = ", ".join(f"p{p:g} {histogram.percentile(p) * 1000:.3g}" for p in (50, 90, 99))
        parts.append(f"{label}: {values}, maximum {histogram.max * 1000:.3g}, {histogram.n} operations.")
    if target:
        parts.append(f"{target.label} at {percent:g} %: {target.value:g}.")
    return " ".join(parts)


def _described_availability(
    moments: Sequence[Moment], gap: tuple[float, float] | None, bands: Sequence[FaultBand]
) -> str:
    counts = [sum(getattr(m, name) for m in moments) for name in ("acked", "failed", "unknown")]
    parts = ["Writes over time: {} acknowledged, {} failed, {} unknown.".format(*counts)]
    if gap:
        parts.append(f"No write was acknowledged from {gap[0]:.2f} s to {gap[1]:.2f} s.")
    return " ".join([*parts, *_described_bands(bands)])


def _described_bands(bands: Sequence[FaultBand]) -> list[str]:
    return [
        f"{b.label}: from {b.start:.3g} s" + (f" to {b.end:.3g} s." if b.end is not None else " on.") for b in bands
    ]
