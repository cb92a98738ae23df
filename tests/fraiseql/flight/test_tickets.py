"""Tickets are read exactly, or refused with a message that begins the same way."""

from __future__ import annotations

import json

import pytest

from reference.fraiseql.gateway.flight.errors import Refused
from reference.fraiseql.gateway.flight.tickets import (
    LARGEST,
    BatchedQueries,
    BulkExport,
    GraphQLQuery,
    ObserverEvents,
    OptimizedView,
    decode,
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"type": "GraphQLQuery", "query": "{ a }"}, GraphQLQuery("{ a }")),
        ({"type": "GraphQLQuery", "query": "{ a }", "variables": {"n": 1}}, GraphQLQuery("{ a }", {"n": 1})),
        ({"type": "ObserverEvents", "entity_type": "Order", "limit": 10}, ObserverEvents("Order", limit=10)),
        ({"type": "OptimizedView", "view": "v", "limit": None, "else": 1}, OptimizedView("v")),
        ({"type": "OptimizedView", "view": "v", "limit": 2**64 - 1}, OptimizedView("v", limit=2**64 - 1)),
        ({"type": "BulkExport", "table": "t", "format": "csv"}, BulkExport("t", format="csv")),
        ({"type": "BatchedQueries", "queries": ["{ a }", "{ b }"]}, BatchedQueries(("{ a }", "{ b }"))),
    ],
)
def test_a_ticket_is_read(content, expected):
    assert decode(json.dumps(content).encode()) == expected


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"type": null}',
        b'{"type": "Query"}',
        b'{"type": ["GraphQLQuery"]}',
        b'{"type": "GraphQLQuery"}',
        b'{"type": "GraphQLQuery", "query": null}',
        b'{"type": "GraphQLQuery", "query": 7}',
        b'{"type": "OptimizedView", "view": "v", "limit": -1}',
        b'{"type": "OptimizedView", "view": "v", "limit": 1.5}',
        b'{"type": "OptimizedView", "view": "v", "limit": true}',
        b'{"type": "OptimizedView", "view": "v", "limit": 18446744073709551616}',
        b'{"type": "BatchedQueries", "queries": "{ a }"}',
        b'{"type": "BatchedQueries", "queries": [1]}',
    ],
)
def test_what_is_no_ticket_is_refused(content):
    with pytest.raises(Refused, match=r"^Invalid ticket: "):
        decode(content)


def test_a_ticket_has_256_kib_at_most():
    frame = len(json.dumps({"type": "GraphQLQuery", "query": ""}))
    full = json.dumps({"type": "GraphQLQuery", "query": "x" * (LARGEST - frame)}).encode()
    assert decode(full) == GraphQLQuery("x" * (LARGEST - frame))
    with pytest.raises(Refused, match=r"^Invalid ticket: 262145 bytes, the most is 262144"):
        decode(full + b" ")
