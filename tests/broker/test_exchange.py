"""Numbered messages through a right broker and through wrong ones."""

from __future__ import annotations

import struct
import time

import pytest

from BrokerLibrary.exchange import Exchange, judge
from BrokerLibrary.numbered import compose, identity_of
from BrokerLibrary.records import SWIFT
from BrokerLibrary.traffic import Traffic
from measurement.verdicts import Inconclusive
from oracles.messages import UNREADABLE, MessageId
from tests.broker.tiny import TinyBroker, error, frame

FANOUT = {"t": "Fanout", "u": "Fanout"}


class Sending(TinyBroker):
    """Delivers what `copies` makes of each message: (topic, payload) as often as it is to come."""

    def copies(self, topic, payload):
        return [(topic, payload)]

    def answer(self, connection, opcode, flags, topic, payload):
        if opcode != 1:
            return super().answer(connection, opcode, flags, topic, payload)
        self.accepted[connection] += 1
        for subscriber in self.subscribers[topic]:
            for come, content in self.copies(topic, payload):
                self.send(subscriber, frame(6, come, content))
        return frame(7, topic, struct.pack("<Q", self.accepted[connection])) if flags else b""


@pytest.fixture
def exchange(socket_path):
    made = []

    def make(routing=FANOUT, **settings):
        made.append(Exchange(socket_path, routing, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def exchanged(exchange, messages=50):
    exchange.consumer("c1", "t")
    exchange.consumer("c2", "t", "u")
    exchange.producer("p")
    exchange.publish("p", "t", [100] * messages)
    exchange.publish("p", "u", [10, 1000, 300])
    exchange.settle(3)
    return exchange.history()


def test_a_right_broker_has_nothing_to_fear(broker, exchange):
    broker(Sending)
    one = exchange()
    history = exchanged(one)
    assert [findings.judged for findings in judge(history, 53)] == [103, 103, 103, 103, 103, 103]
    assert (one.owed(), one.came(), one.violations(), one.interruptions()) == (103, 103, [], [])


def test_too_few_messages_settle_nothing(broker, exchange):
    broker(Sending)
    with pytest.raises(Inconclusive, match="53 messages were acknowledged, at least 54 needed"):
        judge(exchanged(exchange()), 54)


class Losing(Sending):
    def answer(self, connection, opcode, flags, topic, payload):
        if opcode == 1 and len(payload) == 2000:
            return error(2, topic=topic)
        return super().answer(connection, opcode, flags, topic, payload)

    def copies(self, topic, payload):
        return [] if b"|7|" in payload[:20] else [(topic, payload)]


class Doubling(Sending):
    def copies(self, topic, payload):
        return [(topic, payload)] * (2 if b"|7|" in payload[:20] else 1)


class Garbling(Sending):
    def copies(self, topic, payload):
        return [(topic, payload[:-1] + b"\0" if b"|7|" in payload[:20] else payload)]


class Misrouting(Sending):
    def copies(self, topic, payload):
        return [(b"u" if b"|7|" in payload[:20] else topic, payload)]


class Reordering(Sending):
    held = None

    def copies(self, topic, payload):
        if b"|7|" in payload[:20]:
            self.held = (topic, payload)
            return []
        if b"|8|" in payload[:20]:
            return [(topic, payload), self.held]
        return [(topic, payload)]


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Losing, r"lost messages: 2 of 103 .* p/t/7 acknowledged .* never reached c1"),
        (Doubling, r"duplicated messages: 2 of 105 .* p/t/7 reached c. .* the second time"),
        (Garbling, r"corrupted messages: 2 of 103 .* an unreadable message"),
        (Misrouting, r"misrouted messages: 2 of 103 .* p/t/7 reached c. .* on topic u"),
        (Reordering, r"reordered messages: 2 of 103 .* p/t/7 reached c. .* behind number 8"),
    ],
)
def test_a_wrong_broker_is_found_out(broker, exchange, kind, sentence):
    broker(kind)
    with pytest.raises(AssertionError, match=sentence):
        judge(exchanged(exchange()), 53)


def test_a_changed_message_is_unreadable(broker, exchange):
    broker(Garbling)
    with pytest.raises(AssertionError, match=r"corrupted messages: 2 of 103 .* an unreadable message"):
        judge(exchanged(exchange()), 53, ["corrupted"])


def test_settling_waits_for_what_takes_longer_than_quiet(broker, exchange):
    class Slow(Sending):
        def copies(self, topic, payload):
            time.sleep(0.25 if b"|1|" in payload[:20] else 0)
            return [(topic, payload)]

        def answer(self, connection, opcode, flags, topic, payload):
            if opcode == 1 and b"|1|" in payload[:20]:
                self.accepted[connection] += 1
                self.send(connection, frame(7, topic, struct.pack("<Q", self.accepted[connection])))
                self.accepted[connection] -= 1
                super().answer(connection, opcode, 0, topic, payload)
                return b""
            return super().answer(connection, opcode, flags, topic, payload)

    broker(Slow)
    one = exchange()
    one.consumer("c", "t")
    one.producer("p")
    one.publish("p", "t", [50, 50])
    one.settle(3)
    judge(one.history(), 2)


def test_of_a_queue_one_consumer_is_owed_each_message(broker, exchange):
    class Queue(Sending):
        turn = 0

        def answer(self, connection, opcode, flags, topic, payload):
            if opcode == 1:
                self.turn += 1
                chosen = self.subscribers[topic][self.turn % 2]
                self.accepted[connection] += 1
                self.send(chosen, frame(6, topic, payload))
                return frame(7, topic, struct.pack("<Q", self.accepted[connection]))
            return super().answer(connection, opcode, flags, topic, payload)

    broker(Queue)
    one = exchange({"t": "Queue"})
    one.consumer("w1", "t")
    one.consumer("w2", "t")
    one.producer("p")
    one.publish("p", "t", [50] * 20)
    one.settle(3)
    judge(one.history(), 20)
    assert (one.owed(), [len(c.deliveries) for c in one.consumers.values()]) == (20, [10, 10])


def test_messages_that_say_nothing_of_themselves_are_known_by_their_bytes(broker, exchange):
    broker(Sending)
    one = exchange()
    one.consumer("c", "t")
    producer = one.producer("p")
    producer.publish_many([one.foreign("p", "t", b"message_0"), one.foreign("p", "t", b"message_1")], ack=True)
    one.adopt("elsewhere/t/0", compose(MessageId("elsewhere", "t", 0), 30))
    one.settle(0.3)
    assert one.owed() == 3
    with pytest.raises(AssertionError, match=r"lost messages: 1 of 3 .* elsewhere/t/0"):
        judge(one.history(), 3)
    assert [one.id_of(d.payload) for d in one.consumers["c"].deliveries] == ["p/t/0", "p/t/1"]
    assert one.id_of(b"message_2") == UNREADABLE


def test_what_was_acknowledged_last_shows_that_nothing_else_is_on_its_way(broker, exchange):
    broker(Losing)
    one = exchange()
    one.consumer("c", "t")
    one.producer("p")
    attempts = one.publish("p", "t", [50] * 9)
    one.producers["p"].settle(attempts)
    begin = time.monotonic()
    one.reached(5)
    assert time.monotonic() - begin < 2
    one.producers["p"].settle(one.publish("p", "t", [50, 2000], batch=1))
    begin = time.monotonic()
    one.reached(5)
    assert time.monotonic() - begin < 2  # the last one was refused, so it is not waited for
    assert one.came() == 9  # of 10, of which the eighth is lost


def test_a_lost_connection_and_a_violation_are_told(broker, exchange):
    class Wrong(Sending):
        def answer(self, connection, opcode, flags, topic, payload):
            return frame(13) if opcode == 9 else super().answer(connection, opcode, flags, topic, payload)

    broker(Wrong)
    one = exchange(backoff=SWIFT)
    client = one.producer("p")
    client.send_raw(frame(9))
    client.wait_ready(2, after=time.time())
    assert one.violations() == ["p: the broker sent opcode 13, which a broker does not send"]
    assert one.interruptions() == ["p lost its connection: the broker sent opcode 13, which a broker does not send"]


@pytest.mark.parametrize("size", [0, 20, 1000, 65_536])
def test_a_payload_says_whose_it_is_and_shows_each_change(size):
    identity = MessageId("a producer", "market_data", 12)
    payload = compose(identity, size)
    assert identity_of(payload) == str(identity)
    assert len(payload) == max(size, len(b"a producer|market_data|12|"))
    assert payload[30:] != compose(MessageId("a producer", "market_data", 13), size)[30:] or size < 100
    for position in range(0, len(payload), max(1, len(payload) // 20)):
        changed = bytearray(payload)
        changed[position] ^= 1
        assert identity_of(bytes(changed)) != str(identity)
    assert identity_of(payload + b"x") == UNREADABLE


@pytest.mark.parametrize("payload", [b"", b"|||", b"a|b|c|", b"\xff|b|1|", b"message_1"])
def test_what_is_no_numbered_message_is_unreadable(payload):
    assert identity_of(payload) == UNREADABLE


def test_traffic_keeps_its_rate_stands_still_and_outlives_the_broker(broker, exchange):
    broker(Sending)
    one = exchange(backoff=SWIFT)
    one.consumer("c", "t")
    producer = one.producer("p")
    traffic = Traffic(one, "p", "t", 1000).start()
    begin = time.monotonic()
    producer.settle([], 1)
    while len(producer.attempts) < 300:
        assert time.monotonic() - begin < 5
        time.sleep(0.005)
    assert time.monotonic() - begin > 0.25
    traffic.pause()
    sent = len(producer.attempts)
    time.sleep(0.1)
    assert len(producer.attempts) == sent
    traffic.go_on()
    broker(Sending)
    one.consumers["c"].wait_ready(2, after=time.time() - 0.5)
    before = len([a for a in producer.attempts if a.outcome == "acked"])
    deadline = time.monotonic() + 5
    while len([a for a in producer.attempts if a.outcome == "acked"]) < before + 50:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    traffic.stop()
    ended = len(producer.attempts)
    time.sleep(0.05)
    assert len(producer.attempts) == ended
