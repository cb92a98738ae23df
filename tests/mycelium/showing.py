"""Scenarios that show a defect of the broker: how they are kept, and what several of them need."""

from __future__ import annotations

from collections.abc import Callable

from environments.embedded.ports import Ports
from reference.mycelium.defects import Defect
from tests.mycelium.client import (
    DELIVER,
    Closed,
)
from tests.mycelium.conftest import Broker, configuration, topic

TOPICS = (
    topic("market_data", buffer=100_000, largest=65_536),
    topic("signals", buffer=100_000, largest=32_768),
    topic("execution", "Queue", buffer=25_000, largest=16_384),
    topic("large", "Queue", buffer=25_000, largest=65_536),
    topic("slow", buffer=100, largest=65_536),
)
Wrong = Callable[[Broker], bool]
WRONG: dict[Defect, Wrong] = {}
ALONE: dict[Defect, Wrong] = {}  # those that end the broker or change what others rely on


def shows(defect, *, alone=False):
    def keep(scenario):
        (ALONE if alone else WRONG)[defect] = scenario
        return scenario

    return keep


def start(directory, *options, **environment) -> Broker:
    port = Ports().choose()
    text = configuration(
        directory, *TOPICS, server=f"metrics_port = {port}", max_connections=150, connection_timeout_ms=5000
    )
    broker = Broker(directory, text, *options, **environment)
    broker.metrics_port = port
    return broker


def seen_by(broker, name, payloads, *, one_by_one=False):
    """Publish to a fanout topic; return what its one subscriber saw, up to a pong."""
    subscriber, publisher = broker.subscriber(name), broker.client()
    got = []
    for first in range(0, len(payloads), 1 if one_by_one else 500):
        publisher.publish(name, *payloads[first : first + (1 if one_by_one else 500)])
        publisher.until_pong()
        got += [one.payload for one in subscriber.until_pong() if one.opcode == DELIVER]
    return got


def refused(client, seconds=10.0):
    """Whether there was no place for a client."""
    try:
        return client.until_pong(seconds=seconds) is None
    except (Closed, BrokenPipeError):
        return True
