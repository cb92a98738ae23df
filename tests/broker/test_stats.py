from __future__ import annotations

import pytest

from BrokerLibrary.stats import counter, differing, on_page, unbalanced
from measurement.prometheus import Sample, samples

RIGHT = {
    "routing": "Fanout",
    "published": 10,
    "copies": 20,
    "delivered": 12,
    "dropped_no_subscriber": 3,
    "lagged": 4,
    "dropped_disconnected": 1,
    "rejected_too_large": 2,
    "subscribers": 2,
    "depth": 3,
    "high_water": 5,
}


def statistics(**changes):
    return {"uptime_ms": 5, "frames": {"malformed": 7}, "topics": {"t": {**RIGHT, **changes}}}


PAGE = """
# HELP mycelium_published_total Messages accepted.
# TYPE mycelium_published_total counter
mycelium_published_total{topic="t"} 10
mycelium_copies_total{topic="t"} 20
mycelium_delivered_total{topic="t"} 12
mycelium_dropped_no_subscriber_total{topic="t"} 3
mycelium_lagged_total{topic="t"} 4
mycelium_dropped_disconnected_total{topic="t"} 1
mycelium_rejected_too_large_total{topic="t"} 2
mycelium_subscribers{topic="t"} 2
mycelium_depth{topic="t"} 3
mycelium_high_water{topic="t"} 5
mycelium_depth{topic="an \\"other\\""} 9
started_at 1.7e9
"""


def test_numbers_that_add_up_are_balanced():
    assert unbalanced("t", statistics()) is None
    assert unbalanced("t", statistics(routing="Queue", published=20)) is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"delivered": 11},
            "t: 20 copies, but 11 delivered + 4 lagged + 1 dropped with their connection + 3 there",
        ),
        ({"lagged": 5}, "= 21"),
        ({"dropped_disconnected": 0}, "= 19"),
        ({"depth": 4}, "= 21"),
        ({"routing": "Queue"}, "t: 10 published to a queue of 20 copies"),
        ({"high_water": 1}, "t: depth 3 above its own high-water mark 1"),
        ({"rejected_too_large": -1}, "t: a count below zero"),
    ],
)
def test_numbers_that_do_not_are_told(changes, sentence):
    assert sentence in (unbalanced("t", statistics(**changes)) or "")


def test_a_counter_that_is_not_there_or_no_number_is_an_error():
    assert counter(statistics(), "frames.malformed") == 7
    with pytest.raises(AssertionError, match=r"have no frames\.in"):
        counter(statistics(), "frames.in")
    with pytest.raises(AssertionError, match=r"topics\.t\.depth is '3' in the broker's statistics"):
        counter(statistics(depth="3"), "topics.t.depth")
    with pytest.raises(AssertionError, match="is True"):
        counter(statistics(depth=True), "topics.t.depth")


def test_a_page_that_shows_the_statistics_agrees():
    assert differing(statistics(), samples(PAGE)) == []


def test_a_page_that_shows_something_else_does_not():
    assert differing(statistics(delivered=13), samples(PAGE)) == ["t delivered: statistics 13, Prometheus page 12"]
    without = samples(PAGE.replace("mycelium_lagged_total", "lagged"))
    assert differing(statistics(), without) == ["t lagged: statistics 4, Prometheus page does not have it"]


def test_a_number_that_stands_twice_is_none():
    assert on_page([Sample("mycelium_depth", {"topic": "t"}, 1.0)] * 2, "depth", "t") is None
