"""What is refused: with which error, what is counted, and that nobody else notices."""

from __future__ import annotations

import random
import struct

import pytest

from tests.mycelium.client import (
    DELIVER,
    ERROR,
    MALFORMED,
    PING,
    PONG,
    PUBLISH,
    STATS,
    SUBSCRIBE,
    TOO_LARGE,
    TOO_MANY,
    UNKNOWN_OPCODE,
    UNKNOWN_TOPIC,
    UNSUBSCRIBE,
    Got,
    frame,
)
from tests.waiting import until

pytestmark = pytest.mark.servers


def test_an_unknown_topic_is_refused_and_the_connection_stays(broker):
    client = broker.client()
    client.send(frame(PUBLISH, "nowhere", b"x") + frame(SUBSCRIBE, "nowhere") + frame(PUBLISH, "nowhere", flags=1))
    for _ in range(3):
        got = client.receive()
        assert (got.code, got.topic) == (UNKNOWN_TOPIC, "nowhere")
    assert client.until_pong() == []
    stats = client.stats()
    assert stats["unknown_topic"] == 3
    assert stats["frames"]["malformed"] == 0


def test_the_limit_of_a_message_is_exact_and_the_connection_stays(broker):
    subscriber, client = broker.subscriber("execution"), broker.client()
    client.publish("execution", bytes(16_384), bytes(16_385), b"after", ack=True)
    got = [client.receive() for _ in range(3)]
    assert [(one.opcode, one.code if one.opcode == ERROR else one.accepted) for one in got] == [
        (7, 1), (ERROR, TOO_LARGE), (7, 2),
    ]  # fmt: skip
    assert got[1].topic == "execution"
    assert subscriber.deliveries(2) == [bytes(16_384), b"after"]
    seen = broker.topic("execution")
    assert (seen["rejected_too_large"], seen["published"]) == (1, 2)


def test_the_topic_with_the_largest_limit_refuses_one_byte_more_without_closing(broker):
    client = broker.client()
    client.publish("market_data", bytes(65_537))
    assert client.receive().code == TOO_LARGE
    assert client.until_pong() == []


LONG = b"t" * 256
BAD = {
    "prefix beyond every topic": (struct.pack("<I", 4 + 255 + 65_536 + 1), MALFORMED),
    "prefix of four gigabytes": (b"\xff" * 4, MALFORMED),
    "empty body": (bytes(4), MALFORMED),
    "body of three bytes": (struct.pack("<I", 3) + b"\1\0\0", MALFORMED),
    "topic beyond the body": (struct.pack("<IBBH", 6, 1, 0, 3) + b"ab", MALFORMED),
    "publish without topic": (frame(PUBLISH, "", b"x"), MALFORMED),
    "topic of 256 bytes": (frame(PUBLISH, LONG, b"x"), MALFORMED),
    "subscribe without topic": (frame(SUBSCRIBE), MALFORMED),
    "subscribe with payload": (frame(SUBSCRIBE, "signals", b"x"), MALFORMED),
    "unsubscribe with payload": (frame(UNSUBSCRIBE, "signals", b"x"), MALFORMED),
    "reserved flag of publish": (frame(PUBLISH, "signals", b"x", flags=2), MALFORMED),
    "flag of subscribe": (frame(SUBSCRIBE, "signals", flags=1), MALFORMED),
    "flag of ping": (frame(PING, flags=1), MALFORMED),
    "topic that is not UTF-8": (frame(PUBLISH, b"\xff\xfe", b"x"), MALFORMED),
    "topic with NUL": (frame(SUBSCRIBE, b"sig\0nals"), MALFORMED),
    "opcode 0": (frame(0, "signals"), UNKNOWN_OPCODE),
    "opcode 13": (frame(13), UNKNOWN_OPCODE),
    "opcode 255": (frame(255, "signals", b"x"), UNKNOWN_OPCODE),
    **{f"opcode {n}, the broker's own": (frame(n, "signals"), MALFORMED) for n in (4, 5, 6, 7, 8, 10, 12)},
}


@pytest.fixture(scope="module")
def tolerant(tmp_path_factory):
    from tests.mycelium.conftest import STANDARD, Broker, configuration

    directory = tmp_path_factory.mktemp("tolerant")
    broker = Broker(directory, configuration(directory, *STANDARD)).until_ready()
    yield broker
    broker.end()


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_frame_ends_its_own_connection_after_an_error(tolerant, name):
    data, code = BAD[name]
    neighbour = tolerant.subscriber("signals")
    before = tolerant.stats()["frames"]["malformed"]
    client = tolerant.client()
    client.send(frame(PUBLISH, "signals", b"before") + data + frame(PUBLISH, "signals", b"after"))
    (last,) = client.until_closed()
    assert last.code == code
    assert neighbour.deliveries(1) == [b"before"]
    assert neighbour.until_pong() == []
    assert tolerant.stats()["frames"]["malformed"] == before + 1
    neighbour.close()


def test_a_ping_may_carry_anything_and_a_pong_returns_it(broker):
    client = broker.client()
    client.send(frame(PING) + frame(PING, payload=bytes(range(256))) + frame(STATS))
    assert [client.receive(), client.receive()] == [Got(PONG), Got(PONG, "", bytes(range(256)))]
    assert client.receive().opcode == 12


def test_the_connection_past_the_limit_is_told_and_closed(start):
    broker = start(max_connections=3)
    clients = [broker.admitted() for _ in range(3)]
    refused = broker.client()
    (error,) = refused.until_closed()
    assert error.code == TOO_MANY
    connections = clients[0].stats()["connections"]
    assert (connections["active"], connections["rejected"]) == (3, 1)
    clients.pop().close()
    broker.admitted()


def test_ten_thousand_random_and_cut_frames(tolerant):
    chance = random.Random(4)
    subscriber, publisher = tolerant.subscriber("market_data"), tolerant.client()
    opcodes = [1, 1, 1, 2, 3, 9, 11, *range(14), 255]
    closed = 0
    client = tolerant.client()
    for n in range(10_000):
        kind = n % 5
        if kind == 0:
            data = chance.randbytes(chance.randrange(1, 60))
        else:
            name = chance.choice([b"market_data", b"signals", b"execution", b"", b"x", b"\xff", bytes(300)])
            data = frame(
                chance.choice(opcodes), name, chance.randbytes(chance.randrange(200)), chance.choice([0, 0, 1, 2])
            )
            if kind == 1:
                data = data[: chance.randrange(1, len(data) + 1)]
            elif kind == 2:
                at = chance.randrange(len(data))
                data = data[:at] + chance.randbytes(1) + data[at + 1 :]
        try:
            client.send(data)
            client.socket.settimeout(0)
            while client.socket.recv(1 << 16):
                pass
            raise ConnectionResetError
        except BlockingIOError:
            client.socket.settimeout(10)
        except (ConnectionResetError, BrokenPipeError):
            closed += 1
            client.close()
            client = tolerant.client()
        if n % 100 == 0:
            publisher.publish("market_data", b"mark %d" % n)
            while subscriber.receive() != Got(DELIVER, "market_data", b"mark %d" % n):
                pass
    client.close()
    assert closed > 500
    assert tolerant.process.poll() is None
    stats = tolerant.stats()
    assert stats["frames"]["malformed"] > 500
    until(lambda: tolerant.stats()["connections"]["active"] <= 3, "all others to be forgotten")
