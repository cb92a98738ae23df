from __future__ import annotations

import math

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from measurement.histogram import LatencyHistogram

durations = st.lists(st.floats(0, 3599, allow_nan=False), min_size=1, max_size=200)


def nearest_rank(values: list[float], percent: float) -> float:
    return sorted(values)[max(1, math.ceil(percent / 100 * len(values) - 1e-9)) - 1]


@given(durations, st.floats(0.1, 100))
def test_a_percentile_is_the_nearest_rank_within_a_thousandth(values, percent):
    expected = nearest_rank(values, percent)
    actual = LatencyHistogram.of(values).percentile(percent)
    assert expected - 1e-6 <= actual <= expected * 1.001 + 1.1e-6


@given(durations)
def test_counts_are_those_of_the_reference_implementation(values):
    reference = HdrHistogram(1, 3_600_000_000, 3)
    for value in values:
        reference.record_value(int(np.rint(value * 1e6)))
    assert LatencyHistogram.of(values).encode() == reference.encode().decode()


@given(durations, durations)
def test_merging_is_recording_everything_in_one(first, second):
    merged = LatencyHistogram.of(first).merge(LatencyHistogram.of(second))
    whole = LatencyHistogram.of(first + second)
    assert merged.encode() == whole.encode()
    assert (merged.n, merged.max, merged.min) == (whole.n, whole.max, whole.min)
    assert merged.percentile(99) == whole.percentile(99)


@given(durations)
def test_a_blob_brings_every_count_back(values):
    histogram = LatencyHistogram.of(values)
    again = LatencyHistogram.decode(histogram.encode())
    assert again.n == histogram.n
    assert again.curve()[:-1] == histogram.curve()[:-1]
    assert again.max == pytest.approx(histogram.max, rel=1e-3, abs=1e-6)
    assert again.merge(LatencyHistogram.of([1.0])).n == histogram.n + 1


def test_blobs_of_several_workers_merge_to_what_no_average_of_percentiles_gives():
    quick, slow = LatencyHistogram.of([0.001] * 990), LatencyHistogram.of([1.0] * 10)
    merged = LatencyHistogram.merged(LatencyHistogram.decode(h.encode()) for h in (quick, slow))
    assert merged.n == 1000
    assert merged.percentile(99) == pytest.approx(0.001, rel=1e-2)
    assert merged.percentile(99.1) == pytest.approx(1.0, rel=1e-2)
    assert (quick.percentile(99) + slow.percentile(99)) / 2 == pytest.approx(0.5, rel=1e-2)  # what it must not be


def test_the_maximum_is_exact_and_no_percentile_exceeds_it():
    histogram = LatencyHistogram.of([0.001, 1.2345678])
    assert histogram.max == 1.2345678
    assert histogram.percentile(100) == 1.2345678


def test_more_than_an_hour_counts_as_an_hour_and_is_told():
    histogram = LatencyHistogram.of([7200.0, 1.0])
    assert histogram.clipped == 1
    assert histogram.percentile(100) == pytest.approx(3600, rel=1e-3)


@pytest.mark.parametrize("value", [-0.000001, float("nan")])
def test_an_impossible_duration_is_refused(value):
    with pytest.raises(ValueError, match="cannot be"):
        LatencyHistogram.of([0.001, value])


def test_an_empty_histogram_has_no_percentile():
    with pytest.raises(ValueError, match="empty"):
        LatencyHistogram().percentile(99)
    assert LatencyHistogram().summary() == {"n": 0, "p50": None, "p90": None, "p99": None, "p999": None, "max": None}


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_what_is_no_percentage_is_refused(percent):
    with pytest.raises(ValueError, match="percentile lies"):
        LatencyHistogram.of([1]).percentile(percent)


def test_p999_is_published_from_ten_thousand_samples_on():
    assert LatencyHistogram.of(np.full(9_999, 0.01)).summary()["p999"] is None
    assert LatencyHistogram.of(np.full(10_000, 0.01)).summary()["p999"] == 0.01


def test_count_above_counts_what_is_longer():
    histogram = LatencyHistogram.of([0.010, 0.020, 0.030, 0.030])
    assert [histogram.count_above(s) for s in (0.005, 0.020, 0.0301, 9999)] == [4, 2, 0, 0]


def test_a_curve_ends_at_all_of_them_and_the_maximum():
    curve = LatencyHistogram.of([0.001, 0.002, 0.002, 0.5]).curve()
    assert [round(percent) for percent, _ in curve] == [25, 75, 100]
    assert curve[-1][1] == 0.5


@given(st.lists(st.tuples(st.floats(0, 3599, allow_nan=False), st.integers(0, 50)), max_size=50))
def test_counted_durations_are_the_same_as_single_ones(counted):
    histogram = LatencyHistogram()
    histogram.record_counts([seconds for seconds, _ in counted], [times for _, times in counted])
    single = LatencyHistogram.of([seconds for seconds, times in counted for _ in range(times)])
    assert histogram.encode() == single.encode()
    assert (histogram.n, histogram.max, histogram.min) == (single.n, single.max, single.min)


def test_every_counted_duration_needs_its_count():
    with pytest.raises(ValueError, match="2 durations and 1 counts"):
        LatencyHistogram().record_counts([0.1, 0.2], [1])
