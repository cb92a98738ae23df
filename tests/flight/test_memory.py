from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from FlightLibrary import FlightLibrary
from FlightLibrary.client import FlightConnection
from FlightLibrary.jobs import Job, JobFailed
from FlightLibrary.keywords.held import Held
from FlightLibrary.keywords.memory import Repeated, Streamed
from FlightLibrary.keywords.speed import bare_server
from FlightLibrary.tokens import session_token
from LoadLibrary.rate import Rate
from measurement.memory import Memory
from measurement.usage import cpu_seconds, resident_bytes
from measurement.verdicts import Inconclusive
from tests.flight.tiny import SECRET, Gateway, TinyFlight, users

library = FlightLibrary()
MB = 1_000_000


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr("FlightLibrary.keywords.memory.say", lambda text: None)
    monkeypatch.setattr("EnvironmentLibrary.telling.say", lambda text: None)


def read(over, address, query, **changes):
    order = {"token": session_token(SECRET), "ticket": {"query": query}, "keep": True, "deadline_seconds": 20.0}
    with Job("read", over=over, address=address, **{**order, **changes}) as job:
        return job.answer(60)


def test_a_process_tells_what_an_answer_needed(serve, http_server, gateway):
    gateway.table = pa.concat_tables([users(20_000)] * 40)
    server = serve()
    query = "{ users { id name email } }"
    kept = read("flight", server.address, query)
    streamed = read("flight", server.address, query, keep=False)
    json = read("http", http_server.address, query.replace("users", "users(limit: 50000)"))
    assert (kept["rows"], streamed["rows"], json["rows"]) == (800_000, 800_000, 50_000)
    size = kept["bytes"]
    assert size < kept["after"] - kept["before"] < 2 * size
    assert streamed["peak"] - streamed["before"] < 0.8 * size  # what gRPC holds: tens of MB, whatever the answer's size
    assert json["after"] - json["before"] > 3 * size / 16
    assert kept["peak"] >= kept["after"]


def test_a_process_that_fails_says_why(flight_server):
    with pytest.raises(JobFailed, match="INVALID_ARGUMENT: Query execution failed"):
        read("flight", flight_server.address, "{ users { nothing } }")
    with pytest.raises(JobFailed, match=r"the process ended with 1: (?s:.)*TypeError"), Job("read", nonsense=1) as job:
        job.answer(60)


def test_a_process_that_does_not_come_to_an_end_is_not_waited_for(serve):
    class Blocked(TinyFlight):
        over = threading.Event()

        def batches(self, table):
            self.over.wait(10)
            yield from super().batches(table)

    order = {"token": session_token(SECRET), "ticket": {"query": "{ users { id } }"}, "deadline_seconds": 20.0}
    late = pytest.raises(JobFailed, match=r"'hold' in a process of its own was not done within 1\.5 s")
    with Job("hold", address=serve(Blocked).address, streams=1, trickle=False, **order) as job, late:
        job.answer(1.5)
    Blocked.over.set()


def test_a_process_is_gone_with_its_block(flight_server):
    order = {"token": session_token(SECRET), "ticket": {"query": "{ users { id } }"}, "deadline_seconds": 20.0}
    with Job("hold", address=flight_server.address, streams=3, trickle=True, **order) as job:
        assert job.answer(60) == {"open": 3}
        assert resident_bytes(lambda: [job.pid]) > 10 * MB
        assert cpu_seconds(lambda: [job.pid]) > 0.05
    assert resident_bytes(lambda: [job.pid]) == 0


def test_a_bare_server_has_the_same_rows():
    table = users(25_000)
    with bare_server(table) as address, FlightConnection(address, None) as client:
        reading = client.read(b"")
    assert reading.kept().equals(table)
    assert reading.largest_batch == 10_000


def held(over, needed, rows=1000, still=0):
    return Held(over, rows, 10, 0.5, 100 * MB, (100 + still) * MB, (100 + needed) * MB)


@pytest.fixture
def curves(monkeypatch):
    """What is left to be drawn."""
    left: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "FlightLibrary.keywords.memory.context.record_curve",
        lambda kind, content: left.append({"kind": kind, **content}),
    )
    return left


def test_what_two_clients_needed_is_drawn_from_their_own_calls_on(curves):
    arrow = replace(held("flight", 10), began=5.0, looks=[(5.0, 100 * MB), (5.5, 110 * MB)])
    json = replace(held("http", 120), began=7.0, looks=[(7.0, 100 * MB), (9.0, 220 * MB)])
    library.arrow_should_need_times_less_memory((arrow, json), 10, 25)
    (curve,) = curves
    assert curve["processes"] == {"Arrow": [(0.0, 0), (0.5, 10 * MB)], "JSON": [(0.0, 0), (2.0, 120 * MB)]}
    assert [size for _, size in curve["limit"]["points"]] == [100 * MB] * 2
    assert curve["title"] == "What a client needs for 1 000 rows: 120 MB as JSON, 10 MB as Arrow"


def test_a_client_of_its_own_and_the_gateway_are_looked_at_and_drawn_also_when_they_need_too_much(system, curves):
    system(TinyFlight, over=Gateway(30_000), services={"gateway": Control()})
    streamed = library.rows_are_streamed_without_keeping_them("{ users { id name } }")
    at, size = streamed.client.looks[0]
    assert [at, size] == [streamed.client.began, streamed.client.before]
    with pytest.raises(AssertionError, match="less than 1 MB wanted"):
        library.both_should_have_stayed_below(streamed, 1)
    (curve,) = curves
    assert set(curve["processes"]) == {"gateway", "client"}
    assert curve["origin"] == streamed.client.began  # what it needed to start is not the answer's
    assert all(size > 10 * MB for looks in curve["processes"].values() for _, size in looks)
    assert not curve["grown"]


def test_rounds_are_drawn_as_growth_after_the_warm_up(curves):
    sizes = [float(min(number, 10)) * MB for number in range(30)]
    rounds = Repeated(Memory("gateway", tuple(map(float, range(30))), tuple(sizes)), 100_000, 20, range(1000, 1030))
    rounds = replace(rounds, memory=replace(rounds.memory, bytes=tuple(100 * MB + size for size in sizes)))
    library.memory_of_the_gateway_should_have_stayed_flat(rounds, 50)
    (curve,) = curves
    assert curve["processes"]["gateway"][0] == (0, -10 * MB)
    assert curve["processes"]["gateway"][10:] == [(float(at), 0) for at in range(10, 30)]
    assert curve["bands"] == [("warm-up", 0, 10)]


def test_the_ratio_of_memory_is_held_against_its_limit():
    library.arrow_should_need_times_less_memory((held("flight", 10), held("http", 120)), 10, 25)
    with pytest.raises(AssertionError, match=r"need 90 MB as JSON and 10 MB as Arrow, 9\.0 times as much; at least 10"):
        library.arrow_should_need_times_less_memory((held("flight", 10), held("http", 90)), 10, 25)
    with pytest.raises(Inconclusive, match="too little to compare with"):
        library.arrow_should_need_times_less_memory((held("flight", 0), held("http", 90)), 10, 25)


@pytest.mark.parametrize(
    ("rows", "seconds", "message"),
    [(999, 0.5, "1000 rows expected"), (1000, 61, "less than 60 s"), (1000, 2, "at least 1000 rows/s")],
)
def test_a_stream_that_is_short_or_slow_is_seen(rows, seconds, message):
    client = Held("flight", rows, 10, seconds, 0, 0, 0)
    with pytest.raises(AssertionError, match=message):
        library.all_rows_should_have_come(Streamed(client, 0, 0, 0.0), 1000, timedelta(seconds=60), Rate(1000))


def test_memory_of_client_and_gateway_is_held_against_a_limit():
    def streamed(gateway, client):
        return Streamed(Held("flight", 1, 1, 1.0, 0, 0, client * MB), 0, gateway * MB, 0.0)

    library.both_should_have_stayed_below(streamed(499, 100), 500)
    for gateway, client in ((501, 100), (100, 501)):
        with pytest.raises(AssertionError, match="less than 500 MB wanted"):
            library.both_should_have_stayed_below(streamed(gateway, client), 500)
    with pytest.raises(Inconclusive, match="does not tell which processes"):
        library.both_should_have_stayed_below(streamed(0, 100), 500)


def test_rows_are_streamed_by_a_process_of_their_own(system):
    system(TinyFlight, over=Gateway(30_000))
    streamed = library.rows_are_streamed_without_keeping_them("{ users { id name } }")
    assert streamed.client.rows == 30_000


class Control:
    """A service that is the process of the test."""

    def processes(self):
        return [os.getpid()]


class Hoarding(TinyFlight):
    """Keeps what it sent."""

    kept: list[bytearray]

    def do_get(self, context, ticket):
        self.kept.append(bytearray(b"x" * 2 * MB))
        return super().do_get(context, ticket)


@pytest.mark.parametrize("kind", [TinyFlight, Hoarding])
def test_a_gateway_that_keeps_what_it_sends_grows(system, kind):
    Hoarding.kept = []
    system(kind, over=Gateway(200), services={"gateway": Control()})
    repeated = library.rows_are_asked_for_again_and_again("{ users(limit: 100) { id visits } }", 100, 20)
    assert len(repeated.memory.at) == 30
    if kind is TinyFlight:
        library.memory_of_the_gateway_should_have_stayed_flat(repeated, 20)
    else:
        with pytest.raises(AssertionError, match=r"grew by \d+\.\d MB .* over 20 answers .*less than 20 MB"):
            library.memory_of_the_gateway_should_have_stayed_flat(repeated, 20)


def test_repeated_answers_have_all_their_rows(system):
    system(over=Gateway(99))
    with pytest.raises(AssertionError, match="99 rows came over Flight and 100 over HTTP, expected 100"):
        library.rows_are_asked_for_again_and_again("{ users(limit: 100) { id } }", 100, 1)


def repeated(held):
    return Repeated(Memory("gateway", tuple(map(float, range(30))), tuple(held)), 100_000, 20)


def test_growth_is_judged_after_the_warm_up_and_beyond_doubt():
    flat = library.memory_of_the_gateway_should_have_stayed_flat
    flat(repeated([100 * MB + min(number, 10) * 50 * MB + number % 2 * 80 * MB for number in range(30)]), 50)
    with pytest.raises(AssertionError, match=r"grew by 6\d\.\d MB \[6.*\] over 20 answers of 100000 rows each way"):
        flat(repeated([100 * MB + number * 3 * MB for number in range(30)]), 50)
    with pytest.raises(Inconclusive, match="less than 50 MB wanted"):
        flat(repeated([100 * MB + number * 3 * MB + (number // 3) % 2 * 60 * MB for number in range(30)]), 50)
    with pytest.raises(Inconclusive, match="does not tell which processes"):
        flat(repeated([0.0] * 30), 50)
    with pytest.raises(Inconclusive, match="2 rounds are too few"):
        flat(Repeated(Memory("gateway", (0.0, 1.0), (1.0, 1.0)), 100, 1), 50)
