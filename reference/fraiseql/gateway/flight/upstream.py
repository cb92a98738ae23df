"""What the vendor's server does otherwise over Flight, for `compat = "upstream"`.

Its answers are in memory as a whole, several times, before the first byte; here they are as well, because the types of
their columns come from their values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.flight as fl

from reference.fraiseql.gateway.flight.answers import Answers
from reference.fraiseql.gateway.flight.calls import METADATA, Calls
from reference.fraiseql.gateway.flight.errors import NotServed, Refused
from reference.fraiseql.gateway.flight.parts import Parts
from reference.fraiseql.gateway.flight.parts_of_views import UnknownColumn
from reference.fraiseql.gateway.flight.patience import Patience
from reference.fraiseql.gateway.flight.rows import Rows
from reference.fraiseql.gateway.flight.server import FlightServer
from reference.fraiseql.gateway.flight.tickets import (
    BatchedQueries,
    BulkExport,
    GraphQLQuery,
    ObserverEvents,
    OptimizedView,
    Ticket,
)

RESULT = pa.schema([pa.field("result", pa.string(), nullable=False)])
_LARGEST = 2**63 - 1
# A text in which only a database looks for a value, there: what is wrong with it is an error of the database.
_FOUND_BY_THE_DATABASE = re.compile(r"\b(ID|DateTime) cannot represent")


def upstream_parts(parts: Parts) -> Parts:
    """Return the parts with those of this module in place of ordinary ones; a defect keeps its own."""
    ordinary = Parts()
    return replace(
        parts,
        answers=UpstreamAnswers if parts.answers is ordinary.answers else parts.answers,
        calls=UpstreamCalls if parts.calls is ordinary.calls else parts.calls,
    )


class UpstreamCalls(Calls):
    """Describes all there is to whoever asks."""

    open_methods = Calls.open_methods | METADATA


class UpstreamServer(FlightServer):
    """Says of no answer where it is, and reads a ticket from a path only."""

    def _endpoints(self, content: bytes) -> list[fl.FlightEndpoint]:
        return []

    def _ticket_of(self, descriptor: fl.FlightDescriptor) -> bytes:
        if not descriptor.path:
            raise Refused("Invalid descriptor: the path is empty")
        return bytes(descriptor.path[0])


class UpstreamAnswers(Answers):
    """Answers queries and views, in columns that are sorted by their names; nothing else is served."""

    def rows(self, ticket: Ticket, patience: Patience) -> Rows:
        """See `Answers.rows`."""
        match ticket:
            case GraphQLQuery(query, variables):
                with _failing_like_upstream():
                    return self._first_list(query, variables if isinstance(variables, dict) else None, patience)
            case OptimizedView():
                return self._view(ticket, patience)
            case ObserverEvents():
                raise NotServed("Observer events are not served")
            case BulkExport() | BatchedQueries():
                raise fl.FlightUnauthorizedError(f"{type(ticket).__name__} is not allowed")

    def schema(self, ticket: Ticket, patience: Patience) -> pa.Schema:
        """See `Answers.schema`."""
        if not isinstance(ticket, OptimizedView):
            raise NotServed(f"The schema of {type(ticket).__name__} is not known before its rows")
        return _as_text(self.views.schema(ticket, patience).empty_table()).schema

    def _first_list(self, query: str, variables: Any, patience: Patience) -> Rows:
        """Return the rows of the first root field that has a list of some; else the answer of HTTP as one text."""
        for root in self.queries.plan(query, variables).fields:
            if root.is_list:
                rows = self.queries.rows(root, patience)
                table = pa.Table.from_batches(rows.batches, rows.schema)
                if table.num_rows:
                    found = _by_values(table)
                    return Rows(found.schema, found.to_batches())
        text = self.queries.json(query, variables, patience)
        return Rows(RESULT, [pa.record_batch([pa.array([text], pa.string())], schema=RESULT)])

    def _view(self, ticket: OptimizedView, patience: Patience) -> Rows:
        for name, number in (("limit", ticket.limit), ("offset", ticket.offset)):
            if number is not None and number > _LARGEST:
                raise fl.FlightInternalError(f"Database query failed: {name} {number} is out of range")
        try:
            rows = self.views.rows(ticket, patience)
        except UnknownColumn as error:
            raise fl.FlightInternalError(f"Database query failed: {error}") from None
        table = _as_text(pa.Table.from_batches(rows.batches, rows.schema))
        return Rows(table.schema, table.to_batches())


@contextmanager
def _failing_like_upstream() -> Iterator[None]:
    """Raise what is wrong with a query; what the database says is INTERNAL, whoever made the mistake."""
    try:
        yield
    except Refused as error:
        planned = re.match(r"[A-Z_]+: ", str(error))
        kind = Refused if planned and not _FOUND_BY_THE_DATABASE.search(str(error)) else fl.FlightInternalError
        raise kind(f"Query execution failed: {error}") from None


def _by_values(table: pa.Table) -> pa.Table:
    """Return the columns as their values in JSON would be typed."""
    return _sorted(table, [_json_typed(column) for column in table.columns])


def _json_typed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column), pa.string())])
    if pa.types.is_timestamp(column.type):
        return pc.replace_substring_regex(_time(column), r"\.?0*\+", "+")
    if pa.types.is_integer(column.type):
        return column.cast(pa.int64())
    if pa.types.is_floating(column.type) and pc.all(_whole(column)).as_py():
        return column.cast(pa.int64())
    return column


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    fits = pc.less(pc.abs(column), float(_LARGEST))
    return pc.and_(fits, pc.equal(column, pc.trunc(column)))


def _as_text(table: pa.Table) -> pa.Table:
    """Return the columns of a view with its times as text."""
    times = [_time(column) if pa.types.is_timestamp(column.type) else column for column in table.columns]
    return _sorted(table, times)


def _time(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Write times as RFC 3339 in UTC, with six digits behind the seconds."""
    return pc.strftime(column, "%Y-%m-%dT%H:%M:%S+00:00")


def _sorted(table: pa.Table, columns: Sequence[pa.ChunkedArray]) -> pa.Table:
    named = dict(zip(table.column_names, columns, strict=True))
    return pa.table({name: named[name] for name in sorted(named)})
