"""From what is wrong to a failure. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

_TOLD = 5


def require(problems: Sequence[str], sample: str) -> None:
    """Turn problems into a failure.

    Args:
        problems: one sentence each.
        sample: what was looked at, such as "9 connections between 3 nodes".

    Raises:
        AssertionError: there are problems; at most five are told.
    """
    if problems:
        more = f"; and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
        raise AssertionError(f"{'; '.join(problems[:_TOLD])}{more} (looked at {sample})")
