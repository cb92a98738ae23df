"""Configuration files of our own programs, as TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

Value = str | int | float | bool | list[str]
Table = Mapping[str, Value | None]


def write(file: Path, top: Table, sections: Mapping[str, Table] | None = None) -> None:
    """Write a file that only its owner can read: there are passwords in it. Keys without a value are left out."""
    lines = _lines(top)
    for name, table in (sections or {}).items():
        lines += ["", f"[{name}]", *_lines(table)]
    file.touch(mode=0o600)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _lines(table: Table) -> list[str]:
    # strings, numbers, booleans and lists of strings are written in TOML as in JSON
    return [f"{key} = {json.dumps(value)}" for key, value in table.items() if value is not None]
