"""Every oracle judges a good and a bad history that were written by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from measurement.verdicts import Inconclusive, Verdict
from oracles import messages
from oracles.history import Findings, History
from oracles.primaries import split_brain
from oracles.staleness import backward_reads, invented_reads, stale_reads
from oracles.writes import duplicated, longest_gap, lost, recovered, reordered, unexpected

GOLDEN = Path(__file__).parent / "golden"

ORACLES: dict[str, Callable[[History], Findings]] = {
    "lost": lost,
    "unexpected": unexpected,
    "duplicated": duplicated,
    "reordered": reordered,
    "stale": stale_reads,
    "backward": backward_reads,
    "invented": invented_reads,
    "split-brain": split_brain,
    **{f"message-{name}": oracle for name, oracle in messages.ALL.items()},
}

FINDINGS = {
    "lost": [
        "id 8 acknowledged by member1 at 22:13:20.810 UTC, 190 ms before kill member1 injected, not there at the end",
        "id 9 acknowledged by member1 at 22:13:20.910 UTC, 90 ms before kill member1 injected, not there at the end",
    ],
    "unexpected": [
        "id 12 is there though refused by member2 at 22:13:21.202 UTC, 202 ms after kill member1 injected",
        "id 99 is there though nobody wrote it",
    ],
    "duplicated": [
        "id 10 is there 2 times, written at 22:13:21.000 UTC, 0 ms after kill member1 injected in 2 attempts",
    ],
    "reordered": [
        "id 1 acknowledged at 22:13:20.110 UTC stands behind id 4, which began 0.290 s later",
        "id 3 acknowledged at 22:13:20.260 UTC stands behind id 4, which began 0.140 s later",
        "id 2 acknowledged at 22:13:20.300 UTC stands behind id 4, which began 0.100 s later",
    ],
    "stale": [
        (
            "key k1 read from cache as version 1 at 22:13:21.000 UTC, 700 ms after update of k1, "
            "600.0 ms after version 2 was acknowledged"
        ),
        (
            "key k2 read from cache as nothing at 22:13:21.100 UTC, 800 ms after update of k1, "
            "390.0 ms after version 1 was acknowledged"
        ),
    ],
    "backward": [
        "key k1 read from member3 as version 1 at 22:13:20.600 UTC, after version 2 had been read from member2",
    ],
    "invented": [
        "key k1 read from member2 as version 2 at 22:13:20.200 UTC, which nobody had written",
        "key k1 read from member2 as version 7 at 22:13:20.500 UTC, which nobody had written",
    ],
    "split-brain": [
        "member1 and member2 both writable for 285 ms from 22:13:23.015 UTC, 15 ms after member2 leads",
    ],
    "message-lost": [
        "kraken/market_data/2 acknowledged at 22:13:20.760 UTC, 240 ms before broker killed never reached portfolio",
        (
            "portfolio/execution/3 acknowledged at 22:13:21.030 UTC, 30 ms after broker killed "
            "never reached any of worker1, worker2"
        ),
    ],
    "message-duplicated": [
        ("polygon/market_data/1 reached dashboard at 22:13:21.300 UTC, 300 ms after broker killed, the second time"),
        "polygon/market_data/1 reached dashboard at 22:13:21.400 UTC, 400 ms after broker killed, the third time",
        "portfolio/execution/2 reached worker2 at 22:13:21.500 UTC, 500 ms after broker killed, the second time",
    ],
    "message-reordered": [
        "polygon/market_data/0 reached portfolio at 22:13:21.250 UTC, 250 ms after broker killed, behind number 2",
    ],
    "message-misrouted": [
        ("polygon/market_data/1 reached dashboard at 22:13:21.300 UTC, 300 ms after broker killed on topic signals"),
        (
            "kraken/market_data/0 reached worker1 at 22:13:21.400 UTC, 400 ms after broker killed, "
            "which is not subscribed to market_data"
        ),
    ],
    "message-corrupted": [
        (
            "polygon/signals/0 reached dashboard at 22:13:20.950 UTC, 50 ms before broker killed "
            "with checksum cccc2222, published with aaaa0000"
        ),
        ("an unreadable message (checksum 00000000) reached portfolio at 22:13:21.300 UTC, 300 ms after broker killed"),
    ],
    "message-unexpected": [
        ("polygon/signals/0, which was refused, reached dashboard at 22:13:20.950 UTC, 50 ms before broker killed"),
        (
            "polygon/signals/7, which nobody published, reached dashboard at 22:13:21.200 UTC, "
            "200 ms after broker killed"
        ),
    ],
}


@pytest.mark.parametrize("name", ORACLES)
def test_a_good_history_passes(name):
    findings = ORACLES[name](History.read(GOLDEN / f"{name}-ok.jsonl"))
    assert (findings.verdict, findings.items) == (Verdict.PASS, ())
    assert findings.judged > 0
    findings.require()


@pytest.mark.parametrize("name", ORACLES)
def test_a_bad_history_fails_and_says_where(name):
    findings = ORACLES[name](History.read(GOLDEN / f"{name}-bad.jsonl"))
    assert findings.verdict is Verdict.FAIL
    assert [item.text for item in findings.items] == FINDINGS[name]
    with pytest.raises(AssertionError) as caught:
        findings.require()
    assert FINDINGS[name][0] in str(caught.value)
    assert not isinstance(caught.value, Inconclusive)


@pytest.mark.parametrize(
    ("file", "oracle", "reason"),
    [
        ("lost-inconclusive", lost, "lost writes: no acknowledged writes to judge by"),
        ("message-lost-inconclusive", messages.lost, "lost messages: no acknowledged deliveries to judge by"),
        ("split-brain-inconclusive", split_brain, "a quick handover or two primaries"),
        ("split-brain-blind-inconclusive", split_brain, "member1 was not looked at for 3.1 s"),
        ("gap-ok", lost, "the history has no final read"),
    ],
)
def test_a_weak_history_settles_nothing(file, oracle, reason):
    with pytest.raises(Inconclusive, match=reason):
        oracle(History.read(GOLDEN / f"{file}.jsonl")).require()


def test_every_oracle_has_both_histories_and_every_history_an_oracle():
    names = {path.stem.rpartition("-")[0] for path in GOLDEN.glob("*-ok.jsonl")}
    assert names == {path.stem.rpartition("-")[0] for path in GOLDEN.glob("*-bad.jsonl")}
    assert names == {*ORACLES, "gap"}
    assert set(FINDINGS) == set(ORACLES)


def test_a_gap_that_ends_is_measured_between_two_acknowledgements():
    gap = longest_gap(History.read(GOLDEN / "gap-ok.jsonl"))
    assert gap.seconds == pytest.approx(2.2)
    assert (gap.before, gap.after, gap.healed, gap.acked) == (9, 13, True, 15)


def test_a_gap_that_never_ends_lasts_as_long_as_somebody_tried():
    gap = longest_gap(History.read(GOLDEN / "gap-bad.jsonl"))
    assert gap.seconds == pytest.approx(12.09)
    assert (gap.before, gap.after, gap.healed) == (9, None, False)


def test_what_was_unknown_and_is_there_is_recovered_and_no_violation():
    history = History.read(GOLDEN / "lost-ok.jsonl")
    assert recovered(history) == (10,)
