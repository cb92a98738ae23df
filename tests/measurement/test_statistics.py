from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measurement.statistics import Estimate, paired_ratio, percentile_interval, slope

random = np.random.default_rng(42)


def test_pairing_finds_a_difference_that_the_machines_own_noise_would_hide():
    noise = random.lognormal(0, 1.0, 12)  # rounds differ by a factor of e, A and B within one by 5 %
    b = noise
    a = noise * 1.2 * random.lognormal(0, 0.05, 12)
    interval = paired_ratio(a, b)
    assert interval.low < 1.2 < interval.high
    assert interval.significant
    assert interval.high - interval.low < 0.15
    assert interval.n == 12


def test_no_difference_is_not_significant():
    b = random.lognormal(0, 1.0, 12)
    assert not paired_ratio(b * random.lognormal(0, 0.1, 12), b).significant


def test_a_ratio_and_its_inverse_belong_together():
    a, b = random.lognormal(0, 0.3, 10), random.lognormal(0, 0.3, 10)
    assert paired_ratio(a, b).ratio == pytest.approx(1 / paired_ratio(b, a).ratio)


def test_the_same_rounds_give_the_same_interval():
    a, b = random.lognormal(0, 0.3, 10), random.lognormal(0, 0.3, 10)
    assert paired_ratio(a, b) == paired_ratio(a, b)


def test_rounds_that_all_agree_have_an_interval_of_no_width():
    interval = paired_ratio([2, 4, 6, 8, 10], [1, 2, 3, 4, 5])
    assert (interval.ratio, interval.low, interval.high) == pytest.approx((2, 2, 2))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=5, max_size=15))
def test_the_interval_is_finite_and_within_the_ratios_of_the_rounds(rounds):
    a, b = zip(*rounds, strict=True)
    interval = paired_ratio(a, b)
    ratios = [x / y for x, y in rounds]
    assert min(ratios) * 0.999 <= interval.low <= interval.high <= max(ratios) * 1.001


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    covered = 0
    for _ in range(60):
        b = random.lognormal(0, 1, 15)
        interval = paired_ratio(b * 1.5 * random.lognormal(0, 0.2, 15), b)
        covered += interval.low <= 1.5 <= interval.high
    assert covered >= 48  # 95 % asked for; bootstrap over 15 rounds gives a little less


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1] * 5, [1] * 6, "do not pair up"),
        ([1] * 4, [1] * 4, "too few"),
        ([1, 1, 1, 1, 0], [1] * 5, "positive"),
        ([1] * 5, [1, 1, 1, 1, math.nan], "positive"),
    ],
)
def test_rounds_without_a_ratio_are_refused(a, b, message):
    with pytest.raises(ValueError, match=message):
        paired_ratio(a, b)


def test_a_percentile_has_an_interval_without_assumptions():
    samples = random.exponential(1.0, 5000)
    estimate = percentile_interval(samples, 99)
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low < -math.log(0.01) < estimate.high
    assert estimate.low <= estimate.value <= estimate.high


def test_too_few_samples_leave_a_bound_open():
    estimate = percentile_interval(range(1, 101), 99)
    assert (estimate.value, estimate.high) == (99, None)


@pytest.mark.parametrize(("samples", "percent"), [([], 99), ([1, 2], 0), ([1, 2], 100)])
def test_what_has_no_percentile_is_refused(samples, percent):
    with pytest.raises(ValueError, match="percentile"):
        percentile_interval(samples, percent)


def test_a_slope_is_that_of_the_line_and_its_interval_reaches_it():
    x = np.arange(200)
    estimate = slope(x, 3.0 * x + 7 + random.normal(0, 5, 200))
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low < 3 < estimate.high
    assert estimate.high - estimate.low < 0.1


def test_noise_alone_has_a_slope_whose_interval_holds_zero_19_times_of_20():
    held = 0
    for _ in range(400):
        estimate = slope(range(9), random.normal(0, 1, 9))
        assert estimate.low is not None
        assert estimate.high is not None
        held += estimate.low <= 0 <= estimate.high
    assert 0.92 < held / 400 < 0.98


def test_what_never_changes_has_no_slope_for_certain():
    assert slope(range(9), [5.0] * 9) == Estimate(0.0, 0.0, 0.0, 9)


def test_two_points_have_a_slope_and_no_interval():
    assert slope([1, 3], [10, 20]) == Estimate(5.0, None, None, 2)


@pytest.mark.parametrize(("x", "y"), [([1], [1]), ([1, 2, 3], [1, 2])])
def test_what_has_no_slope_is_refused(x, y):
    with pytest.raises(ValueError, match="no slope"):
        slope(x, y)
