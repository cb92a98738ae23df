"""Counting what becomes of the work that is mirrored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["connection", "query", "timeout"]


@dataclass
class Tally:
    """The counts of one source, destination and user."""

    source: str = ""
    destination: str = ""
    user: str = ""
    attempted: int = 0
    sampled_out: int = 0
    overflowed: int = 0
    mirrored: int = 0
    connection: int = 0
    query: int = 0
    timeout: int = 0
    backlog: int = 0
    seconds: float = 0.0
    slowest: float = 0.0

    def attempt(self) -> None:
        """A transaction took effect on the primary."""
        self.attempted += 1

    def sample_out(self) -> None:
        """It was not chosen."""
        self.sampled_out += 1

    def overflow(self) -> None:
        """There was no room for it."""
        self.overflowed += 1

    def succeed(self, seconds: float) -> None:
        """It took effect on the mirror as well."""
        self.mirrored += 1
        self.seconds += seconds
        self.slowest = max(self.slowest, seconds)

    def fail(self, kind: Kind) -> None:
        """It did not take effect on the mirror, or not the same one."""
        setattr(self, kind, getattr(self, kind) + 1)


class Tallies:
    """All counts, by source, destination and user."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, str, str], Tally] = {}

    def of(self, source: str, destination: str, user: str) -> Tally:
        """Return the counts with this label."""
        key = (source, destination, user)
        if key not in self._tallies:
            self._tallies[key] = Tally(*key)
        return self._tallies[key]

    def all(self) -> list[Tally]:
        """Return the counts of all labels."""
        return list(self._tallies.values())
