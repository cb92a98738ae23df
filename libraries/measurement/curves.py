"""Charts of what grows: memory over time, and what the same thing costs by its size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from measurement.charts import Series, described, with_gaps
from measurement.drawing import Point, dots, number, text_width
from measurement.memory import MEGABYTE
from measurement.plot import Axis, FaultBand, Plot, Target, key_of

DOT = 2.8  # pixels, radius of what was measured at one size
CAP = 3.0  # pixels, half the width of the ends of an interval


@dataclass(frozen=True, slots=True)
class Limit:
    """What memory is to stay below (or, by its label, to reach): a line through points (seconds, bytes)."""

    points: Sequence[Point]
    label: str


@dataclass(frozen=True, slots=True)
class AtSize:
    """What was measured at one size, with its interval where it has one."""

    size: float
    value: float
    low: float | None = None
    high: float | None = None


def memory_chart(
    title: str,
    services: Mapping[str, Sequence[Point]],
    *,
    limit: Limit | None = None,
    bands: Sequence[FaultBand] = (),
    label: str = "MB",
    description: str = "",
    width: int = 660,
) -> str:
    """Draw the memory of each service over time, or its growth, in MB (10^6 bytes).

    Args:
        title: one line above the chart.
        services: name -> (seconds, bytes) in the order of time.
        limit: drawn across, and always within the range.
        bands: shaded behind.
        label: of the vertical axis.
        description: for those who do not see it.
        width: in pixels.
    """
    largest = sorted(services, key=lambda name: -max((b for _, b in services[name]), default=0))
    series = [Series(name, with_gaps([(t, size / MEGABYTE) for t, size in services[name]])) for name in largest]
    line = [(t, size / MEGABYTE) for t, size in limit.points] if limit else []
    x, y = Axis("seconds"), Axis(label)
    target = Target(line[-1][1], limit.label) if limit else None
    direct = width >= 560
    room = max([text_width(name) for name in largest] or [0]) + 20 if direct else 0.0
    plot = Plot(
        title,
        description or described(series, x, y, target, bands),
        width,
        bands,
        legend=[] if direct else [key_of(name, index) for index, name in enumerate(largest)],
        room_right=room,
    )
    xs = [t for s in series for t, _ in s.points] + [b.start for b in bands] + [t for t, _ in line]
    values = [value for s in series for _, value in s.points if value is not None]
    plot.axes(x, y, xs, [*values, *(value for _, value in line)])
    for index, one in enumerate(series):
        plot.series(index, [None if v is None else (plot.x(t), plot.y(v)) for t, v in one.points], "line")
    if target and line[0][1] == line[-1][1]:
        plot.target(target)
    elif target:
        plot.rising([(plot.x(t), plot.y(value)) for t, value in line], target.label)
    if direct:
        plot.names([(s.label, [v for _, v in s.points if v is not None]) for s in series])
    return plot.svg()


def sizes_chart(
    title: str,
    ways: Mapping[str, Sequence[AtSize]],
    *,
    x: Axis,
    y: Axis,
    targets: Sequence[Target] = (),
    description: str = "",
    width: int = 660,
) -> str:
    """Draw what each of some ways took at each size; both axes logarithmic, intervals as bars with ends.

    Args:
        title: one line above the chart.
        ways: name -> what was measured, in the order of size.
        x: axis of sizes.
        y: axis of what was measured.
        targets: drawn across, and always within the range.
        description: for those who do not see it.
        width: in pixels.
    """
    text = description or _described_sizes(ways, x, y, targets)
    plot = Plot(title, text, width, (), legend=[key_of(name, index) for index, name in enumerate(ways)])
    bounds = [v for way in ways.values() for p in way for v in (p.value, p.low, p.high) if v is not None]
    sizes = [p.size for way in ways.values() for p in way]
    plot.axes(x, y, sizes, [*bounds, *(target.value for target in targets)])
    for index, way in enumerate(ways.values()):
        places = [(plot.x(p.size), plot.y(p.value)) for p in way]
        plot.series(index, places, "line")
        plot.drawing.path(dots(places, DOT), "", fill=f"--s{index}")
        for p in way:
            if p.low is not None and p.high is not None:
                _interval(plot, plot.x(p.size), plot.y(p.low), plot.y(p.high), f"--s{index}")
    for target in targets:
        plot.target(target)
    return plot.svg()


def _interval(plot: Plot, at: float, low: float, high: float, colour: str) -> None:
    left, width = number(at - CAP), number(2 * CAP)
    ends = "".join(f"M{left} {number(end)}h{width}" for end in (low, high))
    plot.drawing.path(f"M{number(at)} {number(low)}V{number(high)}{ends}", "line", stroke=colour)


def _described_sizes(ways: Mapping[str, Sequence[AtSize]], x: Axis, y: Axis, targets: Sequence[Target]) -> str:
    parts = [f"{y.label} by {x.label}."]
    for name, way in ways.items():
        values = ", ".join(f"{p.value:.3g} at {p.size:g}" for p in way)
        parts.append(f"{name}: {values}.")
    return " ".join([*parts, *(f"{target.label}: {target.value:g}." for target in targets)])
