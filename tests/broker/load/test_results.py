from __future__ import annotations

import pytest

from BrokerLibrary.load import results
from BrokerLibrary.load.plans import Broker, Paced, RawRelay, as_fast_as_taken, by_intended_starts
from measurement.records import Recorder, read_records, record_of
from tests.broker.load.made import ORIGIN, SECOND, delivered, durations, outcome, sent


def test_rounds_at_full_speed_are_a_closed_loop_with_the_rate_of_all_of_them_together():
    one, other = (
        outcome(delivered(1000, seconds=1.0)),
        outcome(delivered(1000, seconds=3.0), started_at=1_700_000_010.0),
    )
    result = results.maximum([one, other])
    assert (result.mode, result.offered, result.ok, result.failed) == ("closed", 2000, 2000, 0)
    assert result.achieved_rate == pytest.approx(500)
    assert result.latency.n == 0
    assert (result.started_at, result.ended_at) == (1_700_000_000.0, 1_700_000_012.0)
    assert [stretch.ok for stretch in result.stretches] == [1000, 1000]


def test_the_rate_of_several_connections_is_that_of_all_deliveries():
    result = results.maximum([outcome(delivered(1000, seconds=2.0), delivered(1000, seconds=4.0))])
    assert (result.offered, result.ok, result.achieved_rate) == (2000, 2000, 500)


def test_findings_of_all_rounds_are_errors_with_the_words_of_the_first():
    bad = outcome(delivered(1000, received=[990], corrupted=2, first_wrong=[17, 99]), started_at=1_700_000_003.0)
    worse = outcome(delivered(1000, received=[995], reordered=1), started_at=1_700_000_009.0)
    result = results.maximum([outcome(), bad, worse])
    assert result.errors == {"lost": 15, "corrupted": 2, "reordered": 1}
    assert (result.ok, result.failed) == (2985, 18)
    detail = result.error_details["lost"]
    assert (detail.count, detail.first_at) == (15, 3.0)
    assert detail.first_detail == (
        "10 lost, 2 corrupted of 1000 messages (the first corrupted message, of sequence 17, "
        "differs at byte 99 of its frame)"
    )


PLAN = Paced(rate=100, measured_seconds=2.0, warm_up_seconds=1.0)


def paced(times=((200, 200),), connection=None, **changes):
    """A round of PLAN: its warm-up took 900 us a message, the rest as told in (us, messages)."""
    rows = PLAN.rows
    told = {
        "last_sent_ns": ORIGIN + int(2.99 * SECOND),
        "lag": durations(rows, r0=[(50, 100)], r20=[(7, 200)]),
        "queue": durations(rows, r0=[(0, 300)]),
        **changes,
    }
    taken = durations(rows, r0=[(900, 100)], r15=times)
    return outcome(connection or delivered(300), producer=sent(300, **told), latency=taken, service=taken)


def test_a_paced_load_is_an_open_loop_without_its_warm_up():
    result = results.paced([paced()], PLAN)
    assert (result.mode, result.offered, result.ok, result.dropped) == ("open", 200, 200, 0)
    assert (result.offered_rate, result.achieved_rate) == (100, 100)
    assert result.latency.percentile(100) == pytest.approx(200e-6)
    assert result.generator_lag.percentile(100) == pytest.approx(7e-6)
    assert result.warm_up.ok == 100
    assert result.warm_up.latency.percentile(50) == pytest.approx(900e-6)
    assert sum(stretch.ok for stretch in result.stretches) == 300
    assert len(result.stretches) * result.stretch_seconds == pytest.approx(3.0)


def test_rounds_of_a_paced_load_are_merged_before_they_are_asked():
    result = results.paced([paced(), paced(times=[(800, 200)])], PLAN)
    assert (result.offered, result.ok, result.achieved_rate) == (400, 400, 100)
    assert result.latency.percentile(50) == pytest.approx(200e-6)
    assert result.latency.percentile(51) == pytest.approx(800e-6)


def test_a_backlog_that_is_sent_after_the_schedule_lowers_the_rate():
    result = results.paced([paced(last_sent_ns=ORIGIN + 5 * SECOND)], PLAN)
    assert result.achieved_rate == pytest.approx(50)


def test_dropped_and_repeated_messages_are_not_achieved():
    few = results.paced([paced(times=[(200, 140)], dropped=60)], PLAN)
    assert (few.ok, few.dropped, few.achieved_rate) == (140, 60, 70)
    twice = results.paced([paced(connection=delivered(300, duplicated=5))], PLAN)
    assert (twice.ok, twice.errors) == (195, {"duplicated": 5})


def test_both_kinds_make_valid_records(tmp_path):
    recorder = Recorder(tmp_path / "m.jsonl")
    recorder.write(record_of("maximum", results.maximum([outcome()])))
    recorder.write(record_of("paced", results.paced([paced()], PLAN)))
    assert [record["load"]["mode"] for record in read_records(tmp_path / "m.jsonl")] == ["closed", "open"]


@pytest.mark.parametrize("seconds", [(1.0, 0.2), (5.0, 0.0), (15.0, 1.0), (300.0, 5.0), (0.05, 0.0)])
def test_rows_cover_the_plan_and_the_warm_up_is_a_whole_number_of_them(seconds):
    measured, warm_up = seconds
    plan = Paced(1000, measured, warm_up)
    assert plan.warm_up_rows * plan.row_seconds == pytest.approx(warm_up)
    assert plan.rows * plan.row_seconds >= plan.seconds - 1e-9
    assert plan.rows <= 260
    assert plan.messages == plan.warm_up_messages + plan.measured_messages == round(1000 * (measured + warm_up))


def test_the_same_load_goes_through_broker_and_relay(tmp_path):
    through, past = Broker(tmp_path / "b.sock"), RawRelay(tmp_path)
    stages = [as_fast_as_taken(way, "t", 100, 64) for way in (through, past)]
    (publish,), (copied,) = stages[0].producers, stages[1].producers
    assert (stages[0].relay, publish.shape.opcode_sent, stages[0].consumers[0].subscribe) == (None, 1, True)
    assert stages[1].relay is not None
    assert (copied.shape.opcode_sent, stages[1].consumers[0].subscribe) == (6, False)
    assert (copied.socket, stages[1].consumers[0].socket) == (stages[1].relay.entry, stages[1].relay.exit)
    assert publish.shape.run != copied.shape.run


@pytest.mark.parametrize(("rate", "quantum_ns", "spins"), [(1000, 1_000_000, True), (500_000, 1_000_000, False)])
def test_few_messages_have_a_start_each_and_many_share_one(tmp_path, rate, quantum_ns, spins):
    (producer,) = by_intended_starts(Broker(tmp_path / "b"), "t", Paced(rate, 1.0), 64).producers
    assert (producer.quantum_ns, producer.spin_ns > 0, producer.count) == (quantum_ns, spins, rate)
