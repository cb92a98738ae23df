"""Clients that read nothing more: what they hold is given back, and those that read slowly are left alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pyarrow.flight as fl

from reference.fraiseql.gateway.flight.database import CONNECTIONS
from tests.fraiseql.flight.client import Client, connected, refused
from tests.fraiseql.flight.conftest import MORE_ORDERS, ORDERS, Starter
from tests.fraiseql.flight.test_live import running
from tests.fraiseql.gateway.programs import Gateway, Postgres
from tests.waiting import until

STALLED = 128
LARGE = "{ orders { id status } }"  # 50 MB
SMALL = "{ orders(limit: 10) { id } }"
SECONDS = 2
STALL = f"[flight]\nstall_seconds = {SECONDS}\n"
LITTLE_ROOM = [("grpc.http2.bdp_probe", 0)]  # 64 KiB: else clients take in tens of megabytes each that nobody reads


class Narrow(Client):
    """A client that takes in little that it has not been asked for."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self.flight = fl.connect(("127.0.0.1", gateway.flight_port), generic_options=LITTLE_ROOM)

    def begin(self) -> fl.FlightStreamReader:
        reader = self.ask("GraphQLQuery", query=LARGE)
        reader.read_chunk()
        return reader


@contextmanager
def standing(gateway: Gateway, clients: int) -> Iterator[list[fl.FlightStreamReader]]:
    """So many clients that take their first batch and no other, as soon as they get one."""
    readers: list[fl.FlightStreamReader] = []
    with ThreadPoolExecutor(clients) as pool:
        begun = [pool.submit(lambda: readers.append(Narrow(gateway).begin())) for _ in range(clients)]
        yield readers
        for one in begun:
            one.result()
    for reader in readers:
        reader.cancel()


def stalled(gateway: Gateway) -> float:
    return gateway.counters()["fraiseql_flight_streams_stalled_total"]


def test_clients_that_stand_still_do_not_keep_others_from_the_database(postgres: Postgres, start: Starter):
    gateway = start(sections=STALL)
    with connected(gateway) as prompt, standing(gateway, STALLED) as readers:
        until(lambda: len(readers) >= CONNECTIONS, "all connections to be in use", 30)
        until(lambda: prompt.query(SMALL).num_rows == 10 and stalled(gateway) == STALLED, "all to be broken off", 60)
        until(lambda: not running(postgres), "the statements to end")
        until(lambda: gateway.counters()["fraiseql_flight_streams_active"] == 0, "the streams to be given back")
        message = refused("DEADLINE_EXCEEDED", readers[0].read_all)
        assert f"its client took nothing for {SECONDS} seconds" in message
    ended = 'fraiseql_flight_calls_total{method="DO_GET",status="DEADLINE_EXCEEDED"}'
    until(lambda: gateway.counters()[ended] == 1, "the call to be counted")


def test_a_client_that_reads_slowly_is_left_alone(start: Starter):
    gateway, never = start(sections=STALL), threading.Event()
    with closing(Narrow(gateway)) as client:
        reader, rows = client.ask("GraphQLQuery", query=LARGE), 0
        for _ in range(12):
            rows += reader.read_chunk().data.num_rows
            never.wait(SECONDS / 4)
        assert rows < ORDERS / 2
        assert rows + reader.read_all().num_rows == ORDERS
    assert stalled(gateway) == 0


def test_who_finds_no_connection_is_refused_in_time(own_postgres: Postgres, start: Starter):
    own_postgres.run(MORE_ORDERS)
    gateway = start(database=own_postgres.url, top="query_timeout_seconds = 3\n")
    with connected(gateway) as late, standing(gateway, CONNECTIONS) as readers:
        until(lambda: len(readers) == CONNECTIONS, "all connections to be in use", 30)
        message = refused("DEADLINE_EXCEEDED", lambda: late.query(SMALL))
        assert f"All {CONNECTIONS} connections to the database are in use" in message
        readers.pop().cancel()
        until(lambda: late.query(SMALL).num_rows == 10, "a connection", not_yet=(fl.FlightTimedOutError,))
