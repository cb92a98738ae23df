"""Counters of a Prometheus page, and how far they moved between two readings."""

from __future__ import annotations

from collections.abc import Mapping

from measurement.prometheus import samples


def counters(page: str) -> dict[str, float]:
    """Sum the samples of each name over all labels.

    The ending `_total` is left out of names: one and the same counter may come with and without it.

    Args:
        page: in Prometheus' text format.

    Raises:
        AssertionError: the page is not in that format.
    """
    found: dict[str, float] = {}
    for sample in samples(page):
        name = sample.name.removesuffix("_total")
        found[name] = found.get(name, 0.0) + sample.value
    return found


def moved_otherwise(before: Mapping[str, float], after: Mapping[str, float], expected: Mapping[str, int]) -> str | None:
    """Say which counter did not move by what was expected; None when all did.

    Args:
        before: as `counters` gives them.
        after: the same, later.
        expected: name -> by how much.
    """
    for name, by in expected.items():
        if name not in after:
            return f"there is no {name} on the page"
        moved = after[name] - before.get(name, 0.0)
        if moved != by:
            return f"expected {name} to move by {by}, it moved by {moved:g}"
    return None
