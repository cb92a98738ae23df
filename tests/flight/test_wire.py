from __future__ import annotations

import socket

from FlightLibrary.client import FlightConnection
from FlightLibrary.tickets import GraphQLQuery
from FlightLibrary.tokens import session_token
from FlightLibrary.wire import CountingRelay
from tests.flight.tiny import SECRET, Gateway, TinyFlight
from tests.waiting import until


def test_every_byte_in_each_direction_is_counted():
    with socket.create_server(("127.0.0.1", 0)) as server, CountingRelay(*server.getsockname()) as relay:
        with socket.create_connection(("127.0.0.1", relay.port)) as client:
            there, _ = server.accept()
            with there:
                client.sendall(b"x" * 1000)
                assert len(there.recv(1000, socket.MSG_WAITALL)) == 1000
                there.sendall(b"y" * 300_000)
                there.shutdown(socket.SHUT_WR)
                assert len(client.recv(300_000, socket.MSG_WAITALL)) == 300_000
        until(lambda: relay.up == 1000 and relay.down == 300_000, f"{relay.up} up, {relay.down} down")


def test_an_answer_takes_a_little_more_on_the_wire_than_its_columns():
    server = TinyFlight(Gateway(20_000))
    with CountingRelay("127.0.0.1", server.port) as relay:
        with FlightConnection(f"grpc://127.0.0.1:{relay.port}", session_token(SECRET)) as client:
            size = client.read(GraphQLQuery("{ users { id name visits } }")).bytes
        assert size < relay.down < 1.02 * size + 10_000
    server.shutdown()
