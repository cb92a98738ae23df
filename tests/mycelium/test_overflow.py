"""A reader that does not read: what the two policies promise, and that its neighbours do not notice."""

from __future__ import annotations

import threading
import time

import pytest

from tests.mycelium.client import DELIVER, ERROR, PING, PONG, PUBLISH, Got, frame
from tests.mycelium.conftest import topic
from tests.mycelium.test_topics import numbered
from tests.waiting import until

pytestmark = pytest.mark.servers
MIB = 1 << 20


class Flood(threading.Thread):
    """Publishes numbered messages until it is told to stop; `sent` have been written completely."""

    def __init__(self, client, name, size=1000, limit=10**9):
        super().__init__(daemon=True)
        self.client, self.topic, self.size, self.limit = client, name, size, limit
        self.sent = 0
        self.over = threading.Event()

    def run(self):
        self.client.socket.settimeout(None)
        while self.sent < self.limit and not self.over.is_set():
            batch = [b"%08d" % n + bytes(self.size - 8) for n in range(self.sent, self.sent + 100)]
            try:
                self.client.publish(self.topic, *batch)
            except OSError:
                return
            self.sent += 100

    def stands_still(self):
        before = self.sent
        time.sleep(0.2)  # the property itself: nothing happens for a while
        return before and self.sent == before


def read_numbers(client, until_number):
    """Read messages and notices up to one number; return the numbers and what notices said was lost before which."""
    numbers: list[int] = []
    lost: dict[int, int] = {}
    pending = 0
    while not numbers or numbers[-1] < until_number:
        got = client.receive()
        if got.opcode == ERROR:
            pending += got.lost
            continue
        assert got.opcode == DELIVER
        numbers.append(int(got.payload[:8]))
        if pending:
            lost[numbers[-1]], pending = pending, 0
    return numbers, lost


def test_block_makes_the_publisher_wait_and_loses_nothing(start):
    broker = start(topic("t", buffer=500, largest=2000, overflow="block"), topic("other"))
    slow = broker.subscriber("t")
    flood = Flood(broker.client(), "t", limit=20_000)
    flood.start()
    until(flood.stands_still, "the publisher to wait")
    seen = broker.topic("t")
    assert seen["high_water"] == seen["depth"] == 500
    assert seen["published"] == seen["copies"] == seen["delivered"] + 500
    bystander, neighbour = broker.subscriber("other"), broker.client()
    neighbour.publish("other", *numbered(1000))
    assert bystander.deliveries(1000) == numbered(1000)
    assert [int(payload[:8]) for payload in slow.deliveries(20_000)] == list(range(20_000))
    flood.join(10)
    seen = broker.topic("t")
    assert (seen["published"], seen["delivered"], seen["lagged"], seen["depth"]) == (20_000, 20_000, 0, 0)


def test_block_goes_by_the_slowest_and_ends_when_it_leaves(start):
    broker = start(topic("t", buffer=500, largest=2000, overflow="block"))
    fast, slow = broker.subscriber("t"), broker.subscriber("t")
    flood = Flood(broker.client(), "t", limit=10_000)
    flood.start()
    first = fast.deliveries(500)
    until(flood.stands_still, "the publisher to wait")
    slow.close()
    rest = fast.deliveries(9500)
    assert [int(payload[:8]) for payload in first + rest] == list(range(10_000))
    seen = broker.topic("t")
    assert seen["copies"] == seen["delivered"] + seen["dropped_disconnected"] + seen["depth"]
    assert seen["dropped_disconnected"] >= 500


def test_drop_oldest_tells_how_many_and_bounds_memory(start):
    broker = start(topic("t", buffer=500, largest=2000, overflow="drop_oldest"))
    fast, slow = broker.subscriber("t"), broker.subscriber("t")
    publisher = broker.client()
    before = broker.rss()
    for first in range(0, 50_000, 250):
        messages = [b"%08d" % n + bytes(992) for n in range(first, first + 250)]
        publisher.publish("t", *messages)
        assert fast.deliveries(250) == messages
    assert broker.rss() - before < 10 * MIB
    seen = broker.topic("t")
    assert seen["lagged"] > 10_000
    assert (seen["depth"], seen["high_water"]) == (500, 500)
    numbers, lost = read_numbers(slow, 49_999)
    assert sum(lost.values()) == seen["lagged"]
    missing = {b: b - a - 1 for a, b in zip([-1, *numbers], numbers, strict=False) if b != a + 1}
    assert missing == lost
    assert broker.topic("t")["copies"] == 100_000 == broker.topic("t")["delivered"] + seen["lagged"]


def test_a_reader_of_two_topics_that_stalls_keeps_little_of_both(start):
    broker = start(topic("rare", buffer=10), topic("often", buffer=10))
    broker.subscriber("rare", "often")
    publisher = broker.client()
    publisher.publish("often", *numbered(3000, 1000))  # fills the kernel's buffer
    publisher.publish("rare", *numbered(5))
    publisher.until_pong()
    before = broker.rss()
    for n in range(200):
        publisher.publish("often", *numbered(10, 1000), b"%d" % n)
        publisher.publish("rare", b"%d" % n)
        publisher.until_pong()
    assert broker.rss() - before < 8 * MIB
    topics = broker.stats()["topics"]
    assert topics["often"]["depth"] == topics["rare"]["depth"] == 10


def test_a_queue_that_drops_tells_the_next_reader(start):
    broker = start(topic("work", "Queue", buffer=100, overflow="drop_oldest"))
    publisher = broker.client()
    publisher.publish("work", *numbered(250))
    publisher.until_pong()
    assert (broker.topic("work")["depth"], broker.topic("work")["lagged"]) == (100, 150)
    numbers, lost = read_numbers(broker.subscriber("work"), 249)
    assert numbers == list(range(150, 250))
    assert lost == {150: 150}


def test_a_full_queue_makes_its_publisher_wait(start):
    broker = start(topic("work", "Queue", buffer=100), topic("other"))
    flood = Flood(broker.client(), "work", size=100, limit=5000)
    flood.start()
    until(lambda: broker.topic("work")["depth"] == 100, "the queue to be full")
    assert broker.topic("work")["published"] == 100
    worker = broker.subscriber("work")
    assert [int(payload[:8]) for payload in worker.deliveries(5000)] == list(range(5000))


def test_what_is_not_read_is_delivered_later_in_full_below_the_limit(start):
    broker = start(topic("t", buffer=20_000, overflow="drop_oldest"))
    slow, publisher = broker.subscriber("t"), broker.client()
    messages = numbered(15_000, 1000)
    publisher.publish("t", *messages)
    publisher.until_pong()
    assert broker.topic("t")["depth"] > 10_000
    assert slow.deliveries(15_000) == messages
    assert slow.until_pong() == []


def test_a_peer_that_does_not_read_its_answers_is_not_read_until_it_does(start):
    broker = start(topic("t"))
    greedy = broker.client()
    greedy.socket.settimeout(20)
    before = broker.rss()
    asking = threading.Thread(target=greedy.send, args=(frame(PING, payload=bytes(1000)) * 20_000,), daemon=True)
    asking.start()
    handled = {0}

    def stands_still():
        handled.add(broker.stats()["frames"]["in"])
        time.sleep(0.2)  # the property itself: nothing happens for a while
        return broker.stats()["frames"]["in"] <= max(handled) + 2  # the questions of this test itself

    until(stands_still, "it to be read no more")
    assert asking.is_alive()
    assert broker.rss() - before < 8 * MIB
    other, subscriber = broker.client(), broker.subscriber("t")
    other.send(frame(PUBLISH, "t", b"x"))
    assert subscriber.deliveries(1) == [b"x"]
    for _ in range(20_000):
        assert greedy.receive() == Got(PONG, "", bytes(1000))
    asking.join(10)
    assert not asking.is_alive()
