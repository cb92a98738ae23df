from __future__ import annotations

import pytest

from measurement.verdicts import Verdict
from oracles.history import FINAL, History, Kind, Mark, Operation, Result
from oracles.writes import availability, lost, recovered, unexpected

T = 1_700_000_000.0


def attempt(id_, at, outcome, node=""):
    return Operation(id_, Kind.WRITE, T + at, T + at + 0.01, outcome, None, node)


def final(ids):
    return Operation(FINAL, Kind.READ, T + 9, T + 9.1, Result.OBSERVED, list(ids))


def test_a_write_refused_once_and_acknowledged_later_may_be_there():
    tried = [attempt(1, 0, Result.FAILED), attempt(1, 1, Result.ACKED)]
    history = History.of([*tried, final([1])])
    assert unexpected(history).verdict is Verdict.PASS
    assert lost(history).verdict is Verdict.PASS


def test_a_write_acknowledged_on_its_second_attempt_is_not_recovered():
    tried = [attempt(1, 0, Result.UNKNOWN), attempt(1, 1, Result.ACKED), attempt(2, 2, Result.UNKNOWN)]
    assert recovered(History.of([*tried, final([1, 2])])) == (2,)


def test_a_write_acknowledged_twice_is_lost_once_and_told_by_its_first_acknowledgement():
    tried = [attempt(1, 1, Result.ACKED, "late"), attempt(1, 0, Result.ACKED, "early")]
    findings = lost(History.of([*tried, final([])]), marks=[Mark("start", T)])
    assert findings.count == 1
    assert findings.reason == (
        "lost writes: 1 of 1 acknowledged writes; first: id 1 acknowledged by early at 22:13:20.010 UTC, "
        "10 ms after start, not there at the end"
    )


def test_marks_given_replace_those_of_the_header():
    history = History.of([attempt(1, 1, Result.ACKED), final([])], marks={"header": T})
    assert "after header" in lost(history).reason
    assert "after given" in lost(history, marks=[Mark("given", T)]).reason


def test_an_availability_timeline_has_empty_stretches_and_begins_on_whole_ones():
    history = History.of(
        [attempt(1, 0.05, Result.ACKED), attempt(2, 0.42, Result.UNKNOWN), attempt(3, 0.43, Result.ACKED)]
    )
    buckets = availability(history, 0.1)
    assert [round(b.start - T, 3) for b in buckets] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert [(b.acked, b.failed, b.unknown) for b in buckets] == [(1, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (1, 0, 1)]
    assert availability(History.of([])) == ()
