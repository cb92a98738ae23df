"""The broker in this process, one turn after another: what a turn costs the others, and what is left behind."""

from __future__ import annotations

import logging
import socket
import struct
import time

import pytest

from reference.mycelium import broker as broker_module
from reference.mycelium.broker import Broker
from reference.mycelium.config import PerformanceSettings, ServerSettings, Settings, TopicSettings
from reference.mycelium.parts import Parts
from tests.mycelium.client import PING, PUBLISH, STATS, SUBSCRIBE, frame

PONG = frame(10)


@pytest.fixture(autouse=True)
def small_socket_buffers(monkeypatch):
    monkeypatch.setattr(broker_module, "SEND_BUFFER", 4096)


class Inside:
    """A broker without a program around it; sockets of its clients do not block."""

    def __init__(self, *topics, batch=1000, interval=0, connections=100):
        server = ServerSettings("127.0.0.1", "/nowhere", connections, 60_000)
        topics = topics or (TopicSettings("t", "Fanout", 10, 10_000, "block"),)
        self.broker = Broker(Settings(server, topics, PerformanceSettings(1, 1, batch, interval)), Parts())

    def connect(self, sending=1 << 20):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sending)
        self.broker.admit(theirs)
        return ours, self.broker.peers[theirs.fileno()]

    def subscriber(self, *topics):
        ours, peer = self.connect()
        ours.send(b"".join(frame(SUBSCRIBE, topic) for topic in topics))
        self.turns(2)
        ours.recv(1000)
        return ours, peer

    def turns(self, count=20):
        for _ in range(count):
            self.broker.turn(0)

    def topic(self, name="t"):
        return self.broker.registry.by_name[name.encode()]


def stalled(inside, name="t"):
    """A subscriber that reads nothing, of a topic that is full; its peer; and a publisher that waits for it."""
    reader = inside.subscriber(name)
    publisher, peer = inside.connect()
    publisher.send(frame(PUBLISH, name, bytes(1000)) * 100)
    inside.turns()
    assert inside.topic(name).waiting == [peer]
    return *reader, publisher


def test_a_dead_publisher_that_waits_is_no_event_and_no_connection():
    inside = Inside()
    reader, _, publisher = stalled(inside)
    assert inside.broker.traffic.connections_active == 2
    publisher.close()
    inside.turns()
    assert inside.broker.epoll.poll(0) == []
    assert inside.broker.traffic.connections_active == 1
    got = 0
    for _ in range(100):
        inside.turns(5)
        try:
            got += len(reader.recv(1 << 20))
        except BlockingIOError:
            break
    assert got == 100 * len(frame(PUBLISH, "t", bytes(1000)))
    assert len(inside.broker.peers) == 1


def test_one_that_is_being_closed_is_released_as_soon_as_its_other_end_is():
    inside = Inside()
    reader, peer, publisher = stalled(inside)
    reader.shutdown(socket.SHUT_WR)
    inside.turns()
    assert peer.deadline is not None
    assert peer.fd in inside.broker.peers
    reader.close()
    inside.turns()
    assert peer.fd not in inside.broker.peers
    publisher.close()


def test_what_was_dropped_leaves_nothing_behind():
    topics = [TopicSettings(name, "Fanout", 10, 10_000, "drop_oldest") for name in ("rare", "often")]
    inside = Inside(*topics)
    reader, peer = inside.subscriber("rare", "often")
    publisher, _ = inside.connect()
    publisher.send(frame(PUBLISH, "often", bytes(1000)) * 20 + frame(PUBLISH, "rare", b"x"))
    inside.turns()
    for n in range(3000):
        publisher.send(frame(PUBLISH, "often", bytes(100)) + frame(PUBLISH, "rare", b"%d" % n))
        inside.turns(2)
    assert inside.topic("often").depth == 10, reader
    assert len(peer.outbox._items) < 200


def test_answers_that_nobody_reads_are_bounded_however_short_the_questions():
    inside = Inside()
    greedy, peer = inside.connect()
    greedy.send(frame(STATS) * 20_000)
    inside.turns()
    assert peer.unhandled
    assert 256 * 1024 < peer.outbox.answer_bytes < 260 * 1024


def test_a_place_that_becomes_free_in_a_turn_is_given_away_in_the_same(tmp_path):
    inside = Inside(connections=1)
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as second:
        listener.bind(str(path))
        listener.listen()
        listener.setblocking(False)
        inside.broker.listen(listener)
        first, _ = inside.connect()
        second.connect(str(path))
        second.send(frame(PING))
        first.close()
        inside.turns()
        assert second.recv(100) == PONG


def test_waiting_publishers_are_served_in_turn():
    inside = Inside()
    reader, _ = inside.subscriber("t")
    publishers = [inside.connect()[0] for _ in range(4)]
    for number, publisher in enumerate(publishers):
        publisher.send(frame(PUBLISH, "t", struct.pack("<I", number) + bytes(500)) * 400)
    inside.turns()
    shares = [0] * len(publishers)
    size = len(frame(PUBLISH, "t", bytes(504)))
    stream = b""
    for _ in range(60):
        try:
            stream += reader.recv(1 << 20)
        except BlockingIOError:
            pass
        inside.turns(3)
    for at in range(0, len(stream) - size + 1, size):
        shares[struct.unpack_from("<I", stream, at + 9)[0]] += 1
    assert sum(shares) < 1600, "the reader was too fast to tell"
    assert min(shares) > sum(shares) / 8, shares


def test_a_busy_publisher_has_its_turns_and_no_more():
    inside = Inside(TopicSettings("t", "Fanout", 100_000, 10_000, "drop_oldest"), batch=10)
    busy, peer = inside.connect()
    other, _ = inside.connect()
    busy.send(frame(PUBLISH, "t", b"x") * 5000)
    inside.turns(1)
    other.send(frame(PING))
    inside.turns(2)
    assert other.recv(100) == PONG
    assert peer.unhandled
    assert inside.topic().published <= 40


def test_a_publisher_is_paced_by_its_readers_but_not_for_ever():
    inside = Inside(TopicSettings("t", "Fanout", 10_000, 10_000, "block"), interval=20)
    reader, _ = inside.subscriber("t")
    publisher, peer = inside.connect()
    message = frame(PUBLISH, "t", bytes(1000))
    publisher.send(message * 100)
    inside.turns(3)
    assert inside.topic().published == 100
    publisher.send(message)
    inside.turns(3)
    assert inside.topic().published == 100, "it was read although its reader is behind"
    end = time.monotonic() + 5
    while inside.topic().published == 100:
        assert time.monotonic() < end
        inside.broker.turn(0.1)
    publisher.send(message)
    inside.turns(3)
    assert peer.paced_by is inside.topic()
    for _ in range(100):
        inside.turns(2)
        try:
            reader.recv(1 << 20)
        except BlockingIOError:
            break
    assert inside.topic().published == 102
    assert not inside.broker.paced


def test_one_that_is_closed_between_two_polls_is_released_without_another_event():
    inside = Inside(batch=1)
    client, peer = inside.connect()
    client.send(frame(PING) + bytes(4))
    inside.turns(1)  # the second frame ends it, after the last event of this turn
    assert peer.fd in inside.broker.peers
    begun = time.monotonic()
    inside.broker.turn(5)
    assert peer.fd not in inside.broker.peers
    assert time.monotonic() - begun < 1


def test_a_mistake_of_the_program_ends_one_connection(monkeypatch, caplog):
    inside = Inside()
    victim, _ = inside.connect()
    other, _ = inside.connect()
    monkeypatch.setitem(inside.broker.answers._handlers, 11, lambda *_: 1 / 0)
    victim.send(frame(STATS))
    other.send(frame(PING))
    with caplog.at_level(logging.CRITICAL):
        inside.turns()
    assert other.recv(100) == PONG
    assert victim.recv(100) == b""
    assert len(inside.broker.peers) == 1
