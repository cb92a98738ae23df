"""BulkExport and BatchedQueries: what only some gateways allow."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.flight as fl

from reference.fraiseql.gateway.config import BulkSettings
from reference.fraiseql.gateway.flight import exports
from reference.fraiseql.gateway.flight.database import Database
from reference.fraiseql.gateway.flight.errors import Refused
from reference.fraiseql.gateway.flight.live import LiveQueries, schema_of
from reference.fraiseql.gateway.flight.patience import Patience
from reference.fraiseql.gateway.flight.rows import Rows
from reference.fraiseql.gateway.flight.tickets import BatchedQueries, BulkExport
from reference.fraiseql.gateway.literals import identifier
from reference.fraiseql.gateway.planner import RootField


class BulkAnswers:
    """Answers BulkExport and BatchedQueries tickets.

    Args:
        settings: what is allowed.
        database: where the tables are.
        queries: what plans and runs documents.
    """

    def __init__(self, settings: BulkSettings, database: Database, queries: LiveQueries) -> None:
        self._settings, self._database, self._queries = settings, database, queries

    def table(self, ticket: BulkExport, patience: Patience) -> Rows:
        """Stream a whole table, as rows or as a file.

        Raises:
            FlightUnauthorizedError: the table is not for export.
            Refused: the ticket has a filter, or wants a format that is not known.
        """
        limit = "" if ticket.limit is None else f" LIMIT {min(ticket.limit, 2**63 - 1)}"
        selection, file = f"{self._selection(ticket)}{limit}", _file(ticket)
        if file is None:
            source = self._database.rows(selection, patience)
            return Rows(source.schema, source, source.close)
        source = self._database.rows(file.select(selection, self._columns(ticket, patience)), patience)
        return Rows(exports.SCHEMA, file.batches(source.schema, source), source.close, file.mime)

    def table_schema(self, ticket: BulkExport, patience: Patience) -> pa.Schema:
        """Return the columns of a table, or those of a file."""
        if _file(ticket) is not None:
            self._selection(ticket)
            return exports.SCHEMA
        return self._columns(ticket, patience)

    def _columns(self, ticket: BulkExport, patience: Patience) -> pa.Schema:
        source = self._database.rows(f"{self._selection(ticket)} WHERE false", patience)
        source.close()
        return source.schema

    def _selection(self, ticket: BulkExport) -> str:
        if ticket.table not in self._settings.tables:
            raise fl.FlightUnauthorizedError(f"Table {ticket.table} is not for export")
        if ticket.filter is not None:
            raise Refused("filter is not served: ask by GraphQL for what a condition chooses")
        return f"SELECT * FROM {identifier(ticket.table)}"  # noqa: S608 - one of the configuration's tables

    def batched(self, ticket: BatchedQueries, patience: Patience) -> Rows:
        """Stream the rows of several documents one after the other."""
        roots = self._roots(ticket)
        one_after_the_other = _Chain(self._queries, roots, patience)
        return Rows(schema_of(roots[0]), one_after_the_other.batches(), one_after_the_other.close)

    def batched_schema(self, ticket: BatchedQueries) -> pa.Schema:
        """Return the columns that all of the documents have."""
        return schema_of(self._roots(ticket)[0])

    def _roots(self, ticket: BatchedQueries) -> list[RootField]:
        if not self._settings.batched_queries:
            raise fl.FlightUnauthorizedError("BatchedQueries are not allowed here")
        if not ticket.queries:
            raise Refused("queries is empty")
        roots = [self._queries.root(query, None) for query in ticket.queries]
        for number, root in enumerate(roots, 1):
            if schema_of(root) != schema_of(roots[0]):
                raise Refused(f"All queries must have the same columns; number {number} differs from the first")
        return roots


def _file(ticket: BulkExport) -> exports.Format | None:
    if ticket.format is None:
        return None
    if ticket.format not in exports.FORMATS:
        raise Refused(f"format is none of {', '.join(exports.FORMATS)}; without one, rows come as Arrow batches")
    return exports.FORMATS[ticket.format]


class _Chain:
    """Runs planned documents one after the other, each when the one before has ended."""

    def __init__(self, queries: LiveQueries, roots: list[RootField], patience: Patience) -> None:
        self._queries, self._roots, self._patience = queries, roots, patience
        self._running: Rows | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        for root in self._roots:
            self._running = self._queries.rows(root, self._patience)
            yield from self._running.batches

    def close(self) -> None:
        if self._running is not None:
            self._running.close()
