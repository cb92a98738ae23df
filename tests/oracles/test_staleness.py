from __future__ import annotations

from measurement.verdicts import Verdict
from oracles.history import History, Kind, Operation, Result
from oracles.staleness import stale_reads

T = 1_700_000_000.0


def write(version, begun, done, outcome=Result.ACKED):
    return Operation("k", Kind.WRITE, T + begun, T + done, outcome, version)


def read(version, begun, done, outcome=Result.OBSERVED):
    return Operation("k", Kind.READ, T + begun, T + done, outcome, version)


def test_the_newest_version_counts_and_not_the_one_acknowledged_last():
    slow_first_version = [write(1, 0, 5), write(2, 1, 2)]
    assert stale_reads(History.of([*slow_first_version, read(2, 6, 7)])).verdict is Verdict.PASS
    assert stale_reads(History.of([*slow_first_version, read(1, 6, 7)])).verdict is Verdict.FAIL


def test_a_version_is_due_from_its_acknowledgement_on():
    assert stale_reads(History.of([write(1, 0, 1), write(2, 2, 3), read(1, 3, 4)])).verdict is Verdict.PASS
    assert stale_reads(History.of([write(1, 0, 1), write(2, 2, 3), read(1, 3.001, 4)])).verdict is Verdict.FAIL


def test_only_acknowledged_versions_are_due():
    history = History.of([write(1, 0, 1), write(2, 2, 3, Result.UNKNOWN), read(1, 4, 5)])
    assert stale_reads(history).verdict is Verdict.PASS


def test_a_read_that_failed_is_no_evidence():
    history = History.of([write(1, 0, 1), read(None, 2, 3, Result.FAILED)])
    assert stale_reads(history).verdict is Verdict.INCONCLUSIVE


def test_a_read_of_another_key_is_no_evidence():
    other = Operation("other", Kind.READ, T + 2, T + 3, Result.OBSERVED, None)
    assert stale_reads(History.of([write(1, 0, 1), other])).verdict is Verdict.INCONCLUSIVE
