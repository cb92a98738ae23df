"""Peers that die, stall or stop half-way: what they held is freed, and nobody else notices."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mycelium.client import DELIVER, PUBLISH, PUBLISH_ACK, SUBSCRIBE, Got, frame
from tests.mycelium.conftest import topic
from tests.mycelium.test_topics import numbered
from tests.waiting import until

pytestmark = pytest.mark.servers


def active(broker):
    """Connections besides the one that asks."""
    return broker.stats()["connections"]["active"] - 1


def test_a_frame_cut_by_its_publishers_death_is_not_delivered(broker):
    subscriber, healthy = broker.subscriber("signals"), broker.client()
    dying = broker.client()
    dying.send(frame(PUBLISH, "signals", b"whole") + frame(PUBLISH, "signals", bytes(1000))[:500])
    assert subscriber.deliveries(1) == [b"whole"]
    before = active(broker)
    dying.close()
    until(lambda: active(broker) == before - 1, "the dead to be forgotten")
    healthy.publish("signals", b"after")
    assert subscriber.deliveries(1) == [b"after"]
    assert subscriber.until_pong() == []


def test_a_long_frame_cut_by_its_publishers_death_leaves_nothing(start):
    broker = start(topic("huge", largest=8 << 20))
    subscriber, healthy = broker.subscriber("huge"), broker.client()
    payload = os.urandom(5 << 20)
    before = broker.rss()
    for _ in range(20):
        dying = broker.client()
        dying.send(frame(PUBLISH, "huge", payload)[: 4 << 20])
        dying.close()
    healthy.publish("huge", payload, b"small", payload)
    assert subscriber.deliveries(3) == [payload, b"small", payload]
    assert broker.rss() - before < 40 << 20


def test_everything_a_publisher_wrote_before_it_closed_is_delivered(broker):
    subscriber = broker.subscriber("market_data")
    messages = numbered(2000, 500)
    publisher = broker.client()
    publisher.publish("market_data", *messages)
    publisher.close()
    assert subscriber.deliveries(2000) == messages


def test_everything_is_taken_from_a_publisher_that_died_while_it_waited(start):
    broker = start(topic("t", buffer=100, overflow="block"))
    subscriber, publisher = broker.subscriber("t"), broker.client()
    code = (
        "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
        "s.sendall(bytes.fromhex(sys.argv[2]) * 450)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, broker.path, frame(PUBLISH, "t", bytes(1000)).hex()], timeout=20, check=True
    )
    cpu = broker_cpu(broker)
    assert broker.topic("t")["depth"] <= 100
    assert len(subscriber.deliveries(450)) == 450
    assert publisher.until_pong() == []
    assert broker_cpu(broker) - cpu < 1.0


def broker_cpu(broker):
    """Seconds of processor time it has used."""
    fields = Path(f"/proc/{broker.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_subscriber_killed_in_the_middle_does_not_cut_anybody_elses_frame(broker):
    publisher, healthy = broker.client(), broker.subscriber("market_data")
    code = (
        "import socket, sys, time\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
        "s.sendall(bytes.fromhex(sys.argv[2]))\ns.recv(100)\nprint('ready', flush=True)\ntime.sleep(60)\n"
    )
    victim = subprocess.Popen(
        [sys.executable, "-c", code, broker.path, frame(SUBSCRIBE, "market_data").hex()], stdout=subprocess.PIPE
    )
    assert victim.stdout
    victim.stdout.readline()
    messages = numbered(300, 5000)
    publisher.publish("market_data", *messages)
    assert healthy.deliveries(300) == messages
    held = broker.topic("market_data")
    assert held["depth"] > 0
    victim.kill()
    victim.wait()
    until(lambda: broker.topic("market_data")["subscribers"] == 1, "the dead to be forgotten")
    publisher.publish("market_data", *messages)
    assert healthy.deliveries(300) == messages
    seen = broker.topic("market_data")
    assert (seen["depth"], seen["dropped_disconnected"]) == (0, held["depth"])
    assert seen["copies"] == seen["delivered"] + seen["dropped_disconnected"]


def test_a_frozen_peer_disturbs_nobody(broker):
    code = (
        "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
        "s.sendall(bytes.fromhex(sys.argv[2]))\nprint('ready', flush=True)\nn = 0\n"
        "while True: n += len(s.recv(100000))\n"
    )
    frozen = subprocess.Popen(
        [sys.executable, "-c", code, broker.path, frame(SUBSCRIBE, "signals").hex()], stdout=subprocess.PIPE
    )
    assert frozen.stdout
    frozen.stdout.readline()
    until(lambda: broker.topic("signals")["subscribers"] == 1, "the subscription")
    frozen.send_signal(signal.SIGSTOP)
    try:
        subscriber, publisher = broker.subscriber("signals"), broker.client()
        messages = numbered(3000, 1000)
        publisher.publish("signals", *messages)
        assert subscriber.deliveries(3000) == messages
    finally:
        frozen.kill()
        frozen.wait()


def test_a_half_closed_publisher_gets_its_answers_and_then_the_end(broker):
    subscriber, publisher = broker.subscriber("signals"), broker.client()
    publisher.publish("signals", *numbered(100), ack=True)
    publisher.socket.shutdown(socket.SHUT_WR)
    got = publisher.until_closed()
    assert got[-1] == Got(PUBLISH_ACK, "signals", struct.pack("<Q", 100))
    assert subscriber.deliveries(100) == numbered(100)


def test_a_half_closed_subscriber_gets_what_was_published_before(broker):
    subscriber, publisher = broker.subscriber("market_data"), broker.client()
    messages = numbered(2000, 1000)
    publisher.publish("market_data", *messages)
    publisher.until_pong()
    subscriber.socket.shutdown(socket.SHUT_WR)
    until(lambda: broker.topic("market_data")["subscribers"] == 0, "it to be no subscriber any more")
    publisher.publish("market_data", b"too late")
    got = subscriber.until_closed()
    assert [one.payload for one in got] == messages
    assert {one.opcode for one in got} == {DELIVER}


def test_one_that_never_reads_its_rest_is_closed_after_the_timeout(start):
    broker = start(connection_timeout_ms=300)
    subscriber, publisher = broker.subscriber("market_data"), broker.client()
    publisher.publish("market_data", *numbered(2000, 1000))
    publisher.until_pong()
    subscriber.socket.shutdown(socket.SHUT_WR)
    until(lambda: active(broker) == 1, "it to be closed", 3)
    seen = broker.topic("market_data")
    assert seen["depth"] == 0
    assert seen["copies"] == seen["delivered"] + seen["dropped_disconnected"] == 2000


def test_a_hundred_and_fifty_subscribers_and_a_flood_of_connections(start):
    broker = start(topic("t", buffer=10_000), max_connections=200)
    subscribers = [broker.subscriber("t") for _ in range(150)]
    for _ in range(500):
        broker.client().close()
    publisher = broker.admitted()
    messages = numbered(200, 100)
    publisher.publish("t", *messages)
    for subscriber in subscribers:
        assert subscriber.deliveries(200) == messages
    for subscriber in subscribers:
        subscriber.close()
    until(lambda: active(broker) == 1, "all to be forgotten")
    seen = broker.topic("t")
    assert (seen["copies"], seen["delivered"], seen["subscribers"]) == (30_000, 30_000, 0)
