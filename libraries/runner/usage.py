"""Mistakes on the command line, and the one line each is answered with."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from reporting.texts import ranges

USAGE_ERROR = 252  # Robot Framework's own code for invalid data or options


class UsageProblem(Exception):
    """What was asked for cannot be done; nothing was started.

    Args:
        problems: one line per mistake.
    """

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def unknown(kind: str, given: str, known: Sequence[str]) -> UsageProblem:
    """Return the problem of a name that does not exist, with those that do, close ones first."""
    close = get_close_matches(given.lower(), [name.lower() for name in known], n=3, cutoff=0.5)
    first = [name for word in close for name in known if name.lower() == word]
    meant = f"did you mean {' or '.join(first)}? " if first else ""
    return UsageProblem(f"unknown {kind} '{given}'; {meant}Known: {', '.join(ranges(known)) or 'none'}")
