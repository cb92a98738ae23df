"""Uploads: rows into a table, all of them or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.flight as fl

from reference.fraiseql.gateway.flight.database import Database, Session
from reference.fraiseql.gateway.flight.errors import Refused
from reference.fraiseql.gateway.flight.metrics import FlightMetrics
from reference.fraiseql.gateway.flight.patience import Patience
from reference.fraiseql.gateway.flight.rows import cast
from reference.fraiseql.gateway.literals import identifier


class Uploads:
    """Takes rows in.

    Args:
        tables: the tables that may be written to.
        database: where they are.
        metrics: where the rows are counted.
    """

    def __init__(self, tables: Iterable[str], database: Database, metrics: FlightMetrics) -> None:
        self._tables = frozenset(tables)
        self._database, self._metrics = database, metrics

    def upload(self, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], patience: Patience) -> str:
        """Append rows to a table in one transaction.

        Args:
            table: where they go.
            schema: columns of the table, by name; those that are left out get their default.
            batches: the rows.
            patience: how long PostgreSQL may take.

        Returns:
            "Inserted N rows".

        Raises:
            FlightUnauthorizedError: the table may not be written to.
            Refused: the columns or a value do not fit the table; nothing was written.
        """
        self.allow(table)
        rows = self._written(table, schema, batches, patience)
        self._metrics.uploaded.inc(rows)
        return f"Inserted {rows} rows"

    def allow(self, table: str) -> None:
        """Raise FlightUnauthorizedError unless the table may be written to."""
        if table not in self._tables:
            raise fl.FlightUnauthorizedError(f"Table {table} does not take uploads")

    def _written(self, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], patience: Patience) -> int:
        with self._database.transaction("READ WRITE", patience) as session:
            wanted = _columns(session, table, schema, patience)
            rows = session.ingest(table, wanted, _cast(batches, wanted), patience)
            if patience.abandoned:  # the stream of a client that was cut off ends as that of one that has said all
                raise fl.FlightCancelledError("The client is gone")
            return rows


def _columns(session: Session, table: str, schema: pa.Schema, patience: Patience) -> pa.Schema:
    """Return the types that the table has for the columns of an upload."""
    if len(set(schema.names)) < len(schema.names) or not schema.names:
        raise Refused("An upload has one or more columns, each once")
    there = session.run(f"SELECT * FROM {identifier(table)} WHERE false", patience).schema  # noqa: S608
    unknown = [name for name in schema.names if name not in there.names]
    if unknown:
        raise Refused(f"Table {table} has no column {', '.join(unknown)}; it has {', '.join(there.names)}")
    return pa.schema([there.field(name) for name in schema.names])


def _cast(batches: Iterable[pa.RecordBatch], wanted: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        try:
            yield cast(batch, wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise Refused(f"A column does not fit the table: {error}") from None
