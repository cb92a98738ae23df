"""The plan's dialect: one family `mirror`, told apart by labels."""

from __future__ import annotations

import time
from collections.abc import Iterable

from reference.pgdog.metrics.text import Family, Series
from reference.pgdog.tally import Tallies, Tally

_TEXT = "Mirror traffic statistics and health metrics"


def family(tallies: Tallies) -> Family:
    """Return the family; a database or user has series as soon as something of it was attempted."""
    series = [*_whole(tallies.total())]
    for database, tally in tallies.grouped(lambda one: one.source).items():
        series += _numbers({"database": database}, tally, ("mirrored", "errors"))
    for (database, user), tally in tallies.grouped(lambda one: (one.source, one.user)).items():
        labels = {"database": database, "user": user}
        series += _numbers(labels, tally, ("total", "mirrored", "errors", "dropped"))
    return Family("mirror", "gauge", _TEXT, tuple(series))


def _whole(total: Tally) -> Iterable[Series]:
    yield {"type": "total"}, total.attempted
    yield {"type": "mirrored"}, total.mirrored
    yield {"type": "dropped"}, total.overflowed
    yield {"type": "sampled_out"}, total.sampled_out
    yield {"type": "backlog"}, total.backlog
    yield {"error_type": "connection"}, total.connection
    yield {"error_type": "query"}, total.query
    yield {"error_type": "timeout"}, total.timeout
    yield {"error_type": "buffer_full"}, total.overflowed
    if total.latency_count:
        yield {"stat": "avg_latency_ms"}, total.latency_ms
        yield {"stat": "max_latency_ms"}, round(1000 * total.slowest)
    yield {"health": "consecutive_errors"}, total.health.consecutive_errors
    yield {"health": "last_success_seconds_ago"}, int(time.monotonic() - total.health.last_success)


def _numbers(labels: dict[str, str], tally: Tally, metrics: tuple[str, ...]) -> Iterable[Series]:
    """`errors` are all four kinds: what found no room is among them and `dropped` as well, as in the whole."""
    values = {
        "total": tally.attempted, "mirrored": tally.mirrored, "errors": tally.errors, "dropped": tally.overflowed,
    }  # fmt: skip
    for metric in metrics:
        yield {**labels, "metric": metric}, values[metric]
