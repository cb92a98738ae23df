from __future__ import annotations

import json

import pytest

from FlightLibrary.tickets import (
    BatchedQueries,
    BulkExport,
    GraphQLQuery,
    ObserverEvents,
    OptimizedView,
    encode,
    padded,
)


@pytest.mark.parametrize(
    ("ticket", "expected"),
    [
        (GraphQLQuery("{ users { id } }"), {"type": "GraphQLQuery", "query": "{ users { id } }"}),
        (
            GraphQLQuery("query ($n: Int) { users(limit: $n) { id } }", {"n": 3}),
            {"type": "GraphQLQuery", "query": "query ($n: Int) { users(limit: $n) { id } }", "variables": {"n": 3}},
        ),
        (ObserverEvents("Order", limit=10), {"type": "ObserverEvents", "entity_type": "Order", "limit": 10}),
        (
            OptimizedView("va_users", order_by="name DESC", limit=0, offset=7),
            {"type": "OptimizedView", "view": "va_users", "order_by": "name DESC", "limit": 0, "offset": 7},
        ),
        (BulkExport("tb_user", format="csv"), {"type": "BulkExport", "table": "tb_user", "format": "csv"}),
        (BatchedQueries(["{ a }", "{ b }"]), {"type": "BatchedQueries", "queries": ["{ a }", "{ b }"]}),
    ],
)
def test_a_ticket_is_an_object_of_its_type_without_what_was_not_said(ticket, expected):
    assert json.loads(encode(ticket)) == expected


def test_text_beyond_ascii_goes_as_it_is():
    assert "Zoë 🚀".encode() in encode(GraphQLQuery('{ users(where: {name: {eq: "Zoë 🚀"}}) { id } }'))


def test_a_padded_ticket_has_the_size_and_the_same_meaning():
    ticket = GraphQLQuery("{ users { id } }")
    data = padded(ticket, 1000)
    assert len(data) == 1000
    assert json.loads(data) == json.loads(encode(ticket))
    with pytest.raises(ValueError, match="more than 10"):
        padded(ticket, 10)
