"""Everything a gateway must refuse, with the gRPC status it must name (contract, sections 1.6 and 8.5).

A client's mistake is INVALID_ARGUMENT, NOT_FOUND or PERMISSION_DENIED, never INTERNAL: who reads the status must be
able to tell a wrong question from a broken server. Where the contract leaves a choice, all of it is named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from FlightLibrary.client import FlightConnection
from FlightLibrary.tickets import (
    LARGEST_TICKET,
    BatchedQueries,
    BulkExport,
    GraphQLQuery,
    ObserverEvents,
    OptimizedView,
    Ticket,
    padded,
)

INVALID = frozenset({"INVALID_ARGUMENT"})
MISSING = frozenset({"NOT_FOUND"})
DENIED = frozenset({"PERMISSION_DENIED"})
TOO_LONG = INVALID | {"OUT_OF_RANGE", "RESOURCE_EXHAUSTED"}
"""What a message above 4 MiB is refused with: many gRPC servers take none, and say so before they look into it."""

GOOD = GraphQLQuery("{ users(limit: 3) { id name } }")


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that must be refused.

    Attributes:
        what: in words.
        call: what is done.
        statuses: of which one must be named.
    """

    what: str
    call: Callable[[FlightConnection], object]
    statuses: frozenset[str]


def wrong_tickets() -> list[Wrong]:
    """Return bytes that are no ticket, and tickets that are none of the five."""
    query = {"type": "GraphQLQuery", "query": GOOD.query}
    no_json = {
        "an empty ticket": b"",
        "text that is no JSON": b"users please",
        "half a ticket": json.dumps(query).encode()[:20],
        "bytes that are no UTF-8": b'{"type":"GraphQLQuery","query":"\xff\xfe"}',
    }
    other_json: dict[str, Any] = {
        "a JSON array": [query],
        "a JSON text": "GraphQLQuery",
        "null": None,
        "no type": {"query": GOOD.query},
        "a type that is null": {**query, "type": None},
        "an unknown type": {**query, "type": "SqlQuery"},
        "a type in small letters": {**query, "type": "graphqlquery"},
        "no query": {"type": "GraphQLQuery"},
        "a query that is null": {**query, "query": None},
        "a query that is a number": {**query, "query": 7},
        "no view": {"type": "OptimizedView"},
        "a limit below zero": {"type": "OptimizedView", "view": "va_users", "limit": -1},
        "a limit that is text": {"type": "OptimizedView", "view": "va_users", "limit": "10"},
        "a limit with a fraction": {"type": "OptimizedView", "view": "va_users", "limit": 1.5},
        "an offset below zero": {"type": "OptimizedView", "view": "va_users", "offset": -1},
        "events of no entity type": {"type": "ObserverEvents"},
        "an export of no table": {"type": "BulkExport"},
    }
    data = {**no_json, **{what: json.dumps(content).encode() for what, content in other_json.items()}}
    data["one byte above 256 KiB"] = padded(GOOD, LARGEST_TICKET + 1)
    long = {"above 4 MiB": padded(GOOD, 4 * 1024 * 1024 + 1)}
    return [
        *(_reading(f"a ticket: {what}", ticket, INVALID) for what, ticket in data.items()),
        *(_reading(f"a ticket: {what}", ticket, TOO_LONG) for what, ticket in long.items()),
    ]


def wrong_queries() -> list[Wrong]:
    """Return GraphQL that is not well formed, not of the schema, or not allowed."""
    deep = "{ users(limit: 1) " + "{ orders { user " * 6 + "{ id }" + " } }" * 6 + " }"
    queries: dict[str, tuple[str, Mapping[str, Any] | None]] = {
        "an empty text": ("", None),
        "a bracket too few": ("{ users(limit: 1) { id }", None),
        "an unknown root field": ("{ nobodies { id } }", None),
        "an unknown field": ("{ users(limit: 1) { id nothing } }", None),
        "an unknown argument": ("{ users(first: 1) { id } }", None),
        "an argument of another type": ('{ users(limit: "ten") { id } }', None),
        "an argument twice": ("{ users(limit: 1, limit: 2) { id } }", None),
        "a required argument left out": ("{ user { id } }", None),
        "one name for two fields": ("{ users(limit: 1) { n: name n: email } }", None),
        "an object without fields": ("{ users(limit: 1) }", None),
        "fields of what has none": ("{ users(limit: 1) { name { first } } }", None),
        "an unknown fragment": ("{ users(limit: 1) { ...Nothing } }", None),
        "an unknown directive": ("{ users(limit: 1) { id @nothing } }", None),
        "a subscription": ("subscription { users(limit: 1) { id } }", None),
        "a limit below zero": ("{ users(limit: -1) { id } }", None),
        "an id that is no UUID": ('{ user(id: "not-an-id") { id } }', None),
        "a variable without a value": ("query ($n: Int!) { users(limit: $n) { id } }", None),
        "a variable of another type": ("query ($n: Int!) { users(limit: $n) { id } }", {"n": "ten"}),
        "a variable that is not declared": ("{ users(limit: $n) { id } }", {"n": 1}),
        "two root fields": ("{ users(limit: 1) { id } orders(limit: 1) { id } }", None),
        "objects nested too deep": (deep, None),
    }
    wrong = [
        _reading(f"a query: {what}", GraphQLQuery(text, variables), INVALID)
        for what, (text, variables) in queries.items()
    ]
    listed = json.dumps({"type": "GraphQLQuery", "query": GOOD.query, "variables": [1]}).encode()
    return [*wrong, _reading("a query: variables that are a list", listed, INVALID)]


def wrong_views(view: str) -> list[Wrong]:
    """Return requests for views that are not there, or in ways they are not served."""
    views = {
        "filtered": OptimizedView(view, filter="id > 7"),
        "with a limit of 0": OptimizedView(view, limit=0),
        "ordered by what is no column": OptimizedView(view, order_by="nothing"),
        "ordered by SQL": OptimizedView(view, order_by="id; DROP TABLE tb_import"),
        "ordered sideways": OptimizedView(view, order_by="id SIDEWAYS"),
    }
    unknown = {
        "that does not exist": OptimizedView("va_nothing"),
        "that is a table": OptimizedView("tb_user"),
        "that is SQL": OptimizedView(f"{view}; SELECT 1"),
    }
    most = OptimizedView(view, limit=2**63)  # more rows than there can be, but no mistake
    return [
        _reading("a view with a limit of 2^63", most, INVALID | {"OK"}),
        *(_reading(f"a view {what}", ticket, INVALID) for what, ticket in views.items()),
        *(_reading(f"a view {what}", ticket, MISSING) for what, ticket in unknown.items()),
    ]


def wrong_exports() -> list[Wrong]:
    """Return exports and batches that nobody allowed."""
    return [
        _reading("an export of a table that is not listed", BulkExport("pg_authid"), DENIED),
        _reading("a batch of SQL", BatchedQueries(["SELECT usename FROM pg_user"]), INVALID | DENIED),
        _reading("a batch of nothing", BatchedQueries([]), INVALID | DENIED),
    ]


def wrong_events() -> list[Wrong]:
    """Return questions for events whose dates are none."""
    dates = ("2026-01-01", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00")
    return [
        *(_reading(f"events from {date}", ObserverEvents("Order", start_date=date), INVALID) for date in dates),
        _reading("events before yesterday", ObserverEvents("Order", end_date="yesterday"), INVALID),
    ]


def wrong_actions() -> list[Wrong]:
    """Return actions that do not exist, or that need the scope `admin`."""
    return [
        Wrong("an unknown action", lambda client: client.act("MakeCoffee"), INVALID),
        *(_acting(name) for name in ("ClearCache", "RefreshSchemaRegistry", "GetSchemaVersions")),
        Wrong("the schema of no ticket", lambda client: client.schema(b"users please", in_path=True), INVALID),
    ]


def _acting(name: str) -> Wrong:
    return Wrong(f"{name} without the scope admin", lambda client: client.act(name), DENIED)


def _reading(what: str, ticket: Ticket | bytes, statuses: frozenset[str]) -> Wrong:
    return Wrong(what, lambda client: client.read(ticket), statuses)
