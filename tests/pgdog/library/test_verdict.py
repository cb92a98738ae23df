from __future__ import annotations

from dataclasses import replace

import pytest

from measurement.verdicts import Verdict
from oracles.mirror import Compared, Difference, Kind
from oracles.replay import Fault, Misplayed, Replayed
from PgDogLibrary.counts import MirrorCounts, Moved, Tally
from PgDogLibrary.readiness import Observed, Thresholds, assess
from PgDogLibrary.verdict import Evidence, cut_over, silent_divergence

EQUAL = Compared((), {"app.t": (10, 10)})
LOST = Compared((Difference("app.t", Kind.LOST, 2, "(id=7)"),), {"app.t": (10, 8)})
RIGHT = Tally(attempted=100, mirrored=100, sampled_out=0, overflow=0, errors=0, backlog=0)
WANTED = Thresholds(0.05, 1000, 0.0, 50)
READY = assess(Observed(1000, 1000, 0, 1.0, 1.0, 0), WANTED)


def evidence(contents=EQUAL, tally=RIGHT, transactions=None, contradictions=(), resets=0, backlog=0):
    counts = MirrorCounts(0.0, tally, contradictions=contradictions)
    return Evidence(contents, Moved(counts, resets, 1.0), backlog, transactions)


def played(**faults):
    found = tuple(Misplayed(Fault[name.upper()], count, "transaction 5 of client 1") for name, count in faults.items())
    return Replayed(found, 90, 0)


def with_errors(errors, overflow=0, sampled=0):
    return replace(RIGHT, mirrored=100 - errors - sampled, errors=errors, overflow=overflow, sampled_out=sampled)


# -- silent divergence


def test_equal_contents_diverge_not_at_all():
    assert silent_divergence(evidence()).verdict is Verdict.PASS
    assert silent_divergence(evidence(transactions=played())).verdict is Verdict.PASS
    assert silent_divergence(evidence(tally=with_errors(3))).verdict is Verdict.PASS


def test_a_difference_that_no_counter_announces_is_silent_and_shown():
    found = silent_divergence(evidence(LOST))
    assert found.verdict is Verdict.FAIL
    assert found.reason == (
        "silent divergence: the proxy announces 0 errors, 0 of them overflow, 0 sampled out; "
        "the mirror differs: app.t: 2 lost rows; first: (id=7)"
    )


@pytest.mark.parametrize("tally", [with_errors(1), with_errors(2, overflow=2), with_errors(0, sampled=1)])
def test_what_the_proxy_counted_as_not_mirrored_is_announced(tally):
    found = silent_divergence(evidence(LOST, tally))
    assert found.verdict is Verdict.PASS
    assert "the proxy announces" in found.reason
    assert "first: (id=7)" in found.reason


def test_more_transactions_missing_than_announced_are_silent():
    assert silent_divergence(evidence(LOST, with_errors(3), played(lost=2, half=1))).verdict is Verdict.PASS
    found = silent_divergence(evidence(LOST, with_errors(3), played(lost=4)))
    assert found.verdict is Verdict.FAIL
    assert "4 transactions are missing, the proxy announces 3 errors" in found.reason


@pytest.mark.parametrize("fault", ["doubled", "phantom", "altered", "split", "merged", "reordered"])
def test_no_counter_announces_work_that_is_there_wrongly(fault):
    found = silent_divergence(evidence(EQUAL, with_errors(50), played(**{fault: 1})))
    assert found.verdict is Verdict.FAIL
    assert "in a way that no counter announces" in found.reason
    assert f"transactions: 1 {Fault[fault.upper()]}; first: transaction 5 of client 1" in found.reason


def test_no_counter_announces_a_sequence_that_is_behind():
    behind = Compared((Difference("app.t", Kind.SEQUENCE, 1, "s stands at 8"),), {"app.t": (1, 1)})
    assert silent_divergence(evidence(behind, with_errors(50))).verdict is Verdict.FAIL


def test_a_proxy_that_tells_nothing_announces_nothing_and_a_restart_is_told():
    found = silent_divergence(evidence(LOST, Tally(), resets=1))
    assert found.verdict is Verdict.FAIL
    assert "announces nothing, since it tells of no outcome, and counters began anew 1 times" in found.reason


def test_there_is_no_verdict_while_work_is_under_way_or_without_rows():
    assert silent_divergence(evidence(LOST, backlog=3)).verdict is Verdict.INCONCLUSIVE
    assert silent_divergence(evidence(Compared((), {}))).verdict is Verdict.INCONCLUSIVE


# -- cutting over


def test_it_is_safe_when_nothing_speaks_against_it():
    found = cut_over(evidence(transactions=played()), READY)
    assert found.verdict is Verdict.PASS
    assert found.reason == (
        "safe to cut over; 10 rows in 1 table are the same on both servers; 90 acknowledged transactions are there "
        "once, whole and in order, of no other a row; READY with 100.0%: All migration criteria met"
    )


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        (evidence(LOST), "app.t: 2 lost rows; first: (id=7) (not announced: the proxy announces 0 errors"),
        (evidence(LOST, with_errors(1)), "first: (id=7) (announced: 1 errors, 0 of them overflow, 0 sampled out)"),
        (evidence(transactions=played(half=1)), "transactions: 1 half there"),
        (evidence(backlog=2), "2 transactions are still to be replayed"),
        (evidence(tally=replace(RIGHT, mirrored=98)), "2 of 100 attempts are unaccounted for"),
        (evidence(contradictions=("attempted: 5 in all, 4 of all users",)), "attempted: 5 in all, 4 of all users"),
    ],
)
def test_each_thing_that_speaks_against_it_is_told(own, reason):
    found = cut_over(own, READY)
    assert found.verdict is Verdict.FAIL
    assert found.reason.startswith("not safe to cut over; ")
    assert reason in found.reason


def test_numbers_that_are_not_ready_are_told_beside_contents_that_are_right():
    found = cut_over(evidence(), assess(Observed(10, 5, 5, 1.0, 1.0, 0), WANTED))
    assert found.verdict is Verdict.FAIL
    assert "NOT READY with 45.0%: Error rate 50.00% exceeds threshold 5.00%, Total requests 10 below" in found.reason


def test_what_nobody_tells_is_never_safe_and_never_hides_what_is_wrong():
    unknown = assess(Observed(1000, 1000, 0, None, 1.0, 0), WANTED)
    found = cut_over(evidence(tally=replace(RIGHT, backlog=None), backlog=None), unknown)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reason == (
        "nobody can say whether it is safe to cut over; NOT READY with 80.0%: Average latency is not known; "
        "not told: backlog"
    )
    assert cut_over(evidence(LOST), unknown).verdict is Verdict.FAIL


def test_nothing_to_compare_is_no_proof():
    assert cut_over(evidence(Compared((), {"app.t": (0, 0)})), READY).verdict is Verdict.INCONCLUSIVE
