"""What a broker says of itself: its statistics on the wire, its Prometheus page, and whether the two add up."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from measurement.prometheus import Sample

TOPIC_COUNTERS = (
    "published",
    "copies",
    "delivered",
    "dropped_no_subscriber",
    "lagged",
    "dropped_disconnected",
    "rejected_too_large",
    "subscribers",
    "depth",
    "high_water",
)


def counter(statistics: Mapping[str, Any], path: str) -> int:
    """Return one number of the statistics, such as `frames.malformed` or `topics.signals.depth`.

    Raises:
        AssertionError: the statistics do not have it.
    """
    found: Any = statistics
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            raise AssertionError(f"the broker's statistics have no {path}")
        found = found[name]
    if isinstance(found, bool) or not isinstance(found, int):
        raise AssertionError(f"{path} is {found!r} in the broker's statistics, expected a whole number")
    return found


def unbalanced(topic: str, statistics: Mapping[str, Any]) -> str | None:
    """Say where a topic's numbers do not add up; None when they do.

    What was published is delivered, dropped for a reason that is counted, or still there. A Fanout topic counts its
    copies so, one for each subscriber there was; a Queue its messages.
    """
    own = {name: counter(statistics, f"topics.{topic}.{name}") for name in TOPIC_COUNTERS}
    ended = own["delivered"] + own["lagged"] + own["dropped_disconnected"] + own["depth"]
    if ended != own["copies"]:
        return (
            f"{topic}: {own['copies']} copies, but {own['delivered']} delivered + {own['lagged']} lagged "
            f"+ {own['dropped_disconnected']} dropped with their connection + {own['depth']} there = {ended}"
        )
    if statistics["topics"][topic].get("routing") == "Queue" and own["published"] != own["copies"]:
        return f"{topic}: {own['published']} published to a queue of {own['copies']} copies"
    if own["depth"] > own["high_water"] * max(1, own["subscribers"]):
        return f"{topic}: depth {own['depth']} above its own high-water mark {own['high_water']} of each subscriber"
    if min(own.values()) < 0:
        return f"{topic}: a count below zero ({own})"
    return None


def differing(statistics: Mapping[str, Any], page: Sequence[Sample]) -> list[str]:
    """List where the Prometheus page and the statistics, taken at one quiet moment, do not agree."""
    problems = []
    for topic in statistics["topics"]:
        for name in TOPIC_COUNTERS:
            expected = counter(statistics, f"topics.{topic}.{name}")
            shown = on_page(page, name, topic)
            if shown != expected:
                problems.append(f"{topic} {name}: statistics {expected}, Prometheus page {_shown(shown)}")
    return problems


def on_page(page: Sequence[Sample], name: str, topic: str) -> float | None:
    """Return a topic's counter as the Prometheus page has it; None when it has it not, or not once."""
    pattern = re.compile(rf"mycelium_(?:topic_)?{name}(?:_total)?")
    found = [s.value for s in page if pattern.fullmatch(s.name) and s.labels.get("topic") == topic]
    return found[0] if len(found) == 1 else None


def _shown(value: float | None) -> str:
    return "does not have it" if value is None else f"{value:g}"
