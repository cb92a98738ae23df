"""What the charts are drawn with: scales, ticks, text that keeps out of each other's way, and one style.

Everything is a function of its arguments: the same input gives the same SVG text. A drawing is laid out for one width
in pixels, so that text keeps its size; `charts.responsive` puts several widths together.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

FONT = 12.5  # pixels
LINE = 17.0  # height of a line of text
CHARACTER = 0.6  # mean width of a character, as a share of the font's size, in the widest usual font

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]

STYLE = """
.chart{font:12.5px system-ui,-apple-system,"Segoe UI",sans-serif;--ink-:var(--chart-ink,#1c2127);
--dim-:var(--chart-dim,#5b6570);--rule-:var(--chart-rule,#dfe3e8);--paper-:var(--chart-paper,#fff);
--s0:#1f6fbf;--s1:#b04a05;--s2:#17734f;--s3:#7a4fb5;--s4:#b3306b;--s5:#08707f;--s6:#7c5b1e;--s7:#5b6570;
--good:#2e8b57;--bad:#c8372d;--unsure:#b67b00;--f-prepare:#5f6b78;--f-fault:#c8372d;--f-heal:#8a5d00;--f-calm:#1f7345}
@media(prefers-color-scheme:dark){.chart{--ink-:var(--chart-ink,#e4e8ec);--dim-:var(--chart-dim,#a3aeb9);
--rule-:var(--chart-rule,#303842);--paper-:var(--chart-paper,#14181d);--s0:#6cabee;--s1:#f09a55;--s2:#56c596;
--s3:#b697ea;--s4:#ee86b2;--s5:#52c0d4;--s6:#cfae6c;--s7:#a3b0bd;--good:#4fb67c;--bad:#ef6a5f;--unsure:#e0ab3e;
--f-prepare:#93a0ac;--f-fault:#ef6a5f;--f-heal:#e0ab3e;--f-calm:#4fb67c}}
.chart text{fill:var(--ink-)}.chart .dim{fill:var(--dim-)}.chart .head{font-weight:600;font-size:14px}
.chart .grid{stroke:var(--rule-);stroke-width:1;fill:none}.chart .axis{stroke:var(--dim-);stroke-width:1;fill:none}
.chart .line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.chart .weak{stroke-width:1.4;stroke-dasharray:1 4}.chart .dots{stroke:none;fill-opacity:.55}
.chart .target{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:7 4;fill:none}.chart .targettext{fill:var(--bad)}
.chart .halo{paint-order:stroke;stroke:var(--paper-);stroke-width:3px;stroke-linejoin:round}
""".strip().replace("\n", "")

SERIES = 8
DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "1 3", "12 4", "6 2 2 2")


def dash_of(index: int) -> str:
    """Return the dashes by which a series differs from the others for those who do not tell colours apart."""
    return DASHES[index % len(DASHES)]


def text_width(text: str, size: float = FONT) -> float:
    """Return about how wide a text is, in pixels; rather too much than too little."""
    return len(text) * size * CHARACTER + 1


def shortened(text: str, width: float, size: float = FONT) -> str:
    """Cut a text to a width, with an ellipsis where it was cut."""
    if text_width(text, size) <= width:
        return text
    return text[: max(1, int((width - 1) / (size * CHARACTER)) - 1)].rstrip() + "…"


def wrapped(text: str, width: float, size: float = FONT) -> list[str]:
    """Break a text into lines of a width, at spaces but never within `10 000` or `12 ms`; a longer word is cut."""
    lines = [""]
    for word in re.split(r"(?<!\d)\s+|(?<=\d)\s+(?!\d{3}\b|(?:B|MB|us|ms|s|min|h)\b|%)", text.strip()):
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [shortened(line, width, size) for line in lines]


def number(value: float) -> str:
    """Write a coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"


def label_of(value: float) -> str:
    """Write a tick's value: thousands apart, no trailing zeros."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"


def nice_ticks(low: float, high: float, wanted: int) -> list[float]:
    """Return ticks at 1, 2 or 5 times a power of ten within a range, about as many as wanted."""
    if not high > low:
        return [low]
    raw = (high - low) / max(1, wanted)
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(magnitude * m for m in (1, 2, 5, 10) if magnitude * m >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to pixels, evenly or by powers of ten. Values outside the range go to its edge."""

    low: float
    high: float
    start: float  # pixel of `low`
    end: float  # pixel of `high`
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        value = min(max(value, self.low), self.high)
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        share = (value - low) / (high - low) if high > low else 0.0
        return self.start + share * (self.end - self.start)

    def ticks(self, wanted: int) -> list[float]:
        """Return where to label: nice numbers, or powers of ten and, where there is none or one, 2 and 5 times them."""
        if not self.log:
            return nice_ticks(self.low, self.high, wanted)
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        if last - first < 1:
            between = (m * 10.0**exponent for exponent in range(first - 1, last + 1) for m in (1, 2, 5))
            return [value for value in between if self.low <= value <= self.high]
        skip = max(1, math.ceil((last - first + 1) / max(2, wanted)))
        return [10.0**exponent for exponent in range(first, last + 1, skip)]

    def minor_ticks(self) -> list[float]:
        """Return the unlabelled lines of a logarithmic scale."""
        if not self.log:
            return []
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        values = (m * 10.0**exponent for exponent in range(first, last + 1) for m in range(2, 10))
        return [value for value in values if self.low < value < self.high]


def rounded_range(values: Iterable[float], *, log: bool, zero: bool = True) -> tuple[float, float]:
    """Return a range that holds all values, begins at zero (unless told otherwise or logarithmic) and has some air."""
    known = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    if not known:
        return (0.1, 10.0) if log else (0.0, 1.0)
    low, high = min(known), max(known)
    if log:
        low, high = 10 ** (math.floor(math.log10(low) * 5) / 5), high * 1.3
        return (
            (low, high) if high / low >= 10 else (low / math.sqrt(10 * low / high), high * math.sqrt(10 * low / high))
        )
    low = min(0.0, low) if zero else low
    if high <= low:
        high = low + (abs(low) or 1.0)
    return low, high + 0.06 * (high - low)


@dataclass
class Drawing:
    """SVG elements in the order in which they are painted, with what makes them accessible."""

    title: str
    description: str
    width: float
    height: float = 0.0
    elements: list[str] = field(default_factory=list)

    def add(self, element: str) -> None:
        """Paint an element that is valid SVG."""
        self.elements.append(element)

    def text(
        self, x: float, y: float, content: str, *, anchor: Anchor = "start", classes: str = "", fill: str = ""
    ) -> None:
        """Write text; (x, y) is the end of its base line that `anchor` names."""
        kind = f' class="{classes}"' if classes else ""
        colour = f' style="fill:var({fill})"' if fill else ""
        place = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self.add(f'<text x="{number(x)}" y="{number(y)}"{place}{kind}{colour}>{escape(content)}</text>')

    def path(self, d: str, classes: str, *, stroke: str = "", fill: str = "", dash: str = "") -> None:
        """Paint a path."""
        colours = (f"stroke:var({stroke})" if stroke else "", f"fill:var({fill})" if fill else "")
        dashes = f"stroke-dasharray:{dash}" if dash else ""
        style = ";".join(part for part in (*colours, dashes) if part)
        self.add(f'<path d="{d}" class="{classes}"' + (f' style="{style}"' if style else "") + "/>")

    def rectangle(self, x: float, y: float, width: float, height: float, fill: str, opacity: float = 1.0) -> None:
        """Fill a rectangle with a variable's colour."""
        self.add(
            f'<rect x="{number(x)}" y="{number(y)}" width="{number(max(width, 0))}" height="{number(max(height, 0))}" '
            f'style="fill:var({fill});fill-opacity:{number(opacity)}"/>'
        )

    def svg(self) -> str:
        """Return the whole drawing: an image with a name and a description for those who do not see it."""
        facts = f"{self.title}|{self.description}|{self.width}|{len(self.elements)}"
        key = "c" + hashlib.sha256(facts.encode()).hexdigest()[:10]
        width, height = number(self.width), number(self.height)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" viewBox="0 0 {width} {height}" '
            f'width="100%" aria-labelledby="{key}-t {key}-d"><title id="{key}-t">{escape(self.title)}</title>'
            f'<desc id="{key}-d">{escape(self.description)}</desc><style>{STYLE}</style>{"".join(self.elements)}</svg>'
        )


def polyline(points: Sequence[Point | None]) -> str:
    """Return the path through points; None parts it, and a point alone becomes a short dash."""
    parts: list[str] = []
    run: list[Point] = []

    def close() -> None:
        if len(run) == 1:
            run.append((run[0][0] + 3.0, run[0][1]))
        if run:
            parts.append("M" + "L".join(f"{number(x)} {number(y)}" for x, y in run))
        run.clear()

    for point in points:
        if point is None:
            close()
        else:
            run.append(point)
    close()
    return "".join(parts)


def thinned(places: Sequence[Point | None], column: float = 1.5) -> list[Point | None]:
    """Leave out points nobody could tell apart: of each column of pixels the first, lowest, highest and last stay."""
    kept: list[Point | None] = []
    run: list[tuple[int, Point]] = []

    def close() -> None:
        if run:
            order = sorted(run, key=lambda entry: entry[1][1])
            kept.extend(point for _, point in sorted({run[0], order[0], order[-1], run[-1]}))
        run.clear()

    for index, point in enumerate(places):
        if run and (point is None or int(point[0] / column) != int(run[0][1][0] / column)):
            close()
        if point is None:
            kept.append(None)
        else:
            run.append((index, point))
    close()
    return kept


def dots(places: Iterable[Point], radius: float = 1.6) -> str:
    """Return one path of discs."""
    r, d = number(radius), number(2 * radius)
    return "".join(f"M{number(x - radius)} {number(y)}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0-{d} 0" for x, y in places)


def bars(places: Iterable[tuple[float, float, float, float]]) -> str:
    """Return one path of rectangles (x, y, width, height); those without height are left out."""
    return "".join(
        f"M{number(x)} {number(y)}h{number(width)}v{number(height)}h{number(-width)}z"
        for x, y, width, height in places
        if abs(height) > 0.005
    )


def spread(wanted: Sequence[float], distance: float, low: float, high: float) -> list[float]:
    """Move positions apart until neighbours keep a distance, within a range as long as there is room."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    result = [0.0] * len(wanted)
    least = low
    for index in order:
        result[index] = max(wanted[index], least)
        least = result[index] + distance
    most = high
    for index in reversed(order):
        result[index] = min(result[index], most)
        most = result[index] - distance
    return result
