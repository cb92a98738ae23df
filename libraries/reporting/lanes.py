"""A drawing of who did something when: one lane each, filled while it lasted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from measurement.drawing import SERIES, Drawing, Scale, label_of, number, text_width
from measurement.plot import FILLS, FaultBand

LANE, GAP = 18.0, 4.0  # pixels
LEFT, RIGHT = 26.0, 14.0  # as wide as the margins of a chart with two-digit labels, so that the times line up

Span = tuple[float, float]


def lanes_chart(
    title: str, lanes: Mapping[str, Sequence[Span]], span: Span, *, bands: Sequence[FaultBand] = (), width: int = 660
) -> str:
    """Draw one lane a name, filled during its spans of time.

    Args:
        title: one line above.
        lanes: name -> (start, end) in seconds, in the order from top to bottom.
        span: first and last second of the axis.
        bands: shaded behind, without labels.
        width: in pixels.
    """
    told = [
        f"{name}: {', '.join(f'{a:.1f} s to {b:.1f} s' for a, b in spans) or 'never'}." for name, spans in lanes.items()
    ]
    drawing = Drawing(title, " ".join(told), width)
    drawing.text(2, 16, title, classes="head")
    x = Scale(*span, LEFT, width - RIGHT)
    top, bottom = 26.0, 26.0 + len(lanes) * (LANE + GAP)
    for band in bands:
        start, end = x(band.start), x(span[1] if band.end is None else band.end)
        drawing.rectangle(start, top, max(end - start, 1.5), bottom - top, FILLS[band.phase], 0.13)
    for index, (name, spans) in enumerate(lanes.items()):
        at = top + GAP / 2 + index * (LANE + GAP)
        drawing.path(f"M{number(LEFT)} {number(at + LANE / 2)}H{number(width - RIGHT)}", "grid")
        for start, end in spans:
            drawing.rectangle(x(start), at, max(x(end) - x(start), 1.5), LANE, f"--s{index % SERIES}", 0.5)
        drawing.text(LEFT + 4, at + 13, name)
    _axis(drawing, x, bottom)
    drawing.height = bottom + 24
    return drawing.svg()


def spans_of(observations: Sequence[tuple[float, bool]], patience: float) -> list[Span]:
    """Join neighbouring observations of the same thing into spans.

    Args:
        observations: (instant, whether it held), in the order of time.
        patience: seconds without an observation after which nothing is known any more.
    """
    spans: list[list[float]] = []
    last: float | None = None  # instant of the observation before, if it held
    for instant, held in observations:
        if held and last is not None and instant - last <= patience:
            spans[-1][1] = instant
        elif held:
            spans.append([instant, instant])
        last = instant if held else None
    return [(start, end) for start, end in spans]


def _axis(drawing: Drawing, x: Scale, bottom: float) -> None:
    drawing.path(f"M{number(x.start)} {number(bottom)}H{number(x.end)}", "axis")
    for tick in x.ticks(int((x.end - x.start) / 72)):
        drawing.path(f"M{number(x(tick))} {number(bottom)}v4", "axis")
        label = f"−{label_of(-tick)}" if tick < 0 else label_of(tick)
        if x(tick) + text_width(label) / 2 <= drawing.width:
            drawing.text(x(tick), bottom + 17, label, anchor="middle", classes="dim")
