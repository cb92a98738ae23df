"""One table of a configuration file: its keys read by kind, and the one line that refuses what is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from reference.toml_file import ConfigError

LARGEST_PORT = 65535
_LARGEST = 2**53  # what every reader of numbers takes exactly


class Section:
    """A table at `place` ("general", "pools[2]"), with the keys that it may have.

    Every reading method takes the key and its default, None where it has none (and gives None then); `required` refuses
    an absence instead.

    Raises:
        ConfigError: from everything here; one line `FILE: key: what; cure`.
    """

    def __init__(self, file: Path, place: str, content: object, known: Sequence[str]) -> None:
        self.file, self.place, self.known = file, place, known
        if not isinstance(content, dict):
            self.refuse("", "is not a table", f"write [{place}] and its keys below")
        self._content: Mapping[str, Any] = content
        self.check_keys()

    def check_keys(self) -> None:
        """Refuse keys that nobody knows: a slip in a name is a setting that never holds."""
        for key in self._content:
            if key not in self.known:
                self.refuse(key, "is not known", f"use one of {', '.join(self.known)}")

    def __contains__(self, key: str) -> bool:
        return key in self._content

    def required(self, key: str, example: str) -> None:
        """Refuse a table without this key."""
        if key not in self._content:
            self.refuse(key, "is missing", f"add it, such as {key} = {example}")

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text that is not empty."""
        value = self._content.get(key, default)
        if not isinstance(value, str):
            self.refuse(key, f"{_shown(value)} is not text", "write it in quotes")
        if not value or not value.isprintable():
            self.refuse(key, "is empty or has what cannot be printed", "write a text of one line")
        return value

    def secret(self, key: str) -> str:
        """Return a text, which may be empty, and is never shown."""
        value = self._content.get(key, "")
        if not isinstance(value, str):
            self.refuse(key, "is not text", "write it in quotes")
        return value

    def one_of(self, key: str, words: Sequence[str], cure: str) -> None:
        """Refuse a text other than these, where the key is there at all."""
        if key in self._content and self.text(key) not in words:
            self.refuse(key, f"'{self.text(key)}' is not offered", cure)

    def switch(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self._content.get(key, default)
        if not isinstance(value, bool):
            self.refuse(key, f"{_shown(value)} is neither true nor false", "write true or false without quotes")
        return value

    def whole(self, key: str, default: int, least: int = 0, most: int = _LARGEST) -> int:
        """Return a whole number of this range."""
        value = self._content.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            self.refuse(key, f"{_shown(value)} is not a whole number", "write a number without quotes or point")
        self._check_range(key, value, least, most)
        return value

    def port(self, key: str, default: int) -> int:
        """Return the number of a port."""
        return self.whole(key, default, 1, LARGEST_PORT)

    def number(self, key: str, default: float, least: float = 0, most: float = _LARGEST) -> float:
        """Return a number of this range, written with or without a point."""
        value = self._content.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.refuse(key, f"{_shown(value)} is not a number", "write a number without quotes")
        if math.isnan(value):
            self.refuse(key, "nan is not a number", f"write one from {least:g} to {most:g}")
        self._check_range(key, value, least, most)
        return float(value)

    def tables(self, key: str) -> list[object]:
        """Return the tables of an array, none where it is absent."""
        value = self._content.get(key, [])
        if not isinstance(value, list):
            self.refuse(key, "is not an array of tables", f"write [[{key}]] and the keys of one below")
        return value

    def texts(self, key: str) -> list[str]:
        """Return a list of texts, empty where the key is absent."""
        value = self._content.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.refuse(key, f"{_shown(value)} is not a list of texts", 'write it like ["a", "b"]')
        return value

    def refuse(self, key: str, what: str, cure: str) -> NoReturn:
        """Say what is wrong with a key of this table."""
        name = ".".join(part for part in (self.place, key) if part)
        raise ConfigError(f"{self.file}: {name}: {what}; {cure}")

    def _check_range(self, key: str, value: float, least: float, most: float) -> None:
        if value < least:
            self.refuse(key, f"{value} is out of range", f"use at least {least:g}")
        if value > most:
            self.refuse(key, f"{value} is out of range", f"use at most {most:g}")


def _shown(value: object) -> str:
    """A value as its file has it, nearly; long ones are cut."""
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
