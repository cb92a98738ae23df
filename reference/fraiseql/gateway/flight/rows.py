"""Rows on their way to a client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.flight as fl

from reference.fraiseql.gateway.flight.calls import Call
from reference.fraiseql.gateway.flight.errors import meant
from reference.fraiseql.gateway.flight.metrics import FlightMetrics

BATCH_ROWS = 10_000  # most rows of a batch


def nothing() -> None:
    """Close nothing."""


class Rows(NamedTuple):
    """An answer: its schema, batches of it, and what ends their source early."""

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    close: Callable[[], None] = nothing


def cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch with the names and types of a schema; nothing is copied where they are right already.

    Raises:
        ArrowInvalid: a value does not fit its type.
    """
    if batch.schema == schema:
        return batch
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for column, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def sliced(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut batches to 10 000 rows, and leave out empty ones."""
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield batch.slice(start, BATCH_ROWS)


class Outflow:
    """Sends answers: batch by batch as the source makes them, counted, and never cut without an error."""

    def __init__(self, metrics: FlightMetrics) -> None:
        self._metrics = metrics

    def stream(self, rows: Rows, call: Call, context: fl.ServerCallContext) -> fl.GeneratorStream:
        """Return the stream of an answer; its source is closed when the call ends."""
        call.closing.callback(rows.close)
        return fl.GeneratorStream(rows.schema, self._sent(rows, call, context))

    def _sent(self, rows: Rows, call: Call, context: fl.ServerCallContext) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches(rows):
                yield batch
                self._metrics.rows.inc(batch.num_rows)
                self._metrics.bytes.inc(batch.nbytes)
        except GeneratorExit:  # nobody takes the next batch
            call.cancelled = True
            raise
        except Exception as error:  # noqa: BLE001 - raised as what clients are told
            call.cancelled = context.is_cancelled()
            raise meant(error) from None

    def _batches(self, rows: Rows) -> Iterator[pa.RecordBatch]:
        return sliced(rows.batches)
