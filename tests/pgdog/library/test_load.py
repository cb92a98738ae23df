"""Windows of made-up loads: clients that became slower, faster, or failed, beside a yardstick."""

from __future__ import annotations

import numpy as np
import pytest

from measurement.results import Band
from measurement.verdicts import Inconclusive
from PgDogLibrary.load import ENOUGH, slower
from tests.measurement.fakes import result_of

EACH = 100  # answers of a window
LABELS = ("before", "fault", "after")


def load(*windows, failed=()):
    """A load at 100/s whose windows each have these latencies: one for all, or a list of them."""
    latencies = np.concatenate([np.full(EACH, one) if isinstance(one, float) else np.asarray(one) for one in windows])
    outcomes = np.zeros(latencies.size, dtype=int)
    outcomes[list(failed)] = 1
    starts = [1_700_000_000.0 + number for number in range(len(windows) + 1)]
    bands = tuple(
        Band(label, start, end, ENOUGH) for label, start, end in zip(LABELS, starts, starts[1:], strict=False)
    )
    return result_of(latencies.tolist(), outcomes=outcomes.tolist(), classes=("AssertionError",), bands=bands)


def with_tail(usual, slow, number):
    return [usual] * (EACH - number) + [slow] * number


def test_clients_that_are_as_fast_as_before_or_faster_are_not_slower():
    assert slower(load(0.010, 0.010, 0.010), load(0.005, 0.005, 0.005)) == []
    assert slower(load(0.010, 0.014, 0.002), load(0.005, 0.005, 0.005)) == []


def test_a_median_that_rose_by_more_than_half_is_told_with_the_window():
    (problem,) = slower(load(0.010, 0.016, 0.010), load(0.005, 0.005, 0.005))
    assert problem == (
        "fault: the median was 16.00 ms after 10.00 ms, 1.60 times as slow where the primary itself went from "
        "5.00 ms to 5.00 ms"
    )


def test_what_slowed_the_primary_itself_down_is_not_the_proxys():
    assert slower(load(0.010, 0.030, 0.010), load(0.005, 0.015, 0.005)) == []


def test_a_primary_that_became_faster_excuses_nothing():
    (problem,) = slower(load(0.010, 0.010, 0.010), load(0.010, 0.010, 0.005))
    assert problem.startswith("after: the median was 10.00 ms after 10.00 ms, 2.00 times as slow")


def test_a_slow_hundredth_is_told_where_the_primary_has_none():
    proxied = load(0.010, with_tail(0.010, 0.400, 3), 0.010)
    (problem,) = slower(proxied, load(0.005, 0.005, 0.005))
    assert problem.startswith("fault: p99 was 40")
    assert problem.endswith("expected at most 100.00 ms")
    assert slower(proxied, load(0.005, with_tail(0.005, 0.200, 3), 0.005)) == []
    assert slower(load(0.010, with_tail(0.010, 0.090, 3), 0.010), load(0.005, 0.005, 0.005)) == []


def test_failed_transactions_are_told_first_even_where_too_few_were_answered():
    assert slower(load(0.010, 0.010, failed=[150]), load(0.005, 0.005)) == [
        "fault: 1 transactions failed ({'AssertionError': 1})"
    ]
    assert slower(load(0.010, 0.010, failed=range(100, 200)), load(0.005, 0.005)) == [
        "fault: 100 transactions failed ({'AssertionError': 100})"
    ]
    assert slower(load(0.010, 0.010, failed=[0]), load(0.005, 0.005))[0].startswith("before: 1 transactions failed")


@pytest.mark.parametrize("few", ["proxy", "primary"])
def test_too_few_answers_say_nothing(few):
    enough, short = load(0.010, 0.010), load(0.010, [0.010] * (ENOUGH - 1))
    with pytest.raises(Inconclusive, match=f"window 'fault': {ENOUGH - 1} successful operations"):
        slower(*((short, enough) if few == "proxy" else (enough, short)))
