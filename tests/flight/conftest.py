from __future__ import annotations

import pytest

from FlightLibrary.client import FlightConnection
from FlightLibrary.tokens import session_token
from tests.flight.tiny import SECRET, Gateway, TinyFlight, TinyHttp


@pytest.fixture
def gateway():
    return Gateway()


@pytest.fixture
def serve(gateway):
    """Start tiny Flight servers, of a class with a mistake perhaps, that end with the test."""
    started = []

    def start(kind=TinyFlight, over=None):
        started.append(kind(over or gateway))
        return started[-1]

    yield start
    for server in started:
        server.shutdown()


@pytest.fixture
def flight_server(serve):
    return serve()


@pytest.fixture
def http_server(gateway):
    server = TinyHttp(gateway)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def connect():
    """Make clients with a right token that end with the test."""
    clients = []

    def make(server, token=None, **settings):
        settings.setdefault("deadline_seconds", 5.0)
        clients.append(FlightConnection(server.address, token or session_token(SECRET), **settings))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(flight_server, connect):
    return connect(flight_server)
