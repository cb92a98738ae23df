"""Many events put straight into ClickHouse, as its sink would have put them, for criteria about reading."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import pyarrow as pa

from ObserverLibrary.event import EventSource
from ObserverLibrary.readers import ClickHouseReader

BATCH = 100_000
STEP_US = 10  # between two events: a million of them in ten seconds
SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("event_type", pa.string()),
        ("entity_type", pa.string()),
        ("entity_id", pa.string()),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("data", pa.string()),
        ("user_id", pa.string()),
        ("tenant_id", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Stored:
    """Events that were stored.

    Attributes:
        source: what made them.
        entity_type: of all of them.
        number: how many.
        begin_us: timestamp of the first, microseconds since the epoch; each later one is 10 us after the one before.
        seconds: how long it took.
    """

    source: EventSource
    entity_type: str
    number: int
    begin_us: int
    seconds: float = 0.0

    @property
    def tenant(self) -> str:
        """Whose they are."""
        return self.source.tenant

    def table(self, first: int, end: int) -> pa.Table:
        """Return events by their numbers, columns as in ClickHouse's table."""
        instants = range(self.begin_us + STEP_US * first, self.begin_us + STEP_US * end, STEP_US)
        made = [self.source.columns(number, at) for number, at in zip(range(first, end), instants, strict=True)]
        ids, kinds, _, entities, data, users = zip(*made, strict=True)
        columns = [
            pa.array(ids),
            pa.array(kinds),
            pa.repeat(self.entity_type, len(made)),
            pa.array(entities),
            pa.array(instants, pa.int64()).cast(pa.timestamp("us", "UTC")),
            pa.array(data),
            pa.array(users, pa.string()),
            pa.repeat(self.tenant, len(made)),
        ]
        return pa.Table.from_arrays(columns, schema=SCHEMA)


def store(reader: ClickHouseReader, seed: int, number: int, entity_type: str, begin_us: int) -> Stored:
    """Insert events by Arrow, 100 000 at a time; return when ClickHouse has them all."""
    stored, begin = Stored(EventSource(seed), entity_type, number, begin_us), time.perf_counter()
    for first in range(0, number, BATCH):
        reader.insert(stored.table(first, min(first + BATCH, number)))
    return replace(stored, seconds=time.perf_counter() - begin)


def forget(reader: ClickHouseReader, tenant: str) -> None:
    """Remove a load's events; they are gone when it returns."""
    query = "ALTER TABLE {table:Identifier} DELETE WHERE tenant_id = {tenant:String} SETTINGS mutations_sync = 1"
    reader.client.command(query, reader.named(tenant=tenant))
