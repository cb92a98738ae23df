"""Topics over a real socket: who gets what, in which order, how often."""

from __future__ import annotations

import threading

import pytest

from tests.mycelium.client import (
    DELIVER,
    PUBLISH,
    PUBLISH_ACK,
    SUBSCRIBE,
    SUBSCRIBE_ACK,
    UNSUBSCRIBE,
    UNSUBSCRIBE_ACK,
    Got,
    frame,
)
from tests.mycelium.conftest import topic
from tests.waiting import until

pytestmark = pytest.mark.servers


def numbered(count, size=8):
    return [b"%08d" % n + bytes(size - 8) for n in range(count)]


def test_the_contracts_vectors(broker):
    publisher, subscriber = broker.client(), broker.client()
    subscriber.send(bytes.fromhex("0b000000 02 00 0700 7369676e616c73"))
    subscriber.send(frame(SUBSCRIBE, "market_data"))
    assert [subscriber.receive(), subscriber.receive()] == [
        Got(SUBSCRIBE_ACK, "signals"),
        Got(SUBSCRIBE_ACK, "market_data"),
    ]
    publisher.send(bytes.fromhex("11000000 01 00 0b00 6d61726b65745f64617461 6869"))
    expected = bytes.fromhex("11000000 06 00 0b00 6d61726b65745f64617461 6869")
    got = b""
    while len(got) < len(expected):
        got += subscriber.socket.recv(100)
    assert got == expected


def test_fanout_gives_every_subscriber_every_message_in_order_and_nothing_from_before(broker):
    publisher = broker.client()
    publisher.publish("market_data", b"too early")
    publisher.until_pong()
    subscribers = [broker.subscriber("market_data") for _ in range(3)]
    messages = numbered(20_000, 100)
    publisher.publish("market_data", *messages)
    for subscriber in subscribers:
        assert subscriber.deliveries(len(messages)) == messages
        assert subscriber.until_pong() == []
    seen = broker.topic("market_data")
    assert (seen["published"], seen["copies"], seen["delivered"]) == (20_001, 60_000, 60_000)
    assert (seen["dropped_no_subscriber"], seen["depth"], seen["subscribers"]) == (1, 0, 3)


def test_topics_are_isolated_also_when_they_are_mixed_in_one_write(broker):
    market, signals = broker.subscriber("market_data"), broker.subscriber("signals")
    both = broker.subscriber("market_data", "signals")
    publisher = broker.client()
    publisher.send(
        b"".join(frame(PUBLISH, ("market_data", "signals")[n % 2], b"%d" % n, flags=n % 3 == 0) for n in range(1000))
    )
    acknowledged = [publisher.receive() for _ in range(334)]
    assert {got.opcode for got in acknowledged} == {PUBLISH_ACK}
    assert acknowledged[-1].accepted == 1000
    assert market.deliveries(500) == [b"%d" % n for n in range(0, 1000, 2)]
    assert signals.deliveries(500) == [b"%d" % n for n in range(1, 1000, 2)]
    assert [(got.topic, got.payload) for got in (both.receive() for _ in range(1000))] == [
        (("market_data", "signals")[n % 2], b"%d" % n) for n in range(1000)
    ]
    assert market.until_pong() == signals.until_pong() == both.until_pong() == []


def test_payloads_pass_unchanged_whatever_they_hold(broker):
    subscriber, publisher = broker.subscriber("market_data"), broker.client()
    payloads = [b"", b"\0", bytes(range(256)) * 256, frame(PUBLISH, "signals", b"inside"), b"\xff" * 65536]
    publisher.publish("market_data", *payloads)
    assert subscriber.deliveries(len(payloads)) == payloads


def test_frames_may_arrive_in_any_pieces(broker):
    subscriber, publisher = broker.subscriber("market_data"), broker.client()
    payloads = [bytes([n]) * n * 37 for n in range(40)]
    stream = b"".join(frame(PUBLISH, "market_data", payload) for payload in payloads)
    at, step = 0, 1
    while at < len(stream):
        publisher.send(stream[at : at + step])
        at, step = at + step, step % 97 + 1
    assert subscriber.deliveries(40) == payloads


def test_a_publisher_gets_its_own_messages_when_it_subscribes(broker):
    client = broker.subscriber("signals")
    client.publish("signals", b"mine", ack=True)
    assert {client.receive(), client.receive()} == {
        Got(DELIVER, "signals", b"mine"),
        Got(PUBLISH_ACK, "signals", b"\1" + bytes(7)),
    }


def test_subscribing_twice_gives_one_copy_and_two_acknowledgements(broker):
    subscriber, publisher = broker.subscriber("signals"), broker.client()
    subscriber.subscribe("signals")
    publisher.publish("signals", b"once")
    assert subscriber.deliveries(1) == [b"once"]
    assert subscriber.until_pong() == []
    assert broker.topic("signals")["subscribers"] == 1


def test_nothing_is_delivered_after_the_acknowledgement_of_an_unsubscribe(broker):
    subscriber, publisher = broker.subscriber("signals"), broker.client()
    stop = threading.Event()

    def publish():
        while not stop.is_set():
            publisher.publish("signals", *[b"x"] * 100)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        subscriber.deliveries(1000)
        subscriber.send(frame(UNSUBSCRIBE, "signals"))
        while subscriber.receive() != Got(UNSUBSCRIBE_ACK, "signals"):
            pass
        assert subscriber.until_pong() == []
    finally:
        stop.set()
        thread.join()
    subscriber.send(frame(UNSUBSCRIBE, "signals") + frame(UNSUBSCRIBE, "never heard of"))
    assert subscriber.receive() == Got(UNSUBSCRIBE_ACK, "signals")
    assert subscriber.receive() == Got(UNSUBSCRIBE_ACK, "never heard of")
    subscriber.subscribe("signals")
    publisher.publish("signals", b"again")
    assert subscriber.deliveries(1) == [b"again"]


def test_a_queue_gives_each_message_to_one_subscriber_and_shares_the_work(broker):
    workers = [broker.subscriber("execution") for _ in range(2)]
    publisher = broker.client()
    messages = numbered(100)
    publisher.publish("execution", *messages)
    publisher.until_pong()
    shares = [[got.payload for got in worker.until_pong()] for worker in workers]
    assert sorted(shares[0] + shares[1]) == messages
    assert all(share == sorted(share) for share in shares)
    assert min(map(len, shares)) >= 20
    one_by_one = numbered(40)
    for message in one_by_one:
        publisher.publish("execution", message)
        publisher.until_pong()
    shares = [[got.payload for got in worker.until_pong()] for worker in workers]
    assert sorted(shares[0] + shares[1]) == one_by_one
    assert min(map(len, shares)) == 20


def test_a_queue_holds_messages_until_somebody_subscribes(broker):
    publisher = broker.client()
    messages = numbered(1000, 2000)
    publisher.publish("execution", *messages, ack=True)
    publisher.until_pong()
    assert broker.topic("execution")["depth"] == 1000
    worker = broker.subscriber("execution")
    assert worker.deliveries(1000) == messages
    seen = broker.topic("execution")
    assert (seen["published"], seen["copies"], seen["delivered"], seen["depth"]) == (1000, 1000, 1000, 0)


def test_messages_of_a_queue_that_a_worker_had_no_room_for_go_to_others_in_order(start):
    broker = start(topic("work", "Queue", buffer=5000, largest=65_536))
    dead = broker.subscriber("work")
    publisher = broker.client()
    messages = numbered(200, 50_000)
    publisher.publish("work", *messages)
    publisher.until_pong()
    held = broker.topic("work")
    assert 0 < held["delivered"] < 200
    assert held["depth"] == 200 - held["delivered"]
    dead.close()
    until(lambda: broker.topic("work")["subscribers"] == 0, "the worker to be forgotten")
    assert broker.topic("work")["depth"] == held["depth"]
    assert broker.subscriber("work").deliveries(held["depth"]) == messages[held["delivered"] :]
    seen = broker.topic("work")
    assert (seen["delivered"], seen["depth"], seen["dropped_disconnected"]) == (200, 0, 0)


def test_a_stalled_worker_does_not_stop_a_queue(start):
    broker = start(topic("work", "Queue", buffer=5000, largest=65_536))
    broker.subscriber("work")
    publisher = broker.client()
    publisher.publish("work", *numbered(100, 50_000))
    publisher.until_pong()
    left = broker.topic("work")["depth"]
    assert left > 1
    busy = broker.subscriber("work")
    busy.deliveries(left - 1)  # all but the one of which the stalled worker has a part
    publisher.publish("work", *numbered(50, 1000))
    assert len(busy.deliveries(50)) == 50


def test_a_batch_larger_than_one_turn_keeps_order(start):
    broker = start(topic("t", buffer=100_000), batch_size=7)
    subscriber, publisher = broker.subscriber("t"), broker.client()
    messages = numbered(5000)
    publisher.publish("t", *messages, ack=True)
    assert subscriber.deliveries(5000) == messages
    accepted = 0
    while accepted < 5000:
        accepted = publisher.receive().accepted
    assert accepted == 5000
