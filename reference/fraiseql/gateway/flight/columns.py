"""The column store: views kept as Arrow blocks in memory, always in step with the tables.

core.block_version says how often each block of 10 000 keys has changed. Every answer reads it first: where nothing has
changed what is kept is the state of that moment, by one statement. Otherwise it is read again with the blocks that
changed, in one snapshot of PostgreSQL. Either way an answer holds one state of the tables, no older than its request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
import pyarrow.flight as fl

from reference.fraiseql.gateway.flight import views
from reference.fraiseql.gateway.flight.database import Database, Session
from reference.fraiseql.gateway.flight.errors import Unknown
from reference.fraiseql.gateway.flight.patience import Patience
from reference.fraiseql.gateway.flight.views import View
from reference.fraiseql.gateway.literals import string

_SNAPSHOT = "ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Block(NamedTuple):
    """The rows of one block, and the version they have."""

    version: int
    rows: pa.RecordBatch


class Snapshot(NamedTuple):
    """One state of a view: its blocks in the order of their keys; nothing of it ever changes."""

    schema: pa.Schema
    batches: tuple[pa.RecordBatch, ...]

    def table(self) -> pa.Table:
        """All rows."""
        return pa.Table.from_batches(self.batches, self.schema)


@dataclass
class Kept:
    """What is kept of one view; the lock is held while it is brought up to date."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    begun: float = float("-inf")  # when the newest state was asked for
    view: View | None = None
    since: float = 0.0  # when the view was looked up, in seconds since 1970
    versions: pa.Table | None = None  # of the blocks
    blocks: dict[int, Block] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    refreshes: int = 0


class ColumnStore:
    """Keeps views.

    Args:
        names: the views that are served.
        database: where they are.
    """

    def __init__(self, names: Iterable[str], database: Database) -> None:
        self._kept = {name: Kept() for name in names}
        self._database = database

    @property
    def names(self) -> tuple[str, ...]:
        """The views that are served."""
        return tuple(self._kept)

    def known(self) -> Mapping[str, tuple[float, int]]:
        """Return of each view that was looked up: when (seconds since 1970), and the number of its states so far."""
        return {name: (kept.since, kept.refreshes) for name, kept in self._kept.items() if kept.view}

    def snapshot(self, name: str, patience: Patience) -> Snapshot:
        """Return a state of a view that is no older than this call.

        Raises:
            Unknown: the view is not served, or is not there.
            FlightTimedOutError: it took too long.
        """
        kept = self._kept.get(name)
        if kept is None:
            raise Unknown(f"View {name} is not served")
        asked = time.monotonic()
        if not kept.lock.acquire(timeout=max(0.0, patience.left)):
            raise fl.FlightTimedOutError(f"View {name} was not brought up to date in time")
        try:
            if kept.snapshot is None or not self._new_enough(kept, asked):
                kept.begun, kept.snapshot = self._refreshed(name, kept, patience)
            return kept.snapshot
        finally:
            kept.lock.release()

    def clear(self) -> None:
        """Forget everything: what is asked for next is read anew, definitions included."""
        for kept in self._kept.values():
            with kept.lock:
                kept.view, kept.snapshot = None, None
                kept.blocks.clear()

    def _new_enough(self, kept: Kept, asked: float) -> bool:
        return kept.begun >= asked

    def _refreshed(self, name: str, kept: Kept, patience: Patience) -> tuple[float, Snapshot]:
        begun = time.monotonic()
        if kept.snapshot and kept.view and self._database.run(_versions(kept.view), patience) == kept.versions:
            return begun, kept.snapshot
        with self._database.transaction(_SNAPSHOT, patience) as session:
            if kept.view is None:
                kept.view, kept.since = views.find(name, session, patience), time.time()
            versions = session.run(_versions(kept.view), patience)
            blocks = self._changed(kept.view, kept.blocks, versions, session, patience)
        kept.versions, kept.blocks, kept.refreshes = versions, blocks, kept.refreshes + 1
        return begun, Snapshot(kept.view.schema, tuple(block.rows for block in blocks.values()))

    def _changed(
        self, view: View, blocks: Mapping[int, Block], versions: pa.Table, session: Session, patience: Patience
    ) -> dict[int, Block]:
        """Return the blocks as this snapshot sees them: the old ones that are still right, the others read."""
        found = {}
        for number, version in zip(*(column.to_pylist() for column in versions.columns), strict=True):
            block = blocks.get(number)
            if block is None or block.version != version:
                block = Block(version, _one_batch(session.whole(view.block(number), patience), view.schema))
            found[number] = block
        return found


def _versions(view: View) -> str:
    return f"SELECT block, version FROM core.block_version WHERE table_name = {string(view.table)} ORDER BY block"  # noqa: S608


def _one_batch(table: pa.Table, schema: pa.Schema) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=schema)
