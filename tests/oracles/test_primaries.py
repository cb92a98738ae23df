from __future__ import annotations

import pytest

from measurement.verdicts import Verdict
from oracles.history import Kind, Operation, Result
from oracles.primaries import primaries_over_time, split_brain, writable_stretches

T = 1_700_000_000.0


def poll(node, at, value, took=0.01):
    outcome = Result.UNKNOWN if value is None else Result.OBSERVED
    return Operation(node, Kind.OBSERVE, T + at, T + at + took, outcome, value, node)


def edges(polls, closest=0.25):
    return [
        tuple(round(t - T, 3) for t in (s.first, s.sure_from, s.sure_to, s.last))
        for s in writable_stretches(polls, closest)
    ]


def watch(*nodes, without=()):
    """Ten uneventful polls of each member, so that the watch is long enough to mean anything."""
    return [poll(node, -2 + i / 10, node == nodes[0]) for node in nodes for i in range(20) if node not in without]


def test_writable_polls_join_and_are_certain_between_the_first_answer_and_the_last_question():
    assert edges([poll("m", 0, True), poll("m", 0.1, True), poll("m", 0.2, True)]) == [(0, 0.01, 0.2, 0.21)]


def test_a_single_poll_is_certain_of_no_stretch():
    (stretch,) = writable_stretches([poll("m", 0, True)], 0.25)
    assert not stretch.certain


def test_a_poll_without_an_answer_neither_joins_nor_parts():
    assert edges([poll("m", 0, True), poll("m", 0.1, None), poll("m", 0.2, True)]) == [(0, 0.01, 0.2, 0.21)]


def test_a_poll_that_says_otherwise_parts():
    assert len(edges([poll("m", 0, True), poll("m", 0.1, False), poll("m", 0.2, True)])) == 2


def test_polls_far_apart_are_two_stretches_since_nobody_looked_between():
    assert len(edges([poll("m", 0, True), poll("m", 0.3, True)])) == 2
    assert len(edges([poll("m", 0, True), *(poll("m", i / 10, None) for i in range(1, 20)), poll("m", 2, True)])) == 2


def test_one_poll_within_the_certain_stretch_of_another_member_is_two_primaries():
    polls = [*watch("a", "b"), *(poll("a", i / 10, True) for i in range(10)), poll("b", 0.45, True)]
    findings = split_brain(polls)
    assert findings.verdict is Verdict.FAIL
    assert findings.items[0].text.startswith("a and b both writable for 10 ms from 22:13:20.450 UTC")
    swapped = [*watch("b", "a"), *(poll("b", i / 10, True) for i in range(10)), poll("a", 0.45, True)]
    assert split_brain(swapped).verdict is Verdict.FAIL


def test_two_slow_polls_that_overlap_could_be_a_handover_and_settle_nothing():
    steady = [poll(node, i / 10, False) for node in "ab" for i in range(20)]
    findings = split_brain([*steady, poll("a", 2.0, True, took=0.5), poll("b", 2.1, True, took=0.5)])
    assert findings.verdict is Verdict.INCONCLUSIVE
    assert "a quick handover or two primaries" in findings.reason


@pytest.mark.parametrize("at", [-0.2, 0.3])
def test_a_slow_poll_over_the_edge_of_a_stretch_is_no_proof(at):
    """The answer of b may be from before a became writable, or from after it ceased to be."""
    polls = [*watch("c", "d"), *(poll("a", i / 10, True) for i in range(5)), poll("b", at, True, took=0.3)]
    assert split_brain(polls).verdict is not Verdict.FAIL


def test_a_timeline_lists_the_stretches_of_all_members_in_order():
    polls = [*(poll("b", 1 + i / 10, True) for i in range(3)), *(poll("a", i / 10, True) for i in range(3))]
    assert [(s.node, round(s.first - T, 1), round(s.last - T, 2)) for s in primaries_over_time(polls)] == [
        ("a", 0, 0.21),
        ("b", 1, 1.21),
    ]
