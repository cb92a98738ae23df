"""Defects in what is delivered to whom."""

from __future__ import annotations

from itertools import pairwise

from reference.mycelium.defects import Defect
from tests.mycelium.showing import seen_by, shows
from tests.mycelium.test_topics import numbered
from tests.waiting import until


@shows(Defect.DROPS_ONE_IN_TEN_THOUSAND)
def drops(broker):
    payloads = numbered(10_500)
    got = seen_by(broker, "market_data", payloads)
    return len(got) == len(payloads) - 1 and set(got) < set(payloads)


@shows(Defect.DUPLICATES_NOW_AND_THEN)
def duplicates(broker):
    got = seen_by(broker, "market_data", numbered(1500))
    return len(got) == 1501 and len(set(got)) == 1500


@shows(Defect.DUPLICATES_AFTER_RECONNECT)
def duplicates_after_reconnect(broker):
    first, publisher = broker.subscriber("signals"), broker.client()
    publisher.publish("signals", b"a", b"b")
    assert first.deliveries(2) == [b"a", b"b"]
    first.close()
    until(lambda: broker.topic("signals")["subscribers"] == 0, "it to be gone")
    return broker.subscriber("signals").until_pong() != []


@shows(Defect.REORDERS_ACROSS_BATCHES)
def reorders(broker):
    batches = seen_by(broker, "market_data", numbered(20_000))
    singles = seen_by(broker, "signals", numbered(50), one_by_one=True)
    assert sorted(batches) == numbered(20_000)
    assert sorted(singles) == numbered(50)
    return any(a > b for a, b in pairwise(batches)) and any(a > b for a, b in pairwise(singles))


@shows(Defect.LEAKS_A_TOPIC)
def leaks(broker):
    signals, publisher = broker.subscriber("signals"), broker.client()
    publisher.publish("market_data", b"x")
    publisher.until_pong()
    return [one.topic for one in signals.until_pong()] == ["market_data"]


@shows(Defect.MISROUTES)
def misroutes(broker):
    market, signals, publisher = broker.subscriber("market_data"), broker.subscriber("signals"), broker.client()
    publisher.publish("market_data", *numbered(100))
    publisher.until_pong()
    wrong = [one for one in signals.until_pong() if one.topic == "signals"]
    return len(wrong) == 2 and len(market.until_pong()) == 98


@shows(Defect.CORRUPTS_ONE_BYTE)
def corrupts(broker):
    payloads = numbered(1500, 100)
    return sum(a != b for a, b in zip(payloads, seen_by(broker, "market_data", payloads), strict=True)) == 1


def shares(broker, count):
    workers, publisher = [broker.subscriber("execution") for _ in range(2)], broker.client()
    publisher.publish("execution", *numbered(count))
    publisher.until_pong()
    return [len(worker.until_pong()) for worker in workers]


@shows(Defect.QUEUE_DELIVERS_TO_ALL)
def queue_to_all(broker):
    return shares(broker, 100) == [100, 100]


@shows(Defect.QUEUE_STARVES_ONE)
def queue_to_one(broker):
    return sorted(shares(broker, 100)) == [0, 100]


@shows(Defect.QUEUE_LOSES_ON_DISCONNECT)
def queue_loses(broker):
    dead, publisher = broker.subscriber("large"), broker.client()
    publisher.publish("large", *numbered(100, 50_000))
    publisher.until_pong()
    before = broker.topic("large")["depth"]
    dead.close()
    until(lambda: broker.topic("large")["subscribers"] == 0, "it to be gone")
    left = broker.topic("large")["depth"]
    broker.subscriber("large").deliveries(left)
    return left == before - 1
