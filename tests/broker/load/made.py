"""Outcomes made by hand: what a stage would have come to."""

from __future__ import annotations

from BrokerLibrary.load.durations import Durations
from BrokerLibrary.load.outcome import Delivered, Received, Sent, StageOutcome

ORIGIN = 5_000_000_000  # ns
SECOND = 1_000_000_000


def delivered(expected=1000, *, seconds=1.0, **changes):
    """What a connection saw; everything that was sent, unless told otherwise."""
    told = {
        "expected": expected,
        "received": [expected],
        "duplicated": 0,
        "reordered": 0,
        "corrupted": 0,
        "first_wrong": [0, 0],
        "notices": 0,
        "lagged": 0,
        "unannounced": 0,
        "errors": 0,
        "last_error": 0,
        "unexpected": 0,
        "broken": False,
        "closed": False,
        "first_ns": ORIGIN + 1,
        "last_ns": ORIGIN + int(seconds * SECOND),
        "reads": 10,
    }
    return Delivered(**{**told, **changes})


def durations(rows=1, **us_by_row):
    """Counts of durations in us; `r0=[(10, 5)]` is five of 10 us in row 0."""
    counted = Durations(rows)
    for row, values in us_by_row.items():
        for microseconds, times in values:
            counted.add(int(row[1:]), int(microseconds * 1000), times)
    return counted


def sent(number=1000, *, seconds=1.0, cpu=0.1, **changes):
    """What a producer did."""
    told = {"sent": number, "started_ns": ORIGIN, "ended_ns": ORIGIN + int(seconds * SECOND), "cpu_seconds": cpu}
    return Sent(**{**told, **changes})


def outcome(
    *connections, producer=None, latency=None, service=None, relay_cpu=None, cpu=0.2, started_at=1_700_000_000.0
):
    """What a stage of one producer and one consumer came to."""
    connections = connections or (delivered(),)
    rows = len(latency.counts) if latency else 1
    return StageOutcome(
        started_at,
        ORIGIN,
        [producer or sent(connections[0].expected)],
        [Received(connections, latency or Durations(rows), service or Durations(rows), cpu, "ordinary")],
        relay_cpu,
        wall_seconds=2.0,
    )
