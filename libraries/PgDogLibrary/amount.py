"""A number with its noun, as criteria write it: `50 queries`, `30 clients`."""

from __future__ import annotations

import re


class Amount(int):
    """A whole number of things."""

    @classmethod
    def parse(cls, text: str) -> Amount:
        """Read `50 queries`, or `50` alone.

        Raises:
            ValueError: it does not begin with a whole number.
        """
        match = re.fullmatch(r"\s*([\d ]*\d)\s*([A-Za-z ]*)", text)
        if match is None:
            raise ValueError(f"'{text}' is no amount; write a whole number and what it counts, such as '50 queries'")
        return cls(match[1].replace(" ", ""))
