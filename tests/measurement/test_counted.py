from __future__ import annotations

from typing import Any

import pytest

from measurement.budgets import judge_latency, judge_rate
from measurement.counted import CountedResult, CountedSet, Stretch
from measurement.histogram import LatencyHistogram
from measurement.records import Recorder, Target, read_records, record_of
from measurement.results import NORMAL, WARM_UP, Band, ErrorClass
from measurement.verdicts import Judgement, Verdict
from tests.measurement.fakes import result_of


def counted(latencies, *, rate=100.0, lag=0.0, queue=0.0, mode="open", errors=None, dropped=0, **more):
    """The same load as `result_of` makes, counted."""
    n = len(latencies)
    is_open = mode == "open"
    measured = CountedSet(
        NORMAL,
        NORMAL,
        0.0,
        n / rate,
        offered=n + dropped,
        ok=n - sum((errors or {}).values()),
        dropped=dropped,
        errors=errors or {},
        latency=LatencyHistogram.of(latencies if is_open else []),
        service_time=LatencyHistogram.of([max(taken - lag - queue, 0) for taken in latencies]),
        queue_delay=LatencyHistogram.of([queue] * n if is_open else []),
        generator_lag=LatencyHistogram.of([lag] * n if is_open else []),
        sent_seconds=(n - 1) / rate + lag + queue,
        closed=not is_open,
    )
    return CountedResult(
        mode=mode,
        workers=4,
        started_at=1_700_000_000.0,
        schedule_seconds=n / rate,
        ended_at=1_700_000_000.0 + n / rate,
        measured=measured,
        client_cpu_percent=10.0,
        **more,
    )


@pytest.mark.parametrize(
    "load",
    [
        {"latencies": [0.01] * 1000},
        {"latencies": [0.01] * 900 + [0.2] * 100},
        {"latencies": [0.01] * 500},
        {"latencies": [0.2] * 1000, "lag": 0.15},
    ],
    ids=["met", "exceeded", "too few", "late generator"],
)
def test_a_counted_load_is_judged_as_one_whose_operations_were_kept(load):
    one, other = judge_latency(counted(**load), 0.1), judge_latency(result_of(**load), 0.1)
    assert (one.verdict, one.reason) == (other.verdict, other.reason)


def test_waiting_for_a_busy_worker_is_not_known_to_be_the_systems():
    """Without the operations, queue delay is left out of what the system is blamed for beyond doubt."""
    load: dict[str, Any] = {"latencies": [0.4] * 1000, "lag": 0.02, "queue": 0.3}
    assert judge_latency(result_of(**load), 0.1).verdict is Verdict.FAIL
    assert judge_latency(counted(**load), 0.1).verdict is Verdict.INCONCLUSIVE


def test_a_counted_rate_is_judged_by_what_arrived_until_the_last_was_sent():
    result = counted([0.01] * 1000, mode="closed")
    assert judge_rate(result, 100).verdict is Verdict.PASS
    assert judge_rate(result, 101).verdict is Verdict.FAIL
    slow = CountedSet(NORMAL, NORMAL, 0.0, 10.0, 1000, 1000, sent_seconds=20.0)
    assert slow.achieved_rate == 50


def test_errors_fail_with_the_first_of_their_kind():
    details = {"lost": ErrorClass(3, "3 lost of 1000 messages", 0.5)}
    result = counted([0.01] * 1000, errors={"lost": 3}, error_details=details)
    judgement = judge_latency(result, 0.1)
    assert judgement.verdict is Verdict.FAIL
    assert "3 of 1000 operations failed, 0 allowed (lost x 3; lost, first after 0.5 s: 3 lost" in judgement.reason


def test_a_record_of_a_counted_load_is_valid_and_has_its_stretches(tmp_path):
    stretches = [
        Stretch(200, 0, LatencyHistogram.of([0.01] * 200)),
        Stretch(10, 1, LatencyHistogram.of([0.05] * 10)),
        Stretch(0, 2, LatencyHistogram()),
    ]
    warm_up = CountedSet(WARM_UP, WARM_UP, 0.0, 1.0, 100, 100, latency=LatencyHistogram.of([0.3] * 100))
    result = counted([0.01] * 1000, stretches=stretches, stretch_seconds=0.5, warm_up=warm_up, errors={"lost": 1})
    result.error_details["lost"] = ErrorClass(1, "gone", 0.0)
    judgement, target = Judgement(Verdict.FAIL, "lost"), Target("p99 latency", 100, "ms")
    Recorder(tmp_path / "m.jsonl").write(record_of("counted", result, judgement=judgement, target=target))
    (record,) = read_records(tmp_path / "m.jsonl")
    assert record["timeline"] == {
        "interval_s": 0.5,
        "start_s": 0.0,
        "ok": [200, 10, 0],
        "failed": [0, 1, 2],
        "p50": [0.01, 0.05, None],
        "p99": [0.01, None, None],
        "max": [0.01, 0.05, None],
    }
    assert (record["load"]["ok"], record["load"]["failed"]) == (999, 1)
    assert (record["latency"]["p50"], record["latency"]["n"]) == (0.01, 1000)
    assert [(s["label"], s["ok"], s["latency"]["p50"]) for s in record["samples"]] == [("warm-up", 100, 0.3)]
    assert record["errors"]["lost"]["first_detail"] == "gone"


def test_a_counted_load_has_no_windows_to_be_cut_into():
    with pytest.raises(ValueError, match="no windows"):
        counted([0.01]).windows_unchecked([Band("before", 0, 1)])
    assert list(counted([0.01]).windows_unchecked()) == []


def test_late_operations_are_those_that_waited_for_a_worker():
    delays = LatencyHistogram.of([0.0] * 7 + [0.002] * 3)
    assert CountedSet(NORMAL, NORMAL, 0.0, 1.0, 10, 10, queue_delay=delays).late == 3
