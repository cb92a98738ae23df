"""Memory during a load, and what is left of a load to be drawn."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from FlightLibrary.keywords.base import undo_all
from LoadLibrary.rate import Rate
from measurement.verdicts import Inconclusive
from ObserverLibrary import ObserverLibrary
from ObserverLibrary.keywords.base import EventLoad, acked, new_load, watch
from tests.observer.conftest import Sinks, store
from tests.waiting import until

pytestmark = pytest.mark.servers


def test_memory_is_judged_by_the_samples_of_the_run(sinks: Sinks, library: ObserverLibrary, load: EventLoad) -> None:
    with pytest.raises(Inconclusive, match="nobody sampled the memory"):
        library.memory_should_not_rise(load)
    begin, seconds = load.published.outcome.started_us / 1e6, load.published.plan.seconds
    _sample(sinks, begin, seconds, {"nats": lambda share: 5e7, "search": lambda share: 3e8 + 1e6 * share})
    library.memory_should_not_rise(load)
    assert "nats not judged, it settles for 60 s, search not judged, it settles for 300 s" in sinks.said[-1]
    library.memory_should_have_grown_by_less_than(2, load)
    with pytest.raises(AssertionError, match=r"grew by at most 1\.0 MB \(search\).* less than 0\.5 MB wanted"):
        library.memory_should_have_grown_by_less_than(0.5, load)
    _sample(sinks, begin, seconds, {"observer-search": lambda share: 5e7 + 313 * 100 * share})
    with pytest.raises(AssertionError, match=r"memory of observer-search rose by \+31\d\.\d B \["):
        library.memory_should_not_rise(load)


def _curves(sinks: Sinks) -> list[dict[str, Any]]:
    path = Path(sinks.run.results) / "curves.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_growth_is_drawn_against_its_limit_and_against_a_leak_after_a_third_of_the_load(
    sinks: Sinks, library: ObserverLibrary, load: EventLoad
) -> None:
    begin, seconds = load.published.outcome.started_us / 1e6, load.published.plan.seconds
    _sample(sinks, begin, seconds, {"observer-search": lambda share: 5e7 + 3e6 * share, "nats": lambda share: 5e7})
    library.memory_should_have_grown_by_less_than(200, load)
    (flat,) = _curves(sinks)
    assert flat["title"] == "Growth of memory over 100 events: 3 MB at most (observer-search)"
    assert flat["processes"]["observer-search"][-1][1] == 3_000_000
    assert [size for _, size in flat["limit"]["points"]] == [200_000_000] * 2
    library.rate_of_events_should_have_been_held(load, 1)
    leak = _curves(sinks)[-1]
    assert leak["title"].startswith("Growth of memory after a third of the load: +30")
    assert leak["title"].endswith("B an event at most (observer-search); nats still settle")
    assert leak["limit"]["points"] == [[0.03, 0], [0.1, 6667]]  # of 100 B for each of the events that are left


def test_a_watched_load_is_drawn_when_the_test_ends_also_one_that_was_broken_off(
    sinks: Sinks, library: ObserverLibrary
) -> None:
    library.events_are_published(50, Rate(1000.0))  # nobody watches
    ended, broken = new_load(500.0, 5000, 5.0), new_load(500.0, 5000, 5.0)
    for load, sink in ((ended, "clickhouse"), (broken, "search")):
        watch(load, [sink])
        load.publishing.begin().await_state(acked(200), 10)
    ended.end(ended.publishing.stop())
    number = len(ended.published.rows)
    store(sinks.table, ended.published.events())
    until(lambda: ended.watches["clickhouse"].seen == number, "the watch to see them")
    undo_all()
    second, first = _curves(sinks)  # the test's last load is undone first
    assert (first["kind"], sum(first["acked"]), sum(first["sinks"]["clickhouse"]["seen"])) == ("events", number, number)
    assert 200 <= sum(second["acked"]) < 5000
    assert sum(second["sinks"]["search"]["seen"]) == 0


def _sample(sinks: Sinks, begin: float, seconds: float, held: dict[str, Callable[[float], float]]) -> None:
    lines = [
        json.dumps(
            {
                "t": begin + share / 100 * seconds,
                "service": name,
                "cpu_percent": 1.0,
                "rss_bytes": 1,
                "private_bytes": of(share / 100),
            }
        )
        for name, of in held.items()
        for share in range(101)
    ]
    (Path(sinks.run.results) / "samples.jsonl").write_text("\n".join(lines))
