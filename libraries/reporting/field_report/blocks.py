"""Pieces of Markdown: blocks, cells, links, and texts of a run cut to what a reader takes in."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

WIDTH = 116  # characters of a line in a block
MOST_LINES = 40  # of an evidence file


def block(lines: Sequence[str], language: str = "") -> Iterator[str]:
    """Return lines as a block, whatever backticks are in them."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield fence + language
    yield from lines
    yield fence


def wrapped(text: str) -> list[str]:
    """Break a message into lines that fit: a long one at its semicolons first, as it lists things there."""
    lines = []
    for line in text.strip().splitlines():
        parts = [line] if len(line) <= WIDTH else re.split(r"(?<=;) ", line)
        for part in parts:
            lines += textwrap.wrap(
                part, WIDTH, subsequent_indent="  ", break_on_hyphens=False, drop_whitespace=True
            ) or [""]
    return lines


def cut(path: Path, shown: str) -> list[str]:
    """Return the first lines of a text file, with a mark where more follow.

    Args:
        path: the file.
        shown: what it is called in that mark.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [line if len(line) <= 2 * WIDTH else f"{line[: 2 * WIDTH]} …" for line in lines[:MOST_LINES]]
    return kept if len(lines) <= MOST_LINES else [*kept, f"… ({len(lines) - MOST_LINES} more lines in {shown})"]


def row(*cells: str) -> str:
    """Return one row of a table."""
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def anchor(heading: str) -> str:
    """Return the name under which a heading can be linked to, as GitHub makes it."""
    plain = re.sub(r"[^\w\- ]", "", heading.lower())
    return "#" + plain.replace(" ", "-")


def link(heading: str) -> str:
    """Return a link to a heading of the same page."""
    return f"[{heading}]({anchor(heading)})"
