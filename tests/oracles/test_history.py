from __future__ import annotations

import json
import threading
from datetime import datetime

import pytest

from measurement.verdicts import Inconclusive, Verdict
from oracles.history import FINAL, History, HistoryWriter, Kind, Mark, Operation, Result, concluded, relative

T = 1_700_000_000.0


def write(id_, at=T, outcome=Result.ACKED):
    return Operation(id_, Kind.WRITE, at, at + 0.01, outcome)


def test_a_history_comes_back_from_disk_as_it_was(tmp_path):
    path = tmp_path / "histories" / "HA-10-ledger.jsonl"
    operations = [write(1), Operation("k", Kind.READ, T, T + 1, Result.OBSERVED, {"v": 2}, "member1", "späte Antwort")]
    with HistoryWriter(path, kind="ledger", criterion="HA-10", marks={"kill": T}) as writer:
        for operation in operations:
            writer.append(operation)
    history = History.read(path)
    assert history.operations == tuple(operations)
    assert (history.header["kind"], history.header["criterion"]) == ("ledger", "HA-10")
    assert datetime.fromisoformat(history.header["started_at"]).tzinfo is not None
    assert history.marks == (Mark("kill", T),)
    history.write(tmp_path / "copy.jsonl")
    assert History.read(tmp_path / "copy.jsonl") == history


def test_operations_are_on_disk_as_soon_as_they_are_appended(tmp_path):
    writer = HistoryWriter(tmp_path / "h.jsonl")
    writer.append(write(1))
    assert len(History.read(tmp_path / "h.jsonl").operations) == 1
    writer.close()


def test_a_second_history_never_replaces_the_first(tmp_path):
    HistoryWriter(tmp_path / "h.jsonl").close()
    with pytest.raises(FileExistsError):
        HistoryWriter(tmp_path / "h.jsonl")


def test_threads_may_share_a_writer(tmp_path):
    def append(number):
        for i in range(100):
            writer.append(write(number * 100 + i))

    with HistoryWriter(tmp_path / "h.jsonl") as writer:
        threads = [threading.Thread(target=append, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {o.id for o in History.read(tmp_path / "h.jsonl").operations} == set(range(400))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty"),
        (["{}"], "line 1: is not a history's header"),
        (['{"kind": "x"}', "{"], "line 2: is not an operation"),
        (['{"kind": "x"}', json.dumps({"id": 1})], "line 2: is not an operation"),
        (
            [
                '{"kind": "x"}',
                json.dumps({"id": 1, "kind": "wrote", "invoked": 1, "completed": 2, "outcome": "acked"}),
            ],
            "line 2: .*wrote",
        ),
    ],
)
def test_what_is_no_history_is_refused_with_its_line(lines, message, tmp_path):
    path = tmp_path / "h.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        History.read(path)


def test_an_operation_does_not_end_before_it_begins():
    with pytest.raises(ValueError, match="before it began"):
        Operation(1, Kind.WRITE, T, T - 0.001, Result.ACKED)


def test_the_final_read_is_the_last_complete_one():
    def final(ids, outcome=Result.OBSERVED):
        return Operation(FINAL, Kind.READ, T, T + 1, outcome, ids)

    history = History.of([final([1]), final([1, 2]), final([], Result.FAILED)])
    assert history.final_read() == [1, 2]
    with pytest.raises(Inconclusive, match="no final read"):
        History.of([write(1)]).final_read()


def test_times_are_told_by_the_mark_before_else_by_the_next():
    marks = [Mark("injected", T + 1), Mark("healed", T + 5)]
    assert relative(T + 1.25, marks).endswith(", 250 ms after injected")
    assert relative(T + 7.5, marks).endswith(", 2.5 s after healed")
    assert relative(T + 0.5, marks).endswith(", 500 ms before injected")
    assert relative(T, ()) == "22:13:20.000 UTC"


def test_findings_are_no_truth_value_and_nothing_judged_is_never_a_pass():
    nothing = concluded("lost writes", [], 0, "acknowledged writes")
    assert nothing.verdict is Verdict.INCONCLUSIVE
    with pytest.raises(Inconclusive, match="no acknowledged writes to judge by"):
        nothing.require()
    with pytest.raises(TypeError):
        bool(nothing)
