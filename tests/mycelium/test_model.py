"""The broker in this process, turn by turn, against a model that only counts: whatever the order of what happens."""

from __future__ import annotations

import socket
import struct
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from reference.mycelium import broker as broker_module
from reference.mycelium.broker import Broker
from reference.mycelium.config import PerformanceSettings, ServerSettings, Settings, TopicSettings
from reference.mycelium.parts import Parts
from reference.mycelium.peer import Peer
from tests.mycelium.client import (
    DELIVER,
    ERROR,
    LAGGED,
    PING,
    PONG,
    PUBLISH,
    SUBSCRIBE,
    SUBSCRIBE_ACK,
    UNSUBSCRIBE,
    UNSUBSCRIBE_ACK,
    Got,
    frame,
)

TOPICS = {
    "drops": ("Fanout", "drop_oldest"),
    "blocks": ("Fanout", "block"),
    "work": ("Queue", "block"),
    "lossy": ("Queue", "drop_oldest"),
}
FANOUTS = ("drops", "blocks")
MOST_WATCHERS = 4  # at once
SIZES = st.sampled_from([8, 9, 100, 500, 500, 1000, 1000, 2000, 3000, 5000] * 3 + [70_000, 150_000])


@dataclass(eq=False)
class Watcher:
    """A subscriber: what it was told, and what of each fanout topic it is to get (windows of message numbers)."""

    socket: socket.socket
    peer: Peer
    buffer: bytearray = field(default_factory=bytearray)
    windows: dict[str, list[list[int | None]]] = field(default_factory=lambda: defaultdict(list))
    due: dict[str, int] = field(default_factory=lambda: defaultdict(int))  # how many of those it got or lost
    got: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    lost: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    answers: list[Got] = field(default_factory=list)

    def expected(self, topic: str, published: int) -> list[int]:
        return [n for a, b in self.windows[topic] for n in range(a or 0, published if b is None else b)]


class BrokerMachine(RuleBasedStateMachine):
    watchers = Bundle("watchers")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[Watcher] = []
        self.all: list[Watcher] = []
        self.worker_closed = False

    @initialize(
        batch=st.sampled_from([1, 3, 1000]),
        interval=st.sampled_from([0, 1]),
        size=st.sampled_from([1, 2, 5]),
        piece=st.sampled_from([11, 700, 1 << 20]),
    )
    def start(self, batch, interval, size, piece):
        self.size, self.piece = size, piece  # of the topics' buffers; bytes of one write, when few are to be written
        topics = tuple(TopicSettings(name, kind, size, 200_000, overflow) for name, (kind, overflow) in TOPICS.items())
        server = ServerSettings("127.0.0.1", "/nowhere", 100, 5000)
        performance = PerformanceSettings(1, 1, batch, interval)
        self.broker = Broker(Settings(server, topics, performance), Parts())
        self.publishers = {name: self.connect() for name in TOPICS}
        self.unsent = {name: bytearray() for name in TOPICS}
        self.next = dict.fromkeys(TOPICS, 0)

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 100_000)
        self.broker.admit(theirs)
        return ours

    def watcher(self) -> Watcher:
        before = set(self.broker.peers)
        ours = self.connect()
        (fd,) = set(self.broker.peers) - before
        return Watcher(ours, self.broker.peers[fd])

    def settle(self) -> None:
        """Give the broker turns until nothing changes any more."""
        still = 0
        seen = None
        while still < 3:
            for name, data in self.unsent.items():
                try:
                    del data[: self.publishers[name].send(data[: self.piece if len(data) < 3000 else None])]
                except BlockingIOError:
                    pass
            self.broker.turn(0.002 if self.broker.paced else 0)
            traffic = self.broker.traffic
            now = (
                traffic.bytes_in,
                traffic.frames_in,
                traffic.bytes_out,
                traffic.clean_ups,
                sum(map(len, self.unsent.values())),
            )
            still, seen = (still + 1, now) if now == seen and not self.broker.paced else (0, now)

    def topic(self, name: str):
        return self.broker.registry.by_name[name.encode()]

    @precondition(lambda self: len(self.open) < MOST_WATCHERS)
    @rule(target=watchers, names=st.lists(st.sampled_from([*TOPICS, *FANOUTS]), min_size=1, max_size=3))
    def arrive(self, names):
        new = self.watcher()
        self.open.append(new)
        self.all.append(new)
        for name in names:
            self.subscribe(new, name)
        return new

    @rule(name=st.sampled_from([*TOPICS, *FANOUTS]), sizes=st.lists(SIZES, min_size=1, max_size=12))
    def publish(self, name, sizes):
        for size in sizes:
            payload = struct.pack("<Q", self.next[name]) + bytes(size - 8)
            self.unsent[name] += frame(PUBLISH, name, payload)
            self.next[name] += 1
        self.settle()

    @rule(watcher=watchers, name=st.sampled_from(list(TOPICS)))
    def subscribe(self, watcher, name):
        published = self.topic(name).published
        watcher.socket.send(frame(SUBSCRIBE, name))
        windows = watcher.windows[name]
        if not windows or windows[-1][1] is not None:
            windows.append([published, None])
        self.settle()

    @rule(watcher=watchers, name=st.sampled_from(list(TOPICS)))
    def unsubscribe(self, watcher, name):
        published = self.topic(name).published
        watcher.socket.send(frame(UNSUBSCRIBE, name))
        windows = watcher.windows[name]
        if windows and windows[-1][1] is None:
            windows[-1][1] = published
        self.settle()

    @rule(watcher=watchers, size=st.sampled_from([1, 100, 1000, 3000, 5000, 20_000, 500_000]))
    def read(self, watcher, size):
        self.take(watcher, size)
        self.settle()

    @rule(watcher=consumes(watchers))
    def leave(self, watcher):
        self.open.remove(watcher)
        watcher.socket.close()
        self.worker_closed |= any(watcher.windows[name] for name in ("work", "lossy"))
        self.settle()

    def take(self, watcher, size) -> int:
        try:
            data = watcher.socket.recv(size)
        except BlockingIOError:
            return 0
        watcher.buffer += data
        while len(watcher.buffer) >= 8:
            body, opcode, _, name = struct.unpack_from("<IBBH", watcher.buffer)
            if len(watcher.buffer) < 4 + body:
                break
            topic, payload = bytes(watcher.buffer[8 : 8 + name]).decode(), bytes(watcher.buffer[8 + name : 4 + body])
            del watcher.buffer[: 4 + body]
            self.told(watcher, Got(opcode, topic, payload))
        return len(data)

    def told(self, watcher, got):
        if got.opcode == DELIVER:
            (number,) = struct.unpack_from("<Q", got.payload)
            watcher.got[got.topic].append(number)
            if got.topic in FANOUTS:
                expected = watcher.expected(got.topic, self.topic(got.topic).published)
                assert number == expected[watcher.due[got.topic]], (got.topic, number, expected, watcher.due)
                watcher.due[got.topic] += 1
        elif got.opcode == ERROR:
            assert got.code == LAGGED
            assert got.lost > 0
            watcher.lost[got.topic] += got.lost
            watcher.due[got.topic] += got.lost
        else:
            assert got.opcode in (SUBSCRIBE_ACK, UNSUBSCRIBE_ACK, PONG)
            watcher.answers.append(got)

    @invariant()
    def it_balances(self):
        if not hasattr(self, "broker"):
            return
        for name in FANOUTS:
            topic = self.topic(name)
            assert topic.copies + topic.dropped_no_subscriber >= topic.published
            assert topic.depth >= 0
            assert topic.depth == sum(
                s.depth for peer in self.broker.peers.values() for s in peer.subscriptions.values() if s.topic is topic
            )
        for name, (routing, overflow) in TOPICS.items():
            topic = self.topic(name)
            assert not topic.waiting or topic.room() <= 0, "a publisher waits for nothing"
            assert topic.copies == topic.delivered + topic.lagged + topic.dropped_disconnected + topic.depth
            assert topic.high_water <= self.size
            if routing == "Queue":
                assert topic.copies == topic.published
            if overflow == "block":
                assert topic.lagged == 0
            else:
                assert topic.published == self.next[name], "nobody waits for a topic that drops"

    def teardown(self):
        if not hasattr(self, "broker"):
            return
        self.settle()
        while sum(self.take(watcher, 1 << 20) for watcher in self.open):
            self.settle()
        for watcher in self.open:
            self.has_everything(watcher)
        assert all(self.topic(name).depth == 0 for name in FANOUTS)
        if len(self.open) == len(self.all):
            for name in TOPICS:
                told = sum(len(watcher.got[name]) for watcher in self.all)
                assert self.topic(name).delivered == told, "counted is what was delivered"
        if any(watcher.windows["blocks"] for watcher in self.all):
            assert self.topic("blocks").published == self.next["blocks"], "the publisher still waits for nobody"
        self.empty_queues()
        for end in [*self.publishers.values(), *(watcher.socket for watcher in self.all)]:
            end.close()
        self.settle_closed()

    def has_everything(self, watcher):
        assert not watcher.buffer, "half a frame was delivered"
        for name in FANOUTS:
            mine = watcher.peer.subscriptions.get(name.encode())
            untold = mine.lost if mine else 0  # dropped, and no message came after that
            assert watcher.due[name] + untold == len(watcher.expected(name, self.topic(name).published))

    def empty_queues(self):
        last = self.watcher()
        self.all.append(last)
        last.socket.send(frame(SUBSCRIBE, "work") + frame(SUBSCRIBE, "lossy"))
        self.settle()
        while self.take(last, 1 << 20):
            self.settle()
        for name in ("work", "lossy"):
            topic = self.topic(name)
            assert (topic.depth, topic.published) == (0, self.next[name])
            got = [number for watcher in self.all for number in watcher.got[name]]
            assert len(got) == len(set(got)), "a message of a queue was delivered twice"
            if not self.worker_closed:
                assert len(got) + sum(watcher.lost[name] for watcher in self.all) == topic.published

    def settle_closed(self):
        for _ in range(200):
            self.broker.turn(0.002)
            if not self.broker.peers:
                break
        assert not self.broker.peers, "a peer that left is still there"
        for name in TOPICS:
            topic = self.topic(name)
            assert (topic.subscriptions, topic.waiting, topic.paced) == ([], [], [])
        self.broker.close()


@pytest.fixture(autouse=True)
def small_socket_buffers(monkeypatch):
    monkeypatch.setattr(broker_module, "SEND_BUFFER", 4096)


TestBroker = BrokerMachine.TestCase
TestBroker.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking would take minutes
)


def test_a_ping_is_answered_while_others_wait():
    machine = BrokerMachine()
    machine.start(1000, 0, 5, 1 << 20)
    watcher = machine.watcher()
    machine.open, machine.all = [watcher], [watcher]
    machine.subscribe(watcher, "blocks")
    machine.publish("blocks", [70_000] * 10)
    assert machine.topic("blocks").published < 10
    other = machine.watcher()
    other.socket.send(frame(PING))
    machine.settle()
    machine.take(other, 100)
    assert other.answers == [Got(PONG)]
    machine.open.append(other)
    machine.all.append(other)
    machine.teardown()
