"""What one query took and used by several ways, and how that is told."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from FlightLibrary.turns import Turns
from measurement.budgets import milliseconds
from measurement.statistics import Interval

LIVE, VIEW, HTTP, BARE = "live query over Flight", "view over Flight", "HTTP/JSON", "bare Flight server"
DIRECT = "PostgreSQL by ADBC"
_MEMORY = ("client MB", "gateway MB")


class Needed(NamedTuple):
    """Memory for one answer beyond what was held before, in bytes."""

    client: int
    gateway: int


@dataclass(frozen=True)
class Compared:
    """One query by several ways.

    Attributes:
        turns: what was timed.
        bytes: of one answer on the wire, by way.
        busy_percent: share of all cores that was in use meanwhile.
        memory: what the gateway, and a client that holds the answer, needed for it at most, in bytes, by way.
    """

    turns: Turns
    bytes: dict[str, int]
    busy_percent: float | None
    memory: dict[str, Needed] = field(default_factory=dict)

    def speed(self, name: str, against: str) -> Interval:
        """Return how many times as fast one way is as another, with its interval: more is better."""
        found = self.turns.compare(name, against).interval
        return Interval(1 / found.ratio, 1 / found.high, 1 / found.low, found.n, found.confidence)


def by_way(compared: Compared) -> dict[str, Any]:
    """Return what each way took and used for one size, see `reporting.curves`."""
    return {
        "of": "rows",
        "size": compared.turns.rows,
        "rounds": len(compared.turns.ways[0].seconds),
        "against": HTTP,
        "ways": [
            {
                "name": way.name,
                "median_s": way.median_seconds,
                "first_s": statistics.median(way.first_seconds),
                "bytes": compared.bytes.get(way.name),
                "client_cpu_s": way.client_cpu / way.reads,
                "server_cpu_s": way.server_cpu / way.reads,
                "client_bytes": needed.client if (needed := compared.memory.get(way.name)) else None,
                "gateway_bytes": needed.gateway if needed else None,
                "speed": None if way.name == HTTP else asdict(compared.speed(way.name, HTTP)),
            }
            for way in compared.turns.ways
        ],
    }


def as_table(compared: Compared) -> str:
    """Show what each way took and used, as an HTML table."""
    heads = (
        "way",
        "time",
        "first bytes",
        "rows/s",
        "MB on the wire",
        "client CPU",
        "server CPU",
        "client MB",
        "gateway MB",
    )
    lines: list[Sequence[str]] = []
    for way in compared.turns.ways:
        size, needed = compared.bytes.get(way.name), compared.memory.get(way.name)
        lines.append(
            (
                way.name,
                milliseconds(way.median_seconds),
                milliseconds(statistics.median(way.first_seconds)),
                f"{compared.turns.rows / way.median_seconds:,.0f}",
                "" if size is None else f"{size / 1e6:.3f}",
                milliseconds(way.client_cpu / way.reads),
                milliseconds(way.server_cpu / way.reads),
                *(("", "") if needed is None else (f"{needed.client / 1e6:.1f}", f"{needed.gateway / 1e6:.1f}")),
            )
        )
    head = "".join(f"<th>{text}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{text}</td>" for text in line) + "</tr>" for line in lines)
    rounds = len(compared.turns.ways[0].seconds)
    title = f"{compared.turns.rows} rows, medians of {rounds} rounds, CPU and memory of one read"
    return f"<p>{title}</p><table><tr>{head}</tr>{body}</table>"
