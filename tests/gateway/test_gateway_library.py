"""What RequestsLibrary has no words for."""

from __future__ import annotations

import json

import pytest

from GatewayLibrary import GatewayLibrary
from GatewayLibrary.counters import counters, moved_otherwise

PAGE = """\
# HELP queries_total Queries.
# TYPE queries_total counter
queries_total{operation="query"} 3.0
queries_total{operation="mutation"} 2.0
# TYPE misses counter
misses 1
# TYPE active gauge
active 1.0
"""


def test_samples_of_a_name_are_summed_over_their_labels() -> None:
    assert counters(PAGE) == {"queries": 5.0, "misses": 1.0, "active": 1.0}


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"queries": 2}, None),
        ({"queries": 3}, "expected queries to move by 3, it moved by 2"),
        ({"errors": 0}, "there is no errors on the page"),
    ],
)
def test_counters_are_held_to_what_was_done(expected: dict[str, int], told: str | None) -> None:
    assert moved_otherwise({"queries": 3.0}, counters(PAGE), expected) == told


def test_a_page_that_cannot_be_read_fails() -> None:
    with pytest.raises(AssertionError, match="is not a line of a Prometheus page"):
        GatewayLibrary().counters_of("queries_total{ 5")
    with pytest.raises(AssertionError, match="has no metrics"):
        GatewayLibrary().counters_of("")


def test_a_body_has_exactly_the_size_that_was_asked_for() -> None:
    body = GatewayLibrary().a_request_of_bytes(1000, "{ orders { id } }")
    assert len(body.encode()) == 1000
    assert json.loads(body)["query"].startswith("{ orders { id } } #")
    with pytest.raises(ValueError, match="too few"):
        GatewayLibrary().a_request_of_bytes(10, "{ orders { id } }")
