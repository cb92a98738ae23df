"""A run directory is read whatever is missing or damaged."""

from __future__ import annotations

import json

import pytest

from reporting import closing_line, read_run
from reporting.rundata import time_by_kind


def test_a_whole_run_has_no_remarks(made_once):
    run = read_run(made_once)
    assert run.remarks == []
    assert run.complete
    assert run.verdict == "FAIL"
    assert run.counts == {"fail": 1, "inconclusive": 1, "not run": 0, "skip": 2, "pass": 3}
    assert closing_line(run) == "3 passed, 2 failed, 2 skipped"
    assert [row.id for row in run.rows] == ["CL-01", "CT-01", "CT-02", "CL-16", "HA-10", "HA-11", "HA-12"]


@pytest.mark.parametrize(
    "missing",
    ["criteria.json", "environment.json", "measurements.jsonl", "samples.jsonl", "faults.jsonl", "timings.jsonl"],
)
def test_a_missing_file_costs_only_what_was_in_it(fake, missing):
    fake.everything()
    (fake.directory / missing).unlink()
    run = read_run(fake.directory)
    assert closing_line(run) == "3 passed, 2 failed, 2 skipped"
    assert run.remarks == []


def test_an_empty_directory_is_a_stopped_run(tmp_path):
    run = read_run(tmp_path)
    assert run.verdict == "STOPPED"
    assert run.remarks == ["output.xml: nothing to be read; no criterion had begun"]
    assert closing_line(run) == "0 passed, 0 failed, 0 skipped"


def test_a_criterion_that_never_ran_is_missed_and_counts_as_failed(fake):
    fake.everything()
    path = fake.directory / "criteria.json"
    content = json.loads(path.read_text())
    content.append({**content[-1], "id": "HA-13", "statement": "Two members never accept writes at once"})
    path.write_text(json.dumps(content))
    run = read_run(fake.directory)
    assert run.rows[-1].verdict == "not run"
    assert run.rows[-1].message == "The run ended before it began."
    assert closing_line(run) == "3 passed, 3 failed, 2 skipped"


def test_torn_and_foreign_lines_are_left_out_and_told(fake):
    fake.everything()
    with (fake.directory / "faults.jsonl").open("a") as file:
        file.write('[1, 2]\n{"criterion": "HA-1')
    run = read_run(fake.directory)
    assert len(run.faults) == 1
    assert run.remarks == ["faults.jsonl: 1 of 2 lines are damaged and left out"]


def test_a_damaged_fingerprint_is_told(fake):
    fake.everything()
    (fake.directory / "environment.json").write_text("{")
    run = read_run(fake.directory)
    assert run.remarks == ["environment.json: cannot be read"]
    assert run.fingerprint == {}


def test_a_killed_criterion_is_known_by_its_name_though_it_has_no_tags_yet(fake):
    fake.everything()
    text = (fake.directory / "output.xml").read_text()
    cut = text[: text.index("<kw", text.index("No acknowledged write is lost"))] + '<kw name="Kill" owner="X">\n'
    (fake.directory / "output.xml").write_text(cut)
    rows = {row.id: row.verdict for row in read_run(fake.directory).rows}
    assert rows["HA-10"] == "pass"
    assert rows["HA-11"] == "not run"
    assert rows["HA-12"] == "not run"
    assert len(rows) == 7


def step(kind: str, start: float, end: float) -> dict[str, object]:
    return {"kind": kind, "seconds": end - start, "ended": end}


@pytest.mark.parametrize(
    ("steps", "waiting", "measuring"),
    [
        ([step("waiting", 0, 5), step("waiting", 10, 12)], 7, 0),
        ([step("waiting", 0, 5), step("waiting", 2, 4)], 5, 0),
        ([step("waiting", 0, 5), step("waiting", 3, 9)], 9, 0),
        ([step("waiting", 0, 10), step("measuring", 2, 5)], 7, 3),
        ([step("measuring", 0, 10), step("waiting", 2, 5)], 0, 10),
        ([{"kind": "waiting", "seconds": 3}, {"kind": "waiting", "seconds": 4}], 7, 0),
        ([step("unheard-of", 0, 10)], 0, 0),
    ],
)
def test_no_second_is_counted_twice(steps, waiting, measuring):
    spent = time_by_kind(steps)
    assert (spent["waiting"], spent["measuring"]) == (waiting, measuring)
    assert spent["startup"] == spent["teardown"] == 0


def test_only_skips_judge_nothing(fake):
    fake.everything()
    content = [c for c in json.loads((fake.directory / "criteria.json").read_text()) if c["id"].startswith("CT")]
    (fake.directory / "criteria.json").write_text(json.dumps(content))
    text = (fake.directory / "output.xml").read_text().replace('status="FAIL"', 'status="SKIP"')
    (fake.directory / "output.xml").write_text(text.replace('status="PASS"', 'status="SKIP"'))
    assert read_run(fake.directory).verdict == "NOTHING JUDGED"


def test_an_inconclusive_criterion_is_enough_to_fail_a_run(fake):
    fake.everything()
    path = fake.directory / "output.xml"
    path.write_text(path.read_text().replace("lost 14 of", "INCONCLUSIVE: lost 14 of"))
    run = read_run(fake.directory)
    assert run.counts["fail"] == 0
    assert run.verdict == "FAIL"
