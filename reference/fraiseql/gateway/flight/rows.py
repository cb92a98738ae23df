"""Rows on their way to a client."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import pyarrow as pa
import pyarrow.flight as fl

from reference.fraiseql.gateway.flight.calls import Call
from reference.fraiseql.gateway.flight.delivery import Delivery
from reference.fraiseql.gateway.flight.errors import meant
from reference.fraiseql.gateway.flight.metrics import FlightMetrics
from reference.fraiseql.gateway.flight.patience import Watch

BATCH_ROWS = 10_000  # most rows of a batch


def nothing() -> None:
    """Close nothing."""


class Rows(NamedTuple):
    """An answer: its schema, batches of it, what ends their source early, and for a file its MIME type."""

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]
    close: Callable[[], None] = nothing
    mime: str | None = None


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
    """Sends answers: batch by batch as the source makes them, counted, and never cut without an error.

    Args:
        metrics: where they are counted.
        watch: what looks for clients that stand still.
        stall_seconds: for how long one may.
    """

    def __init__(self, metrics: FlightMetrics, watch: Watch, stall_seconds: float) -> None:
        self._metrics, self._watch, self._stall_seconds = metrics, watch, stall_seconds

    def stream(self, rows: Rows, call: Call, context: fl.ServerCallContext) -> fl.GeneratorStream:
        """Return the stream of an answer; its source is closed when the call ends, or its client stands still."""
        call.hold(rows.close)
        delivery = Delivery(self._watch, self._stall_seconds, partial(self._break_off, call))
        call.hold(delivery.end)
        return fl.GeneratorStream(rows.schema, self._sent(rows, call, context, delivery))

    def _break_off(self, call: Call) -> None:
        self._metrics.stalled.inc()
        call.let_go()

    def _sent(
        self, rows: Rows, call: Call, context: fl.ServerCallContext, delivery: Delivery
    ) -> Iterator[pa.RecordBatch | tuple[pa.RecordBatch, bytes]]:
        try:
            delivery.taken()
            for batch in self._batches(rows):
                delivery.offered()
                yield batch if rows.mime is None else (batch, rows.mime.encode())
                delivery.taken()
                self._metrics.rows.inc(batch.num_rows if rows.mime is None else 0)
                self._metrics.bytes.inc(batch.nbytes)
        except GeneratorExit:  # nobody takes the next batch
            call.cancelled = True
            raise
        except Exception as error:  # noqa: BLE001 - raised as what clients are told
            call.cancelled = context.is_cancelled()
            raise meant(error) from None

    def _batches(self, rows: Rows) -> Iterator[pa.RecordBatch]:
        return sliced(rows.batches) if rows.mime is None else iter(rows.batches)
