from __future__ import annotations

import pytest

from BrokerLibrary.client import BrokerClient
from tests.broker.tiny import TinyBroker


@pytest.fixture
def socket_path(tmp_path):
    return tmp_path / "b.sock"


class Place:
    """Where one tiny broker runs at a time; called with a class it starts that one in the place of the one before."""

    def __init__(self, path):
        self.path = path
        self.running = None

    def __call__(self, kind=TinyBroker):
        self.stop()
        self.running = kind(self.path)
        return self.running

    def stop(self):
        if self.running is not None:
            self.running.stop()
        self.running = None


@pytest.fixture
def broker(socket_path):
    place = Place(socket_path)
    yield place
    place.stop()


@pytest.fixture
def connect(socket_path):
    """Make clients that end with the test."""
    clients = []

    def make(name="client", **settings):
        clients.append(BrokerClient(socket_path, name, **{"answer_seconds": 2.0, **settings}))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
