"""Many clients, slow clients, and the end of the gateway."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil
import pyarrow.flight as fl

from tests.fraiseql.flight.client import Client, connected, refused
from tests.fraiseql.flight.conftest import ENDLESS_PATH, ORDERS, Starter
from tests.fraiseql.flight.test_live import ALL
from tests.fraiseql.gateway.programs import Gateway, Postgres
from tests.waiting import until


def test_the_page_of_metrics_counts(gateway: Gateway, client: Client):
    before = gateway.counters()
    client.query("{ orders { id total } }")
    refused("INVALID_ARGUMENT", lambda: client.query("{"))
    refused("NOT_FOUND", lambda: client.view("nope"))

    def changed() -> dict[str, float]:
        return {name: value - before.get(name, 0) for name, value in gateway.counters().items()}

    until(lambda: changed()["fraiseql_flight_streams_active"] == 0, "the streams to end")
    assert changed()["fraiseql_flight_rows_total"] == ORDERS
    assert changed()["fraiseql_flight_bytes_total"] >= ORDERS * 16
    assert changed()['fraiseql_flight_calls_total{method="DO_GET",status="OK"}'] == 1
    assert changed()['fraiseql_flight_errors_total{status="INVALID_ARGUMENT"}'] == 1
    assert changed()['fraiseql_flight_errors_total{status="NOT_FOUND"}'] == 1


def test_more_streams_than_there_are_connections_are_all_answered(gateway: Gateway):
    def one(number: int) -> int:
        with connected(gateway) as client:
            return int(client.query("query ($n: Int) { orders(limit: $n) { id status } }", n=number)["id"][-1].as_py())

    with ThreadPoolExecutor(128) as pool:
        assert list(pool.map(one, range(1, 129))) == list(range(1, 129))


def test_a_stream_too_many_is_refused_and_one_that_ended_makes_room(postgres: Postgres, start: Starter):
    with ExitStack() as open_:
        gateway = start(database=postgres.url + ENDLESS_PATH, sections="[flight]\nmax_streams = 2\n")
        clients = [open_.enter_context(connected(gateway)) for _ in range(3)]
        readers = [client.ask("GraphQLQuery", query=ALL) for client in clients[:2]]
        for reader in readers:
            reader.read_chunk()
        refused("UNAVAILABLE", lambda: clients[2].query("{ users { id } }"), "^Max concurrent Flight streams reached")
        readers[0].cancel()

        def served() -> bool:
            return bool(clients[2].query("{ users { id } }").num_rows == 2000)

        until(served, "room for a stream", not_yet=(fl.FlightUnavailableError,))


def test_clients_that_do_not_read_neither_block_nor_grow_the_gateway(start: Starter):
    gateway = start()
    process = psutil.Process(gateway.process.pid)
    with ExitStack() as open_, connected(gateway) as quick:
        quick.query(ALL)
        before = process.memory_info().rss
        for _ in range(20):
            slow = open_.enter_context(connected(gateway))
            slow.ask("GraphQLQuery", query=ALL).read_chunk()
        assert quick.query(ALL).num_rows == ORDERS  # 50 MB; as much waits for each of the twenty
        assert quick.view("va_users").num_rows == 2000
        assert process.memory_info().rss - before < 100e6


def test_answers_that_run_when_the_gateway_is_ended_come_whole(start: Starter):
    gateway = start()
    with connected(gateway) as client:
        reader = client.ask("GraphQLQuery", query=ALL)
        rows = reader.read_chunk().data.num_rows
        gateway.signal(signal.SIGTERM)
        with connected(gateway) as late:
            until(lambda: refused_at_once(late), "new calls to be refused")
        assert rows + sum(chunk.data.num_rows for chunk in reader) == ORDERS
    assert gateway.process.wait(20) == 0


def refused_at_once(client: Client) -> bool:
    try:
        client.query("{ users(limit: 1) { id } }")
    except fl.FlightUnavailableError:
        return True
    return False


def test_an_answer_that_does_not_end_delays_the_end_by_ten_seconds_at_most(postgres: Postgres, start: Starter):
    gateway = start(database=postgres.url + ENDLESS_PATH)
    with connected(gateway) as client:
        reader = client.ask("GraphQLQuery", query=ALL)
        reader.read_chunk()
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(15) == 0
        refused("UNAVAILABLE", reader.read_all)
