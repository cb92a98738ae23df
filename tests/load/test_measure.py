from __future__ import annotations

import json
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from LoadLibrary.measure import (
    leave_record,
    measure_closed_loop,
    measure_open_loop,
    measure_paired,
)
from measurement.openloop import Offering
from measurement.paired import Contender
from measurement.records import read_records
from measurement.results import LoadResult, Outcome
from measurement.schedule import constant_rate, poisson
from measurement.verdicts import Judgement, Verdict


def quick(worker):
    return lambda number: None


def slow(worker):
    return lambda number: time.sleep(0.05)


def records(run):
    return read_records(Path(run.results) / "measurements.jsonl")


def test_an_open_loop_measurement_leaves_a_record_with_everything_a_reader_needs(run):
    now = time.time()
    samples = [
        {"t": now + t, "service": "redis", "cpu_percent": 5.0, "rss_bytes": 2**23, "fds": 9} for t in (-9, 0.1, 0.4, 9)
    ]
    text = "".join(json.dumps(s) + "\n" for s in samples)
    (Path(run.results) / "samples.jsonl").write_text(text, encoding="utf-8")
    measurement = measure_open_loop(
        "simple query", quick, 1000, timedelta(seconds=1), workers=4, budget_p99_seconds=0.1, warm_up=0.2
    )
    (record,) = records(run)
    assert record == measurement.record
    assert (record["criterion"], record["run_id"], record["seed"]) == ("CL-16", "20261121-1200", 7)
    assert (record["git"], record["host"]["cores"], record["system"]["defect"]) == ("abc1234", 2, "slow-link")
    assert record["system"]["services"] == [{"name": "redis", "kind": "real", "version": "7"}]
    assert record["target"] == {"of": "p99 latency", "limit": 100, "unit": "ms", "bound": "at most"}
    assert record["verdict"]["value"] == "pass"
    assert record["load"]["offered"] == 1000
    assert [s["sample_type"] for s in record["samples"]] == ["warm-up"]
    assert [(s["service"], s["samples"]) for s in record["services"]] == [("redis", 2)]
    (timing,) = [json.loads(line) for line in (Path(run.results) / "timings.jsonl").read_text().splitlines()]
    assert (timing["what"], timing["kind"], timing["criterion"]) == ("simple query", "measuring", "CL-16")
    assert timing["seconds"] == pytest.approx(1.2, abs=0.3)


def test_a_verdict_never_raises_here_but_stands_in_the_record(run):
    measurement = measure_open_loop("slow", slow, 100, 0.5, workers=8, budget_p99_seconds=0.02, warm_up=0)
    assert measurement.judgement is not None
    assert measurement.judgement.verdict is Verdict.FAIL
    (record,) = records(run)
    assert record["verdict"]["value"] == "fail"
    assert "budget 20.0 ms" in record["verdict"]["reason"]
    assert str(measurement) == f"slow: {measurement.judgement.reason}"


@pytest.mark.parametrize(
    ("verdicts", "names"),
    [
        (["inconclusive", "pass"], ["read", "read, window 2"]),
        (["inconclusive", "fail", "pass"], ["read", "read, window 2"]),
        (["fail", "pass"], ["read"]),
        (["inconclusive"] * 4, ["read", "read, window 2", "read, window 3"]),
    ],
)
def test_a_window_that_settles_nothing_is_measured_again_and_no_other(run, monkeypatch, verdicts, names):
    left = iter(verdicts)
    monkeypatch.setattr(
        "LoadLibrary.measure.judge_latency", lambda *_, **__: Judgement(Verdict(next(left)), "for some reason")
    )
    measurement = measure_open_loop("read", quick, 100, 0.1, workers=1, budget_p99_seconds=0.02, warm_up=0)
    assert [(record["name"], record["verdict"]["value"]) for record in records(run)] == list(
        zip(names, verdicts, strict=False)
    )
    assert measurement.name == names[-1]
    assert measurement.judgement is not None
    assert measurement.judgement.verdict == verdicts[len(names) - 1]


def test_an_overloaded_system_does_not_prolong_the_run_and_fails(run, monkeypatch):
    monkeypatch.setattr("LoadLibrary.measure.LEAST_PATIENCE_SECONDS", 0.3)
    begin = time.monotonic()
    measurement = measure_open_loop("overload", slow, 400, 1, workers=2, budget_p99_seconds=0.1, warm_up=0)
    assert time.monotonic() - begin < 3  # 400 operations of 50 ms by two workers would be 10 s
    assert measurement.result.dropped > 100
    assert measurement.judgement is not None
    assert measurement.judgement.verdict is Verdict.FAIL


def test_arrivals_may_follow_the_runs_seed(run):
    first, second = (
        measure_open_loop("poisson", quick, 200, 0.5, workers=2, warm_up=0, arrivals="poisson") for _ in range(2)
    )
    assert isinstance(first.result, LoadResult)
    assert isinstance(second.result, LoadResult)
    assert first.result.samples.intended.tolist() == second.result.samples.intended.tolist()
    assert first.result.samples.intended.tolist() == poisson(200, 0.5, seed=7).tolist()
    assert first.judgement is None
    assert first.record["verdict"] == {"value": "measured", "reason": "no budget"}
    assert str(first) == "poisson: measured without a budget"


def test_a_closed_loop_measurement_is_judged_by_its_rate(run):
    passed = measure_closed_loop("reads", slow, 0.4, workers=4, minimum_per_second=50, warm_up=0.1)
    failed = measure_closed_loop("reads", slow, timedelta(seconds=0.4), workers=1, minimum_per_second=50, warm_up=0)
    free = measure_closed_loop("reads", slow, 0.2, workers=1)
    assert passed.judgement is not None
    assert failed.judgement is not None
    assert (passed.judgement.verdict, failed.judgement.verdict) == (Verdict.PASS, Verdict.FAIL)
    assert [r["verdict"]["value"] for r in records(run)] == ["pass", "fail", "measured"]
    assert free.record["latency"] is None
    assert passed.record["target"] == {"of": "rate", "limit": 50, "unit": "/s", "bound": "at least"}


def test_a_paired_measurement_is_judged_by_its_ratio(run):
    fast = Contender("cache", lambda _: time.sleep(0.001))
    other = Contender("database", lambda _: time.sleep(0.003))
    measurement = measure_paired("read", fast, other, rounds=5, operations_per_round=4)
    assert measurement.judgement is not None
    assert measurement.judgement.verdict is Verdict.PASS
    (record,) = records(run)
    assert record["load"]["mode"] == "paired"
    assert record["comparison"]["a"] == "cache"
    assert record["target"]["unit"] == "ratio"


def test_a_load_around_a_fault_leaves_its_windows(run):
    with Offering(lambda _: lambda _: None, constant_rate(200, 60), workers=2) as load:
        load.mark("before")
        time.sleep(0.2)  # a stretch of load
        load.mark("during", sample_type="fault")
        time.sleep(0.2)
        load.mark("after", sample_type="recovery")
    leave_record("writes around a kill", load.result(), links={"history": "histories/CL-16-x.jsonl"})
    (record,) = records(run)
    assert [(s["label"], s["sample_type"]) for s in record["samples"]] == [
        ("before", "normal"),
        ("during", "fault"),
        ("after", "recovery"),
    ]
    assert record["links"] == {"history": "histories/CL-16-x.jsonl"}
    assert record["load"]["stopped"] is True


def test_what_others_did_to_the_machine_is_told_beside_a_failure(run, monkeypatch):
    monkeypatch.setattr("LoadLibrary.measure.Busy.__exit__", lambda self, *_: setattr(self, "percent", 90.0))
    share = 20.0 * (os.cpu_count() or 1)
    samples = [
        {"t": time.time() + t / 10, "service": "redis", "cpu_percent": share, "rss_bytes": 1, "fds": 1}
        for t in range(50)
    ]
    text = "".join(json.dumps(sample) + "\n" for sample in samples)
    (Path(run.results) / "samples.jsonl").write_text(text, encoding="utf-8")
    failed = measure_open_loop("slow", slow, 40, 0.4, workers=4, budget_p99_seconds=0.02, warm_up=0)
    assert failed.record["machine"] == {
        "busy_percent": 90.0,
        "foreign_percent": pytest.approx(70),
        "processors_awake": None,
    }
    assert failed.record["verdict"]["reason"].endswith("processes outside the run used 70 % of this machine's cores")
    passed = measure_open_loop("quick", quick, 1000, 1, workers=4, budget_p99_seconds=5, warm_up=0)
    assert passed.record["machine"]["foreign_percent"] == pytest.approx(70)
    assert "outside" not in passed.record["verdict"]["reason"]


def test_without_samples_nobody_knows_who_used_the_machine(run):
    record = measure_open_loop("quick", quick, 100, 0.3, workers=1, warm_up=0).record
    assert record["machine"]["foreign_percent"] is None
    assert 0 <= record["machine"]["busy_percent"] <= 100


def test_wrong_answers_fail_and_are_counted(run):
    def factory(worker):
        return lambda number: Outcome.wrong("9 rows") if number % 100 == 7 else None

    measurement = measure_open_loop("checked", factory, 500, 0.5, workers=2, budget_p99_seconds=0.5, warm_up=0)
    assert measurement.judgement is not None
    assert measurement.judgement.verdict is Verdict.FAIL
    assert measurement.record["errors"]["wrong-response"]["count"] == 3
    assert measurement.record["errors"]["wrong-response"]["first_detail"] == "9 rows"
