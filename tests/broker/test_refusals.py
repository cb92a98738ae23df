"""What must be refused, what the check makes of right and wrong answers, and damaged frames."""

from __future__ import annotations

import collections
import struct

import pytest

from BrokerLibrary import fuzz
from BrokerLibrary.connection import ConnectionLost
from BrokerLibrary.fuzz import attack, damaged_frames
from BrokerLibrary.raw import RawConnection
from BrokerLibrary.refusals import LONELY, WATCHED, expected_counts, refused_wrongly, wrong_frames
from BrokerLibrary.wire import ErrorCode, WireProblem
from tests.broker.tiny import TinyBroker, error, frame

LIMIT, LARGEST = 512, 2048
WRONG = wrong_frames(LIMIT, LARGEST)
TOPICS = (WATCHED.encode(), LONELY.encode())


def verdict(data):
    """What the contract says of the first frame, from its own words: a code, or None when it is right."""
    (size,) = struct.unpack_from("<I", data)
    if not 4 <= size <= 4 + 255 + LARGEST:
        return 3
    body = data[4 : 4 + size]
    opcode, flags, length = struct.unpack_from("<BBH", body)
    topic, payload = body[4 : 4 + length], body[4 + length :]
    if not 1 <= opcode <= 12:
        return 4
    if opcode not in (1, 2, 3, 9, 11) or flags & ~(1 if opcode == 1 else 0) or 4 + length > size or length > 255:
        return 3
    if (opcode in (1, 2, 3)) != bool(topic) or b"\0" in topic or (opcode in (2, 3) and payload):
        return 3
    try:
        topic.decode()
    except UnicodeDecodeError:
        return 3
    if opcode in (1, 2) and topic not in TOPICS:
        return 1
    return 2 if opcode == 1 and len(payload) > LIMIT else None


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.what)
def test_what_is_called_wrong_is_wrong_by_the_contract(wrong):
    assert verdict(wrong.data) == wrong.code
    assert wrong.closes == (wrong.code in (3, 4))


def test_every_code_of_a_frame_is_provoked_and_no_two_are_called_the_same():
    assert {wrong.code for wrong in WRONG} == {1, 2, 3, 4}
    assert len({wrong.what for wrong in WRONG}) == len(WRONG) > 30


def test_counts_are_expected_by_their_kind():
    counts = expected_counts(WRONG)
    codes = collections.Counter(int(wrong.code) for wrong in WRONG)
    assert counts == {
        "unknown_topic": codes[1],
        "topics.watched.rejected_too_large": codes[2],
        "frames.malformed": codes[3] + codes[4],
        "connections.rejected": 0,
    }


class Scripted(TinyBroker):
    """Answers the first frame of a connection with what the test says, and then goes on as a right broker, or ends."""

    topics = TOPICS
    script = b""
    hangs_up = False

    def answer(self, connection, opcode, flags, topic, payload):
        if not any(f is connection for f in self.seen):
            self.seen.append(connection)
            if self.hangs_up:
                self.send(connection, self.script)
                self.drop(connection)
            return self.script
        return super().answer(connection, opcode, flags, topic, payload)

    def __init__(self, path):
        self.seen = []
        super().__init__(path)


UNKNOWN = next(w for w in WRONG if w.what == "a subscription to an unknown topic")
MALFORMED = next(w for w in WRONG if w.what == "a ping with a flag")


@pytest.mark.parametrize(
    ("wrong", "script", "hangs_up", "problem"),
    [
        (UNKNOWN, error(1), False, None),
        (UNKNOWN, error(2), False, "expected error 1 (UNKNOWN_TOPIC), was 2"),
        (UNKNOWN, b"", False, "expected error 1 (UNKNOWN_TOPIC), was none"),
        (UNKNOWN, error(1) * 2, False, "expected error 1 (UNKNOWN_TOPIC), was 1, 1"),
        (UNKNOWN, error(1), True, "expected that the connection is left open, it is closed"),
        (UNKNOWN, error(1) + frame(7, b"t", b"\2" + bytes(7)), False, "was acknowledged 2 times"),
        (MALFORMED, error(3), True, None),
        (MALFORMED, error(4), True, "expected error 3 (MALFORMED_FRAME), was 4"),
        (MALFORMED, error(3), False, "expected that the connection is closed, it is left open"),
        (MALFORMED, error(3) + frame(7, b"t", bytes(8)), True, "was acknowledged 1 times"),
    ],
)
def test_the_check_knows_a_right_refusal_from_wrong_ones(broker, socket_path, wrong, script, hangs_up, problem):
    broker(type("Now", (Scripted,), {"script": script, "hangs_up": hangs_up}))
    found = refused_wrongly(wrong, socket_path, 1, 0.3)
    if problem is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(f"{wrong.what}: ")
        assert problem in found


def test_damaged_frames_are_of_every_kind_and_the_same_for_the_same_seed():
    one, again, other = (list(damaged_frames(400, seed, "memory_test")) for seed in (1, 1, 2))
    assert one == again != other
    assert len(set(one)) > 350
    complete = sum(struct.unpack_from("<I", f)[0] == len(f) - 4 for f in one if len(f) >= 4)
    assert 90 < complete < 210  # those with changed bytes, and a few lies that are none


def test_a_broker_that_ends_every_connection_has_survived(broker, socket_path):
    class Closing(TinyBroker):
        def _serve(self, connection):
            if connection.recv(1000):
                self.send(connection, error(3))
            connection.close()

    broker(Closing)
    outcome = attack(socket_path, damaged_frames(40, 1, "t"))
    assert (outcome.sent, outcome.told, outcome.unserved, outcome.problems) == (40, 40, 0, None)


@pytest.mark.parametrize(
    ("reaction", "problem"),
    [(b"", "still open 0.1 s after"), (b"\x02\x00\x00\x00xx", "a body of 2 bytes")],
)
def test_a_broker_that_hangs_or_babbles_is_found_out(broker, socket_path, monkeypatch, reaction, problem):
    class Wrong(TinyBroker):
        def _serve(self, connection):
            self.send(connection, reaction)

    monkeypatch.setattr(fuzz, "END_SECONDS", 0.1)
    broker(Wrong)
    outcome = attack(socket_path, damaged_frames(3, 1, "t"))
    assert problem in (outcome.problems or [""])[0]
    broker.stop()
    assert attack(socket_path, damaged_frames(3, 1, "t")).unserved == 3


def test_a_raw_connection_tells_what_comes(broker, socket_path):
    broker()
    with RawConnection(socket_path) as connection:
        assert connection.answers_ping()
        assert not connection.read_until(lambda: False, 0.05)
        assert not connection.ended
        connection.send(frame(2, b"nowhere"))
        assert connection.read_until(lambda: bool(connection.errors), 2)
        assert connection.errors[0].code is ErrorCode.UNKNOWN_TOPIC
        broker.stop()
        assert connection.read_to_the_end(2)
        assert not connection.answers_ping(0.2)
    with pytest.raises(ConnectionLost):
        RawConnection(socket_path)


def test_a_raw_connection_refuses_what_no_broker_may_send(broker, socket_path):
    class Wrong(TinyBroker):
        def answer(self, *_):
            return frame(99)

    broker(Wrong)
    with RawConnection(socket_path) as connection, pytest.raises(WireProblem, match="opcode 99"):
        connection.answers_ping()
