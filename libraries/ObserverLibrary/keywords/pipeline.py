"""Keywords of events for analysis: stored at once for reading, and on their way from insert to aggregate."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from robot.api.deco import keyword

from EnvironmentLibrary import context
from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say
from LoadLibrary.rate import Rate
from ObserverLibrary.keywords.base import EventLoad, acked, new_load, next_seed, on_test_end, reader_of
from ObserverLibrary.readers import ClickHouseReader
from ObserverLibrary.storing import Stored, forget, store
from runner import progress
from TemporalLibrary.core import wait_until

Aggregate = dict[tuple[str, str], tuple[int, float]]
"""(entity type, event type) -> (number of events, sum of their totals)."""

POLL_SECONDS = 0.02
BY_TYPE = "fraiseql_events_by_type"


@dataclass
class Stages:
    """Events on their way through the pipeline, and how long each stage of it took (seconds).

    A stage counts from the end of the one before: that of ClickHouse is how long after the last acknowledgement of NATS
    the last event was there.
    """

    load: EventLoad
    aggregate: Aggregate = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note how long a block takes as that stage."""
        begin = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - begin


class PipelineKeywords:
    """Events in ClickHouse, for who reads many of them."""

    @keyword
    def events_are_stored_for_reading(self, number: int, entity_type: str) -> Stored:
        """Put events straight into ClickHouse's table by Arrow, in the form in which its sink does; no NATS.

        They are removed when the test ends.

        Args:
            number: how many.
            entity_type: by which a ticket asks for them; no other load has events of it.
        """
        reader = _clickhouse()
        seed, begin = next_seed(), time.time_ns() // 1000
        with context.timed(f"{number} events stored", "startup"), progress.step(f"{number} events stored", 30):
            stored = store(reader, seed, number, entity_type, begin)
        on_test_end(forget, reader, stored.tenant)
        say(f"{number} events of {entity_type} stored in {stored.seconds:.2f} s")
        return stored

    @keyword
    def events_go_through_the_pipeline(self, number: int, rate: Rate, within: timedelta) -> Stages:
        """Publish events, wait for them in ClickHouse, aggregate them there, and read the aggregate; time each stage.

        Args:
            number: how many.
            rate: at which they are published, open loop.
            within: deadline for all of them to be in ClickHouse.
        """
        reader, load = _clickhouse(), new_load(rate.per_second, number, scaled(timedelta(seconds=30)))
        tenant = load.publishing.tenant
        stages = Stages(load)

        def missing() -> str | None:
            count = reader.count_of(tenant)
            return f"{count} of {number} events are in ClickHouse" if count < number else None

        name = f"{number} events through the pipeline"
        with context.timed(name, "measuring"), progress.step(name, scaled(within)):
            with stages.timed("insert"):
                load.publishing.begin().await_state(acked(number), scaled(within))
            with stages.timed("ClickHouse"):
                wait_until(missing, scaled(within), "events in ClickHouse", interval=POLL_SECONDS)
            with stages.timed("aggregate"):
                _aggregate(reader, tenant)
            with stages.timed("query"):
                stages.aggregate = _read(reader)
        load.end(load.publishing.wait())
        for stage, seconds in stages.seconds.items():
            context.record_value(f"stage {stage}", round(seconds, 4), "s")
        say(", ".join(f"{stage} {seconds:.3f} s" for stage, seconds in stages.seconds.items()))
        return stages

    @keyword
    def aggregate_should_equal_that_of_the_ledger(self, stages: Stages) -> None:
        """Demand that ClickHouse's numbers and sums by type are those of the events that were acknowledged, exactly."""
        published = stages.load.published
        expected: defaultdict[tuple[str, str], tuple[int, float]] = defaultdict(lambda: (0, 0.0))
        for event, was_acked in zip(published.events(), published.acked.tolist(), strict=True):
            if was_acked:
                number, total = expected[event.entity_type, event.event_type]
                expected[event.entity_type, event.event_type] = number + 1, total + event.data["total"]
        wrong = [
            f"{'/'.join(key)} is {stages.aggregate.get(key)}, by the ledger {expected.get(key)}"
            for key in sorted({*expected, *stages.aggregate})
            if stages.aggregate.get(key) != expected.get(key)
        ]
        if wrong:
            raise AssertionError(f"{len(wrong)} of {len(expected)} aggregates are wrong; {'; '.join(wrong[:3])}")
        say(f"{len(expected)} aggregates of {published.acknowledged} events are those of the ledger")

    @keyword
    def every_stage_should_have_taken_less_than(self, stages: Stages, limit: timedelta) -> None:
        """Hold the time of each stage against a limit; those of the seed were of loops that did nothing."""
        for stage, seconds in stages.seconds.items():
            if seconds >= limit.total_seconds():
                raise AssertionError(f"{stage} took {seconds:.2f} s, expected less than {limit.total_seconds():g} s")


def _clickhouse() -> ClickHouseReader:
    reader = reader_of("clickhouse")
    assert isinstance(reader, ClickHouseReader)
    return reader


def _aggregate(reader: ClickHouseReader, tenant: str) -> None:
    """Make a table of numbers and sums by type; it goes when the test ends."""
    client = reader.client
    client.command("DROP TABLE IF EXISTS {name:Identifier}", {"name": BY_TYPE})
    on_test_end(client.command, "DROP TABLE IF EXISTS {name:Identifier}", {"name": BY_TYPE})
    query = (
        "CREATE TABLE {name:Identifier} ENGINE = MergeTree ORDER BY (entity_type, event_type) AS "
        "SELECT entity_type, event_type, count() AS events, sum(JSONExtractFloat(data, 'total')) AS total "
        "FROM {table:Identifier} WHERE tenant_id = {tenant:String} GROUP BY entity_type, event_type"
    )
    client.command(query, reader.named(name=BY_TYPE, tenant=tenant))


def _read(reader: ClickHouseReader) -> Aggregate:
    query = "SELECT entity_type, event_type, events, total FROM {name:Identifier} ORDER BY entity_type, event_type"
    rows = reader.client.query(query, {"name": BY_TYPE}).result_rows
    return {(entity, kind): (number, total) for entity, kind, number, total in rows}
