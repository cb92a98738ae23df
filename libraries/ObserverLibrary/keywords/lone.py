"""Keywords of one event: published, and looked for in every sink with all its fields."""

from __future__ import annotations

import time
from datetime import timedelta

from robot.api.deco import keyword

from EnvironmentLibrary.telling import say
from ObserverLibrary.event import EntityEvent, lone_event
from ObserverLibrary.keywords.base import addresses, await_settled, next_seed, publish_lone, publish_marker, reader_of
from ObserverLibrary.readers import Fields, SearchReader, comparable
from oracles.events import changed

DATA = {
    "total": 129.99,
    "quantity": 2**53 - 1,
    "customer": 'Zoë "the new" 🐘\n\\ Ωμέγα',
    "lines": [{"sku": "A-1", "note": None, "gift": True}, {}],
    "": [],
}
"""What a sink may spoil: unicode, quotes, whole numbers at the end of double precision, nulls, nesting, emptiness."""


class LoneKeywords:
    """One event on its way."""

    @keyword
    def an_event_is_published(self) -> EntityEvent:
        """Publish an event with data that is easily spoilt; return when NATS has acknowledged it."""
        event = lone_event("INSERT", "Order", DATA, seed=next_seed(), intended_us=time.time_ns() // 1000)
        publish_lone(event)
        say(f"event {event.id}, {len(event.payload())} B")
        return event

    @keyword
    def the_same_event_is_published_again(self, event: EntityEvent) -> None:
        """Publish it a second time so that NATS stores it twice, as after an outage beyond its window of ids.

        Raises:
            AssertionError: NATS took it for the first one; the test would test nothing.
        """
        first = publish_lone(event)
        second = publish_lone(event, known=False)
        if second == first:
            raise AssertionError("NATS did not store the event a second time, so that no sink sees it twice")

    @keyword
    def event_should_be_in_sink_exactly_once(self, sink: str, event: EntityEvent, within: timedelta) -> None:
        """Demand one entry with the event's id, and with its fields, when the sink has done with all before now.

        Args:
            sink: clickhouse or search.
            event: published.
            within: deadline for the sink to be done.
        """
        reader = reader_of(sink)
        seconds = await_settled(reader, event.tenant_id or "", 1, publish_marker(), within)
        times = reader.times(event.id)
        if times != 1:
            raise AssertionError(f"event {event.id} is in {sink} {times} times, expected exactly once")
        _demand_unchanged(sink, event, reader.events(event.tenant_id or ""))
        say(f"{sink} has event {event.id} once, with all fields, after {seconds:.2f} s")

    @keyword
    def event_should_be_found_by_term_query(self, event: EntityEvent) -> None:
        """Demand that a term query of the search engine for the event's entity finds this event alone.

        An id has hyphens: where the field is analysed text, no term is the whole of it, and nothing is found.
        """
        where = addresses().search
        if where is None:
            raise LookupError("the environment declares no search engine")
        reader = reader_of("search")
        assert isinstance(reader, SearchReader)
        for name, value in (("entity_id", event.entity_id), ("id", event.id)):
            found = reader.find(name, value)
            if [fields.get("id") for fields in found] != [event.id]:
                raise AssertionError(f"a term query for {name} {value} found {len(found)} documents, not the event")
            _demand_unchanged("search", event, found)


def _demand_unchanged(sink: str, event: EntityEvent, found: list[Fields]) -> None:
    changed(sink, [comparable(event)], found).require()
