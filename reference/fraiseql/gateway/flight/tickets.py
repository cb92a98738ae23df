"""Tickets: what a client asks for, as JSON with a `type`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from reference.fraiseql.gateway.flight.errors import Refused

LARGEST = 262_144  # bytes of a ticket
_MOST = 2**64 - 1  # of an unsigned number


@dataclass(frozen=True, slots=True)
class GraphQLQuery:
    """One GraphQL document, run on the tables."""

    query: str
    variables: Any = None


@dataclass(frozen=True, slots=True)
class ObserverEvents:
    """Events of one entity type; the times are RFC 3339, the first inclusive, the second exclusive."""

    entity_type: str
    start_date: str | None = None
    end_date: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class OptimizedView:
    """A column-oriented view, or a part of it."""

    view: str
    filter: str | None = None
    order_by: str | None = None
    limit: int | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class BulkExport:
    """A whole table, as rows or as a file; `format` is one of `exports.FORMATS`."""

    table: str
    filter: str | None = None
    limit: int | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True)
class BatchedQueries:
    """Several GraphQL documents, answered one after the other in one stream."""

    queries: tuple[str, ...]


Ticket = GraphQLQuery | ObserverEvents | OptimizedView | BulkExport | BatchedQueries


class _Unfit(Exception):
    """What is wrong with a value."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Unfit("is not a string")
    return value


def _unsigned(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise _Unfit("is not an unsigned number")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise _Unfit("is not an array of strings")
    return tuple(_text(item) for item in value)


_Read = Callable[[object], object]
_KINDS: Mapping[str, tuple[Callable[..., Ticket], Mapping[str, _Read], Mapping[str, _Read]]] = {
    "GraphQLQuery": (GraphQLQuery, {"query": _text}, {"variables": lambda value: value}),
    "ObserverEvents": (
        ObserverEvents,
        {"entity_type": _text},
        {"start_date": _text, "end_date": _text, "limit": _unsigned},
    ),
    "OptimizedView": (
        OptimizedView,
        {"view": _text},
        {"filter": _text, "order_by": _text, "limit": _unsigned, "offset": _unsigned},
    ),
    "BulkExport": (BulkExport, {"table": _text}, {"filter": _text, "limit": _unsigned, "format": _text}),
    "BatchedQueries": (BatchedQueries, {"queries": _texts}, {}),
}


def decode(content: bytes) -> Ticket:
    """Read a ticket. Optional keys may be null, keys that are not known are passed over.

    Raises:
        Refused: it is none; the message begins with "Invalid ticket".
    """
    if len(content) > LARGEST:
        raise Refused(f"Invalid ticket: {len(content)} bytes, the most is {LARGEST}")
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Refused(f"Invalid ticket: no JSON, {error}") from None
    if not isinstance(found, dict):
        raise Refused("Invalid ticket: no JSON object")
    kind = found.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise Refused(f"Invalid ticket: the type is none of {', '.join(_KINDS)}")
    make, required, optional = _KINDS[kind]
    values = {}
    for key, read in (*required.items(), *optional.items()):
        if found.get(key) is None:
            if key in required:
                raise Refused(f"Invalid ticket: {kind} needs '{key}'")
            continue
        try:
            values[key] = read(found[key])
        except _Unfit as problem:
            raise Refused(f"Invalid ticket: '{key}' {problem}") from None
    return make(**values)
