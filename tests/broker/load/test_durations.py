from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from BrokerLibrary.load.durations import Durations

nanoseconds = st.lists(st.integers(0, 2**42 - 1), min_size=1, max_size=100)


def durations(values, rows=3):
    counted = Durations(rows)
    for index, value in enumerate(values):
        counted.add(index % rows, value)
    return counted


@given(nanoseconds, st.floats(0.1, 100))
def test_a_percentile_is_the_nearest_rank_within_a_thousandth(values, percent):
    expected = sorted(values)[max(1, math.ceil(percent / 100 * len(values) - 1e-9)) - 1] / 1e9
    found = durations(values).percentile(percent)
    assert expected * (1 - 1e-12) <= found <= expected * 1.001


@given(nanoseconds)
def test_a_histogram_of_them_holds_every_one(values):
    histogram = durations(values).histogram()
    assert histogram.n == len(values)
    assert max(values) / 1e9 - 1e-9 <= histogram.max <= max(values) / 1e9 * 1.001


@given(nanoseconds, nanoseconds)
def test_merging_is_counting_everything_in_one(first, second):
    whole = durations(first).merge(durations(second))
    assert whole.number() == len(first) + len(second)
    assert whole.percentile(100) == max(durations(first).percentile(100), durations(second).percentile(100))


@given(nanoseconds)
def test_what_was_written_as_json_is_read_again(values):
    written = json.loads(json.dumps(durations(values).to_json()))
    assert (Durations.from_json(written).counts == durations(values).counts).all()


def test_rows_are_asked_alone_or_together():
    counted = durations([10, 20, 30, 40, 50, 60], rows=3)
    assert [counted.percentile(100, row, row + 1) for row in range(3)] == pytest.approx([40e-9, 50e-9, 60e-9])
    assert counted.percentile(100, 0, 2) == pytest.approx(50e-9)
    assert counted.number(1) == 4
    assert (counted.histogram(1, 2).n, counted.histogram(0, 2).n, counted.histogram().n) == (2, 4, 6)


def test_what_comes_after_the_last_row_is_counted_in_it():
    counted = Durations(2)
    counted.add(5, 100, times=7)
    assert (counted.number(0, 1), counted.number(1, 2)) == (0, 7)


def test_a_duration_longer_than_can_be_kept_is_kept_as_the_longest():
    counted = Durations(1)
    counted.add(0, 2**60)
    assert counted.percentile(50) == pytest.approx(2**42 / 1e9, rel=1e-3)


def test_no_durations_have_no_percentile():
    with pytest.raises(ValueError, match="no durations"):
        Durations(1).percentile(50)
