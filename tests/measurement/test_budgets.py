from __future__ import annotations

import pytest

from measurement.budgets import judge_latency, judge_rate, milliseconds
from measurement.results import ErrorClass
from measurement.verdicts import Verdict

from .fakes import result_of

BUDGET = 0.1


def verdict(*args, **kwargs):
    return judge_latency(*args, **kwargs).verdict


def test_a_quick_system_passes_and_the_reason_has_the_numbers():
    judgement = judge_latency(result_of([0.012] * 1000), BUDGET)
    assert judgement.verdict is Verdict.PASS
    assert "p99 is 12.0 ms, budget 100 ms (n = 1000, 100.0/s of 100.0/s offered open loop" in judgement.reason


def test_one_percent_and_a_little_above_the_budget_fails():
    assert verdict(result_of([0.01] * 990 + [0.2] * 10), BUDGET) is Verdict.PASS
    assert verdict(result_of([0.01] * 989 + [0.2] * 11), BUDGET) is Verdict.FAIL


def test_waiting_for_busy_workers_counts_against_the_system():
    assert verdict(result_of([0.2] * 1000, queue=0.19), BUDGET) is Verdict.FAIL


def test_a_late_generator_cannot_blame_the_system():
    late = judge_latency(result_of([0.11] * 1000, lag=0.0101), BUDGET)
    assert late.verdict is Verdict.INCONCLUSIVE
    assert "generator lag p99 is 10.1 ms, at most 10.0 ms" in late.reason
    assert "p99 is 110 ms, budget 100 ms" in late.reason
    assert verdict(result_of([0.11] * 1000, lag=0.0099), BUDGET) is Verdict.FAIL


def test_a_budget_met_with_the_generators_own_lag_in_it_is_met():
    assert verdict(result_of([0.099] * 1000, lag=0.05), BUDGET) is Verdict.PASS
    assert verdict(result_of([0.099] * 1000, cpu=95), BUDGET) is Verdict.PASS
    # so late that the load was another one than the criterion names
    assert verdict(result_of([0.05] * 995 + [0.3] * 5, lag=[0] * 995 + [0.25] * 5), BUDGET) is Verdict.INCONCLUSIVE


def test_a_late_generator_does_not_excuse_a_system_that_is_far_too_slow():
    assert verdict(result_of([0.159] * 1000, lag=0.02), BUDGET) is Verdict.INCONCLUSIVE  # 159 - 20 - 2 * 20 = 99 ms
    assert verdict(result_of([0.161] * 1000, lag=0.02), BUDGET) is Verdict.FAIL


def test_a_client_at_the_end_of_its_core_settles_nothing():
    assert verdict(result_of([0.5] * 1000, cpu=95), BUDGET) is Verdict.INCONCLUSIVE
    assert "the client used 95 %" in judge_latency(result_of([0.5] * 1000, cpu=95), BUDGET).reason


def test_less_than_99_percent_of_the_offered_load_is_no_latency_result():
    # 1000 starts in 10 s, the last sent 0.05 s, or 0.2 s, after the end
    assert verdict(result_of([0.05] * 999 + [0.061], queue=[0] * 999 + [0.06]), BUDGET) is Verdict.PASS
    judgement = judge_latency(result_of([0.05] * 995 + [0.3] * 5, queue=[0] * 995 + [0.25] * 5), BUDGET)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "not achieved" in judgement.reason


def test_a_dropped_operation_is_never_a_pass():
    assert verdict(result_of([0.01] * 2000, outcomes=[0] * 1999 + [-1]), BUDGET) is Verdict.INCONCLUSIVE


def test_an_operation_dropped_for_being_late_counts_as_over_the_budget():
    few = result_of([0.01] * 2000, outcomes=[0] * 1985 + [-1] * 15, drop_after_seconds=1.0)
    assert verdict(few, BUDGET) is Verdict.INCONCLUSIVE  # the p99 is met, the load was not achieved
    many = result_of([0.01] * 2000, outcomes=[0] * 1979 + [-1] * 21, drop_after_seconds=1.0)
    judgement = judge_latency(many, BUDGET)
    assert judgement.verdict is Verdict.FAIL
    assert "p99 is at least 1000 ms, budget 100 ms (n = 1979" in judgement.reason
    assert "21 dropped" in judgement.reason
    stopped = result_of([0.01] * 2000, outcomes=[0] * 1979 + [-1] * 21, drop_after_seconds=1.0, stopped=True)
    assert verdict(stopped, BUDGET) is Verdict.INCONCLUSIVE
    early = result_of([0.01] * 2000, outcomes=[0] * 1979 + [-1] * 21, drop_after_seconds=0.05)
    assert verdict(early, BUDGET) is Verdict.INCONCLUSIVE  # they waited 50 ms at least, which is within the budget


def test_dropped_operations_move_the_percentile_of_the_others_up():
    slow = [0.01] * 1975 + [0.5] * 5
    assert verdict(result_of(slow), BUDGET) is Verdict.PASS
    dropped = result_of([*slow, *[0.01] * 20], outcomes=[0] * 1980 + [-1] * 20, drop_after_seconds=1.0)
    judgement = judge_latency(dropped, BUDGET)  # of 2000, the 20 slowest are the dropped ones; then come the 5
    assert judgement.verdict is Verdict.FAIL
    assert "p99 is 500 ms" in judgement.reason


def test_a_failed_operation_fails_whatever_the_latency_and_says_which():
    result = result_of(
        [0.01] * 1000,
        outcomes=[0] * 998 + [1, 1],
        classes=("08006",),
        error_details={"08006": ErrorClass(2, "connection lost", 9.98)},
    )
    judgement = judge_latency(result, BUDGET)
    assert judgement.verdict is Verdict.FAIL
    assert judgement.reason == (
        "2 of 1000 operations failed, 0 allowed (08006 x 2; 08006, first after 10.0 s: connection lost)"
    )
    assert verdict(result, BUDGET, allowed_failures=2) is Verdict.INCONCLUSIVE  # 998 are too few for a p99
    assert verdict(result, BUDGET, allowed_failures=2, minimum_n=900) is Verdict.PASS


def test_nothing_completed_is_never_a_pass():
    assert verdict(result_of([0.01] * 10, outcomes=[-1] * 10), BUDGET) is Verdict.INCONCLUSIVE


def test_too_few_samples_settle_no_percentile():
    assert verdict(result_of([0.01] * 999), BUDGET) is Verdict.INCONCLUSIVE
    assert verdict(result_of([0.01] * 999), BUDGET, percent=90) is Verdict.PASS
    assert verdict(result_of([0.2] * 50), BUDGET) is Verdict.FAIL  # but slow is slow


def test_the_warm_up_is_not_judged():
    assert verdict(result_of([0.5] * 100 + [0.01] * 1000, warm_up_seconds=1.0), BUDGET) is Verdict.PASS


def test_a_rate_is_judged_by_correct_responses():
    closed = result_of([0.001] * 1000, rate=1000, mode="closed")
    assert judge_rate(closed, 900).verdict is Verdict.PASS
    assert judge_rate(closed, 1100).verdict is Verdict.FAIL
    assert "1000 correct responses a second, at least 1100 wanted" in judge_rate(closed, 1100).reason


def test_a_rate_missed_by_a_client_at_its_end_settles_nothing():
    assert judge_rate(result_of([0.001] * 100, mode="closed", cpu=99), 1000).verdict is Verdict.INCONCLUSIVE


def test_a_rate_that_was_not_offered_settles_nothing():
    assert judge_rate(result_of([0.001] * 100), 1000).verdict is Verdict.INCONCLUSIVE


def test_a_rate_of_wrong_answers_fails():
    result = result_of([0.001] * 10, outcomes=[1] * 10, classes=("wrong-response",), mode="closed")
    assert judge_rate(result, 1).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0000123, "0.012 ms"), (0.00123, "1.23 ms"), (0.0123, "12.3 ms"), (1.234, "1234 ms")]
)
def test_milliseconds_have_three_digits(seconds, text):
    assert milliseconds(seconds) == text
