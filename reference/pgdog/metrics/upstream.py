"""Upstream's dialect: families of their own for each number, per user and mirror, and in all without labels."""

from __future__ import annotations

from collections.abc import Callable

from reference.pgdog.metrics.text import Family
from reference.pgdog.settings import Destination, Settings
from reference.pgdog.tally import Tallies, Tally

Number = Callable[[Tally], int | float]


def queued(tally: Tally) -> int:
    """What upstream calls mirrored: handed to the replay, whatever became of it there."""
    return tally.attempted - tally.sampled_out - tally.overflowed


def failed(tally: Tally) -> int:
    """What upstream calls errors: errors of SQL are none, they are seen at the mirror's pool only."""
    return tally.overflowed + tally.connection + tally.timeout


_MIRROR: tuple[tuple[str, str, str, Number], ...] = (
    ("mirror_total_count", "counter", "Transactions considered for mirroring.", lambda one: one.attempted),
    ("mirror_mirrored_count", "counter", "Transactions queued for the mirror.", queued),
    ("mirror_dropped_count", "counter", "Transactions left out by the exposure.", lambda one: one.sampled_out),
    ("mirror_error_count", "counter", "Transactions that found no room, or no mirror.", failed),
    ("mirror_queue_length", "gauge", "Transactions that wait for the mirror, or run there.", lambda one: one.backlog),
)
_POOL: tuple[tuple[str, str, str, Number], ...] = (
    ("total_server_errors", "counter", "Errors that the server answered with.", lambda one: one.query),
    ("total_query_count", "counter", "Transactions done by the server.", lambda one: one.latency_count),
    ("total_query_time", "counter", "Their time in milliseconds.", lambda one: 1000 * one.seconds),
    ("sv_active", "gauge", "Sessions open on the server.", lambda one: one.sessions),
)


def rows(settings: Settings, tallies: Tallies) -> dict[tuple[str, str], Tally]:
    """Return a tally for each database and user: all that have a login, zeros too, and all that were ever counted."""
    counted = tallies.grouped(lambda one: (one.destination, one.user))
    known = {(database, user): tallies.make("", database, user) for user, database in settings.logins}
    return {**known, **counted}


def families(settings: Settings, tallies: Tallies) -> list[Family]:
    """Return the mirror's families, then those of its pools."""
    by_cluster, total = rows(settings, tallies), tallies.total()
    found = [
        Family(name, kind, text, (*_clusters(by_cluster, number), ({}, number(total))))
        for name, kind, text, number in _MIRROR
    ]
    mirrors = {mirror.name: mirror for source in settings.sources.values() for mirror in source.mirrors}
    pools = [
        (_pool_labels(user, mirrors[database]), tally)
        for (database, user), tally in by_cluster.items()
        if database in mirrors
    ]
    return found + [
        Family(name, kind, text, tuple((labels, number(tally)) for labels, tally in pools))
        for name, kind, text, number in _POOL
    ]


def _clusters(tallies: dict[tuple[str, str], Tally], number: Number) -> list[tuple[dict[str, str], int | float]]:
    return [({"user": user, "database": database}, number(tally)) for (database, user), tally in tallies.items()]


def _pool_labels(user: str, mirror: Destination) -> dict[str, str]:
    where = {"host": mirror.host, "port": str(mirror.port)}
    return {"user": user, "database": mirror.name, **where, "shard": "0", "role": "primary"}
