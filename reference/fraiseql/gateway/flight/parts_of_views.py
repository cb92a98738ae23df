"""The part of a view that a ticket asks for: an order, an offset, a limit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from reference.fraiseql.gateway.flight.columns import ColumnStore, Snapshot
from reference.fraiseql.gateway.flight.errors import Refused
from reference.fraiseql.gateway.flight.patience import Patience
from reference.fraiseql.gateway.flight.rows import Rows, sliced
from reference.fraiseql.gateway.flight.tickets import OptimizedView

_KEY = re.compile(r"\s*(?P<column>[A-Za-z_][A-Za-z0-9_]*)(?:\s+(?P<direction>ASC|DESC))?\s*", re.IGNORECASE)


class UnknownColumn(Refused):
    """A view has no column of that name."""


class ViewAnswers:
    """Answers OptimizedView tickets from the column store."""

    def __init__(self, store: ColumnStore) -> None:
        self._store = store

    def rows(self, ticket: OptimizedView, patience: Patience) -> Rows:
        """Return what a ticket asks for, of a state of the view that is no older than this call.

        Raises:
            Refused: the ticket has a filter, no rows to give, or an order that the view cannot have.
            Unknown: the view is not served.
        """
        if ticket.filter is not None:
            raise Refused("filter is not served: ask by GraphQL for what a condition chooses")
        if ticket.limit == 0:
            raise Refused("limit is 0: leave it out, or ask for a row or more")
        snapshot = self._store.snapshot(ticket.view, patience)
        batches: Iterable[pa.RecordBatch] = snapshot.batches
        if ticket.order_by is not None:
            keys = _keys(ticket.order_by, snapshot)
            batches = _in_order(snapshot.table(), pc.sort_indices(snapshot.table(), sort_keys=keys))
        if ticket.limit is not None or ticket.offset:
            batches = self._page(batches, ticket.offset or 0, ticket.limit)
        return Rows(snapshot.schema, batches)

    def schema(self, ticket: OptimizedView, patience: Patience) -> pa.Schema:
        """Return the columns of a view."""
        return self._store.snapshot(ticket.view, patience).schema

    def _page(self, batches: Iterable[pa.RecordBatch], offset: int, limit: int | None) -> Iterator[pa.RecordBatch]:
        """Pass `offset` rows over, then yield `limit` rows."""
        for batch in batches:
            if offset >= batch.num_rows:
                offset -= batch.num_rows
                continue
            part = batch.slice(offset, None if limit is None else min(limit, batch.num_rows))
            offset = 0
            yield part
            if limit is not None:
                limit -= part.num_rows
                if limit == 0:
                    return


def _keys(order_by: str, snapshot: Snapshot) -> list[tuple[str, str, str]]:
    """Read `column [ASC|DESC], ...`; nulls stand where PostgreSQL puts them."""
    keys = []
    for text in order_by.split(","):
        key = _KEY.fullmatch(text)
        if key is None:
            raise Refused(f"order_by: '{text.strip()}' is not COLUMN [ASC|DESC]")
        if key["column"] not in snapshot.schema.names:
            raise UnknownColumn(f"order_by: there is no column {key['column']}")
        descending = (key["direction"] or "").upper() == "DESC"
        keys.append((key["column"], "descending", "at_start") if descending else (key["column"], "ascending", "at_end"))
    return keys


def _in_order(table: pa.Table, indices: pa.UInt64Array) -> Iterator[pa.RecordBatch]:
    """Yield the rows of these positions, as many at once as a batch has: a page needs no more than its own."""
    for part in sliced([pa.record_batch([indices], names=["position"])]):
        yield from table.take(part.column(0)).combine_chunks().to_batches()
