"""Tickets and uploads answered wrongly."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import pyarrow as pa

from reference.fraiseql.gateway.flight.answers import Answers
from reference.fraiseql.gateway.flight.columns import ColumnStore, Kept
from reference.fraiseql.gateway.flight.events import EventAnswers
from reference.fraiseql.gateway.flight.parts_of_views import ViewAnswers
from reference.fraiseql.gateway.flight.patience import Patience
from reference.fraiseql.gateway.flight.rows import Rows
from reference.fraiseql.gateway.flight.tickets import Ticket
from reference.fraiseql.gateway.flight.uploads import Uploads

_OLD = 5.0  # seconds


class EmptyForError(Answers):
    """Answers what fails with no rows."""

    def rows(self, ticket: Ticket, patience: Patience) -> Rows:
        """See `Answers.rows`."""
        try:
            return super().rows(ticket, patience)
        except Exception:  # noqa: BLE001 - the defect
            return Rows(pa.schema([("result", pa.string())]), [])


class TimedStore(ColumnStore):
    """Brings a view up to date every five seconds."""

    def _new_enough(self, kept: Kept, asked: float) -> bool:
        return kept.begun > time.monotonic() - _OLD or super()._new_enough(kept, asked)


class OneMoreOfViews(ViewAnswers):
    """Sends a row too many."""

    def _page(self, batches: Iterable[pa.RecordBatch], offset: int, limit: int | None) -> Iterator[pa.RecordBatch]:
        return super()._page(batches, offset, None if limit is None else limit + 1)


class OneMoreOfEvents(EventAnswers):
    """Sends an event too many."""

    def _limit(self, limit: int) -> int:
        return limit + 1


class WithoutTenant(EventAnswers):
    """Asks for a field that is never written."""

    columns = EventAnswers.columns.replace("tenant_id", "CAST(NULL AS Nullable(String)) AS tenant_id")


class UploadsAnywhere(Uploads):
    """Does not look at the list of tables."""

    def allow(self, table: str) -> None:
        """See `Uploads.allow`."""


class UploadsByBatch(Uploads):
    """Commits each batch by itself."""

    def _written(self, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch], patience: Patience) -> int:
        return sum(super(UploadsByBatch, self)._written(table, schema, [batch], patience) for batch in batches)
