"""How times, sizes and messages are written for people."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from itertools import groupby


def duration(seconds: float) -> str:
    """Write a time span with the precision that matters at its size: `12 ms`, `4.2 s`, `38 s`, `5 min 12 s`."""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def number(value: float) -> str:
    """Write a number with three significant digits and thin grouping: `0.953`, `48.2`, `12 345`."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", " ")
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"


def with_unit(value: float, unit: str) -> str:
    """Write a number and its unit, which may be none: `48.2 ms`, `0.95`."""
    return f"{number(value)} {unit}".strip()


def plain(message: str) -> str:
    """Return a Robot Framework message as text, also when it is marked `*HTML*`."""
    if not message.startswith("*HTML*"):
        return message.strip()
    without_tags = re.sub(r"<[^>]+>", "", re.sub(r"<(br|/p|/li|/tr)[^>]*>", "\n", message[6:]))
    return html.unescape(without_tags).strip()


def first_lines(message: str, most: int) -> list[str]:
    """Return a message's first lines that say something, with a mark when more follow."""
    lines = [line.rstrip() for line in plain(message).splitlines() if line.strip()]
    return lines if len(lines) <= most else [*lines[:most], f"… ({len(lines) - most} more lines in the log)"]


def indented(message: str, most: int) -> str:
    """Return a message's first lines below a heading."""
    return "\n".join(f"        {line}" for line in first_lines(message, most))


def ranges(names: Iterable[str]) -> list[str]:
    """Shorten consecutive ids, so that 70 of them fit a line: `HA-01..16`; other names stay as they are."""
    split = [(name, re.fullmatch(r"(.*\D)(\d+)", name)) for name in sorted(names)]
    numbered = [(m.group(1), int(m.group(2)), len(m.group(2))) for _, m in split if m]
    shortened = [name for name, m in split if not m]
    for (prefix, width, _), run in groupby(
        enumerate(numbered), key=lambda item: (item[1][0], item[1][2], item[1][1] - item[0])
    ):
        numbers = [number for _, (_, number, _) in run]
        last = f"..{numbers[-1]:0{width}}" if len(numbers) > 1 else ""
        shortened.append(f"{prefix}{numbers[0]:0{width}}{last}")
    return sorted(shortened)
