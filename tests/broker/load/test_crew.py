from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from dataclasses import replace

import pytest

from BrokerLibrary import wire
from BrokerLibrary.load import jobs
from BrokerLibrary.load.crew import Crew, Stage
from BrokerLibrary.load.plans import Broker, Direct, RawRelay, as_fast_as_taken
from BrokerLibrary.load.sockets import LoadProblem
from BrokerLibrary.load.turns import take_turns
from tests.broker.load.tiny_router import router

runs = itertools.count(1000)


@pytest.fixture(scope="module")
def crew():
    with Crew() as workers:
        yield workers


def shape(payload=128, rows=4, row_ns=10**9, **options):
    return jobs.Shape("perf_test", payload, next(runs), rows, row_ns, **options)


def through(path, count=1000, producers=1, consumers=1, connections=1, **options):
    of = shape(options.pop("payload", 128))
    counts = (count,) * producers
    return Stage(
        [jobs.Produce(str(path), of, number, count, **options) for number in range(producers)],
        [jobs.Consume(str(path), of, counts, connections) for _ in range(consumers)],
        drain_seconds=1.0,
    )


def relayed(tmp_path, count=20_000, **options):
    of = shape(1024, opcode_sent=wire.Opcode.DELIVER)
    entry, exit_ = str(tmp_path / "in"), str(tmp_path / "out")
    return Stage(
        [jobs.Produce(entry, of, 0, count, **options)],
        [jobs.Consume(exit_, of, (count,), subscribe=False)],
        jobs.Relay(entry, exit_),
        drain_seconds=5.0,
    )


def test_every_message_arrives_intact_through_the_raw_relay(crew, tmp_path):
    outcome = crew.perform(relayed(tmp_path))
    assert outcome.problems() == []
    assert (outcome.sent, outcome.delivered) == (20_000, 20_000)
    assert outcome.relay_cpu_seconds is not None
    assert 0 < outcome.rate <= outcome.sent / outcome.seconds
    assert outcome.service.number() == 20_000
    assert not (tmp_path / "in").exists()


def test_workers_are_used_again(crew, tmp_path):
    before = [worker._process.pid for worker in crew._workers]
    assert crew.perform(relayed(tmp_path)).delivered == 20_000
    assert [worker._process.pid for worker in crew._workers][: len(before)] == before


def test_every_connection_gets_every_message_of_every_producer(crew, tmp_path):
    with router(tmp_path / "s"):
        outcome = crew.perform(through(tmp_path / "s", producers=2, consumers=2, connections=3))
    assert outcome.problems() == []
    assert [connection.received for connection in outcome.connections] == [[1000, 1000]] * 6
    assert outcome.delivered == 12_000


def test_each_consumer_gets_what_is_sent_to_its_topic(crew, tmp_path):
    path = str(tmp_path / "s")
    one, other = jobs.Shape("one", 64, 1, 1, 10**9), jobs.Shape("other", 128, 2, 1, 10**9)
    stage = Stage(
        [jobs.Produce(path, one, 0, 100), jobs.Produce(path, other, 0, 250)],
        [jobs.Consume(path, other, (250,)), jobs.Consume(path, one, (100,))],
    )
    with router(path):
        outcome = crew.perform(stage)
    assert outcome.problems() == []
    assert [(c.expected, c.intact) for c in outcome.connections] == [(250, 250), (100, 100)]


def spoilt(number, spoil):
    """Change the frame of one number and leave the others alone."""
    return lambda frame, index: spoil(frame) if index == number else frame


class Late:
    """Hands a frame out after the next one."""

    def __init__(self, number):
        self.number, self.kept = number, b""

    def __call__(self, frame, index):
        if index == self.number:
            self.kept = frame
            return b""
        kept, self.kept = self.kept, b""
        return frame + kept


@pytest.mark.parametrize(
    ("change", "findings"),
    [
        (spoilt(700, lambda frame: b""), {"lost": 1}),
        (spoilt(999, lambda frame: b""), {"lost": 1}),
        (spoilt(700, lambda frame: frame * 2), {"duplicated": 1}),
        (spoilt(999, lambda frame: frame * 2), {"duplicated": 1}),
        (Late(700), {"reordered": 1}),
        (spoilt(700, lambda frame: frame[:-1] + bytes([frame[-1] ^ 1])), {"lost": 1, "corrupted": 1}),
        (spoilt(700, lambda frame: b"\0\0\0\0"), {"lost": 300, "unreadable-stream": 1}),
    ],
    ids=["lost", "last lost", "repeated", "last repeated", "late", "one byte", "no frame"],
)
def test_what_is_wrong_with_one_message_of_a_thousand_is_found(crew, tmp_path, change, findings):
    with router(tmp_path / "s", change=change):
        outcome = crew.perform(through(tmp_path / "s"))
    (connection,) = outcome.connections
    assert connection.findings == findings
    (problem,) = outcome.problems()
    assert f"{findings.get('lost', 0)} lost" in problem or "lost" not in findings
    assert problem.endswith(("of 1000 messages", ")"))


def after_a_while(frame):
    time.sleep(0.3)
    return frame


def test_nobody_waits_for_the_end_of_the_drain_when_nothing_comes_any_more(crew, tmp_path):
    began = time.monotonic()
    with router(tmp_path / "s", change=spoilt(700, lambda frame: b"")):
        outcome = crew.perform(replace(through(tmp_path / "s"), drain_seconds=30.0))
    assert outcome.connections[0].findings == {"lost": 1}
    assert time.monotonic() - began < 8


def test_what_is_still_on_its_way_when_the_producer_is_done_is_waited_for(crew, tmp_path):
    with router(tmp_path / "s", change=spoilt(900, after_a_while)):
        outcome = crew.perform(through(tmp_path / "s"))
    assert outcome.problems() == []
    assert outcome.seconds > 0.25 > outcome.producers[0].seconds


def test_a_copy_that_comes_after_everything_was_there_is_found(crew, tmp_path):
    def again(frame, index):
        if index == 999:
            threading.Timer(0.02, serving._deliver, (frame,)).start()
        return frame

    with router(tmp_path / "s", change=again) as serving:
        outcome = crew.perform(through(tmp_path / "s"))
    assert outcome.connections[0].findings == {"duplicated": 1}


def test_dropped_messages_that_were_announced_are_accounted_for_and_no_finding(crew, tmp_path):
    notice = wire.encode(wire.Frame(wire.Opcode.ERROR, "perf_test", b"\x07\0" + (10).to_bytes(8, "little") + b"slow"))

    def drop(frame, index):
        return b"" if 500 <= index < 509 else notice if index == 509 else frame

    with router(tmp_path / "s", change=drop):
        outcome = crew.perform(through(tmp_path / "s"))
    (connection,) = outcome.connections
    assert (connection.intact, connection.lagged, connection.notices, connection.unannounced) == (990, 10, 1, 0)
    assert outcome.problems() == []


def test_a_notice_that_says_too_much_is_found(crew, tmp_path):
    notice = wire.encode(wire.Frame(wire.Opcode.ERROR, "perf_test", b"\x07\0" + (5).to_bytes(8, "little")))
    with router(tmp_path / "s", change=spoilt(999, lambda frame: notice)):
        outcome = crew.perform(through(tmp_path / "s"))
    assert outcome.connections[0].findings == {"announced-but-received": 4}


def test_a_refused_subscription_stops_the_load_before_it_begins(crew, tmp_path):
    refuse = (wire.Opcode.SUBSCRIBE, wire.ErrorCode.UNKNOWN_TOPIC)
    with (
        router(tmp_path / "s", refuse=refuse),
        pytest.raises(LoadProblem, match="consume: LoadProblem: subscription to perf_test: Error 1"),
    ):
        crew.perform(through(tmp_path / "s"))


def test_an_error_that_answers_a_producer_ends_the_load(crew, tmp_path):
    refuse = (wire.Opcode.PUBLISH, wire.ErrorCode.PAYLOAD_TOO_LARGE)
    stage = through(tmp_path / "s", count=200, rate=1000, quantum_ns=1_000_000)
    with router(tmp_path / "s", refuse=refuse), pytest.raises(LoadProblem, match=r"produce: .*PAYLOAD_TOO_LARGE"):
        crew.perform(stage)


def test_nobody_there_is_said_with_the_path(crew, tmp_path):
    with pytest.raises(LoadProblem, match=rf"consume: .*no connection to {tmp_path}/nobody"):
        crew.perform(through(tmp_path / "nobody"))


def test_a_peer_that_takes_nothing_ends_at_the_deadline(crew, tmp_path):
    block = threading.Event()
    began = time.monotonic()
    with router(tmp_path / "s", change=lambda frame, _: (block.wait(20), frame)[1]):
        stage = through(tmp_path / "s", count=1_000_000, payload=1024, deadline_s=0.5)
        with pytest.raises(LoadProblem, match=r"produce: .*not taken within the deadline of 0.5 s"):
            crew.perform(stage)
        block.set()
    assert time.monotonic() - began < 8


def test_a_worker_that_is_killed_is_said_to_be_gone(crew, tmp_path):
    with router(tmp_path / "s"):
        crew.perform(through(tmp_path / "s", count=10))
        victim = crew._workers[-1]._process.pid
        stage = through(tmp_path / "s", count=3000, rate=1000, quantum_ns=1_000_000)
        timer = threading.Timer(0.7, os.kill, (victim, signal.SIGKILL))
        timer.start()
        with pytest.raises(LoadProblem, match="ended with -9 while produce"):
            crew.perform(stage)
        timer.join()
        assert crew.perform(through(tmp_path / "s", count=10)).delivered == 10


def test_a_paced_producer_keeps_its_intended_starts_and_says_how_well(crew, tmp_path):
    with router(tmp_path / "s"):
        outcome = crew.perform(through(tmp_path / "s", count=500, rate=1000, quantum_ns=1_000_000, spin_ns=50_000))
    (producer,) = outcome.producers
    assert outcome.problems() == []
    assert producer.sent == 500
    assert (producer.last_sent_ns - producer.started_ns) / 1e9 == pytest.approx(0.499, abs=0.1)
    assert producer.lag is not None
    assert producer.queue is not None
    assert (producer.lag.number(), producer.queue.number(), outcome.latency.number()) == (500, 500, 500)
    assert producer.lag.percentile(50) < 0.005
    assert producer.cpu_seconds < 0.25  # it sleeps between two starts
    assert outcome.latency.percentile(50) >= outcome.service.percentile(50) * 0.999


def test_messages_that_are_due_together_share_their_intended_start_and_are_a_burst(crew, tmp_path):
    outcome = crew.perform(relayed(tmp_path, count=10_000, rate=100_000, quantum_ns=10_000_000))
    (producer,) = outcome.producers
    assert producer.longest_burst >= 1000
    assert producer.longest_burst % 1000 == 0
    assert outcome.problems() == []
    assert outcome.sent == 10_000


def test_what_is_late_beyond_the_limit_is_dropped_and_counted(crew, tmp_path):
    stall = iter([True])

    def slow(frame, index):
        if index > 200 and next(stall, False):
            time.sleep(0.8)
        return frame

    with router(tmp_path / "s", change=slow):
        stage = through(
            tmp_path / "s", count=15_000, payload=4096, rate=10_000, quantum_ns=1_000_000, drop_after_ns=100_000_000
        )
        outcome = crew.perform(stage)
    (producer,) = outcome.producers
    assert producer.dropped > 0
    assert producer.sent + producer.dropped == 15_000
    assert outcome.problems() == []
    assert producer.queue is not None
    assert producer.queue.percentile(100) > 0.05
    assert producer.longest_burst > 100  # starts that fell due meanwhile are sent without a pause


@pytest.mark.parametrize("pace", [jobs.Pace(0.5), jobs.Pace(0.5, read_bytes=64, every_s=0.05)])
def test_a_slow_consumer_reads_slowly_for_its_time_and_everything_afterwards(crew, tmp_path, pace):
    of = shape()
    path = str(tmp_path / "s")
    slow = jobs.Consume(path, of, (50,), pace=pace)
    stage = Stage([jobs.Produce(path, of, 0, 50)], [slow, jobs.Consume(path, of, (50,))], drain_seconds=5)
    with router(tmp_path / "s"):
        outcome = crew.perform(stage)
    late, prompt = outcome.connections
    assert outcome.problems() == []
    assert (late.last_ns - outcome.origin_ns) / 1e9 >= 0.5
    assert (prompt.last_ns - outcome.origin_ns) / 1e9 < 0.4
    assert late.reads > (5 if pace.read_bytes else 0)


def test_a_worker_ends_when_whoever_gave_the_orders_is_gone():
    crew = Crew()
    (worker,) = crew._hire(1)
    assert worker._process.stdin is not None
    worker._process.stdin.close()
    assert worker._process.wait(30) == 0
    worker._process.stdin = None
    crew.close()


def test_producer_and_consumer_can_have_nothing_between_them(crew, tmp_path):
    for _ in range(2):  # nothing of the first stage is in the way of the second
        outcome = crew.perform(as_fast_as_taken(Direct(tmp_path), "perf_test", 20_000, 1024))
        assert outcome.problems() == []
        assert outcome.delivered == 20_000


def test_broker_and_relay_take_turns_until_something_is_wrong(crew, tmp_path):
    ways = (Broker(tmp_path / "s"), RawRelay(tmp_path))
    used = iter(range(100))

    def stage(way):
        return replace(as_fast_as_taken(way, "perf_test", 1000, 128), drain_seconds=1.0)

    with router(tmp_path / "s"):
        turns = take_turns(crew, ways, stage, 5, lambda: float(next(used)))
    assert (len(turns.broker), len(turns.relay), turns.messages, turns.problems()) == (5, 5, 5000, [])
    assert (
        turns.broker_cpu_seconds == 5.0
    )  # one each round: what was asked of it before and after the relay's is not in it
    assert all(outcome.relay_cpu_seconds is not None for outcome in turns.relay)
    ways = (Broker(tmp_path / "t"), ways[1])
    with router(tmp_path / "t", change=spoilt(1500, lambda frame: b"")):
        turns = take_turns(crew, ways, stage, 5, lambda: None)
    assert (len(turns.broker), len(turns.relay), turns.broker_cpu_seconds) == (2, 2, None)
    assert turns.problems() == ["broker: 1 lost of 1000 messages"]
