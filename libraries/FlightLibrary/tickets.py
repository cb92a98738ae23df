"""The five tickets of FraiseQL, and the bytes in which DoGet takes them (contract, section 1.3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

LARGEST_TICKET = 262_144  # bytes; one more is refused
ROWS_OF_A_BATCH = 10_000  # no batch of an answer has more
VIEWS = ("va_orders", "va_users", "ta_orders", "ta_users")


@dataclass(frozen=True, slots=True)
class GraphQLQuery:
    """One GraphQL query with one root field."""

    query: str
    variables: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ObserverEvents:
    """Events of one entity type. Dates are RFC 3339: from `start_date` on, before `end_date`."""

    entity_type: str
    start_date: str | None = None
    end_date: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class OptimizedView:
    """Rows of a column-oriented view. `order_by` is such as `name DESC, id`; a `filter` is always refused."""

    view: str
    filter: str | None = None
    order_by: str | None = None
    limit: int | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class BulkExport:
    """A whole table as a file. `format` is parquet, csv or json."""

    table: str
    filter: str | None = None
    limit: int | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True)
class BatchedQueries:
    """Several queries whose rows come one after the other in one stream."""

    queries: Sequence[str]


Ticket = GraphQLQuery | ObserverEvents | OptimizedView | BulkExport | BatchedQueries


def encode(ticket: Ticket) -> bytes:
    """Return a ticket as DoGet takes it; fields that are None are left out."""
    fields = {name: value for name, value in asdict(ticket).items() if value is not None}
    return json.dumps({"type": type(ticket).__name__, **fields}, ensure_ascii=False).encode()


def padded(ticket: Ticket, size: int) -> bytes:
    """Return a ticket as exactly so many bytes: blanks between JSON's tokens mean nothing.

    Raises:
        ValueError: the ticket is longer than that.
    """
    data = encode(ticket)
    if len(data) > size:
        raise ValueError(f"the ticket has {len(data)} bytes, more than {size}")
    return data[:-1] + b" " * (size - len(data)) + data[-1:]
