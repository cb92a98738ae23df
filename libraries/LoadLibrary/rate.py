"""A rate as criteria write it, such as `200/s`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"^\s*(\d[\d\s_]*(?:\.\d+)?)\s*(?:/\s*(s|sec|second|min|minute)|ops/s|per second)\s*$")
_SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, None: 1.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """Operations a second."""

    per_second: float

    def __str__(self) -> str:
        return f"{self.per_second:g}/s"

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read a rate such as `200/s`, `1 000/s` or `90/min`; Robot Framework converts arguments with it.

        Raises:
            ValueError: the text is no rate above zero.
        """
        match = _FORM.match(text)
        number = float(re.sub(r"[\s_]", "", match.group(1))) if match else 0.0
        if match is None or number <= 0:
            raise ValueError(f"'{text}' is not a rate, expected such as '500/s'")
        return cls(number / _SECONDS[match.group(2)])
