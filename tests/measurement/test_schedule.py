from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measurement.schedule import constant_rate, poisson, steps


def test_a_constant_rate_spaces_starts_evenly_from_zero():
    assert constant_rate(4, 1).tolist() == [0, 0.25, 0.5, 0.75]


@given(st.floats(1, 5000), st.floats(0.5, 20))
def test_a_constant_rate_has_rate_times_duration_starts_all_before_the_end(rate, duration):
    offsets = constant_rate(rate, duration)
    assert abs(len(offsets) - rate * duration) <= 1
    assert offsets[0] == 0
    assert offsets[-1] < duration


def test_no_rounding_error_loses_the_last_start():
    assert len(constant_rate(0.1 * 3 * 1000, 1)) == 300
    assert len(constant_rate(200, 1.1)) == 220


def test_poisson_arrivals_repeat_with_their_seed_and_only_with_it():
    assert np.array_equal(poisson(100, 5, seed=7), poisson(100, 5, seed=7))
    assert not np.array_equal(poisson(100, 5, seed=7), poisson(100, 5, seed=8))


def test_poisson_arrivals_have_exponential_distances_of_the_right_mean():
    distances = np.diff(poisson(1000, 60, seed=1))
    assert distances.mean() == pytest.approx(0.001, rel=0.02)
    assert distances.std() == pytest.approx(0.001, rel=0.03)  # of an exponential: the mean itself


@given(st.floats(0.5, 300), st.floats(0.1, 10), st.integers(0, 2**32 - 1))
def test_poisson_arrivals_grow_and_end_before_the_duration(rate, duration, seed):
    offsets = poisson(rate, duration, seed)
    assert (np.diff(offsets) >= 0).all()
    assert ((offsets >= 0) & (offsets < duration)).all()


def test_steps_follow_each_other():
    offsets = steps([(2, 1), (4, 1), (2, 1)])
    assert offsets.tolist() == [0, 0.5, 1, 1.25, 1.5, 1.75, 2, 2.5]


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match="rate"):
        constant_rate(rate, 1)


@pytest.mark.parametrize("duration", [0, -1, float("nan"), float("inf")])
def test_a_duration_that_is_none_is_refused(duration):
    with pytest.raises(ValueError, match="duration"):
        poisson(1, duration, seed=1)


def test_a_load_has_a_start_at_its_beginning_however_low_the_rate():
    assert constant_rate(0.5, 1).tolist() == [0]


def test_a_load_without_any_stage_is_refused():
    with pytest.raises(ValueError, match="stage"):
        steps([])
