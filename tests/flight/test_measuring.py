from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from EnvironmentLibrary import context
from environments.system import running
from FlightLibrary import FlightLibrary
from FlightLibrary.accounting import Reading
from FlightLibrary.compared import BARE, DIRECT, HTTP, LIVE, Compared
from FlightLibrary.directly import DirectConnection
from FlightLibrary.keywords import base
from FlightLibrary.keywords.base import as_owner
from FlightLibrary.keywords.events import Rounds
from FlightLibrary.turns import Turns, Way
from LoadLibrary.rate import Rate
from measurement.records import read_records
from measurement.verdicts import Inconclusive, UnfitMachine
from ObserverLibrary.event import EntityEvent
from PostgresLibrary.sessions import value
from tests.flight.tiny import Gateway, TinyFlight

library = FlightLibrary()
QUERY = "{ users(limit: 100) { id name visits } }"
EVENT = {
    "id": "0193a5a0-0000-7000-8000-000000000001",
    "event_type": "INSERT",
    "entity_type": "Order",
    "entity_id": "7f3e0000-0000-4000-8000-000000000001",
    "data": {"total": 100.5, "note": "Zoë 🚀"},
    "user_id": None,
    "tenant_id": "tenant-1",
    "timestamp": "2026-01-25T12:39:00.123456Z",
}
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("event_id", "event_type", "entity_type", "entity_id")),
        ("timestamp", pa.timestamp("us", "UTC")),
        *((name, pa.string()) for name in ("data", "user_id", "tenant_id")),
    ]
)


@pytest.fixture
def run(system, tmp_path, monkeypatch):
    """A run whose records are kept."""
    (tmp_path / "environment.json").write_text(
        json.dumps({"run_id": "1", "git": "a", "host": {}, "services": []}), encoding="utf-8"
    )
    said: list[str] = []
    monkeypatch.setattr("EnvironmentLibrary.telling.say", said.append)
    for module in ("speed", "latency", "events", "data"):
        monkeypatch.setattr(f"FlightLibrary.keywords.{module}.say", said.append)
    context.set_criterion("FQ-P01")
    yield system
    context.set_criterion("")


# -- speed -----------------------------------------------------------------------------------------------------------


def test_rows_are_got_by_each_way_and_a_record_is_left(run, tmp_path):
    run()
    compared = library.rows_are_got_in_turns(QUERY, 100, 5)
    assert {way.name for way in compared.turns.ways} == {LIVE, HTTP, BARE}
    assert compared.bytes[LIVE] > 4000
    assert compared.bytes[HTTP] > compared.bytes[LIVE]
    library.speed_is_told(compared)
    (record,) = read_records(tmp_path / "measurements.jsonl")
    assert record["comparison"]["rounds"] == 5
    assert record["name"] == "100 rows: live query over Flight against HTTP/JSON"
    (curve,) = [json.loads(line) for line in (tmp_path / "curves.jsonl").read_text().splitlines()]
    assert (curve["kind"], curve["criterion"], curve["size"], curve["of"]) == ("sizes", "FQ-P01", 100, "rows")
    ways = {way["name"]: way for way in curve["ways"]}
    assert ways[HTTP]["speed"] is None
    assert ways[LIVE]["speed"]["ratio"] == pytest.approx(record["comparison"]["ratio"])  # of the speeds, both of them
    assert ways[LIVE]["bytes"] == compared.bytes[LIVE]
    assert ways[LIVE]["median_s"] == compared.turns.way(LIVE).median_seconds
    assert compared.memory.keys() == {HTTP, LIVE}
    assert 0 < ways[HTTP]["client_bytes"] == compared.memory[HTTP].client < 100_000_000


def compared_of(flight_seconds, http_seconds, bare_seconds, direct_seconds=None):
    def way(name, seconds):
        return Way(name, lambda: pytest.fail("never read"), seconds=seconds, first_seconds=seconds, reads=len(seconds))

    ways = [way(LIVE, flight_seconds), way(HTTP, http_seconds), way(BARE, bare_seconds)]
    ways += [way(DIRECT, direct_seconds)] if direct_seconds else []
    return Compared(Turns(ways, 1000, 1.7e9, 1.7e9 + 5), {}, 50.0)


def test_a_ratio_with_its_whole_interval_above_the_limit_passes(run):
    run()
    library.flight_should_be_at_least_times_as_fast(compared_of([1.0] * 5, [60.0] * 5, [1.0] * 5), 50)


@pytest.mark.parametrize(
    ("seconds", "bare", "error", "message"),
    [
        ([2.0] * 5, [1.0] * 5, AssertionError, "is 30 .* times as fast as HTTP/JSON at 1000 rows, at least 50 wanted"),
        ([1.0, 1.0, 1.1, 1.0, 1.4], [1.0] * 5, Inconclusive, "the interval reaches below"),
        ([2.0] * 5, [1.5] * 5, UnfitMachine, r"bare Flight server is 40\.0 times as fast"),
    ],
)
def test_other_ratios_do_not(run, seconds, bare, error, message):
    run()
    with pytest.raises(error, match=message) as raised:
        library.flight_should_be_at_least_times_as_fast(compared_of(seconds, [60.0] * 5, bare), 50)
    assert type(raised.value) is error


def test_a_live_query_is_held_beside_what_postgresql_gives_without_a_gateway(run):
    run()
    with pytest.raises(UnfitMachine, match=r"PostgreSQL by ADBC is 40\.0 times as fast"):
        library.flight_should_be_at_least_times_as_fast(compared_of([2.0] * 5, [60.0] * 5, [0.1] * 5, [1.5] * 5), 50)
    with pytest.raises(AssertionError, match=r"PostgreSQL by ADBC is 60\.0 times as fast"):
        library.flight_should_be_at_least_times_as_fast(compared_of([2.0] * 5, [60.0] * 5, [0.1] * 5, [1.0] * 5), 50)


def test_the_rows_of_postgresql_itself_are_those_of_the_gateway(run, database):
    run(database=database)
    statement = "SELECT id, email, name FROM va_users LIMIT 5"
    with DirectConnection(base.addresses()) as connection:
        reading = connection.read(statement)
    assert (reading.rows, reading.schema.names) == (5, ["id", "email", "name"])


def test_the_rate_is_held_against_that_of_a_bare_server(run):
    run()
    library.flight_should_reach_percent_of(compared_of([1.9] * 5, [9.0] * 5, [1.0] * 5), 50, by=LIVE)
    with pytest.raises(AssertionError, match=r"has 0\.476 .* of the rate of bare Flight server"):
        library.flight_should_reach_percent_of(compared_of([2.1] * 5, [9.0] * 5, [1.0] * 5), 50, by=LIVE)


def test_the_slowest_round_counts(run):
    run()
    compared = compared_of([1.0, 1.0, 3.5, 1.0, 1.0], [9.0] * 5, [1.0] * 5)
    library.flight_should_have_taken_less_than(compared, timedelta(seconds=4))
    with pytest.raises(AssertionError, match=r"took at most 3500 ms \(n = 5 rounds\), less than 3 s wanted"):
        library.flight_should_have_taken_less_than(compared, timedelta(seconds=3))


# -- latency ---------------------------------------------------------------------------------------------------------


def measured():
    return library.latency_is_measured_at_shares_of_the_maximum(
        "{ users(limit: 10) { id } }", 20, duration=timedelta(seconds=0.4), budget=timedelta(seconds=1), workers=2
    )


def test_latency_is_measured_at_shares_and_held_against_a_limit(run, tmp_path):
    run()
    latencies = measured()
    assert latencies.shares[20].result.ok > 10
    assert latencies.shares[20].result.failed == 0
    names = [record["name"] for record in read_records(tmp_path / "measurements.jsonl")]
    assert names == ["query over Flight", "query over Flight at 20 % of its maximum"]
    with pytest.raises(AssertionError, match=r"p95 is .* budget 0\.001 ms|INCONCLUSIVE"):
        library.latency_should_be_below(latencies, timedelta(microseconds=1), 95, share=20)


def test_wrong_answers_are_no_latency(run):
    class Drifts(Gateway):
        def rows(self, query):
            return super().rows(query).slice(self.asked // 40, 5)

    run(over=Drifts())
    with pytest.raises(AssertionError, match=r"queries failed: \{'wrong-response'"):
        measured()


# -- events ----------------------------------------------------------------------------------------------------------


class Events(TinyFlight):
    """Has one event, or as many as are asked for."""

    row: dict[str, Any]
    copies: int
    asked = 0

    def do_get(self, context, ticket):
        told = json.loads(ticket.ticket)
        self.asked += 1
        if told.get("limit") is not None:
            rows = [
                {**self.row, "event_id": str(number)} for number in range(told["limit"] // self.copies)
            ] * self.copies
        else:
            assert told["start_date"] < told["end_date"]
            rows = [self.row] * self.copies if self.asked > 2 else []
        return flight.RecordBatchStream(pa.Table.from_pylist(rows, SCHEMA))


@pytest.fixture
def events(run):
    def make(copies=1, **changes):
        row: dict[str, Any] = {**EVENT, "event_id": EVENT["id"], "data": json.dumps(EVENT["data"])}
        row["timestamp"] = datetime.fromisoformat(str(EVENT["timestamp"])).astimezone(UTC)
        Events.row = {name: {**row, **changes}[name] for name in SCHEMA.names}
        Events.copies = copies
        run(Events)

    return make


def test_an_event_comes_back_with_all_its_fields_once_it_is_there(events):
    events()
    library.event_should_come_back_over_flight(EntityEvent.of(EVENT), timedelta(seconds=5))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tenant_id": None}, "tenant_id is None, expected 'tenant-1'"),
        ({"data": '{"total": 100.5}'}, "data is {'total': 100.5}, expected"),
        ({"event_type": "UPDATE"}, "event_type is 'UPDATE', expected 'INSERT'"),
        ({"user_id": ""}, "user_id is '', expected None"),
        ({"copies": 2}, "came 2 times"),
        ({"event_id": "another"}, "is not there"),
    ],
)
def test_an_event_that_is_changed_doubled_or_missing_is_seen(events, changes, message):
    events(**changes)
    with pytest.raises(AssertionError, match=message):
        library.event_should_come_back_over_flight(EntityEvent.of(EVENT), timedelta(seconds=0.3))


def test_events_are_streamed_and_counted(events):
    events()
    streamed = library.events_are_streamed_over_flight("Order", 10, 1000, rounds=2)
    assert [len(rounds.readings) for rounds in streamed] == [2, 2]
    library.events_should_have_come_at(streamed, Rate(10))
    events(copies=2)
    with pytest.raises(AssertionError, match="expected 10 events, came 10, 5 of them distinct"):
        library.events_are_streamed_over_flight("Order", 10)


def rounds_of(events, *rows_and_seconds):
    return Rounds(events, [Reading(SCHEMA, rows, 1, rows, 1, 0.1, s, None) for rows, s in rows_and_seconds])


def test_the_slowest_round_of_the_largest_count_is_held_against_the_rate(run):
    run()
    streamed = [rounds_of(10, (10, 10)), rounds_of(1000, (1000, 0.1), (1000, 0.5))]
    library.events_should_have_come_at(streamed, Rate(2000))
    with pytest.raises(AssertionError, match="1000 events came at 2000/s in the slowest of 2 rounds, at least 2001/s"):
        library.events_should_have_come_at(streamed, Rate(2001))
    with pytest.raises(AssertionError, match="a round did not bring 1000 events"):
        library.events_should_have_come_at([rounds_of(1000, (999, 0.1))], Rate(1))


# -- data ------------------------------------------------------------------------------------------------------------


@pytest.mark.servers
def test_rows_are_added_up_to_a_number_and_removed(run, database):
    run(database=database)

    def count(table):
        with as_owner() as session:
            return value(session, f"SELECT count(*) FROM {table}")

    users, orders = count("tb_user"), count("tb_order")
    for _ in range(2):  # the second time there are enough
        library.there_are_at_least(users + 1000, "users")
        library.there_are_at_least(orders + 1000, "orders")
        assert (count("tb_user"), count("tb_order")) == (users + 1000, orders + 1000)
    library.there_are_at_least(users + 1500, "users")
    assert count("tb_user") == users + 1500
    library.rows_that_were_added_are_removed()  # this database goes with the run
    assert count("tb_user") == users + 1500
    running().driver = "external"
    library.rows_that_were_added_are_removed()
    assert (count("tb_user"), count("tb_order")) == (users, orders)
