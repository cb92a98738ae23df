"""Oracles on generated histories: a system that behaves is never accused, one that does not is always found out."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from measurement.verdicts import Inconclusive, Verdict
from oracles.history import FINAL, History, Kind, Operation, Result
from oracles.primaries import split_brain
from oracles.staleness import backward_reads, invented_reads, stale_reads
from oracles.writes import availability, duplicated, longest_gap, lost, recovered, reordered, unexpected

T = 1_700_000_000.0
seeds = st.integers(0, 2**32 - 1)


def ledger(seed: int, size: int = 60) -> tuple[History, list[int]]:
    """Make a history of a ledger that keeps every acknowledged write, and some whose outcome is unknown."""
    rng = random.Random(seed)
    operations, kept, now = [], [], T
    for id_ in range(size):
        now += rng.expovariate(50)
        outcome = rng.choices([Result.ACKED, Result.UNKNOWN, Result.FAILED], [6, 2, 1])[0]
        duration = rng.expovariate(20)
        operations.append(Operation(id_, Kind.WRITE, now, now + duration, outcome))
        if outcome is Result.ACKED or (outcome is Result.UNKNOWN and rng.random() < 0.5):
            kept.append((now + rng.random() * duration, id_))  # it took effect at some instant while it was under way
    ids = [id_ for _, id_ in sorted(kept)]
    rng.shuffle(operations)
    return History.of([*operations, final(ids)]), ids


def final(ids: list[int]) -> Operation:
    return Operation(FINAL, Kind.READ, T + 1000, T + 1001, Result.OBSERVED, ids)


def with_final(history: History, ids: list[int]) -> History:
    return History.of([*history.operations[:-1], final(ids)])


@given(seeds)
def test_a_ledger_that_keeps_its_word_is_never_accused(seed):
    history, _ = ledger(seed)
    for oracle in (lost, unexpected, duplicated, reordered):
        assert oracle(history).verdict is Verdict.PASS, oracle.__name__


@given(seeds)
def test_losses_are_exactly_what_was_acknowledged_and_is_gone(seed):
    history, ids = ledger(seed)
    rng = random.Random(seed)
    gone = set(rng.sample(ids, k=rng.randint(1, len(ids))))
    acked = {o.id for o in history.acked()}
    findings = lost(with_final(history, [i for i in ids if i not in gone]))
    assert {item.id for item in findings.items} == gone & acked
    assert (findings.verdict is Verdict.FAIL) == bool(gone & acked)
    times = [item.at for item in findings.items]
    assert times == sorted(times)


@given(seeds)
def test_lost_recovered_and_present_add_up(seed):
    history, ids = ledger(seed)
    acked = {o.id for o in history.acked()}
    assert set(ids) == acked | set(recovered(history))
    assert not acked & set(recovered(history))


@given(seeds)
def test_a_row_nobody_wrote_and_a_refused_one_are_both_unexpected(seed):
    history, ids = ledger(seed)
    refused = [o.id for o in history.writes() if o.outcome is Result.FAILED]
    assume(refused)
    findings = unexpected(with_final(history, [*ids, 10_000, int(refused[0])]))
    assert {item.id for item in findings.items} == {10_000, refused[0]}


@given(seeds)
def test_a_duplicate_is_found_wherever_it_stands(seed):
    history, ids = ledger(seed)
    rng = random.Random(seed)
    twice = rng.choice(ids)
    position = rng.randint(0, len(ids))
    findings = duplicated(with_final(history, [*ids[:position], twice, *ids[position:]]))
    assert [item.id for item in findings.items] == [twice]


@given(seeds)
def test_swapping_two_writes_that_did_not_overlap_is_found_and_swapping_others_is_not(seed):
    history, ids = ledger(seed)
    by_id = {o.id: o for o in history.writes()}
    rng = random.Random(seed)
    first = rng.randrange(len(ids) - 1)
    a, b = ids[first], ids[first + 1]
    assume(by_id[a].outcome is by_id[b].outcome is Result.ACKED)
    swapped = [*ids[:first], b, a, *ids[first + 2 :]]
    apart = by_id[b].invoked > by_id[a].completed
    assert (reordered(with_final(history, swapped)).verdict is Verdict.FAIL) == apart


@given(seeds)
def test_order_may_be_judged_within_streams_only(seed):
    rng = random.Random(seed)
    writes = [Operation(i, Kind.WRITE, T + i, T + i + 0.5, Result.ACKED, node=rng.choice("ab")) for i in range(20)]
    one, other = ([o.id for o in writes if o.node == node] for node in "ab")
    assume(one)
    assume(other)
    history = History.of([*writes, Operation(FINAL, Kind.READ, T + 99, T + 99, Result.OBSERVED, [*one, *other])])
    assert reordered(history, stream=lambda o: o.node).verdict is Verdict.PASS


@given(seeds, st.floats(0.5, 30), st.integers(0, 59))
def test_the_longest_gap_is_the_one_that_was_made(seed, length, position):
    rng = random.Random(seed)
    operations, now = [], T
    for id_ in range(60):
        now += 0.01 + (length if id_ == position and id_ > 0 else 0)
        operations.append(Operation(id_, Kind.WRITE, now, now + 0.001, Result.ACKED))
    rng.shuffle(operations)
    gap = longest_gap(History.of(operations))
    expected = 0.01 + (length if position > 0 else 0)
    assert gap.seconds == pytest.approx(expected, abs=1e-5)
    assert gap.healed
    if position > 0:
        assert (gap.before, gap.after) == (position - 1, position)


@given(seeds, st.floats(0.05, 2))
def test_an_availability_timeline_counts_every_write_once(seed, bucket):
    history, _ = ledger(seed)
    buckets = availability(history, bucket)
    writes = list(history.writes())
    assert sum(b.acked for b in buckets) == sum(o.outcome is Result.ACKED for o in writes)
    assert sum(b.failed for b in buckets) == sum(o.outcome is Result.FAILED for o in writes)
    assert sum(b.unknown for b in buckets) == sum(o.outcome is Result.UNKNOWN for o in writes)
    for before, after in pairwise(buckets):
        assert after.start - before.start == pytest.approx(bucket, abs=1e-5)


def test_a_history_without_acknowledged_writes_has_no_gap():
    unknown = [Operation(i, Kind.WRITE, T + i, T + i + 1, Result.UNKNOWN) for i in range(5)]
    with pytest.raises(Inconclusive, match="no write was acknowledged"):
        longest_gap(History.of(unknown))


def test_a_gap_needs_writes_before_and_after_it():
    acks = [Operation(i, Kind.WRITE, T + t, T + t, Result.ACKED) for i, t in enumerate((0, 0.1, 0.2, 5.2, 5.3))]
    history = History.of(acks)
    assert longest_gap(history, minimum_before=3, minimum_after=2).seconds == pytest.approx(5)
    with pytest.raises(Inconclusive, match="3 acknowledged writes before it, at least 4 needed"):
        longest_gap(history, minimum_before=4)
    with pytest.raises(Inconclusive, match="2 acknowledged writes after it, at least 3 needed"):
        longest_gap(history, minimum_after=3)
    assert longest_gap(history, since=T + 5.25).seconds == pytest.approx(0.1)
    with pytest.raises(Inconclusive, match="none of 5"):
        longest_gap(history, since=T + 6)


def register(seed: int) -> History:
    """Make a history of registers whose every operation takes effect at one instant while it is under way."""
    rng = random.Random(seed)
    events = []
    for key in ("a", "b"):
        begun = T
        for version in range(1, 8):
            begun += rng.expovariate(5)
            done = begun + rng.expovariate(10)
            outcome = Result.ACKED if rng.random() < 0.8 else Result.UNKNOWN
            effect = rng.uniform(begun, done) if outcome is Result.ACKED or rng.random() < 0.5 else None
            events.append((effect, Operation(key, Kind.WRITE, begun, done, outcome, version)))
            begun = done  # one writer a key: versions grow in the order of their writes
    for _ in range(60):
        key, begun = rng.choice("ab"), T + rng.uniform(0, 4)
        done = begun + rng.expovariate(20)
        instant = rng.uniform(begun, done)
        past = [(e, o.value) for e, o in events if o.kind is Kind.WRITE and o.id == key and e and e <= instant]
        events.append((None, Operation(key, Kind.READ, begun, done, Result.OBSERVED, max(past)[1] if past else None)))
    return History.of(o for _, o in events)


@given(seeds)
def test_an_atomic_register_is_never_accused(seed):
    history = register(seed)
    for oracle in (stale_reads, backward_reads, invented_reads):
        findings = oracle(history)
        assert findings.verdict is not Verdict.FAIL, findings.reason


@given(seeds)
def test_a_read_that_is_behind_is_found(seed):
    history = register(seed)
    reads = [o for o in history.operations if o.kind is Kind.READ]
    for read in reads:
        known = [w.value for w in history.acked() if w.id == read.id and w.completed < read.invoked]
        if not known:
            continue
        behind = replace(read, value=max(known) - 1 or None)
        changed = History.of(behind if o is read else o for o in history.operations)
        findings = stale_reads(changed)
        assert [(item.id, item.at) for item in findings.items] == [(read.id, read.invoked)]
        return
    assert stale_reads(history).verdict is Verdict.INCONCLUSIVE


def polls(seed, handover, overlap, *, seconds=6.0, window=0.1) -> list[Operation]:
    """Poll three members: the first is writable until `handover + overlap`, the next from `handover` on; some fail."""
    rng = random.Random(seed)
    observations = []
    for node in ("member1", "member2", "member3"):
        at = rng.uniform(0, window)
        while at < seconds:
            took = rng.uniform(0.001, 0.02)
            instant = at + rng.uniform(0, took)
            value = {
                "member1": instant < handover + overlap,
                "member2": instant >= handover,
                "member3": False,
            }[node]
            silent = rng.random() < 0.05
            observations.append(
                Operation(
                    node,
                    Kind.OBSERVE,
                    T + at,
                    T + at + took,
                    Result.UNKNOWN if silent else Result.OBSERVED,
                    None if silent else value,
                    node,
                )
            )
            at += window * rng.uniform(0.9, 1.1)
    return observations


@settings(deadline=None)
@given(seeds, st.floats(1, 5), st.floats(-2, 0))
def test_a_single_primary_is_never_called_two(seed, handover, overlap):
    assert split_brain(polls(seed, handover, overlap)).verdict is not Verdict.FAIL


@settings(deadline=None)
@given(seeds, st.floats(1.5, 4), st.floats(-1, -0.5))
def test_a_handover_with_a_pause_passes(seed, handover, overlap):
    assert split_brain(polls(seed, handover, overlap)).verdict is Verdict.PASS


@settings(deadline=None)
@given(seeds, st.floats(1, 4), st.floats(1.2, 2))
def test_two_primaries_for_a_second_are_always_found(seed, handover, overlap):
    findings = split_brain(polls(seed, handover, overlap))
    assert findings.verdict is Verdict.FAIL
    assert findings.first is not None
    assert findings.first.at == pytest.approx(T + handover, abs=0.8)


@settings(deadline=None)
@given(seeds, st.floats(1, 4), st.floats(0.05, 1))
def test_two_primaries_however_short_are_never_a_clean_pass_when_both_were_seen(seed, handover, overlap):
    observations = polls(seed, handover, overlap)
    seen = [
        {
            o.node
            for o in observations
            if o.value and T + handover <= o.invoked and o.completed <= T + handover + overlap
        }
    ]
    assume({"member1", "member2"} <= seen[0])
    near = [
        abs(a.invoked - b.invoked)
        for a in observations
        for b in observations
        if a.value and b.value and (a.node, b.node) == ("member1", "member2")
    ]
    assume(min(near) < 0.08)
    assert split_brain(observations).verdict is not Verdict.PASS


def test_polls_that_are_too_few_settle_nothing():
    observations = polls(1, 3, -1)
    few = [o for o in observations if o.invoked < T + 0.6]
    assert "too few polls with an answer" in split_brain(few).reason
    assert split_brain(few).verdict is Verdict.INCONCLUSIVE
    alone = [o for o in observations if o.node == "member1"]
    assert "only 1 member was polled" in split_brain(alone).reason
    assert split_brain([]).verdict is Verdict.INCONCLUSIVE


def test_a_cluster_without_any_primary_proves_nothing():
    observations = [replace(o, value=False) for o in polls(1, 3, -1) if o.value is not None]
    assert "ever seen writable" in split_brain(observations).reason
    assert split_brain(observations).verdict is Verdict.INCONCLUSIVE


def test_silence_is_no_evidence_of_anything():
    frozen = [
        replace(o, value=None, outcome=Result.UNKNOWN) if o.node == "member1" and o.invoked > T + 2.5 else o
        for o in polls(1, 3, -0.6)
    ]
    assert split_brain(frozen).verdict is Verdict.PASS
    silent = [replace(o, value=None, outcome=Result.UNKNOWN) for o in polls(1, 3, -1)]
    assert split_brain(silent).verdict is Verdict.INCONCLUSIVE


def test_a_member_that_nobody_watches_any_more_makes_the_watch_incomplete():
    observations = [o for o in polls(1, 3, -1) if o.node != "member3" or o.invoked < T + 2]
    findings = split_brain(observations)
    assert findings.verdict is Verdict.INCONCLUSIVE
    assert "member3 was not looked at for 4" in findings.reason
