"""Defects in limits, refusals, acknowledgements, policies and counts."""

from __future__ import annotations

import time

from reference.mycelium.defects import Defect
from tests.mycelium.client import (
    DELIVER,
    ERROR,
    PUBLISH,
    PUBLISH_ACK,
    SUBSCRIBE,
    SUBSCRIBE_ACK,
    TOO_LARGE,
    UNKNOWN_TOPIC,
    UNSUBSCRIBE,
    frame,
)
from tests.mycelium.showing import refused, seen_by, shows
from tests.mycelium.test_topics import numbered


@shows(Defect.IGNORES_SIZE_LIMIT)
def ignores_size(broker):
    publisher = broker.client()
    publisher.publish("execution", bytes(16_385))
    return not any(one.code == TOO_LARGE for one in publisher.until_pong())


@shows(Defect.IGNORES_CONNECTION_LIMIT)
def ignores_connections(broker):
    clients = [broker.client() for _ in range(160)]
    return not refused(clients[-1])


@shows(Defect.ACCEPTS_UNKNOWN_TOPIC)
def accepts_unknown(broker):
    client = broker.client()
    client.send(frame(PUBLISH, "nowhere", b"x", 1) + frame(SUBSCRIBE, "nowhere"))
    return {one.opcode for one in client.until_pong()} == {PUBLISH_ACK, SUBSCRIBE_ACK}


@shows(Defect.CLOSES_ON_UNKNOWN_TOPIC)
def closes_on_unknown(broker):
    client = broker.client()
    client.send(frame(PUBLISH, "nowhere", b"x"))
    assert client.receive().code == UNKNOWN_TOPIC
    return refused(client)


@shows(Defect.KEEPS_MALFORMED_PEER)
def keeps_malformed(broker):
    client = broker.client()
    client.send(bytes(4))
    broker.client().until_pong()  # that was read
    return not refused(client)


@shows(Defect.CRASHES_ON_MALFORMED, alone=True)
def crashes(broker):
    bystander = broker.subscriber("signals")
    broker.client().send(bytes(4))
    return any(refused(bystander) for _ in range(20)) and broker.process.wait(5) == 1


@shows(Defect.ACKS_EARLY)
def acks_early(broker):
    subscriber, publisher = broker.subscriber("signals"), broker.client()
    publisher.publish("signals", *numbered(500), ack=True)
    accepted = [one.accepted for one in publisher.until_pong()][-1]
    return accepted == 500 and len(subscriber.until_pong()) == 495


@shows(Defect.LEAKS_MEMORY_PER_MESSAGE)
def leaks_memory(broker):
    seen_by(broker, "signals", [b"x"] * 20_000)
    before = broker.rss()
    seen_by(broker, "signals", [b"x"] * 100_000)
    return broker.rss() - before > 15e6


@shows(Defect.STALLS_ALL_FOR_ONE_SLOW_READER)
def stalls_all(broker):
    broker.subscriber("market_data")
    publisher, other = broker.client(), broker.client()
    begun = time.monotonic()
    publisher.publish("market_data", *numbered(1000, 1000))
    other.until_pong()
    return time.monotonic() - begun > 2


@shows(Defect.UNBOUNDED_SLOW_READER)
def unbounded(broker):
    broker.subscriber("slow")
    publisher = broker.client()
    for _ in range(5):
        publisher.publish("slow", *numbered(500, 10_000))
    publisher.until_pong()
    return broker.topic("slow")["depth"] > 1000


def lag(broker):
    """Return what a slow reader was told it had lost, and what it had."""
    reader, publisher = broker.subscriber("slow"), broker.client()
    payloads = numbered(1000, 2000)
    publisher.publish("slow", *payloads)
    publisher.until_pong()
    got = reader.until_pong()
    told = sum(one.lost for one in got if one.opcode == ERROR)
    return told, 1000 - sum(one.opcode == DELIVER for one in got)


@shows(Defect.NO_LAG_NOTICE)
def no_notice(broker):
    told, lost = lag(broker)
    assert lost > 100
    return told == 0


@shows(Defect.WRONG_LAG_COUNT)
def wrong_notice(broker):
    told, lost = lag(broker)
    return 0 < told < lost


@shows(Defect.COUNTS_WRONGLY)
def counts_wrongly(broker):
    before = broker.topic("signals")["published"]
    seen_by(broker, "signals", numbered(500))
    return broker.topic("signals")["published"] - before < 500


@shows(Defect.LEGACY_METRICS_MISSING)
def no_legacy(broker):
    page = broker.get("/metrics")[1]
    return "mycelium_published_total" in page and "signals_received" not in page


@shows(Defect.UNSUBSCRIBE_IGNORED)
def unsubscribe_ignored(broker):
    subscriber, publisher = broker.subscriber("signals"), broker.client()
    subscriber.send(frame(UNSUBSCRIBE, "signals"))
    subscriber.until_pong()
    publisher.publish("signals", b"x")
    publisher.until_pong()
    return [one.payload for one in subscriber.until_pong()] == [b"x"]


@shows(Defect.DOUBLE_SUBSCRIBE_TWO_COPIES)
def two_copies(broker):
    subscriber, publisher = broker.subscriber("signals", "signals"), broker.client()
    publisher.publish("signals", b"x")
    publisher.until_pong()
    return [one.payload for one in subscriber.until_pong()] == [b"x", b"x"]
