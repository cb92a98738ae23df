"""The pages over HTTP, and that scraping them is no burden."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from contextlib import suppress

import pytest

from tests.mycelium.client import PUBLISH, frame
from tests.mycelium.conftest import topic
from tests.mycelium.test_topics import numbered
from tests.waiting import until

pytestmark = pytest.mark.servers
LEGACY = [
    "signals_received", "signals_broadcasted", "broadcast_errors", "unknown_messages", "total_connections",
    "active_connections", "registered_consumers", "connection_errors", "cleanup_runs", "consumers_cleaned",
    "last_cleanup_duration_ms", "started_at",
]  # fmt: skip


def values(broker):
    status, text = broker.get("/metrics")
    assert status == 200
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r'[a-z_]+(\{topic="[^"]*"\})? [-+.e0-9]+', line) for line in lines), lines
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}


def test_the_page_agrees_with_what_happened_and_with_the_statistics(start):
    broker = start(metrics=True)
    subscriber, publisher = broker.subscriber("market_data"), broker.client()
    publisher.publish("market_data", *numbered(50))
    publisher.publish("signals", *numbered(7))
    publisher.publish("execution", *numbered(9))
    publisher.send(frame(PUBLISH, "nowhere"))
    publisher.publish("execution", bytes(16_385))
    publisher.receive(), publisher.receive()
    subscriber.deliveries(50)
    page = values(broker)
    assert page['mycelium_published_total{topic="market_data"}'] == 50
    assert page['mycelium_delivered_total{topic="market_data"}'] == 50
    assert page['mycelium_subscribers{topic="market_data"}'] == 1
    assert page['mycelium_dropped_no_subscriber_total{topic="signals"}'] == 7
    assert page['mycelium_depth{topic="execution"}'] == page['mycelium_high_water{topic="execution"}'] == 9
    assert page['mycelium_rejected_too_large_total{topic="execution"}'] == 1
    assert page["mycelium_unknown_topic_total"] == page["unknown_messages"] == 1
    assert page["mycelium_connections_active"] == page["active_connections"] == 2
    assert (page["signals_received"], page["signals_broadcasted"], page["registered_consumers"]) == (66, 50, 1)
    assert abs(page["started_at"] - time.time()) < 60
    stats = publisher.stats()
    for name, seen in stats["topics"].items():
        for key, value in seen.items():
            if not isinstance(value, str):
                suffix = "" if key in ("subscribers", "depth", "high_water") else "_total"
                assert page[f'mycelium_{key}{suffix}{{topic="{name}"}}'] == value


def test_every_legacy_name_is_there(start):
    page = values(start(metrics=True))
    assert [name for name in LEGACY if name not in page] == []


def test_health_and_what_is_not_there(start):
    broker = start(metrics=True)
    status, text = broker.get("/health")
    assert (status, json.loads(text)["status"]) == (200, "ok")
    assert broker.get("/elsewhere")[0] == 404


def test_a_broker_without_a_port_listens_on_none(broker):
    assert "metrics_port" not in broker.file.read_text()
    assert broker.stop() == 0


def test_bad_readers_of_the_pages_disturb_nobody(start):
    broker = start(metrics=True)
    begun = time.monotonic()
    silent = [socket.create_connection(("127.0.0.1", broker.metrics_port)) for _ in range(40)]
    silent[0].sendall(b"x" * 20_000)
    silent[1].sendall(b"\xff\xfe\r\n\r\n")
    subscriber, publisher = broker.subscriber("signals"), broker.client()
    publisher.publish("signals", b"x")
    assert subscriber.deliveries(1) == [b"x"]
    for one in (silent[0], silent[39]):  # too long, and too many
        one.settimeout(20)
        with suppress(ConnectionResetError):
            assert one.recv(100) == b""
    silent[2].setblocking(False)
    with suppress(BlockingIOError):  # it is still open, so it was not their age that the others were closed for
        assert silent[2].recv(1) == b""
        assert time.monotonic() - begun > 5
    for one in silent:
        one.close()
    until(lambda: broker.get("/health")[0] == 200, "the page to answer again")


def test_statistics_balance_at_every_moment_of_a_busy_time(start):
    broker = start(topic("t", buffer=200), topic("b", buffer=200, overflow="block"), topic("q", "Queue", buffer=200))
    readers = [broker.subscriber("t", "b", "q") for _ in range(3)]
    over = threading.Event()

    def read(client, pause):
        client.socket.settimeout(None)
        while client.socket.recv(50_000):
            over.wait(pause)

    def publish(client, name):
        client.socket.settimeout(None)
        try:
            while not over.is_set():
                client.publish(name, *numbered(100, 900))
        except OSError:
            pass

    writers = [(broker.client(), name) for name in ("t", "b", "q")]
    threads = [threading.Thread(target=read, args=(client, n * 0.005), daemon=True) for n, client in enumerate(readers)]
    threads += [threading.Thread(target=publish, args=writer, daemon=True) for writer in writers]
    for thread in threads:
        thread.start()
    asking = broker.client()
    for _ in range(200):
        for name, seen in asking.stats()["topics"].items():
            parts = seen["delivered"] + seen["lagged"] + seen["dropped_disconnected"] + seen["depth"]
            assert seen["copies"] == parts, (name, seen)
            assert seen["high_water"] <= 200, (name, seen)
            if name == "q":
                assert seen["copies"] == seen["published"]
    assert asking.stats()["topics"]["t"]["lagged"] > 0
    over.set()
    for client in readers:
        client.socket.shutdown(socket.SHUT_RDWR)
    until(lambda: all(seen["subscribers"] == 0 for seen in broker.stats()["topics"].values()), "the readers to be gone")
    seen = broker.topic("b")
    assert seen["copies"] == seen["delivered"] + seen["dropped_disconnected"]
    assert (seen["lagged"], seen["depth"]) == (0, 0)
