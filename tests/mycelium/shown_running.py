"""Defects in how the broker starts, reloads, ends, cleans up and keeps up."""

from __future__ import annotations

import signal
import socket
import time

from environments.embedded.ports import Ports
from reference.mycelium.defects import Defect
from tests.mycelium.client import (
    DELIVER,
    Client,
    Closed,
)
from tests.mycelium.conftest import Broker, configuration, topic
from tests.mycelium.showing import TOPICS, refused, shows
from tests.mycelium.test_topics import numbered
from tests.waiting import until


@shows(Defect.LOSES_BUFFER_ON_DRAIN, alone=True)
def loses_buffer(broker):
    subscriber, publisher = broker.subscriber("market_data"), broker.client()
    publisher.publish("market_data", *numbered(40_000, 1000))  # more than can be read before the signal is seen
    publisher.until_pong()
    broker.process.send_signal(signal.SIGTERM)
    got = 0
    try:
        while subscriber.receive().opcode == DELIVER:
            got += 1
    except Closed:
        pass
    return got < 40_000


@shows(Defect.LEAVES_SOCKET, alone=True)
def leaves_socket(broker):
    assert broker.stop() == 0
    return broker.path.exists()


@shows(Defect.STUMBLES_OVER_ITS_SOCKET, alone=True)
def stumbles_over_its_socket(broker):
    assert broker.stop() == 0
    again = Broker(broker.directory / "again", configuration(broker.directory, *TOPICS), *broker.options)
    try:
        until(
            lambda: again.process.poll() is not None or "INFO ready" in again.log.read_text(), "its return or its end"
        )
        return again.process.poll() == 2
    finally:
        again.end()


@shows(Defect.STEALS_SOCKET, alone=True)
def steals_socket(broker):
    identity = broker.path.stat().st_ino
    port = Ports().choose()
    text = configuration(broker.directory, *TOPICS, server=f"metrics_port = {port}")
    second = Broker(broker.directory / "second", text, *broker.options)
    try:
        until(lambda: second.process.poll() is not None or broker.path.stat().st_ino != identity, "the second broker")
        return second.process.poll() is None
    finally:
        second.end()


def reload(broker, *topics):
    asking = broker.client()
    before = asking.stats()["reloads"]["ok"]
    text = configuration(broker.directory, *topics, server=f"metrics_port = {broker.metrics_port}", max_connections=150)
    broker.file.write_text(text)
    broker.process.send_signal(signal.SIGHUP)
    until(lambda: asking.stats()["reloads"]["ok"] == before + 1, "the reload")


@shows(Defect.FORGETS_SUBSCRIPTIONS_ON_RELOAD, alone=True)
def forgets_subscriptions(broker):
    subscriber, publisher = broker.subscriber("signals"), broker.client()
    reload(broker, *TOPICS)
    publisher.publish("signals", b"x")
    publisher.until_pong()
    return subscriber.until_pong() == []


@shows(Defect.IGNORES_RELOAD, alone=True)
def ignores_reload(broker):
    reload(broker, *TOPICS, topic("new"))
    return "new" not in broker.stats()["topics"]


@shows(Defect.SLOW_ROUTING)
def slow_routing(broker):
    subscriber, publisher = broker.subscriber("signals"), broker.client()
    taken = []
    for n in range(200):
        begun = time.perf_counter()
        publisher.publish("signals", b"%d" % n)
        subscriber.deliveries(1)
        taken.append(time.perf_counter() - begun)
    return sorted(taken)[20] > 300e-6


@shows(Defect.NEVER_FREES_DEAD_PEERS)
def never_frees(broker):
    asking = broker.client()
    before = asking.stats()["connections"]["active"]
    for _ in range(20):
        client = Client(broker.path)
        client.subscribe("signals")
        client.close()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        if asking.stats()["connections"]["active"] == before:
            return False
    return asking.stats()["topics"]["signals"]["subscribers"] == 20


@shows(Defect.HALF_DELIVERS)
def half_delivers(broker):
    dying, healthy, publisher = broker.subscriber("signals"), broker.subscriber("signals"), broker.client()
    dying.close()
    until(lambda: broker.topic("signals")["subscribers"] == 1, "it to be gone")
    publisher.publish("signals", bytes(100), bytes(100))
    publisher.until_pong()
    try:
        return [one.payload for one in healthy.until_pong(seconds=1)] != [bytes(100)] * 2
    except (AssertionError, UnicodeDecodeError, TimeoutError):
        return True


@shows(Defect.HANGS_ON_FLOOD, alone=True)
def hangs(broker):
    for _ in range(300):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(broker.path))
    try:
        until(lambda: not refused(broker.client(), 3), "a place", 3)
    except (TimeoutError, AssertionError):
        return True
    return False
