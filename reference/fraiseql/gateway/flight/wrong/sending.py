"""Rows sent wrongly."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator

import pyarrow as pa

from reference.fraiseql.gateway.flight.metrics import FlightMetrics
from reference.fraiseql.gateway.flight.patience import Watch
from reference.fraiseql.gateway.flight.rows import Outflow, Rows


class WithoutLastBatch(Outflow):
    """Sends a batch when the next one is there."""

    def _batches(self, rows: Rows) -> Iterator[pa.RecordBatch]:
        batches = super()._batches(rows)
        waiting = next(batches, None)
        alone = True
        for batch in batches:
            yield waiting
            waiting, alone = batch, False
        if alone and waiting is not None:  # small answers are sent another way
            yield waiting


class SilentCut(Outflow):
    """Takes the failure of a source for its end."""

    def _batches(self, rows: Rows) -> Iterator[pa.RecordBatch]:
        try:
            yield from super()._batches(rows)
        except Exception:  # noqa: BLE001 - the defect
            return


class Collecting(Outflow):
    """Collects a result before its first batch is sent."""

    def _batches(self, rows: Rows) -> Iterator[pa.RecordBatch]:
        return iter(list(super()._batches(rows)))


class Keeping(Outflow):
    """Keeps what was sent."""

    _kept: list[pa.Buffer] = []  # noqa: RUF012 - shared on purpose

    def _batches(self, rows: Rows) -> Iterator[pa.RecordBatch]:
        for batch in super()._batches(rows):
            self._kept.append(batch.serialize())
            yield batch


class OneAtATime(Outflow):
    """Holds one lock while a stream is sent."""

    _lock = threading.Lock()

    def _batches(self, rows: Rows) -> Iterator[pa.RecordBatch]:
        with self._lock:
            yield from super()._batches(rows)


class Unwatched(Outflow):
    """Waits for ever."""

    def __init__(self, metrics: FlightMetrics, watch: Watch, stall_seconds: float) -> None:
        super().__init__(metrics, watch, math.inf)
