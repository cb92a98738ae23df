"""Keywords of events over Flight: one that comes back with all its fields, and how fast many of them stream."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow.compute as pc
from robot.api.deco import keyword

from EnvironmentLibrary import context
from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say, settle
from FlightLibrary.accounting import Reading
from FlightLibrary.keywords.base import flight_connection
from FlightLibrary.keywords.querying import Answer
from FlightLibrary.tickets import ObserverEvents
from LoadLibrary.rate import Rate
from measurement.verdicts import Judgement, Verdict
from ObserverLibrary.event import EntityEvent
from runner import progress
from TemporalLibrary.core import wait_until

DEADLINE_SECONDS = 120.0
COLUMNS = ("event_id", "event_type", "entity_type", "entity_id", "timestamp", "data", "user_id", "tenant_id")


@dataclass(frozen=True, slots=True)
class Rounds:
    """Answers of one size: so many events, and the readings of all rounds."""

    events: int
    readings: Sequence[Reading]

    @property
    def rate(self) -> float:
        """Events a second in the slowest round."""
        return min(reading.rows_per_second for reading in self.readings)


class EventKeywords:
    """Observer events, read over Flight."""

    @keyword
    def events_are_read_over_flight(
        self, entity_type: str, start: str | None = None, end: str | None = None, limit: int | None = None
    ) -> Answer:
        """Read events of an entity type; instants are RFC 3339, from `start` on and before `end`."""
        ticket = ObserverEvents(entity_type, start, end, limit)
        with flight_connection() as client:
            return Answer(ticket, client.read(ticket))

    @keyword
    def event_should_come_back_over_flight(self, event: EntityEvent, within: timedelta) -> None:
        """Demand that an event comes back once, with every field as it was published.

        Args:
            event: as it was published.
            within: it has so long to arrive.
        """
        instant = datetime.fromisoformat(event.timestamp)
        window = (instant.isoformat(), (instant + timedelta(microseconds=1)).isoformat())
        ticket = ObserverEvents(event.entity_type, *window)
        with flight_connection() as client:

            def missing() -> str | None:
                return None if _rows_of(client.read(ticket), event.id) else f"event {event.id} is not there"

            seconds = wait_until(missing, scaled(within), "the event over Flight")
            found = _rows_of(client.read(ticket), event.id)
        if len(found) != 1:
            raise AssertionError(f"event {event.id} came {len(found)} times")
        if wrong := _differences(asdict(event), found[0]):
            raise AssertionError(f"event {event.id} came back changed: {'; '.join(wrong)}")
        say(f"all {len(COLUMNS)} fields came back, {seconds * 1000:.0f} ms after it was asked for")

    @keyword
    def events_are_streamed_over_flight(self, entity_type: str, *counts: int, rounds: int = 5) -> list[Rounds]:
        """Stream so many events, for each of some counts, several times, none of them kept.

        Args:
            entity_type: of which there are at least so many.
            counts: such as 1000 and 1000000.
            rounds: of each.

        Raises:
            AssertionError: fewer came, or some twice.
        """
        done = []
        with flight_connection(deadline_seconds=DEADLINE_SECONDS) as client:
            for count in counts:
                ticket = ObserverEvents(entity_type, limit=count)
                _demand_distinct(client.read(ticket), count)
                name = f"{count} events over Flight"
                with context.timed(name, "measuring"), progress.step(f"{name}: {rounds} rounds"):
                    done.append(Rounds(count, [client.read(ticket, keep=False) for _ in range(rounds)]))
                say(f"{count} events: {done[-1].rate:.0f}/s")
        return done

    @keyword
    def events_should_have_come_at(self, streamed: Sequence[Rounds], rate: Rate) -> None:
        """Hold the slowest round of the largest count against a rate of events."""
        largest = max(streamed, key=lambda rounds: rounds.events)
        if any(reading.rows != largest.events for reading in largest.readings):
            raise AssertionError(f"a round did not bring {largest.events} events")
        context.record_value("events a second", round(largest.rate), "/s")
        facts = (
            f"{largest.events} events came at {largest.rate:.0f}/s in the slowest of {len(largest.readings)} rounds, "
            f"at least {rate.per_second:g}/s wanted"
        )
        settle(Judgement(Verdict.PASS if largest.rate >= rate.per_second else Verdict.FAIL, facts))


def _rows_of(reading: Reading, identity: str) -> list[dict[str, Any]]:
    if tuple(reading.schema.names) != COLUMNS:
        raise AssertionError(f"expected the columns {list(COLUMNS)}, came {reading.schema.names}")
    table = reading.kept()
    rows: list[dict[str, Any]] = table.filter(pc.equal(table["event_id"], identity)).to_pylist()
    return rows


def _differences(event: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    expected = {
        **{name: event.get(name) for name in COLUMNS},
        "event_id": event["id"],
        "timestamp": datetime.fromisoformat(event["timestamp"]).astimezone(UTC),
    }
    came = {**row, "data": json.loads(row["data"])}
    return [f"{name} is {came[name]!r}, expected {value!r}" for name, value in expected.items() if came[name] != value]


def _demand_distinct(reading: Reading, count: int) -> None:
    distinct = pc.count_distinct(reading.kept()["event_id"]).as_py()
    if (reading.rows, distinct) != (count, count):
        raise AssertionError(f"expected {count} events, came {reading.rows}, {distinct} of them distinct")
