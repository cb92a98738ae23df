"""Each event id once, whatever was interrupted: in ClickHouse's engine, and in a search engine's `_bulk`."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from tests.fraiseql.observers.conftest import MakeObserver
from tests.fraiseql.observers.doubles import Answer, Gate, Search
from tests.fraiseql.observers.programs import ClickHouse, Nats
from tests.fraiseql.observers.publishing import encoded, event, pending, publish
from tests.waiting import until

pytestmark = pytest.mark.servers


def test_all_fields_arrive_in_clickhouse(nats: Nats, clickhouse: ClickHouse, observe: MakeObserver) -> None:
    data = {"big": 2**80, "nested": {"list": [1, 2.50, None, True]}, "text": "Zoë 'quoted' \\ \n \0", "empty": {}}
    sent = event(data=data, user_id=None, timestamp="2026-01-25T12:39:00.123456Z", duration_ms=7)
    observe("clickhouse", clickhouse.url)
    publish(nats.url, [sent])
    until(lambda: clickhouse.ids() == [sent["id"]], "the event to arrive")
    [found] = clickhouse.ask("SELECT * FROM fraiseql_events FORMAT JSONEachRow")
    row = json.loads("\t".join(found))
    assert json.loads(row.pop("data")) == data
    assert row == {
        "event_id": sent["id"],
        "event_type": "INSERT",
        "entity_type": "Order",
        "entity_id": sent["entity_id"],
        "timestamp": "2026-01-25 12:39:00.123456",
        "user_id": None,
        "tenant_id": "tenant-1",
    }


@pytest.mark.parametrize(
    "data", [None, "text", 5, True, [1, {"a": "b"}], {}, {"event_id": "another"}], ids=lambda data: json.dumps(data)
)
def test_any_json_is_data_in_clickhouse(
    nats: Nats, clickhouse: ClickHouse, observe: MakeObserver, data: object
) -> None:
    observe("clickhouse", clickhouse.url)
    publish(nats.url, [event(data=data)])
    until(clickhouse.ids, "the event to arrive")
    [[text]] = clickhouse.ask("SELECT data FROM fraiseql_events FORMAT TSVRaw")
    assert json.loads(text) == data


def test_events_written_in_another_way_arrive_too(nats: Nats, clickhouse: ClickHouse, observe: MakeObserver) -> None:
    plain, spread, turned, extra = (event(data={"n": number}) for number in (1, 2, 3, 4))
    publishing = [
        encoded(plain),
        json.dumps(spread, indent=2).encode(),
        encoded(dict(reversed(turned.items()))),
        encoded({"id": extra["id"], "event_id": plain["id"], **extra}),
    ]
    observe("clickhouse", clickhouse.url)
    publish(nats.url, publishing)
    ids = sorted(content["id"] for content in (plain, spread, turned, extra))
    until(lambda: clickhouse.ids() == ids, "all four to arrive")
    rows = clickhouse.ask("SELECT event_id, JSONExtractInt(data, 'n') FROM fraiseql_events")
    assert {name: int(number) for name, number in rows} == {
        plain["id"]: 1,
        spread["id"]: 2,
        turned["id"]: 3,
        extra["id"]: 4,
    }


def test_documents_are_the_events_in_the_index_of_their_month(
    nats: Nats, search: Search, observe: MakeObserver
) -> None:
    january = event(timestamp="2026-02-01T01:00:00+02:00")
    november = event(timestamp="2025-11-30T23:59:59.999999Z", data=None)
    observe("search", search.url)
    publish(nats.url, [january, json.dumps(november, indent=1).encode()])
    until(lambda: len(search.documents) == 2, "both to arrive")
    assert search.indices == {
        "fraiseql-events-2026.01": {january["id"]: january},
        "fraiseql-events-2025.11": {november["id"]: november},
    }


@pytest.mark.parametrize("sink", ["clickhouse", "search"])
def test_an_id_that_comes_again_is_there_once(
    nats: Nats, clickhouse: ClickHouse, search: Search, observe: MakeObserver, sink: str
) -> None:
    events = [event() for _ in range(50)]
    observer = observe(sink, clickhouse.url if sink == "clickhouse" else search.url)
    publish(nats.url, [*events, *events], message_ids=False)  # in one batch as well
    until(lambda: observer.metrics()["written"] == 50, "all to arrive")
    publish(nats.url, [*events[10:20], last := event()], message_ids=False)
    until(lambda: observer.metrics()["written"] == 51, "the last to arrive")
    ids = clickhouse.ids() if sink == "clickhouse" else list(search.documents)
    assert sorted(ids) == sorted(content["id"] for content in [*events, last])
    assert observer.metrics()["already_there"] == 60
    assert observer.metrics()["received"] == 111


@pytest.mark.parametrize("sink", ["clickhouse", "search"])
def test_a_write_whose_answer_was_lost_is_not_done_twice(
    nats: Nats, clickhouse: ClickHouse, search: Search, observe: MakeObserver, sink: str
) -> None:
    gate = Gate(clickhouse.url if sink == "clickhouse" else search.url)
    write = "INSERT" if sink == "clickhouse" else "_bulk"
    gate.loses = lambda path, body: write in path and len(gate.lost) < 3
    observer = observe(sink, gate.url)
    ids = publish(nats.url, [event() for _ in range(500)])
    until(lambda: pending(nats.url, sink) == 0, "all to be acknowledged")
    assert len(gate.lost) == 3
    assert observer.metrics()["retries"] == 3
    assert sorted(clickhouse.ids() if sink == "clickhouse" else search.documents) == sorted(ids)
    gate.shut()


@pytest.mark.parametrize("sink", ["clickhouse", "search"])
def test_an_observer_that_is_killed_between_write_and_acknowledgement(
    nats: Nats, clickhouse: ClickHouse, search: Search, observe: MakeObserver, sink: str
) -> None:
    gate = Gate(clickhouse.url if sink == "clickhouse" else search.url)
    write = "INSERT" if sink == "clickhouse" else "_bulk"
    gate.loses = lambda path, body: write in path
    gate.stops = lambda path, body: bool(gate.lost)
    killed = observe(sink, gate.url)
    ids = publish(nats.url, [event() for _ in range(900)])
    until(lambda: gate.lost, "something to be written and not acknowledged")
    killed.kill()
    later = publish(nats.url, [event() for _ in range(100)])
    gate.loses = gate.stops = lambda path, body: False
    successor = observe(sink, gate.url, name="successor")
    until(lambda: pending(nats.url, sink) == 0, "all to be acknowledged")
    assert sorted(clickhouse.ids() if sink == "clickhouse" else search.documents) == sorted(ids + later)
    metrics = successor.metrics()
    assert metrics["received"] == 1000
    assert 1 <= metrics["redelivered"] <= 900
    assert metrics["already_there"] >= 1
    gate.shut()


def test_what_is_written_behind_a_batch_that_is_not_is_not_acknowledged(
    nats: Nats, search: Search, observe: MakeObserver
) -> None:
    held, let_go = list[int](), threading.Event()

    def hold_first(request: int, body: bytes) -> int | None:
        if request == 1:
            held.append(body.count(b"\n") // 2)
            let_go.wait(20)
            return 503
        return None

    search.whole = hold_first
    killed = observe("search", search.url, size=100)
    ids = publish(nats.url, [event() for _ in range(200)])
    until(lambda: held and killed.metrics()["written"] == 200 - held[0], "all behind the first batch to be written")
    assert pending(nats.url, "search") == 200
    killed.kill()
    let_go.set()
    successor = observe("search", search.url, name="successor", size=100)
    until(lambda: pending(nats.url, "search") == 0, "all to be acknowledged")
    assert sorted(search.documents) == sorted(ids)
    assert (successor.metrics()["written"], successor.metrics()["already_there"]) == (held[0], 200 - held[0])


def test_clickhouse_gets_one_batch_at_a_time(nats: Nats, clickhouse: ClickHouse, observe: MakeObserver) -> None:
    """The same id in two batches at once would be found in the table for neither."""
    gate, inside, most = Gate(clickhouse.url), list[str](), list[int]()
    through = gate.answer

    def count(path: str, headers: Mapping[str, str], body: bytes) -> Answer | None:
        inside.append(path)
        most.append(len(inside))
        try:
            return through(path, headers, body)
        finally:
            inside.remove(path)

    gate.answer = count  # type: ignore[method-assign]
    observe("clickhouse", gate.url, size=50)
    ids = publish(nats.url, [event() for _ in range(500)])
    until(lambda: pending(nats.url, "clickhouse") == 0, "all to be acknowledged")
    assert clickhouse.ids() == sorted(ids)
    assert max(most) == 1
    gate.shut()


def test_an_insert_that_was_given_up_and_is_executed_late_changes_nothing(
    nats: Nats, clickhouse: ClickHouse, observe: MakeObserver
) -> None:
    """What a link that hangs does: it delivers to the server when the client has long tried again elsewhere."""
    late: list[tuple[str, bytes]] = []
    gate = Gate(clickhouse.url)

    def keep_first(path: str, body: bytes) -> bool:
        first = "INSERT" in path and not late
        if first:
            late.append((path, body))
        return first

    gate.stops = keep_first
    killed = observe("clickhouse", gate.url)
    ids = publish(nats.url, [event() for _ in range(300)])
    until(lambda: late, "the first insert to be held up")
    killed.kill()
    observe("clickhouse", gate.url, name="successor")
    until(lambda: pending(nats.url, "clickhouse") == 0, "all to be acknowledged")
    [(path, rows)] = late
    tables = "SELECT count() FROM fraiseql_events"
    assert clickhouse.ask(tables) == [["300"]]
    headers = {"X-ClickHouse-User": "sink", "X-ClickHouse-Key": "pä'ss".encode().decode("latin-1")}
    assert gate.answer(path, headers, rows) is not None
    assert clickhouse.ask(tables) == [["300"]], "the late insert was taken for a new one"
    assert clickhouse.ids() == sorted(ids)
    gate.shut()


def test_lag_is_told_from_the_oldest_event_of_the_batch(nats: Nats, search: Search, observe: MakeObserver) -> None:
    observer = observe("search", search.url)
    old = datetime.fromtimestamp(datetime.now(UTC).timestamp() - 100, UTC).isoformat()
    publish(nats.url, [event(timestamp=old), event()])
    until(lambda: len(search.documents) == 2, "both to arrive")
    until(lambda: 100 <= observer.metrics()["lag_seconds"] < 110, "the lag to be told")
    until(lambda: observer.metrics()["pending"] == 0, "nothing to be left")
