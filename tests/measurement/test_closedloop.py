from __future__ import annotations

import time

import pytest

from measurement.budgets import judge_latency
from measurement.closedloop import maximum_rate
from measurement.openloop import offer
from measurement.schedule import constant_rate
from measurement.verdicts import Verdict

from .fakes import StallingServer

BUDGET = 0.05


def test_open_loop_sees_the_stall_that_a_closed_loop_hides():
    """One stall of 0.25 s in 1.5 s; the criterion "p99 below 50 ms" must not be green on this server."""
    closed = maximum_rate(StallingServer(0.0005, 0.5, 0.25), workers=1, duration_seconds=1.5)
    opened = offer(StallingServer(0.0005, 0.5, 0.25), constant_rate(400, 1.5), workers=8)

    assert closed.service_time.max > 0.25  # it was there all the same
    assert closed.service_time.percentile(99) < BUDGET  # and this is the number that would have passed
    assert opened.service_time.percentile(50) < BUDGET
    assert opened.latency.percentile(99) > 0.2
    assert opened.latency.percentile(90) > BUDGET  # a sixth of all starts fell into the stall
    assert opened.queue_delay.percentile(99) > 0.1  # it waited for the system, not for the generator
    judgement = judge_latency(opened, BUDGET, minimum_n=500)
    assert judgement.verdict is Verdict.FAIL
    assert "budget 50.0 ms" in judgement.reason


def test_a_closed_loop_has_no_latency_to_judge():
    result = maximum_rate(lambda _: time.sleep(0.001), workers=2, duration_seconds=0.2)
    assert result.mode == "closed"
    assert result.latency.n == result.queue_delay.n == result.generator_lag.n == 0
    with pytest.raises(ValueError, match="closed-loop"):
        judge_latency(result, BUDGET)


def test_the_maximum_rate_is_that_of_the_workers():
    result = maximum_rate(lambda _: time.sleep(0.01), workers=4, duration_seconds=0.5)
    assert 250 < result.achieved_rate < 400
    assert result.service_time.percentile(50) == pytest.approx(0.01, rel=0.3)


def test_failures_are_not_counted_as_achieved():
    def half(number):
        if number % 2:
            raise OSError("no")
        time.sleep(0.005)

    result = maximum_rate(half, workers=1, duration_seconds=0.3)
    assert result.failed > 0
    assert result.achieved_rate == pytest.approx(result.ok / 0.3, rel=0.1)


def test_warm_up_is_labelled():
    result = maximum_rate(lambda _: time.sleep(0.005), workers=1, duration_seconds=0.2, warm_up_seconds=0.1)
    assert 10 < result.warm_up.ok < 25
    assert result.duration_seconds == pytest.approx(0.2)
    assert result.achieved_rate == pytest.approx(190, rel=0.15)


def test_no_duration_is_refused():
    with pytest.raises(ValueError, match="duration"):
        maximum_rate(lambda _: None, workers=1, duration_seconds=0)
