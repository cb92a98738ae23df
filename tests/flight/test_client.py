from __future__ import annotations

import threading
from datetime import timedelta

import pyarrow as pa
import pytest
from pyarrow import flight

from FlightLibrary.client import RENEWED_AFTER_SECONDS, FlightConnection
from FlightLibrary.errors import FlightFailure
from FlightLibrary.tickets import GraphQLQuery, OptimizedView
from FlightLibrary.tokens import session_token
from tests.flight.tiny import SECRET, Gateway, TinyFlight

ALL = GraphQLQuery("{ users { id name visits } }")


def status_of(action, *arguments, **named):
    with pytest.raises(FlightFailure) as found:
        action(*arguments, **named)
    return found.value.status


def test_an_answer_is_read_with_its_account(client):
    reading = client.read(GraphQLQuery("{ users(limit: 1500) { id name } }"))
    assert (reading.rows, reading.batches, reading.largest_batch) == (1500, 1, 1500)
    assert reading.kept().num_rows == 1500
    assert reading.schema.names == ["id", "name"]
    assert reading.kept().nbytes < reading.bytes < reading.kept().nbytes + 1000
    assert 0 < reading.first_seconds <= reading.seconds


def test_rows_that_are_not_kept_are_counted_all_the_same(client):
    reading = client.read(ALL, keep=False)
    assert (reading.rows, reading.table) == (2000, None)
    with pytest.raises(ValueError, match="were counted and not kept"):
        reading.kept()


def test_an_empty_answer_has_a_schema_and_no_first_batch(client):
    reading = client.read(GraphQLQuery('{ user(id: "nobody") { id score } }'))
    assert (reading.rows, reading.schema.names) == (0, ["id", "score"])
    assert reading.kept().num_rows == 0


class OneByOne(TinyFlight):
    """Sends ten batches; the second only when it is let."""

    let = threading.Event()

    def batches(self, table):
        yield table.slice(0, 1).to_batches()[0]
        self.let.wait(10)
        for row in range(1, 10):
            yield table.slice(row, 1).to_batches()[0]


def test_batches_are_handed_out_as_they_arrive(serve, connect):
    OneByOne.let.clear()
    client = connect(serve(OneByOne))
    with client.stream(ALL) as batches:
        assert next(batches).num_rows == 1  # while the server waits
        OneByOne.let.set()
        assert sum(batch.num_rows for batch in batches) == 9


def test_time_to_the_first_batch_is_not_that_to_the_last(serve, connect):
    OneByOne.let.clear()
    threading.Timer(0.3, OneByOne.let.set).start()
    reading = connect(serve(OneByOne)).read(ALL)
    assert reading.batches == 10
    assert reading.first_seconds < 0.25 < reading.seconds


def test_a_deadline_ends_a_stream_that_stalls_and_what_came_is_no_answer(serve, connect):
    OneByOne.let.clear()
    assert status_of(connect(serve(OneByOne)).read, ALL, deadline_seconds=0.2) == "DEADLINE_EXCEEDED"
    OneByOne.let.set()


def test_the_handshake_gives_the_token_that_calls_go_with(flight_server):
    with FlightConnection(flight_server.address, None) as client:
        assert status_of(client.read, ALL) == "UNAUTHENTICATED"
        assert client.log_in("an identity").count(".") == 2
        assert client.read(ALL).rows == 2000


def test_a_token_is_renewed_before_it_expires_and_not_for_every_call(flight_server, monkeypatch):
    minted = []

    def mint():
        minted.append(session_token(SECRET))
        return minted[-1]

    now = [1000.0]
    monkeypatch.setattr("FlightLibrary.client.clock", lambda: now[0])
    with FlightConnection(flight_server.address, mint) as client:
        for _ in range(3):
            client.read(ALL)
            client.flights()
        assert len(minted) == 1
        now[0] += RENEWED_AFTER_SECONDS
        assert client.read(ALL).rows == 2000
        client.flights()
        assert len(minted) == 2


def test_a_refused_handshake_is_told_as_such(flight_server):
    with FlightConnection(flight_server.address, None) as client:
        assert status_of(client.log_in, "") == "UNAUTHENTICATED"


def test_info_and_schema_are_those_of_the_answer(client):
    view = OptimizedView("va_users")
    info = client.flight_info(view)
    assert info.schema == client.schema(view, in_path=True) == client.read(view).schema
    assert client.read(info.endpoints[0].ticket.ticket).rows == 2000


def test_flights_and_actions_are_listed_and_actions_done(client):
    assert [info.descriptor.path for info in client.flights()] == [[b"va_users"]]
    assert client.actions() == ["HealthCheck", "ClearCache"]
    assert client.act("HealthCheck") == b'{"status":"healthy"}'
    assert status_of(client.act, "ClearCache") == "PERMISSION_DENIED"


def batch(*ids):
    return pa.record_batch({"id": list(ids), "name": ["a name"] * len(ids), "amount": [1.5] * len(ids)})


def test_an_upload_says_what_the_server_answered(client, gateway):
    assert client.upload("tb_import", [batch(1, 2), batch(3)]) == ["done"]
    assert [row["id"] for row in gateway.uploaded["tb_import"]] == [1, 2, 3]


def test_a_refused_upload_raises_whatever_it_held(client, gateway):
    assert status_of(client.upload, "tb_user", [batch(1)]) == "PERMISSION_DENIED"
    assert status_of(client.upload, "tb_import", [batch(n, n + 1) for n in range(500)]) == "INVALID_ARGUMENT"
    assert gateway.uploaded == {}


def test_an_upload_without_an_end_is_cut_off_by_its_deadline(client, gateway):
    cut = status_of(client.upload, "tb_import", [batch(1)], deadline_seconds=0.2, end=False)
    assert cut == "DEADLINE_EXCEEDED"
    assert gateway.uploaded == {}


def test_an_exchange_brings_back_what_was_answered(client):
    assert client.exchange(b"hello") == [(b"echo: hello", None)]


def test_two_connections_of_a_process_are_two_on_the_wire():
    """Calls on one do not wait for the window of the other."""
    seen = set()

    class Peers(TinyFlight):
        def do_get(self, context, ticket):
            seen.add(context.peer())
            return super().do_get(context, ticket)

    server = Peers(Gateway(10))
    from FlightLibrary.tokens import session_token

    for _ in range(3):
        with FlightConnection(server.address, session_token(SECRET)) as client:
            client.read(ALL)
            client.read(ALL)
    server.shutdown()
    assert len(seen) == 3


def test_a_stream_that_is_left_early_is_cancelled(serve, connect):
    ended = threading.Event()

    class Endless(TinyFlight):
        def batches(self, table):
            try:
                while True:
                    yield table.to_batches()[0]
            finally:
                ended.set()

    with connect(serve(Endless)).stream(ALL) as batches:
        next(batches)
    assert ended.wait(timedelta(seconds=5).total_seconds())


def test_an_error_in_the_middle_of_a_stream_is_no_answer(serve, connect):
    class Breaking(TinyFlight):
        def batches(self, table):
            yield table.slice(0, 10).to_batches()[0]
            raise flight.FlightInternalError("the source is gone")

    client = connect(serve(Breaking))
    with pytest.raises(FlightFailure, match="INTERNAL: the source is gone"):
        client.read(ALL)
    with client.stream(ALL) as batches, pytest.raises(FlightFailure, match="the source is gone"):
        list(batches)
