from __future__ import annotations

import time

import pytest

from measurement.paired import Contender, compare, judge_ratio
from measurement.results import Outcome
from measurement.verdicts import Inconclusive, Verdict


def sleeper(name, seconds):
    return Contender(name, lambda _: time.sleep(seconds))


def test_the_faster_side_has_a_ratio_below_one_with_its_whole_interval():
    paired = compare(sleeper("cache", 0.002), sleeper("database", 0.02), rounds=6, operations_per_round=5)
    assert paired.comparison.interval.high < 0.8
    assert len(paired.comparison.a_p50_seconds) == len(paired.comparison.b_p50_seconds) == 6
    judgement = judge_ratio(paired, 1.0)
    assert judgement.verdict is Verdict.PASS
    assert judgement.reason.startswith(f"time of cache / time of database is {paired.comparison.interval}, below 1")


def test_the_slower_side_fails():
    paired = compare(sleeper("cache", 0.02), sleeper("database", 0.002), rounds=6, operations_per_round=5)
    assert judge_ratio(paired, 1.0).verdict is Verdict.FAIL


def test_an_interval_that_reaches_the_limit_settles_nothing():
    def uneven(number):
        time.sleep(0.001 if number // 5 % 2 else 0.004)  # in turns a round of one, a round of the other

    paired = compare(Contender("a", uneven), sleeper("b", 0.003), rounds=6, operations_per_round=5)
    assert judge_ratio(paired, 1.0).verdict is Verdict.INCONCLUSIVE


def test_both_sides_take_turns_and_each_goes_first_as_often():
    order = []
    compare(
        Contender("a", lambda _: order.append("a")),
        Contender("b", lambda _: order.append("b")),
        rounds=6,
        operations_per_round=1,
    )
    assert "".join(order) == "abba" * 3


def test_a_wrong_answer_fails_the_comparison():
    wrong = Contender("cache", lambda number: Outcome.wrong("old value") if number == 3 else time.sleep(0.001))
    judgement = judge_ratio(compare(wrong, sleeper("database", 0.003), rounds=5, operations_per_round=5), 1.0)
    assert judgement.verdict is Verdict.FAIL
    assert "old value" in judgement.reason


def test_a_round_without_success_has_no_ratio():
    dead = Contender("cache", lambda _: Outcome.wrong("nothing"))
    with pytest.raises(Inconclusive, match="'cache'"):
        compare(dead, sleeper("database", 0.001), rounds=5, operations_per_round=2)


def test_sides_of_one_name_are_refused():
    with pytest.raises(ValueError, match="different names"):
        compare(sleeper("x", 0), sleeper("x", 0))
