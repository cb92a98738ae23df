"""Each switch does the wrong thing that it is named for, and is seen; without it the other tests pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from reference.fraiseql.observers.defects import Defect
from reference.fraiseql.observers.wrong.switch import parts_with
from tests.fraiseql.observers.conftest import MakeObserver
from tests.fraiseql.observers.doubles import Gate, Search
from tests.fraiseql.observers.programs import ClickHouse, Nats, Observer
from tests.fraiseql.observers.publishing import dead_letters, event, pending, publish
from tests.waiting import until

pytestmark = pytest.mark.servers
Start = Callable[..., Observer]


@pytest.fixture
def wrong(observe: MakeObserver) -> Start:
    """Start an observer with a defect."""

    def start(defect: Defect, sink: str, url: str, **options: object) -> Observer:
        return observe(sink, url, "--defect", defect.value, **options)

    return start


def acknowledged(nats: Nats, sink: str) -> None:
    until(lambda: pending(nats.url, sink) == 0, "all to be acknowledged")


@pytest.mark.parametrize("defect", Defect)
def test_each_has_a_part_and_a_reason(defect: Defect) -> None:
    assert parts_with(defect) is not None
    assert defect.why.endswith(".")


def test_acks_first(nats: Nats, search: Search, observe: MakeObserver, wrong: Start) -> None:
    search.whole = lambda request, body: 503
    killed = wrong(Defect.ACKS_FIRST, "search", search.url)
    publish(nats.url, [event() for _ in range(100)])
    until(lambda: killed.metrics()["retries"] >= 1, "the first attempt")
    killed.kill()
    search.whole = lambda request, body: None
    observe("search", search.url, name="successor")
    acknowledged(nats, "search")
    assert search.documents == {}


def test_forgets_unacknowledged(nats: Nats, search: Search, wrong: Start) -> None:
    search.whole = lambda request, body: 503
    killed = wrong(Defect.FORGETS_UNACKNOWLEDGED, "search", search.url)
    publish(nats.url, [event() for _ in range(100)])
    until(lambda: killed.metrics()["retries"] >= 1, "the first attempt")
    killed.kill()
    search.whole = lambda request, body: None
    wrong(Defect.FORGETS_UNACKNOWLEDGED, "search", search.url, name="successor")
    ids = publish(nats.url, [event()])
    until(lambda: list(search.documents) == ids, "the new event to arrive, and no other")
    acknowledged(nats, "search")


def test_drops_after_three_tries(nats: Nats, search: Search, wrong: Start) -> None:
    search.whole = lambda request, body: 503 if request <= 3 else None
    wrong(Defect.DROPS_AFTER_THREE_TRIES, "search", search.url, size=10)
    publish(nats.url, [event() for _ in range(10)])
    acknowledged(nats, "search")
    ids = publish(nats.url, [event() for _ in range(10)])
    acknowledged(nats, "search")
    assert list(search.documents) == ids


def test_loses_last_batch_on_stop(nats: Nats, search: Search, observe: MakeObserver, wrong: Start) -> None:
    search.whole = lambda request, body: 503
    stopped = wrong(Defect.LOSES_LAST_BATCH_ON_STOP, "search", search.url)
    publish(nats.url, [event() for _ in range(100)])
    until(lambda: stopped.metrics()["retries"] >= 1, "the first attempt")
    assert stopped.terminate() == 0
    search.whole = lambda request, body: None
    observe("search", search.url, name="successor")
    ids = publish(nats.url, [event()])
    until(lambda: list(search.documents) == ids, "the new event to arrive, and no other")


@pytest.mark.parametrize("sink", ["clickhouse", "search"])
def test_inserts_twice_after_retry(nats: Nats, clickhouse: ClickHouse, search: Search, wrong: Start, sink: str) -> None:
    gate = Gate(clickhouse.url if sink == "clickhouse" else search.url)
    observer = wrong(Defect.INSERTS_TWICE_AFTER_RETRY, sink, gate.url)
    first = publish(nats.url, [event() for _ in range(10)])
    acknowledged(nats, sink)
    count = (lambda: len(clickhouse.ids())) if sink == "clickhouse" else lambda: len(search.order)
    assert count() == 10, "without a failure all is well"
    gate.stops = lambda path, body: True
    publish(nats.url, [event() for _ in range(10)])
    until(lambda: observer.metrics()["retries"] >= 1, "the first attempt")
    gate.stops = lambda path, body: False
    acknowledged(nats, sink)
    assert len(first) == 10
    assert count() == 30
    gate.shut()


@pytest.mark.parametrize("sink", ["clickhouse", "search"])
def test_no_deduplication(nats: Nats, clickhouse: ClickHouse, search: Search, wrong: Start, sink: str) -> None:
    wrong(Defect.NO_DEDUPLICATION, sink, clickhouse.url if sink == "clickhouse" else search.url)
    repeated = event()
    for _ in range(2):
        publish(nats.url, [repeated], message_ids=False)
        acknowledged(nats, sink)
    assert len(clickhouse.ids() if sink == "clickhouse" else search.order) == 2


def test_one_sink_blocks_the_other(nats: Nats, clickhouse: ClickHouse, search: Search, wrong: Start) -> None:
    search.shut()
    waiting = wrong(Defect.ONE_SINK_BLOCKS_THE_OTHER, "search", search.url)
    publish(nats.url, [event()])
    until(lambda: waiting.metrics()["retries"] >= 1, "the first attempt")
    blocked = wrong(Defect.ONE_SINK_BLOCKS_THE_OTHER, "clickhouse", clickhouse.url)
    until(lambda: blocked.metrics()["received"] == 1, "the event to be read")
    retries = waiting.metrics()["retries"]
    until(lambda: waiting.metrics()["retries"] >= retries + 3, "some time to pass")
    assert clickhouse.ids() == []
    search.open()
    until(clickhouse.ids, "the event to arrive")


def test_no_dead_letters(nats: Nats, search: Search, wrong: Start) -> None:
    wrong(Defect.NO_DEAD_LETTERS, "search", search.url)
    ids = publish(nats.url, [event()])
    publish(nats.url, [b"garbage"])
    acknowledged(nats, "search")
    assert list(search.documents) == ids
    assert dead_letters(nats.url) == []


@pytest.mark.parametrize("bad", [b"garbage", event(data=None)], ids=["no event", "refused by the mapping"])
def test_stuck_on_a_bad_event(nats: Nats, search: Search, wrong: Start, bad: bytes | dict[str, Any]) -> None:
    search.item = lambda document: (400, "mapper_parsing_exception") if document["data"] is None else None
    observer = wrong(Defect.STUCK_ON_A_BAD_EVENT, "search", search.url)
    publish(nats.url, [bad])
    until(lambda: observer.metrics()["retries"] >= 5, "several attempts")
    assert pending(nats.url, "search") == 1


def test_swallows_item_errors(nats: Nats, search: Search, wrong: Start) -> None:
    search.item = lambda document: (429, "es_rejected_execution_exception")
    observer = wrong(Defect.SWALLOWS_ITEM_ERRORS, "search", search.url)
    publish(nats.url, [event()])
    acknowledged(nats, "search")
    assert search.documents == {}
    assert observer.metrics()["written"] == 1


def test_lag_grows(nats: Nats, search: Search, wrong: Start) -> None:
    wrong(Defect.LAG_GROWS, "search", search.url)
    publish(nats.url, [event() for _ in range(20)])
    acknowledged(nats, "search")
    assert search.requests == 20


@pytest.mark.parametrize("sink", ["clickhouse", "search"])
def test_truncates_data(nats: Nats, clickhouse: ClickHouse, search: Search, wrong: Start, sink: str) -> None:
    wrong(Defect.TRUNCATES_DATA, sink, clickhouse.url if sink == "clickhouse" else search.url)
    [sent] = publish(nats.url, [event(data={"short": "x", "long": ["x" * 100], "number": 2})])
    acknowledged(nats, sink)
    if sink == "clickhouse":
        [[data]] = clickhouse.ask("SELECT data FROM fraiseql_events")
        found = json.loads(data)
    else:
        found = search.documents[sent]["data"]
    assert found == {"short": "x", "long": ["x" * 20], "number": 2}


@pytest.mark.parametrize("sink", ["clickhouse", "search"])
def test_forgets_user(nats: Nats, clickhouse: ClickHouse, search: Search, wrong: Start, sink: str) -> None:
    wrong(Defect.FORGETS_USER, sink, clickhouse.url if sink == "clickhouse" else search.url)
    [sent] = publish(nats.url, [event(user_id="user-1", tenant_id="tenant-1")])
    acknowledged(nats, sink)
    if sink == "clickhouse":
        assert clickhouse.ask("SELECT user_id, tenant_id FROM fraiseql_events") == [["\\N", "tenant-1"]]
    else:
        document = search.documents[sent]
        assert (document["user_id"], document["tenant_id"]) == (None, "tenant-1")


def test_leaks_events(nats: Nats, search: Search, wrong: Start) -> None:
    observer = wrong(Defect.LEAKS_EVENTS, "search", search.url)
    publish(nats.url, [event() for _ in range(2000)])
    acknowledged(nats, "search")
    before = observer.rss()
    publish(nats.url, [event(data={"text": "x" * 5000}) for _ in range(8000)])
    acknowledged(nats, "search")
    assert observer.rss() - before > 40 << 20
