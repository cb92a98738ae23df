"""The client against a tiny broker, a right one and wrong ones."""

from __future__ import annotations

import threading
import time

import pytest

from BrokerLibrary.client import Refused
from BrokerLibrary.connection import ConnectionLost
from BrokerLibrary.records import SWIFT, Attempt, Backoff, Session
from BrokerLibrary.wire import BrokerError, ErrorCode
from oracles.history import Result
from tests.broker.tiny import TinyBroker, error, frame


def test_a_message_goes_from_client_to_client(broker, connect):
    broker()
    one, other = connect("one"), connect("other")
    other.subscribe("t")
    sent = time.time()
    one.publish("t", b"hello")
    delivery = other.receive(2)
    assert (delivery.topic, delivery.payload, delivery.connection) == ("t", b"hello", 0)
    assert sent <= delivery.at <= time.time()
    assert (one.waiting, other.waiting) == (0, 0)


def test_messages_are_taken_by_topic_and_all_stay_written_down(broker, connect):
    broker()
    client = connect()
    client.subscribe("t")
    client.subscribe("u")
    client.publish_many([("t", b"1", ""), ("u", b"2", ""), ("t", b"3", "")])
    assert client.receive(2, "u").payload == b"2"
    assert [d.payload for d in client.receive_many(2, 2)] == [b"1", b"3"]
    assert [d.payload for d in client.deliveries] == [b"1", b"2", b"3"]
    with pytest.raises(TimeoutError, match=r"no message on u came to client within 0\.05 s"):
        client.receive(0.05, "u")
    client.publish("t", b"4")
    with pytest.raises(TimeoutError, match="1 of 2 messages came to client"):
        client.receive_many(2, 0.2)
    assert client.waiting == 1


def test_acknowledgements_settle_what_was_published(broker, connect):
    broker()
    client = connect()
    attempts = client.publish_many([("t", b"x" * size, str(size)) for size in range(500)], ack=True)
    client.settle(attempts, 2)
    assert {a.outcome for a in attempts} == {Result.ACKED}
    assert [a.key for a in client.attempts] == [str(size) for size in range(500)]
    assert all(a.completed >= a.invoked for a in attempts)
    assert client.violations == []


def test_one_acknowledgement_may_stand_for_many(broker, connect):
    class Cumulative(TinyBroker):
        def answer(self, connection, opcode, flags, topic, payload):
            answer = super().answer(connection, opcode, flags, topic, payload)
            return answer if opcode != 1 or self.accepted[connection] == 10 else b""

    broker(Cumulative)
    client = connect()
    attempts = client.publish_many([("t", b"", "")] * 10, ack=True)
    client.settle(attempts, 2)
    assert [a.outcome for a in attempts] == [Result.ACKED] * 10


def test_without_an_acknowledgement_nothing_is_known(broker, connect):
    broker()
    client = connect()
    attempt = client.publish("t", b"x")
    client.ping()
    assert (attempt.pending, attempt.outcome) == (True, Result.UNKNOWN)
    with pytest.raises(TimeoutError, match=r"1 of 1 messages were not acknowledged within 0\.05 s"):
        client.settle([attempt], 0.05)


def test_a_refused_message_is_told_from_the_accepted_ones(broker, connect):
    broker()
    client = connect()
    attempts = client.publish_many(
        [("t", b"1", ""), ("nowhere", b"2", ""), ("t", b"x" * 1001, ""), ("t", b"4", "")], ack=True
    )
    client.settle(attempts, 2)
    assert [a.outcome for a in attempts] == [Result.ACKED, Result.FAILED, Result.FAILED, Result.ACKED]
    assert [told.error.code for told in client.told] == [ErrorCode.UNKNOWN_TOPIC, ErrorCode.PAYLOAD_TOO_LARGE]
    assert "too large" in attempts[2].detail
    assert client.is_ready


def test_subscribing_to_an_unknown_topic_is_refused(broker, connect):
    broker()
    client = connect(backoff=SWIFT)
    with pytest.raises(Refused, match=r"Error 1 \(UNKNOWN_TOPIC\) about nowhere: unknown topic"):
        client.subscribe("nowhere")
    client.subscribe("t")
    broker()
    client.wait_ready(2, after=time.time() - 1)  # what was refused is not asked for again


def test_an_unsubscribed_client_gets_nothing_more(broker, connect):
    running = broker()
    client = connect()
    client.subscribe("t")
    client.unsubscribe("t")
    client.publish("t", b"x")
    client.ping()
    assert client.deliveries == []
    assert [f[0] for f in running.frames] == [2, 3, 1, 9]


def test_what_was_unsubscribed_is_not_asked_for_again(broker, connect):
    broker()
    client = connect(backoff=SWIFT)
    client.subscribe("t")
    client.subscribe("u")
    client.unsubscribe("t")
    restarted = time.time()
    running = broker()
    client.wait_ready(2, after=restarted)
    assert [f[2] for f in running.frames] == [b"u"]


def test_a_connection_from_before_is_not_taken_for_a_new_one(broker, connect):
    broker()
    client = connect()
    assert client.wait_ready(1) == client.sessions[0].opened
    with pytest.raises(TimeoutError, match="client is not connected again"):
        client.wait_ready(0.05, after=time.time())


def test_each_acknowledgement_says_what_had_come_before(broker, connect):
    broker()
    client, other = connect(), connect("other")
    client.subscribe("t")
    other.publish_many([("t", b"1", ""), ("t", b"2", "")])
    client.receive_many(2, 2)
    client.subscribe("u")
    client.unsubscribe("t")
    assert [(a.topic, a.begun, a.connection, a.delivered) for a in client.acknowledged] == [
        ("t", True, 0, 0),
        ("u", True, 0, 0),
        ("t", False, 0, 2),
    ]


def test_a_client_on_hold_reads_when_it_goes_on(broker, connect):
    broker()
    client, other = connect(), connect("other")
    client.subscribe("t")
    client.hold()
    other.publish_many([("t", bytes(1000), "")] * 120, ack=True)  # the first piece of 64 KiB may be on its way
    with pytest.raises(TimeoutError, match="of 120 messages"):
        client.receive_many(120, 0.2)
    client.go_on()
    assert len(client.receive_many(120, 2)) == 120


def test_a_client_on_hold_can_be_closed(broker, connect):
    broker()
    client = connect()
    client.hold()
    begin = time.monotonic()
    client.close()
    assert time.monotonic() - begin < 1
    assert client.sessions[0].why == "closed by the client"


def test_a_silent_broker_runs_into_deadlines(broker, connect):
    class Silent(TinyBroker):
        def answer(self, *_):
            return b""

    broker(Silent)
    client = connect()
    for call in (client.ping, client.stats, lambda within: client.subscribe("t", within)):
        with pytest.raises(TimeoutError, match=r"within 0\.05 s"):
            call(within=0.05)
    assert client._subscriptions == []


def test_a_ping_must_come_back_as_it_was(broker, connect):
    class Garbling(TinyBroker):
        def answer(self, connection, opcode, flags, topic, payload):
            return frame(10, payload=payload[::-1])

    broker(Garbling)
    with pytest.raises(AssertionError, match="a ping of b'ab' was answered with b'ba'"):
        connect().ping(b"ab")


def test_it_reconnects_and_resubscribes_by_itself(broker, connect):
    broker()
    client = connect(backoff=SWIFT)
    client.subscribe("t")
    client.subscribe("u")
    broker.stop()
    assert client.wait_lost(2) == "closed by the broker"
    with pytest.raises(ConnectionLost, match="client is not connected"):
        client.publish("t", b"x")
    restarted = time.time()
    broker()
    ready = client.wait_ready(2, after=restarted)
    assert restarted <= ready <= time.time()
    client.publish("u", b"again")
    assert client.receive(2).connection == 1
    assert [s.why for s in client.sessions] == ["closed by the broker", ""]
    assert (client.attempts[0].outcome, client.attempts[0].detail) == (Result.FAILED, "not sent: no connection")


def test_without_a_backoff_it_stays_away(broker, connect):
    broker()
    client = connect()
    broker.stop()
    client.wait_lost(2)
    broker()
    with pytest.raises(TimeoutError, match="client is not connected again"):
        client.wait_ready(0.3)


def test_what_was_under_way_when_the_connection_broke_is_unknown(broker, connect):
    class Mute(TinyBroker):
        def answer(self, connection, opcode, flags, topic, payload):
            return b"" if opcode == 1 else super().answer(connection, opcode, flags, topic, payload)

    broker(Mute)
    client = connect()
    attempts = client.publish_many([("t", b"1", ""), ("t", b"2", "")], ack=True)
    client.ping()  # both have been read: what is left unread would reset the connection instead of closing it
    broker.stop()
    client.settle(attempts, 2)
    assert [(a.outcome, a.detail) for a in attempts] == [(Result.UNKNOWN, "closed by the broker")] * 2


def test_a_broker_that_does_not_read_runs_into_a_deadline_and_the_connection_ends(broker, connect):
    class Deaf(TinyBroker):
        def _serve(self, connection):
            self.held = connection

    broker(Deaf)
    client = connect(answer_seconds=0.2)
    with pytest.raises(TimeoutError, match=r"bytes were not taken within 0\.2 s"):
        client.publish_many([("t", bytes(100_000), "")] * 50)
    client.wait_lost(2)
    assert {a.outcome for a in client.attempts} == {Result.UNKNOWN}


@pytest.mark.parametrize(
    ("answer", "violation"),
    [
        (frame(1, b"t"), "the broker sent opcode 1, which a broker does not send"),
        (frame(7, b"t", b"\x05" + bytes(7)), "an acknowledgement of 5 messages, 1 were sent and not refused"),
        (frame(7, b"t", bytes(8)), "an acknowledgement of 0 messages after one of 0"),
        (frame(12, payload=b"[1]"), "statistics that are no JSON object: b'[1]'"),
        (frame(12, payload=b"{"), "statistics that are no JSON object: b'{'"),
    ],
)
def test_what_a_broker_must_not_do_is_written_down(broker, connect, answer, violation):
    class Wrong(TinyBroker):
        def answer(self, connection, opcode, flags, topic, payload):
            return answer if opcode == 1 else super().answer(connection, opcode, flags, topic, payload)

    broker(Wrong)
    client = connect()
    client.publish("t", b"x", ack=True)
    try:
        client.ping()
    except (ConnectionLost, TimeoutError):
        pass
    assert client.violations == [violation]


def test_notices_of_lag_are_kept_with_their_count(broker, connect):
    class Lagging(TinyBroker):
        def answer(self, connection, opcode, flags, topic, payload):
            first = error(7, b"12 dropped", b"t", count=12) if opcode == 9 else b""
            return first + super().answer(connection, opcode, flags, topic, payload)

    broker(Lagging)
    client = connect()
    client.ping()
    assert [told.error for told in client.told] == [BrokerError(ErrorCode.LAGGED, "12 dropped", "t", 12)]


def test_threads_share_a_client_without_mixing_their_frames(broker, connect):
    running = broker()
    client = connect()

    def work(letter):
        for _ in range(5):
            client.publish_many([("t", letter * 200_000, "")] * 5)

    threads = [threading.Thread(target=work, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.ping()
    payloads = [payload for opcode, _, _, payload in running.frames if opcode == 1]
    assert len(payloads) == 75
    assert {len(set(payload)) for payload in payloads} == {1}


def test_a_client_of_no_broker_is_told_so(connect):
    with pytest.raises(ConnectionLost, match=r"no connection to b\.sock: No such file"):
        connect()


def test_the_backoff_is_that_of_the_ticket():
    assert [Backoff().pause(n) for n in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert [SWIFT.pause(n) for n in range(4)] == [0.05, 0.1, 0.2, 0.2]
    assert Backoff().pause(10_000) == 30


def test_an_error_about_a_topic_concerns_the_largest_message_that_waits():
    session = Session(0.0)
    session.sent = [Attempt("t", str(size), size, "", 0.0, True) for size in (5, 9, 9, 7)]
    session.accept(1, 1.0)
    session.refuse(BrokerError(ErrorCode.PAYLOAD_TOO_LARGE, "", "t"), 1.0)
    session.refuse(BrokerError(ErrorCode.LAGGED, "", "t", 1), 1.0)
    assert [a.outcome for a in session.sent] == [Result.ACKED, Result.FAILED, Result.UNKNOWN, Result.UNKNOWN]
    assert session.accept(3, 2.0) is None
    assert [a.outcome for a in session.sent] == [Result.ACKED, Result.FAILED, Result.ACKED, Result.ACKED]
