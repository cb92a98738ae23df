"""What a proxy's metrics page says of mirroring, in each of the two dialects, read into `MirrorCounts`.

=============  ================================================  ====================================================
number         plan: `mirror{...}`                               upstream: per destination and user, and in all
=============  ================================================  ====================================================
attempted      `type="total"`                                    T = `mirror_total_count`
sampled out    `type="sampled_out"`, where there is one          D = `mirror_dropped_count`
overflow       `type="dropped"`                                  T - M - D, of which E is the most there can be
errors         the four `error_type`s                            E + Q
connection     `error_type="connection"`                         not told; with timeout E - overflow
query          `error_type="query"`                              Q = `total_server_errors` of the destination's pool
timeout        `error_type="timeout"`                            not told
mirrored       `type="mirrored"`                                 M - (E - overflow) - L - Q
backlog        `type="backlog"`, where there is one              L = `mirror_queue_length`
latency        `stat=...`                                        `total_query_time` / `_count` of the destination's pool
=============  ================================================  ====================================================

M is `mirror_mirrored_count`: what was *queued*, whatever became of it; E is `mirror_error_count`. What upstream calls
`dropped` was sampled out, what the plan calls so found a full queue. Q counts statements: a transaction of which
several were refused counts several times (see `queued`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from measurement.prometheus import Sample
from PgDogLibrary.counts import Health, Latency, MirrorCounts, Tally, added, concluded
from PgDogLibrary.queued import Queued
from PgDogLibrary.scrape import Scrape, series

Dialect = Literal["plan", "upstream"]

_TYPES = {"total": "attempted", "mirrored": "mirrored", "dropped": "overflow", "sampled_out": "sampled_out"}
_KINDS = {"connection": "connection", "query": "query", "timeout": "timeout"}
_METRICS = {"total": "attempted", "mirrored": "mirrored", "dropped": "overflow", "errors": "errors"}
_UPSTREAM = ("total", "mirrored", "dropped", "error")
_QUEUE = "mirror_queue_length"
_MEASURED = frozenset({"avg_latency_ms", "max_latency_ms"})


def counts(scrape: Scrape, dialect: Dialect, destinations: Mapping[str, str] | None = None) -> MirrorCounts:
    """Read what a page says of mirroring.

    Args:
        scrape: the page.
        dialect: of the proxy.
        destinations: of upstream's pages, which know databases by their mirrors: mirror -> what clients call its
            source. None: every database with attempts is a mirror, and keeps its own name.

    Raises:
        AssertionError: the page does not have what this dialect always has.
    """
    return _plan(scrape) if dialect == "plan" else _upstream(scrape, destinations)


def is_shown(scrape: Scrape, dialect: Dialect) -> bool:
    """Whether the page says anything of mirroring: it does not where its metrics are switched off."""
    names = ["mirror"] if dialect == "plan" else [*(f"mirror_{name}_count" for name in _UPSTREAM), _QUEUE]
    return any(scrape.has(name) for name in names)


def is_count(dialect: Dialect) -> Callable[[Sample], bool]:
    """Return what tells the samples that are whole numbers in this dialect."""
    if dialect == "plan":
        return lambda s: s.name == "mirror" and not _MEASURED.intersection(s.labels.values())
    return lambda s: s.name == _QUEUE or s.name in {f"mirror_{name}_count" for name in _UPSTREAM}


# -- plan


def _plan(scrape: Scrape) -> MirrorCounts:
    if not is_shown(scrape, "plan"):
        raise AssertionError("the page has no family 'mirror'")
    numbers: dict[str, Any] = {
        field: _needed(scrape, type=name) for name, field in _TYPES.items() if name != "sampled_out"
    }
    kinds: dict[str, Any] = {field: _needed(scrape, error_type=name) for name, field in _KINDS.items()}
    full = _needed(scrape, error_type="buffer_full")
    sampled, backlog = _number(scrape, type="sampled_out"), _number(scrape, type="backlog")
    grows = {
        series("mirror", labels): value
        for labels, value in scrape.values("mirror")
        if set(labels) & {"type", "error_type"} and labels.get("type") != "backlog"
    }
    average, longest = scrape.value("mirror", stat="avg_latency_ms"), scrape.value("mirror", stat="max_latency_ms")
    done = numbers["mirrored"]
    total = Tally(
        **numbers,
        **kinds,
        sampled_out=sampled,
        errors=sum(kinds.values()) + full,
        backlog=backlog,
        latency=Latency(0.0 if not done else None if average is None else average * done, done, average, longest),
        health=Health(
            _number(scrape, health="consecutive_errors"), scrape.value("mirror", health="last_success_seconds_ago")
        ),
        grows=grows,
    )
    users, databases = _plan_users(scrape), _plan_databases(scrape)
    problems = []
    if full != numbers["overflow"]:
        problems.append(f"{numbers['overflow']} are dropped, and {full} errors are of a full buffer")
    problems += _parts_that_do_not_add_up(total, databases, users, _METRICS.values())
    return MirrorCounts(scrape.at, total, databases, users, _started(scrape), tuple(problems))


def _plan_databases(scrape: Scrape) -> dict[str, Tally]:
    found: dict[str, dict[str, float]] = {}
    for labels, value in scrape.values("mirror"):
        if set(labels) == {"database", "metric"}:
            found.setdefault(labels["database"], {})[labels["metric"]] = value
    return {database: _labelled(metrics, database=database) for database, metrics in found.items()}


def _plan_users(scrape: Scrape) -> dict[tuple[str, str], Tally]:
    found: dict[tuple[str, str], dict[str, float]] = {}
    for labels, value in scrape.values("mirror"):
        if set(labels) == {"database", "user", "metric"}:
            found.setdefault((labels["database"], labels["user"]), {})[labels["metric"]] = value
    return {(d, user): _labelled(metrics, database=d, user=user) for (d, user), metrics in found.items()}


def _labelled(metrics: Mapping[str, float], **labels: str) -> Tally:
    known = {name: value for name, value in metrics.items() if name in _METRICS}
    numbers: dict[str, Any] = {_METRICS[name]: int(value) for name, value in known.items()}
    return Tally(
        **numbers,
        grows={series("mirror", {**labels, "metric": name}): value for name, value in known.items()},
    )


def _number(scrape: Scrape, **labels: str) -> int | None:
    value = scrape.value("mirror", **labels)
    return None if value is None else int(value)


def _needed(scrape: Scrape, **labels: str) -> int:
    value = _number(scrape, **labels)
    if value is None:
        raise AssertionError(f"the page has no {series('mirror', labels)}")
    return value


# -- upstream


def _upstream(scrape: Scrape, destinations: Mapping[str, str] | None) -> MirrorCounts:
    if destinations is None:
        attempted = [labels["database"] for labels, value in scrape.values("mirror_total_count") if labels and value]
        destinations = dict(zip(attempted, attempted, strict=True))
    mirrors = set(destinations)
    total = _upstream_tally(scrape, "in all", lambda own: not own, lambda own: own.get("database") in mirrors)
    keys = dict.fromkeys(
        (labels["database"], labels["user"])
        for labels, _ in scrape.values("mirror_total_count")
        if labels.get("database") in mirrors and "user" in labels
    )
    users: dict[tuple[str, str], list[Tally]] = {}
    for destination, user in keys:

        def same(own: Mapping[str, str], whose: tuple[str, str] = (destination, user)) -> bool:
            return (own.get("database"), own.get("user")) == whose

        tally = _upstream_tally(scrape, f"of {user} in {destination}", same, same)
        users.setdefault((destinations[destination], user), []).append(tally)
    by_user = {key: _sum(tallies) for key, tallies in users.items()}
    names = dict.fromkeys(name for name, _ in by_user)
    databases = {name: _sum([tally for key, tally in by_user.items() if key[0] == name]) for name in names}
    parts = _parts_that_do_not_add_up(total, databases, by_user, ("attempted", "sampled_out", "overflow", "backlog"))
    problems = [*_impossible(scrape), *parts]
    return MirrorCounts(scrape.at, total, databases, by_user, _started(scrape), tuple(problems))


_Chosen = Callable[[Mapping[str, str]], bool]


def _upstream_tally(scrape: Scrape, whose: str, chosen: _Chosen, pool: _Chosen) -> Tally:
    """Read the numbers of the series that are chosen, and of the pools that belong to them."""
    shown: dict[str, int] = {}
    grows: dict[str, float] = {}
    for name in (*(f"mirror_{name}_count" for name in _UPSTREAM), _QUEUE):
        found = [(labels, value) for labels, value in scrape.values(name) if chosen(labels)]
        if len(found) != 1:
            raise AssertionError(f"the page has {len(found)} samples {name} {whose}, expected one")
        shown[name] = int(found[0][1])
        if name != _QUEUE:
            grows[series(name, found[0][0])] = found[0][1]
    attempted, queued, sampled_out, failed = (shown[f"mirror_{name}_count"] for name in _UPSTREAM)
    refused = int(_of_pool(scrape, "total_server_errors", pool) or 0)
    raw = Queued(attempted, queued, sampled_out, failed, refused, shown[_QUEUE])
    spent, times = (_of_pool(scrape, f"total_query_{what}", pool) for what in ("time", "count"))
    latency = Latency(spent, None if times is None else int(times), spent / times if spent and times else None)
    return concluded(raw, latency, grows)


def _of_pool(scrape: Scrape, name: str, pool: _Chosen) -> float | None:
    found = [value for labels, value in scrape.values(name) if pool(labels)]
    return sum(found) if found else None


def _impossible(scrape: Scrape) -> list[str]:
    """Say where attempts are neither queued nor sampled out nor an error, or more than there are."""
    problems = []
    for labels, attempted in scrape.values("mirror_total_count"):
        queued, sampled, failed = (scrape.value(f"mirror_{name}_count", **labels) or 0.0 for name in _UPSTREAM[1:])
        rest = attempted - queued - sampled
        if not 0 <= rest <= failed:
            problems.append(
                f"{series('mirror_total_count', labels)} is {attempted:g}: {queued:g} queued, {sampled:g} sampled out, "
                f"{failed:g} errors, which leaves {rest:g}"
            )
    return problems


def _sum(tallies: list[Tally]) -> Tally:
    if len(tallies) == 1:
        return tallies[0]
    spent = [tally.latency.total_ms for tally in tallies if tally.latency.total_ms is not None]
    times = added(tally.latency.count for tally in tallies if tally.latency.count is not None)
    latency = Latency(sum(spent), times, sum(spent) / times if times else None) if spent else Latency()
    grows = {name: value for tally in tallies for name, value in tally.grows.items()}
    return concluded(sum((tally.raw for tally in tallies if tally.raw), Queued()), latency, grows)


# -- both


def _parts_that_do_not_add_up(
    total: Tally, databases: Mapping[str, Tally], users: Mapping[tuple[str, str], Tally], fields: Iterable[str]
) -> Iterable[str]:
    """Compare numbers that databases or users tell with those of the whole."""
    for what, parts in (("databases", list(databases.values())), ("users", list(users.values()))):
        for field in fields:
            whole, sum_of_parts = getattr(total, field), added(getattr(part, field) for part in parts)
            if parts and None not in (whole, sum_of_parts) and whole != sum_of_parts:
                yield f"{field}: {whole} in all, {sum_of_parts} of all {what}"


def _started(scrape: Scrape) -> float | None:
    return scrape.value("process_start_time_seconds")
