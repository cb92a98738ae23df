"""Sinks and NATS that go away and come back: nothing is lost, nothing given up, and the others go on."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from tests.fraiseql.observers.conftest import MakeObserver
from tests.fraiseql.observers.doubles import Gate, Search
from tests.fraiseql.observers.programs import ClickHouse, Nats, Observer
from tests.fraiseql.observers.publishing import event, pending, publish, shorten_ack_wait
from tests.waiting import until

pytestmark = pytest.mark.servers
MIB = 1 << 20


def test_what_was_published_while_a_sink_was_away_arrives(nats: Nats, search: Search, observe: MakeObserver) -> None:
    observer = observe("search", search.url)
    search.shut()
    ids = publish(nats.url, [event() for _ in range(1500)])
    until(lambda: observer.metrics()["retries"] >= 5, "several attempts")
    health = observer.get("/health")
    assert health.status_code == 503
    assert health.json()["status"] == "waiting"
    assert "search" in health.json()["waits_for"]
    assert observer.text().count("search is away") == 1
    until(lambda: observer.metrics()["pending"] == 1500, "all to be counted as pending")
    search.open()
    until(lambda: len(search.documents) == 1500, "all to arrive")
    assert sorted(search.order) == sorted(ids)
    until(lambda: observer.get("/health").ok, "it to be healthy again")
    assert observer.text().count("search is back") == 1


def test_a_sink_that_was_away_gets_everything_whatever_answers_it_gave(
    nats: Nats, search: Search, observe: MakeObserver
) -> None:
    statuses = {1: 503, 2: 429, 3: 500, 4: 404, 5: 401}
    search.whole = lambda request, body: statuses.get(request)
    observer = observe("search", search.url)
    ids = publish(nats.url, [event() for _ in range(20)])
    until(lambda: list(search.documents) == ids, "all to arrive")
    assert observer.metrics()["retries"] == 5
    assert observer.metrics()["dead_letters"] == 0


def test_a_sink_that_is_away_is_tried_less_and_less_often(nats: Nats, search: Search, observe: MakeObserver) -> None:
    attempts: list[float] = []

    def refuse(request: int, body: bytes) -> int:
        attempts.append(time.monotonic())
        return 503

    search.whole = refuse
    observe("search", search.url)
    publish(nats.url, [event()])
    until(lambda: len(attempts) == 8, "several attempts")
    pauses = [later - earlier for earlier, later in pairwise(attempts)]
    for pause, least in zip(pauses, [0.02, 0.04, 0.08, 0.16, 0.2, 0.2, 0.2], strict=True):
        assert pause >= least


def test_a_clickhouse_that_was_killed_gets_everything_once(
    nats: Nats, clickhouse: ClickHouse, observe: MakeObserver
) -> None:
    observer = observe("clickhouse", clickhouse.url)
    ids = publish(nats.url, [event() for _ in range(400)])
    clickhouse.kill()
    ids += publish(nats.url, [event() for _ in range(400)])
    until(lambda: observer.metrics()["retries"] >= 3, "several attempts")
    clickhouse.start()
    until(lambda: pending(nats.url, "clickhouse") == 0, "all to be acknowledged")
    assert clickhouse.ids() == sorted(ids)


def test_a_clickhouse_without_the_table_is_waited_for(
    nats: Nats, clickhouse: ClickHouse, observe: MakeObserver
) -> None:
    clickhouse.ask("RENAME TABLE fraiseql_events TO elsewhere")
    try:
        observer = observe("clickhouse", clickhouse.url)
        ids = publish(nats.url, [event()])
        until(lambda: observer.metrics()["retries"] >= 3, "several attempts")
    finally:
        clickhouse.ask("RENAME TABLE elsewhere TO fraiseql_events")
    until(lambda: clickhouse.ids() == ids, "the event to arrive")
    assert observer.metrics()["dead_letters"] == 0


def test_one_sink_does_not_wait_for_the_other(
    nats: Nats, clickhouse: ClickHouse, search: Search, observe: MakeObserver
) -> None:
    search.shut()
    waiting = observe("search", search.url)
    observe("clickhouse", clickhouse.url)
    first = publish(nats.url, [event() for _ in range(300)])
    until(lambda: waiting.metrics()["retries"] >= 3, "several attempts")
    second = publish(nats.url, [event() for _ in range(300)])
    until(lambda: clickhouse.ids() == sorted(first + second), "all to arrive in ClickHouse")
    search.open()
    until(lambda: sorted(search.documents) == sorted(first + second), "all to arrive in the search engine")


def test_an_outage_longer_than_the_time_for_acknowledgements(nats: Nats, search: Search, observe: MakeObserver) -> None:
    """NATS then delivers again what the observer still holds, and that is no second event."""
    search.shut()
    observer = observe("search", search.url)
    ids = publish(nats.url, [event() for _ in range(100)])
    shorten_ack_wait(nats.url, "search", 0.3)
    until(lambda: observer.metrics()["retries"] >= 8, "an outage of a second or more")
    search.open()
    until(lambda: pending(nats.url, "search") == 0, "all to be acknowledged")
    assert search.order == ids
    assert search.requests == 1


def test_memory_is_bounded_while_a_sink_is_away(nats: Nats, search: Search, observe: MakeObserver) -> None:
    search.shut()
    observer = observe("search", search.url)
    large = {"text": "x" * 50_000}
    publish(nats.url, [event(data=large) for _ in range(200)])
    until(lambda: observer.metrics()["retries"] >= 3, "several attempts")
    before = observer.rss()
    for _ in range(20):
        publish(nats.url, [event(data=large) for _ in range(200)])
    until(lambda: observer.metrics()["pending"] == 4200, "all to be counted as pending")
    assert observer.rss() - before < 85 * MIB, "the 4200 events have 210 MB"
    search.open()
    until(lambda: len(search.documents) == 4200, "all to arrive", 60)


def test_services_may_come_in_any_order(
    nats: Nats, clickhouse: ClickHouse, search: Search, observe: MakeObserver, tmp_path_factory: pytest.TempPathFactory
) -> None:
    nats.kill()
    search.shut()
    observer = Observer(tmp_path_factory.mktemp("early"), "search", nats.url, search.url)
    observer.launch()
    try:
        until(lambda: observer.get("/health").json()["waits_for"].get("nats"), "it to wait for NATS")
        until(lambda: "nats is away" in observer.text(), "it to be told")
        nats.start()
        until(lambda: observer.get("/health").ok, "it to read the stream")
        ids = publish(nats.url, [event() for _ in range(10)])
        until(lambda: observer.metrics()["retries"] >= 2, "several attempts")
        assert observer.text().count("nats is away") == 1
        search.open()
        until(lambda: list(search.documents) == ids, "all to arrive")
    finally:
        observer.end()


def test_a_nats_that_was_killed_is_found_again(nats: Nats, search: Search, observe: MakeObserver) -> None:
    observer = observe("search", search.url)
    ids = publish(nats.url, [event() for _ in range(300)])
    for _ in range(3):
        nats.kill()
        until(lambda: not observer.get("/health").ok, "it to be noticed")
        nats.start()
        ids += publish(nats.url, [event() for _ in range(300)])
        until(lambda: pending(nats.url, "search") == 0, "all to be acknowledged")
    assert search.order == ids


def test_a_nats_that_was_frozen_is_found_again(nats: Nats, search: Search, observe: MakeObserver) -> None:
    observer = observe("search", search.url)
    nats.freeze()
    until(lambda: "nats is away" in observer.text(), "it to be noticed", 15)
    nats.thaw()
    ids = publish(nats.url, [event() for _ in range(300)])
    until(lambda: len(search.documents) == len(ids), "all to arrive")


def test_a_nats_that_goes_while_a_batch_is_under_way(nats: Nats, clickhouse: ClickHouse, observe: MakeObserver) -> None:
    gate = Gate(clickhouse.url)
    gate.stops = lambda path, body: "INSERT" in path
    observer = observe("clickhouse", gate.url)
    ids = publish(nats.url, [event() for _ in range(500)])
    until(lambda: observer.metrics()["retries"] >= 2, "several attempts")
    nats.kill()
    until(lambda: "nats is away" in observer.text(), "it to be noticed")
    gate.stops = lambda path, body: False
    nats.start()
    until(lambda: pending(nats.url, "clickhouse") == 0, "all to be acknowledged")
    assert clickhouse.ids() == sorted(ids)
    gate.shut()
