from __future__ import annotations

import pytest

from PgDogLibrary.counts import Latency, MirrorCounts, Tally, moved

SERIES = ("attempted", "mirrored", "connection")


def tally(attempted, mirrored, connection=0, backlog=0, latency=None, **grows):
    numbers = {"attempted": attempted, "mirrored": mirrored, "connection": connection}
    return Tally(
        **numbers,
        errors=connection,
        sampled_out=0,
        backlog=backlog,
        latency=latency or Latency(),
        grows=grows or {name: float(numbers[name]) for name in SERIES},
    )


def reading(at, total, databases=None, started=None):
    return MirrorCounts(float(at), total, databases or {}, {}, started)


def test_counters_move_by_their_differences():
    change = moved([reading(10, tally(100, 90, 10)), reading(14, tally(130, 115, 12, 3))])
    assert (change.counts.total.attempted, change.counts.total.mirrored, change.counts.total.errors) == (30, 25, 2)
    assert change.counts.total.unaccounted() == 0
    assert (change.resets, change.seconds) == (0, 4.0)


def test_a_backlog_that_was_there_before_is_worked_off_without_new_attempts():
    change = moved([reading(0, tally(10, 5, backlog=5)), reading(1, tally(10, 10))])
    assert (change.counts.total.attempted, change.counts.total.mirrored, change.counts.total.backlog) == (0, 5, -5)
    assert change.counts.total.unaccounted() == 0


def test_a_counter_that_went_down_is_a_reset_for_all_of_them():
    readings = [reading(0, tally(100, 100)), reading(1, tally(120, 120)), reading(2, tally(7, 6, 1))]
    change = moved(readings)
    assert change.resets == 1
    assert (change.counts.total.attempted, change.counts.total.mirrored, change.counts.total.connection) == (27, 26, 1)


def test_a_counter_that_is_gone_is_a_reset():
    assert moved([reading(0, tally(5, 5, x=1.0)), reading(1, tally(5, 5, y=1.0))]).resets == 1


def test_a_reset_is_seen_by_the_start_where_the_counters_have_overtaken_themselves():
    before, after = tally(5, 5), tally(9, 9)
    assert moved([reading(0, before), reading(1, after)]).counts.total.attempted == 4
    restarted = moved([reading(0, before, started=100.0), reading(1, after, started=160.0)])
    assert (restarted.resets, restarted.counts.total.attempted) == (1, 9)
    again = moved([reading(0, before, started=100.0), reading(1, after, started=100.4)])
    assert again.resets == 0


def test_a_database_that_was_not_there_moves_from_zero_and_one_that_was_reset_by_what_it_shows():
    before = reading(0, tally(10, 10), {"app": tally(10, 10)})
    after = reading(1, tally(20, 20), {"app": tally(4, 4), "other": tally(6, 6)})
    change = moved([before, after])
    assert {name: own.attempted for name, own in change.counts.databases.items()} == {"app": 4, "other": 6}
    longer = moved([before, after, reading(2, tally(30, 30), {"other": tally(16, 16)})])
    assert {name: own.attempted for name, own in longer.counts.databases.items()} == {"app": 4, "other": 16}


def test_what_is_not_told_stays_unknown():
    change = moved([reading(0, Tally(attempted=5)), reading(1, Tally(attempted=9))])
    assert change.counts.total.attempted == 4
    assert change.counts.total.mirrored is None
    assert change.counts.total.unaccounted() is None
    assert change.counts.total.announced() is None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Latency(0.0, 0, None, None), Latency(500.0, 5, 100.0, 120.0), Latency(500.0, 5, 100.0, 120.0)),
        (Latency(500.0, 5, 100.0, 120.0), Latency(800.0, 6, 133.3, 300.0), Latency(300.0, 1, 300.0, 300.0)),
        (Latency(500.0, 5, 100.0, 120.0), Latency(800.0, 11, 72.7, 120.0), Latency(300.0, 6, 50.0, None)),
        (Latency(500.0, 5, 100.0, 120.0), Latency(500.0, 5, 100.0, 120.0), Latency(0.0, 0, None, None)),
        (Latency(None, 5, None, None), Latency(800.0, 6, 133.3, 300.0), Latency(None, 1, None, None)),
    ],
)
def test_latency_of_a_stretch_is_that_of_its_own_replays(before, after, expected):
    change = moved([reading(0, tally(5, 5, latency=before)), reading(1, tally(6, 6, latency=after))])
    assert change.counts.total.latency == expected


def test_latency_of_several_stretches_is_weighed_by_their_replays():
    first = reading(0, tally(0, 0, latency=Latency(0.0, 0)))
    second = reading(1, tally(4, 4, latency=Latency(400.0, 4, 100.0, 150.0)))
    third = reading(2, tally(1, 1, latency=Latency(600.0, 1, 600.0, 600.0)))  # after a restart
    change = moved([first, second, third])
    assert change.counts.total.latency == Latency(1000.0, 5, 200.0, 600.0)


def test_one_reading_is_none():
    with pytest.raises(ValueError, match="one reading"):
        moved([reading(0, tally(1, 1))])
