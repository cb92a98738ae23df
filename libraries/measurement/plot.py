"""The frame of a chart: title, legend, labels of fault bands, axes, and the series within."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from measurement.drawing import (
    LINE,
    SERIES,
    Drawing,
    Point,
    Scale,
    dash_of,
    dots,
    label_of,
    number,
    polyline,
    rounded_range,
    shortened,
    spread,
    text_width,
    thinned,
    wrapped,
)

Phase = Literal["prepare", "fault", "heal", "calm"]
FILLS: Mapping[Phase, str] = {"prepare": "--f-prepare", "fault": "--f-fault", "heal": "--f-heal", "calm": "--f-calm"}


@dataclass(frozen=True, slots=True)
class FaultBand:
    """A stretch of time to shade, such as the time a fault was in effect; `end` None lasts to the end."""

    label: str
    start: float
    end: float | None
    phase: Phase = "fault"


@dataclass(frozen=True, slots=True)
class Target:
    """A line at the value that is to be kept."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis shows. Without a range it holds all values and begins at zero.

    `mirrored`: what lies below zero is counted downwards, and labelled without a sign. `whole`: there is nothing
    between whole numbers, such as those of rounds, so that no label stands there.
    """

    label: str
    log: bool = False
    low: float | None = None
    high: float | None = None
    mirrored: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of the legend, drawn as what it stands for."""

    label: str
    kind: Literal["line", "dots", "bar"]
    colour: str
    dash: str = ""


def key_of(label: str, index: int, kind: Literal["line", "dots"] = "line") -> Key:
    """Return the entry of a series, by the number of its colour."""
    return Key(label, kind, f"--s{index % SERIES}", dash_of(index))


@dataclass
class Plot:
    """A chart's frame: title, legend, labels of bands, the plot itself, the axes."""

    title: str
    description: str
    width: int
    bands: Sequence[FaultBand]
    legend: Sequence[Key] = ()
    room_right: float = 0.0
    room_left: float = 0.0
    height: float | None = None
    drawing: Drawing = field(init=False)
    x: Scale = field(init=False)
    y: Scale = field(init=False)

    def __post_init__(self) -> None:
        self.drawing = Drawing(self.title, self.description, self.width)
        self.top = 24.0
        for line in wrapped(self.title, self.width - 4, 14):
            self.drawing.text(2, self.top - 8, line, classes="head")
            self.top += LINE + 1
        self.top -= LINE + 1
        if self.legend:
            self._draw_legend()

    @property
    def right(self) -> float:
        """Where the plot ends."""
        return self.width - max(14.0, self.room_right)

    def axes(
        self,
        x: Axis,
        y: Axis,
        xs: Iterable[float],
        ys: Iterable[float],
        *,
        ticks: Sequence[tuple[float, str]] | None = None,
    ) -> None:
        """Lay the plot out, shade the bands, and draw grid and labels."""
        low_x, high_x = _range(x, xs, air=False)
        low_y, high_y = _range(y, ys, air=True)
        height = self.height or (210.0 if self.width < 560 else 240.0)
        probe = Scale(low_y, high_y, 0, height, y.log)
        wanted = 5 if height > 150 else 3
        y_ticks = [(v, label_of(abs(v)) if y.mirrored else _signed(v)) for v in probe.ticks(wanted)]
        self.left = max(self.room_left, 10 + max([text_width(label) for _, label in y_ticks] or [20]))
        self.x = Scale(low_x, high_x, self.left, self.right, x.log)
        lanes = self._band_lanes()
        self.drawing.text(2, self.top + 12, y.label, classes="dim")
        top = self.top + 24 + LINE * (max(lanes.values(), default=-1) + 1)
        self.bottom = top + height
        self.y = Scale(low_y, high_y, self.bottom, top, y.log)
        self.drawing.height = self.bottom + 38
        self._draw_bands(lanes, top)
        for minor in self.y.minor_ticks():
            self._rule(self.y(minor), 0.5)
        for value, label in y_ticks:
            self._rule(self.y(value), 1)
            self.drawing.text(self.left - 6, self.y(value) + 4, label, anchor="end", classes="dim")
        self._draw_x_axis(x, ticks)

    def series(self, index: int, places: Sequence[Point | None], style: Literal["line", "dots"]) -> None:
        """Draw one series."""
        colour = f"--s{index % SERIES}"
        if style == "dots":
            self.drawing.path(dots([place for place in places if place is not None]), "dots", fill=colour)
        else:
            dash = "" if self.room_right else dash_of(index)
            self.drawing.path(polyline(thinned(places)), "line", stroke=colour, dash=dash)

    def weak(self, index: int, places: Sequence[Point]) -> None:
        """Draw the part of a curve that few samples decide."""
        if len(places) > 1:
            self.drawing.path(polyline(places), "line weak", stroke=f"--s{index % SERIES}")

    def nothing(self, text: str) -> None:
        """Say in the middle that there is nothing to draw."""
        middle = (self.left + self.right) / 2
        self.drawing.text(middle, (self.y.start + self.y.end) / 2, text, anchor="middle", classes="dim")

    def target(self, target: Target) -> None:
        """Draw the line that is to be kept, with its label where the line begins."""
        at = self.y(target.value)
        self.drawing.path(f"M{number(self.left)} {number(at)}H{number(self.right)}", "target")
        above = at - 5 if at - 18 > self.y.end else at + 14
        self.drawing.text(self.left + 5, above, target.label, classes="targettext halo")

    def rising(self, places: Sequence[Point], label: str) -> None:
        """Draw a line that is to be kept and rises with time, with its label where it ends."""
        self.drawing.path(polyline(places), "target")
        at, last = places[-1]
        above = last - 5 if last - 18 > self.y.end else last + 14
        self.drawing.text(at - 5, above, label, anchor="end", classes="targettext halo")

    def bracket(self, start: float, end: float, label: str) -> None:
        """Draw a measure from one instant to another, with its label above."""
        a, b, at = self.x(start), self.x(end), self.y.end + 22
        self.drawing.path(
            f"M{number(a)} {number(at - 4)}v8M{number(b)} {number(at - 4)}v8M{number(a)} {number(at)}H{number(b)}",
            "axis",
        )
        need = text_width(label)
        if b - a >= need + 8:
            self.drawing.text((a + b) / 2, at - 7, label, anchor="middle", classes="halo")
        elif b + need + 8 <= self.right:
            self.drawing.text(b + 8, at + 4, label, classes="halo")
        else:
            self.drawing.text(self.right, at - 7, label, anchor="end", classes="halo")

    def names(self, series: Sequence[tuple[str, Sequence[float]]]) -> None:
        """Write each series' name at the height of its last value, to the right of the plot."""
        places = spread([self.y(v[-1]) if v else self.bottom for _, v in series], LINE - 2, self.y.end, self.bottom)
        for index, ((name, values), at) in enumerate(zip(series, places, strict=True)):
            colour = f"--s{index % SERIES}"
            end = self.y(values[-1]) if values else at
            self.drawing.path(
                f"M{number(self.right + 1)} {number(end)}L{number(self.right + 8)} {number(at)}", "line", stroke=colour
            )
            self.drawing.text(self.right + 11, at + 4, name, fill=colour)

    def svg(self) -> str:
        """Return the drawing."""
        return self.drawing.svg()

    def _rule(self, at: float, opacity: float) -> None:
        extra = f' style="stroke-opacity:{number(opacity)}"' if opacity < 1 else ""
        self.drawing.add(f'<path d="M{number(self.left)} {number(at)}H{number(self.right)}" class="grid"{extra}/>')

    def _draw_x_axis(self, x: Axis, ticks: Sequence[tuple[float, str]] | None) -> None:
        places = [v for v in self.x.ticks(int((self.right - self.left) / 72)) if not x.whole or v == int(v)]
        found = ticks if ticks is not None else [(v, _signed(v)) for v in places]
        self.drawing.path(f"M{number(self.left)} {number(self.bottom)}H{number(self.right)}", "axis")
        free = -math.inf
        for value, label in found:
            at, half = self.x(value), text_width(label) / 2
            self.drawing.path(f"M{number(at)} {number(self.bottom)}v4", "axis")
            start = min(at - half, self.width - 2 * half)
            if start > free:
                self.drawing.text(start + half, self.bottom + 17, label, anchor="middle", classes="dim")
                free = start + 2 * half + 6
        self.drawing.text(self.right, self.bottom + 33, x.label, anchor="end", classes="dim")

    def _draw_legend(self) -> None:
        at, line = 2.0, 0
        for key in self.legend:
            swatch = 26.0 if key.kind == "line" else 18.0
            need = swatch + text_width(key.label) + 14
            if at > 2 and at + need > self.width:
                at, line = 2.0, line + 1
            base = self.top + 13 + line * LINE
            if key.kind == "line":
                self.drawing.path(f"M{number(at)} {number(base - 4)}h20", "line", stroke=key.colour, dash=key.dash)
            elif key.kind == "dots":
                self.drawing.path(dots([(at + 4, base - 7), (at + 9, base - 2)]), "dots", fill=key.colour)
            else:
                self.drawing.rectangle(at, base - 9, 12, 10, key.colour)
            self.drawing.text(at + swatch, base, shortened(key.label, self.width - swatch - 4))
            at += need
        self.top += (line + 1) * LINE + 4

    def _band_lanes(self) -> dict[int, int]:
        """Return for each band that has a label the row in which that has room."""
        ends: list[float] = []
        lanes = {}
        for index, band in enumerate(self.bands):
            if not band.label:
                continue
            start, end = self._label_place(band)
            lane = next((i for i, free in enumerate(ends) if start > free), len(ends))
            ends[lane : lane + 1] = [end + 8]
            lanes[index] = lane
        return lanes

    def _label_place(self, band: FaultBand) -> tuple[float, float]:
        need = text_width(band.label) + 2
        start = max(0.0, min(self.x(band.start), self.width - need))
        return start, start + need

    def _draw_bands(self, lanes: Mapping[int, int], top: float) -> None:
        rows = max(lanes.values(), default=-1) + 1
        for index, band in enumerate(self.bands):
            start, end = self.x(band.start), self.x(self.x.high if band.end is None else band.end)
            fill = FILLS[band.phase]
            self.drawing.rectangle(start, top, max(end - start, 1.5), self.bottom - top, fill, 0.13)
            base = top - 6 - LINE * (rows - 1 - lanes[index]) if band.label else top - 3
            self.drawing.path(f"M{number(start)} {number(base + 3)}V{number(self.bottom)}", "line", stroke=fill)
            if not band.label:
                continue
            self.drawing.text(
                self._label_place(band)[0], base, shortened(band.label, self.width - 4), fill=fill, classes="halo"
            )


def _range(axis: Axis, values: Iterable[float], *, air: bool) -> tuple[float, float]:
    if axis.low is not None and axis.high is not None:
        return axis.low, axis.high
    known = list(values)
    low, high = rounded_range(known, log=axis.log, zero=air)
    if not air and known and not axis.log:
        high = max(known) if max(known) > low else high
    return (axis.low if axis.low is not None else low), (axis.high if axis.high is not None else high)


def _signed(value: float) -> str:
    return f"\u2212{label_of(-value)}" if value < 0 else label_of(value)
