"""Each switch of the broker does the wrong thing its name says, and the broker without it does not."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from environments.embedded.ports import Ports
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
    Client,
    Closed,
    frame,
)
from tests.mycelium.conftest import Broker, configuration, topic
from tests.mycelium.test_topics import numbered
from tests.waiting import until

pytestmark = pytest.mark.servers

TOPICS = (
    topic("market_data", buffer=100_000, largest=65_536),
    topic("signals", buffer=100_000, largest=32_768),
    topic("execution", "Queue", buffer=25_000, largest=16_384),
    topic("large", "Queue", buffer=25_000, largest=65_536),
    topic("slow", buffer=100, largest=65_536),
)
Wrong = Callable[[Broker], bool]
WRONG: dict[Defect, Wrong] = {}
ALONE: dict[Defect, Wrong] = {}  # those that end the broker or change what others rely on


def shows(defect, *, alone=False):
    def keep(scenario):
        (ALONE if alone else WRONG)[defect] = scenario
        return scenario

    return keep


def start(directory, *options, **environment) -> Broker:
    port = Ports().choose()
    text = configuration(
        directory, *TOPICS, server=f"metrics_port = {port}", max_connections=150, connection_timeout_ms=5000
    )
    broker = Broker(directory, text, *options, **environment)
    broker.metrics_port = port
    return broker


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    broker = start(tmp_path_factory.mktemp("healthy")).until_ready()
    yield broker
    broker.end()


def without_clients(broker):
    for client in broker.clients:
        client.close()
    broker.clients.clear()


def seen_by(broker, name, payloads, *, one_by_one=False):
    """Publish to a fanout topic; return what its one subscriber saw, up to a pong."""
    subscriber, publisher = broker.subscriber(name), broker.client()
    got = []
    for first in range(0, len(payloads), 1 if one_by_one else 500):
        publisher.publish(name, *payloads[first : first + (1 if one_by_one else 500)])
        publisher.until_pong()
        got += [one.payload for one in subscriber.until_pong() if one.opcode == DELIVER]
    return got


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


@shows(Defect.IGNORES_SIZE_LIMIT)
def ignores_size(broker):
    publisher = broker.client()
    publisher.publish("execution", bytes(16_385))
    return not any(one.code == TOO_LARGE for one in publisher.until_pong())


@shows(Defect.IGNORES_CONNECTION_LIMIT)
def ignores_connections(broker):
    clients = [broker.client() for _ in range(160)]
    return not refused(clients[-1])


def refused(client, seconds=10.0):
    """Whether there was no place for a client."""
    try:
        return client.until_pong(seconds=seconds) is None
    except (Closed, BrokenPipeError):
        return True


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


@shows(Defect.LOSES_BUFFER_ON_DRAIN, alone=True)
def loses_buffer(broker):
    subscriber, publisher = broker.subscriber("market_data"), broker.client()
    publisher.publish("market_data", *numbered(5000, 1000))
    publisher.until_pong()
    broker.process.send_signal(signal.SIGTERM)
    got = 0
    try:
        while subscriber.receive().opcode == DELIVER:
            got += 1
    except Closed:
        pass
    return got < 5000


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


def test_every_switch_is_shown_here():
    about_starting = {Defect.IGNORES_ENVIRONMENT, Defect.VAGUE_CONFIG_ERROR}
    assert {*WRONG, *ALONE, *about_starting} == set(Defect)
    assert all(defect.why.endswith(".") for defect in Defect)


@pytest.mark.parametrize("defect", WRONG, ids=str)
def test_the_broker_without_it_is_right(healthy, defect):
    try:
        assert not WRONG[defect](healthy)
    finally:
        without_clients(healthy)


@pytest.mark.parametrize("defect", ALONE, ids=str)
def test_a_broker_of_its_own_without_it_is_right(tmp_path, defect):
    broker = start(tmp_path / "b").until_ready()
    try:
        assert not ALONE[defect](broker)
    finally:
        broker.end()


@pytest.mark.parametrize("defect", [*WRONG, *ALONE], ids=str)
def test_it_does_the_wrong_thing(tmp_path, defect):
    broker = start(tmp_path / "b", "--defect", defect.value).until_ready()
    try:
        assert {**WRONG, **ALONE}[defect](broker)
    finally:
        broker.end()


def test_the_environment_can_be_ignored(tmp_path):
    elsewhere = tmp_path / "elsewhere.sock"
    broker = start(
        tmp_path / "b", "--defect", "ignores-environment", MYCELIUM_SERVER_SOCKET_PATH=str(elsewhere)
    ).until_ready()
    assert not elsewhere.exists()
    broker.end()


def test_a_configuration_error_can_be_vague(tmp_path):
    broker = start(tmp_path / "b", "--defect", "vague-config-error", MYCELIUM_SERVER_MAX_CONNECTIONS="0")
    assert broker.process.wait(10) == 2
    assert "max_connections" not in broker.log.read_text()


def test_the_switch_can_come_from_the_environment_and_must_be_known(tmp_path):
    broker = start(tmp_path / "a", MYCELIUM_DEFECT="leaves-socket").until_ready()
    assert broker.stop() == 0
    assert broker.path.exists()
    broker = start(tmp_path / "b", MYCELIUM_DEFECT="unheard-of")
    assert broker.process.wait(10) == 2
    assert json.dumps("unheard-of")[1:-1] in broker.log.read_text()
