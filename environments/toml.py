"""Configuration files of programs, as TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

Value = str | int | float | bool | list[str]
Table = Mapping[str, Value | None]
Sections = Mapping[str, Table | Sequence[Table]]
"""Tables by their name; several of one name are an array."""


def write(file: Path, top: Table, sections: Sections | None = None) -> None:
    """Write a file that only its owner can read: there are passwords in it. See `text`."""
    write_private(file, text(top, sections))


def write_private(file: Path, content: str) -> None:
    """Write a file that only its owner can read."""
    file.touch(mode=0o600)
    file.write_text(content, encoding="utf-8")


def text(top: Table, sections: Sections | None = None) -> str:
    """Return the content of a file. Keys without a value are left out."""
    lines = _lines(top)
    for name, content in (sections or {}).items():
        if isinstance(content, Mapping):
            lines += ["", f"[{name}]", *_lines(content)]
        else:
            for table in content:
                lines += ["", f"[[{name}]]", *_lines(table)]
    return "\n".join(lines) + "\n"


def _lines(table: Table) -> list[str]:
    # strings, numbers, booleans and lists of strings are written in TOML as in JSON
    return [f"{key} = {json.dumps(value)}" for key, value in table.items() if value is not None]
