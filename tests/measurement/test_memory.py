from __future__ import annotations

import math

import pytest

from measurement.memory import Memory, held_between, highest, memory_curve

SECONDS = 60


def memory(bytes_at: object) -> Memory:
    at = [0.5 * n for n in range(2 * SECONDS)]
    return Memory("sink", tuple(at), tuple(float(bytes_at(t)) for t in at))  # type: ignore[operator]


def test_memory_that_rises_with_the_events_has_a_slope_that_is_sure() -> None:
    rise = memory(lambda t: 1e8 + 3e6 * t + 1e5 * math.sin(t)).rise()
    assert rise is not None
    assert rise.low is not None
    assert rise.high is not None
    assert rise.low < 3e6 < rise.high or rise.value == pytest.approx(3e6, rel=0.01)
    assert rise.low > 2.9e6


def test_memory_that_is_taken_at_the_beginning_and_kept_does_not_rise() -> None:
    rise = memory(lambda t: 1e8 + 1e8 * min(t / 15, 1)).rise()
    assert rise is not None
    assert rise.value == pytest.approx(0.0, abs=1e3)


def test_what_rises_until_it_has_settled_does_not_rise_if_it_is_given_the_time() -> None:
    rising = memory(lambda t: 1e8 + 1e6 * min(t, 40))
    early, late = rising.rise(), rising.rise(settling_seconds=42)
    assert early is not None
    assert late is not None
    assert early.value > 1e5
    assert late.value == pytest.approx(0.0, abs=1.0)
    assert rising.rise(settling_seconds=55) is None


def test_what_a_collector_gives_back_between_is_no_growth() -> None:
    rise = memory(lambda t: 1e8 + 5e7 * (t % 3) / 3).rise()
    assert rise is not None
    assert rise.low is not None
    assert rise.low < 1e5


def test_growth_is_from_the_first_sample_to_the_highest() -> None:
    one = memory(lambda t: 1e8 + (5e7 if 20 < t < 22 else 0))
    assert (one.growth, one.most) == (5e7, 1.5e8)


def test_a_few_samples_have_no_slope() -> None:
    assert Memory("sink", (0.0, 1.0), (1.0, 2.0)).rise() is None


def test_samples_are_those_of_the_time_asked_about_private_memory_first() -> None:
    samples: list[dict[str, object]] = [
        {"t": 2.0, "service": "nats", "rss_bytes": 10, "private_bytes": 7},
        {"t": 1.0, "service": "nats", "rss_bytes": 10, "private_bytes": 6},
        {"t": 1.5, "service": "search", "rss_bytes": 20, "private_bytes": None},
        {"t": 9.0, "service": "nats", "rss_bytes": 99, "private_bytes": 99},
    ]
    assert held_between(samples, 1.0, 2.0) == [
        Memory("nats", (1.0, 2.0), (6.0, 7.0)),
        Memory("search", (1.5,), (20.0,)),
    ]


def test_what_is_drawn_is_told_from_its_origin_and_as_growth_where_there_is_a_base() -> None:
    looks = {"nats": [(100.0, 5e7), (101.5, 6e7)], "search": [(100.5, 3e8)]}
    limit = [(100.0, 2e8), (102.0, 2e8)]
    held = memory_curve("t", looks, limit, "less than 200 MB", origin=100.0, bands=[("warm-up", 99.0, 101.0)])
    assert held == {
        "title": "t",
        "origin": 100.0,
        "grown": False,
        "processes": {"nats": [(0.0, 50_000_000), (1.5, 60_000_000)], "search": [(0.5, 300_000_000)]},
        "limit": {"label": "less than 200 MB", "points": [(0.0, 200_000_000), (2.0, 200_000_000)]},
        "bands": [("warm-up", -1.0, 1.0)],
    }
    grown = memory_curve("t", looks, limit, "", origin=100.0, bases={"nats": 5e7, "search": 4e8})
    assert grown["grown"]
    assert grown["processes"] == {"nats": [(0.0, 0), (1.5, 10_000_000)], "search": [(0.5, -100_000_000)]}


def test_an_hour_of_looks_is_told_in_a_few_hundred_and_its_peak_is_among_them() -> None:
    looks = [(n / 50, 1e8 + n % 7) for n in range(180_000)]
    looks[77_777] = (looks[77_777][0], 9e8)
    told = highest(looks)
    assert len(told) == 240
    assert told == sorted(told)
    assert looks[77_777] in told
    assert highest(looks[:200]) == looks[:200]


def test_what_was_held_at_an_instant_is_the_last_sample_until_then() -> None:
    held = Memory("nats", (10.0, 11.0, 12.0), (1.0, 2.0, 3.0))
    assert [held.held_at(instant) for instant in (9.0, 11.5, 12.0, 99.0)] == [1.0, 2.0, 3.0, 3.0]
