"""Sections of a Markdown file that a benchmark writes again and again."""

from __future__ import annotations

from pathlib import Path

MARK = "<!-- {}: {} -->"


def replace_section(path: Path, name: str, text: str) -> None:
    """Replace what stands between the marks `<!-- name: begin -->` and `<!-- name: end -->`.

    Raises:
        SystemExit: the file has no such section.
    """
    content = path.read_text(encoding="utf-8")
    begin, end = MARK.format(name, "begin"), MARK.format(name, "end")
    if begin not in content or end not in content:
        raise SystemExit(f"{path} has no section between '{begin}' and '{end}'")
    head, _, rest = content.partition(begin)
    path.write_text(f"{head}{begin}\n{text}{end}{rest.partition(end)[2]}", encoding="utf-8")
