from __future__ import annotations

import threading

import numpy as np
import pytest

from measurement.verdicts import Inconclusive
from ObserverLibrary.lag import Lag, Look, Watch
from tests.waiting import until


def lag_of(*looks: tuple[float, int | None], intended: list[float]) -> Lag:
    return Lag("clickhouse", tuple(Look(at - 0.01, at, count) for at, count in looks), np.array(intended))


def test_the_lag_of_an_event_is_from_its_intended_time_to_the_answer_that_first_counted_it() -> None:
    lags = lag_of((1.0, 0), (2.0, 2), (3.0, 3), intended=[0.5, 1.5, 1.9]).histogram()
    assert lags.n == 3
    assert lags.max == pytest.approx(1.5)
    assert [lags.percentile(p) for p in (33, 66, 100)] == pytest.approx([0.5, 1.1, 1.5], rel=0.01)


def test_an_event_that_is_never_seen_has_no_lag_and_is_counted_as_unseen() -> None:
    lag = lag_of((1.0, 1), intended=[0.5, 0.6, 0.7])
    assert (lag.histogram().n, lag.seen) == (1, 1)


def test_a_sink_that_does_not_answer_delays_what_comes_then() -> None:
    lag = lag_of((1.0, 1), (2.0, None), (3.0, None), (4.0, 3), intended=[0.9, 1.1, 1.2])
    assert lag.histogram().max == pytest.approx(2.9)


def test_entries_of_others_and_counts_that_fall_back_do_not_invent_events() -> None:
    lag = lag_of((1.0, 1), (2.0, 0), (3.0, 9), intended=[0.5, 1.0])
    assert (lag.seen, lag.histogram().n) == (2, 2)
    assert lag.histogram().max == pytest.approx(2.0)


def test_a_sink_has_caught_up_when_its_oldest_unseen_event_is_young_enough() -> None:
    intended = [float(n) for n in range(10)]
    lag = lag_of((5.0, 2), (6.0, 3), (7.0, 6), (8.0, 8), (9.0, 9), intended=intended)
    assert [age for _, age in lag.ages()] == [3.0, 3.0, 1.0, 0.0, 0.0]
    assert lag.caught_up_at(5.5, 1.0) == 7.0
    assert lag.caught_up_at(5.5, 0.5) == 8.0
    assert lag_of((5.0, 0), intended=intended).caught_up_at(0.0, 1.0) is None


def test_a_pause_counts_from_and_to_the_instants_that_are_asked_about() -> None:
    lag = lag_of((1.0, 1), (2.0, 2), (3.0, 2), (6.0, 3), (7.0, 3), (8.0, 3), intended=[0.5] * 5)
    assert lag.longest_pause(0.5, 2.5) == pytest.approx(1.0)
    assert lag.longest_pause(1.5, 7.0) == pytest.approx(4.0)
    assert lag.longest_pause(6.5, 8.0) == pytest.approx(1.5)


def test_lags_over_time_stand_where_events_were_seen_and_nowhere_while_the_sink_is_away() -> None:
    intended = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    lag = lag_of((0.2, 1), (0.9, 2), (1.0, 2), (2.1, None), (3.5, 6), (9.0, 7), intended=intended)
    over = lag.over_time(0.0, 1.0, 5)
    assert over["seen"] == [2, 0, 0, 4, 1]  # what comes after the last stretch counts in it
    assert over["p50_s"] == [pytest.approx(0.3), None, None, pytest.approx(1.75), pytest.approx(6.0)]
    assert over["max_s"] == [pytest.approx(0.4), None, None, pytest.approx(2.5), pytest.approx(6.0)]


def test_the_last_new_event_is_told_and_not_the_last_look() -> None:
    assert lag_of((1.0, 1), (2.0, 2), (8.0, 2), intended=[0.5, 0.6]).last_seen(0.0) == 2.0
    assert lag_of((1.0, 0), intended=[0.5]).last_seen(0.25) == 0.25
    assert lag_of(intended=[0.5]).last_seen(0.25) == 0.25


def test_what_was_not_watched_is_not_judged() -> None:
    with pytest.raises(Inconclusive, match="clickhouse was not watched until the end"):
        lag_of((1.0, 1), intended=[0.5]).longest_pause(0.0, 2.0)
    with pytest.raises(Inconclusive):
        lag_of(intended=[0.5]).longest_pause(0.0, 2.0)


def test_the_resolution_is_told_by_the_questions_themselves() -> None:
    assert lag_of((1.0, 1), (1.2, 1), (1.4, 2), intended=[0.5]).resolution == pytest.approx(0.21)
    assert lag_of(intended=[0.5]).resolution == float("inf")


def test_a_watch_counts_what_comes_after_its_beginning_and_outlives_a_sink_that_is_away() -> None:
    state = {"count": 5, "away": False}
    asked = threading.Semaphore(0)

    def count() -> int:
        asked.release()
        if state["away"]:
            raise ConnectionError("refused")
        return int(state["count"])

    watch = Watch("search", count, 0.005).start()
    try:
        until(lambda: len(watch.looks) > 2, "a few questions")
        assert watch.seen == 0
        state["away"] = True
        until(lambda: watch.looks[-1].count is None, "an unanswered question")
        state.update(away=False, count=12)
        until(lambda: watch.seen == 7, "the new entries")
    finally:
        looks = watch.stop()
    assert watch.stop() == looks
    assert all(look.answered >= look.asked for look in looks)


def test_a_watch_of_a_sink_that_is_away_does_not_begin() -> None:
    def count() -> int:
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError):
        Watch("search", count).start()
