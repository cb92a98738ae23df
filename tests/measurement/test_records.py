from __future__ import annotations

import copy
import fcntl
import json
import multiprocessing
import threading

import pytest

from measurement.budgets import judge_latency
from measurement.histogram import LatencyHistogram
from measurement.paired import Contender, compare
from measurement.records import (
    InvalidRecord,
    Origin,
    Recorder,
    Target,
    read_records,
    record_of,
    timeline,
    validate,
)
from measurement.results import Band, ErrorClass
from measurement.sampler import ServiceUse

from .fakes import result_of

START = 1_700_000_000.0


def a_record(**more):
    result = result_of([0.01] * 1000 + [0.03] * 100, warm_up_seconds=1.0, bands=more.pop("bands", ()))
    judgement = judge_latency(result, 0.1)
    return record_of("simple query", result, judgement=judgement, target=Target("p99 latency", 100, "ms"), **more)


def test_a_record_is_written_validated_and_the_same_on_disk(tmp_path):
    path = tmp_path / "measurements.jsonl"
    origin = Origin(run_id="r1", criterion="CL-16", phase="performance", seed=7, host={"cpu": "x", "cores": 2})
    use = ServiceUse("member1", 4, 12.5, 20.0, 2**25, 2**20, 30)
    written = Recorder(path).write(a_record(origin=origin, services=[use]))
    (read,) = read_records(path)
    assert read == written
    assert (read["criterion"], read["seed"], read["verdict"]["value"]) == ("CL-16", 7, "pass")
    assert read["target"] == {"of": "p99 latency", "limit": 100, "unit": "ms", "bound": "at most"}
    assert read["load"]["offered"] == 1000
    assert read["latency"]["p50"] == pytest.approx(0.01, rel=1e-3)
    assert read["services"][0]["rss_bytes_max"] == 2**25
    assert read["started_at"] == "2023-11-14T22:13:20.000+00:00"


def test_the_histogram_in_a_record_merges_with_others():
    latency = a_record()["latency"]
    again = LatencyHistogram.decode(latency["hdr"]).merge(LatencyHistogram.decode(latency["hdr"]))
    assert again.n == 2 * latency["n"]
    assert again.percentile(99) == pytest.approx(latency["p99"], rel=1e-3)


def test_warm_up_and_windows_are_labelled_samples_of_the_record():
    bands = (Band("before", START + 1, START + 5), Band("during", START + 5, START + 11, sample_type="fault"))
    samples = a_record(bands=bands)["samples"]
    assert [(s["label"], s["sample_type"], s["offered"]) for s in samples] == [
        ("warm-up", "warm-up", 100),
        ("before", "normal", 400),
        ("during", "fault", 600),
    ]


def test_a_closed_loop_has_no_latency_in_its_record():
    record = record_of("maximum", result_of([0.01] * 10, mode="closed"))
    assert record["latency"] is record["generator_lag"] is record["queue_delay"] is None
    assert record["service_time"]["n"] == 10
    assert record["verdict"] == {"value": "measured", "reason": "no budget"}
    validate(record)
    record["latency"] = record["service_time"]
    with pytest.raises(InvalidRecord, match="latency"):
        validate(record)


def test_errors_stand_in_the_record_with_the_first_of_each_class():
    result = result_of(
        [0.01] * 4,
        outcomes=[0, 0, 1, 1],
        classes=("08006",),
        error_details={"08006": ErrorClass(2, "connection lost", 0.02)},
    )
    record = record_of("x", result)
    validate(record)
    assert record["errors"] == {"08006": {"count": 2, "first_detail": "connection lost", "first_s": 0.02}}


def test_a_comparison_stands_in_the_record():
    paired = compare(Contender("a", lambda _: None), Contender("b", lambda _: None), rounds=5, operations_per_round=3)
    record = record_of("a against b", paired.a, comparison=paired.comparison)
    validate(record)
    assert record["load"]["mode"] == "paired"
    assert record["comparison"]["rounds"] == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.pop("seed"), "seed"),
        (lambda r: r.update(speed="high"), "speed"),
        (lambda r: r["load"].update(mode="sideways"), "load.mode"),
        (lambda r: r["latency"].update(unit="ms"), "latency"),
        (lambda r: r["load"].update(ok=0), "load.ok"),  # nothing done is never a pass
        (lambda r: r.update(target=None), "target"),  # nor is a pass without a budget
        (lambda r: r["verdict"].update(value="maybe"), "verdict.value"),
        (lambda r: r.update(started_at="yesterday"), "started_at"),
    ],
)
def test_a_record_that_is_none_is_refused_and_not_written(change, message, tmp_path):
    record = a_record()
    validate(record)
    change(record)
    with pytest.raises(InvalidRecord, match=message):
        Recorder(tmp_path / "m.jsonl").write(record)
    assert not (tmp_path / "m.jsonl").exists()


def test_a_number_that_json_does_not_know_is_refused(tmp_path):
    record = a_record()
    record["duration_s"] = float("nan")
    with pytest.raises(ValueError, match=r"JSON|not a measurement"):
        Recorder(tmp_path / "m.jsonl").write(record)


def test_a_value_that_serialisation_changes_is_noticed(tmp_path):
    record = a_record()
    record["links"] = {"history": "h.jsonl"}
    record["errors"] = {1: {"count": 1, "first_detail": "", "first_s": 0.0}}  # JSON turns the key into a string
    with pytest.raises((InvalidRecord, TypeError)):
        Recorder(tmp_path / "m.jsonl").write(record)


def test_a_disk_that_does_not_keep_what_was_written_is_noticed(tmp_path, monkeypatch):
    real = json.dumps
    monkeypatch.setattr("measurement.records.json.dumps", lambda o, **k: real(o, **k).replace("simple", "sample"))
    with pytest.raises(InvalidRecord, match="not the one that was written"):
        Recorder(tmp_path / "m.jsonl").write(a_record())


def _write(path, number):
    record = record_of(f"measurement {number}", result_of([0.01] * 20))
    for _ in range(10):
        Recorder(path).write(record)


def test_several_processes_may_write_at_once(tmp_path):
    path = tmp_path / "m.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(path, n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [w.exitcode for w in writers] == [0, 0, 0]
    assert len(read_records(path)) == 30


def test_a_writer_waits_while_another_reads_back_what_it_wrote(tmp_path):
    path = tmp_path / "m.jsonl"
    writer = threading.Thread(target=Recorder(path).write, args=(a_record(),))
    with path.open("a+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        writer.start()
        writer.join(0.3)
        assert path.stat().st_size == 0
        assert writer.is_alive()
    writer.join(5)
    assert len(read_records(path)) == 1


def test_reading_names_the_line_that_is_wrong(tmp_path):
    path = tmp_path / "m.jsonl"
    Recorder(path).write(a_record())
    bad = copy.deepcopy(a_record())
    bad["load"]["workers"] = 0
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(bad) + "\n")
    with pytest.raises(InvalidRecord, match=r"line 2: .*load\.workers"):
        read_records(path)


def test_a_timeline_has_counts_and_percentiles_of_each_stretch():
    result = result_of([0.01] * 500 + [0.05] * 500, outcomes=[0] * 990 + [1] * 10, classes=("x",))
    line = timeline(result, points=10)
    assert line["interval_s"] == 1.0
    assert line["ok"] == [100] * 9 + [90]
    assert line["failed"] == [0] * 9 + [10]
    assert line["p50"] == [0.01] * 5 + [0.05] * 5
    assert line["p99"][0] == 0.01
    assert line["p99"][-1] is None  # 90 operations have no p99
    assert line["max"][-1] == 0.05


def test_a_timeline_of_few_operations_has_few_points():
    line = timeline(result_of([0.01] * 40))
    assert len(line["ok"]) <= 5
    assert sum(line["ok"]) == 40
