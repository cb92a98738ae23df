"""Keywords against a real NATS and sinks into which the test itself puts the events, rightly or wrongly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from environments.system import Endpoint
from LoadLibrary.rate import Rate
from measurement.verdicts import Inconclusive
from ObserverLibrary import ObserverLibrary
from ObserverLibrary.event import EntityEvent
from ObserverLibrary.keywords.base import EventLoad, nats_url, new_load, reader_of
from ObserverLibrary.lag import Look
from tests.observer.conftest import NatsServer, Sinks, store
from tests.observer.system import Pipeline

pytestmark = pytest.mark.servers

WITHIN = timedelta(seconds=5)


def test_sinks_that_hold_what_was_acknowledged_pass_and_say_so(
    sinks: Sinks, library: ObserverLibrary, load: EventLoad
) -> None:
    sinks.put(load.published.events())
    library.both_sinks_should_hold_exactly_what_was_acknowledged(load, WITHIN)
    library.every_field_should_be_as_published(load)
    assert "clickhouse holds all 100 acknowledged events once" in sinks.said
    assert "search holds all 100 acknowledged events once" in sinks.said


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        ("lost", "events lost in clickhouse: 3 of 100 acknowledged; first: "),
        ("doubled row", "events doubled in clickhouse: 1 of 100 acknowledged"),
        ("doubled document", "events doubled in search: 1 of 100 acknowledged"),
        ("invented", "events never published in clickhouse: 1 of 100 acknowledged; first: 0b8d3bb4-5a7b-7d5e-9d5c-"),
    ],
)
def test_what_a_sink_does_wrong_is_told_with_the_first_id(
    sinks: Sinks, library: ObserverLibrary, load: EventLoad, spoilt: str, told: str
) -> None:
    events = load.published.events()
    sinks.put(events[:-3] if spoilt == "lost" else events)
    match spoilt:
        case "doubled row":
            store(sinks.table, events[5:6])
        case "doubled document":
            sinks.index.put(asdict(events[5]), key="another key")
        case "invented":
            sinks.put([replace(events[5], id="0b8d3bb4-5a7b-7d5e-9d5c-0d9a3c3ef001")])
    with pytest.raises(AssertionError, match=told):
        library.both_sinks_should_hold_exactly_what_was_acknowledged(load, WITHIN)


def test_a_field_that_a_sink_changed_is_told(sinks: Sinks, library: ObserverLibrary, load: EventLoad) -> None:
    sinks.put(load.published.events(), user_id="somebody")
    library.both_sinks_should_hold_exactly_what_was_acknowledged(load, WITHIN)
    with pytest.raises(AssertionError, match=r"events changed in clickhouse: 100 of 100 .* user_id is 'somebody'"):
        library.every_field_should_be_as_published(load)


def test_a_sink_that_has_not_come_so_far_is_waited_for_and_then_told(
    sinks: Sinks, library: ObserverLibrary, load: EventLoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = EntityEvent.parse(load.published.source.message(0, 1_700_000_000_000_000)[1])
    monkeypatch.setattr("ObserverLibrary.keywords.account.publish_marker", lambda: nobody)
    with pytest.raises(AssertionError, match="shows 0 of 100 events, and not yet what was published after them"):
        library.sink_should_hold_exactly_what_was_acknowledged("search", load, timedelta(seconds=0.4))


def test_not_all_acknowledged_is_no_verdict_on_sinks(library: ObserverLibrary, sinks: Sinks) -> None:
    system: Any = sinks.run.system
    system.__class__ = type("Elsewhere", (Pipeline,), {"addresses": property(_elsewhere)})
    with pytest.raises(Inconclusive, match="not all 10 events were acknowledged: 0 of 10"):
        library.events_are_published(10, Rate(1000.0))


def _elsewhere(system: Pipeline) -> Any:
    return replace(Pipeline.addresses.fget(system), subject="nowhere")  # type: ignore[attr-defined]


def test_one_event_is_followed_into_both_sinks_with_its_fields(sinks: Sinks, library: ObserverLibrary) -> None:
    event = library.an_event_is_published()
    library.the_same_event_is_published_again(event)
    sinks.put([event])
    for sink in ("clickhouse", "search"):
        library.event_should_be_in_sink_exactly_once(sink, event, WITHIN)
    library.event_should_be_found_by_term_query(event)
    store(sinks.table, [event])
    with pytest.raises(AssertionError, match="is in clickhouse 2 times, expected exactly once"):
        library.event_should_be_in_sink_exactly_once("clickhouse", event, WITHIN)


def test_one_event_that_is_missing_or_spoilt_is_told(sinks: Sinks, library: ObserverLibrary) -> None:
    event = library.an_event_is_published()
    with pytest.raises(AssertionError, match="is in search 0 times"):
        library.event_should_be_in_sink_exactly_once("search", event, WITHIN)
    with pytest.raises(AssertionError, match="found 0 documents, not the event"):
        library.event_should_be_found_by_term_query(event)
    sinks.put([event], data={"total": 1})
    with pytest.raises(AssertionError, match=r"data is {'total': 1}, was {'total': 129\.99"):
        library.event_should_be_in_sink_exactly_once("search", event, WITHIN)


def test_a_load_in_the_background_goes_on_until_it_is_ended(
    sinks: Sinks, library: ObserverLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ObserverLibrary.keywords.flow.SINKS", ())
    load = library.events_flow(Rate(500.0))
    with pytest.raises(AssertionError, match="the load has not ended"):
        load.published.summary()
    library.instant_is_noted(load, "something happened")
    library.more_events_are_acknowledged(load, 100, WITHIN)
    library.more_events_fall_due(load, 100)
    with pytest.raises(Inconclusive, match="was not cut off: it is still connected"):
        library.publisher_should_have_lost_its_connection_within(load, timedelta(seconds=0.2))
    library.events_end(load)
    assert load.published.acknowledged >= 700
    labels = [band.label for band in load.bands()]
    assert labels[:2] == ["from the beginning", "from something happened"]
    load.marks["the publisher was cut off"] = 0.0
    with pytest.raises(Inconclusive, match="no event had to wait for NATS"):
        library.publisher_should_have_buffered_and_resumed(load)
    with pytest.raises(AssertionError, match="'lunch' is not a noted instant of this load; it has something"):
        load.at("lunch")


def test_a_publisher_that_lost_nats_has_buffered_and_resumed(
    sinks: Sinks, server: NatsServer, library: ObserverLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ObserverLibrary.keywords.flow.SINKS", ())
    load = library.events_flow(Rate(500.0))
    server.kill()
    library.publisher_should_have_lost_its_connection_within(load, timedelta(seconds=20))
    library.more_events_fall_due(load, 200)
    server.start()
    library.more_events_are_acknowledged(load, 500, timedelta(seconds=20))
    library.events_end(load)
    library.publisher_should_have_buffered_and_resumed(load)
    assert "all were acknowledged" in sinks.said[-1]
    known, rows = load.published, load.published.rows.copy()
    rows["acked"][np.flatnonzero(rows["free"] > known.intended_us)[-1]] = 0
    load.end(replace(known, rows=rows))
    with pytest.raises(AssertionError, match=r"1 of \d+ events that had to wait for NATS were never acknowledged"):
        library.publisher_should_have_buffered_and_resumed(load)


class Watched:
    """A watch that has seen what it is told; offsets count from a load's beginning."""

    def __init__(self, load: EventLoad, *looks: tuple[float, int]) -> None:
        begin = load.published.outcome.started_us / 1e6
        self.looks = tuple(Look(begin + at - 0.01, begin + at, count) for at, count in looks)


def test_a_sink_that_was_behind_has_caught_up_in_time_or_not(
    sinks: Sinks, library: ObserverLibrary, load: EventLoad
) -> None:
    begin = load.published.outcome.started_us / 1e6
    load.marks.update(killed=begin, healed=begin + 3)
    load.watches["clickhouse"] = Watched(load, (0.1, 50), (4.0, 50), (6.0, 100), (9.0, 100))  # type: ignore[assignment]
    library.sink_should_have_caught_up_within("clickhouse", load, timedelta(seconds=4), since="healed")
    assert "clickhouse had caught up 3.00 s after healed, having been" in sinks.said[-1]
    with pytest.raises(AssertionError, match=r"caught up 3\.00 s after healed, expected within 2 s"):
        library.sink_should_have_caught_up_within("clickhouse", load, timedelta(seconds=2), since="healed")
    load.watches["clickhouse"] = Watched(load, (3.1, 100), (4.0, 100))  # type: ignore[assignment]
    with pytest.raises(Inconclusive, match="nothing had been interrupted"):
        library.sink_should_have_caught_up_within("clickhouse", load, timedelta(seconds=2), since="healed")
    load.watches["clickhouse"] = Watched(load, (3.1, 50), (4.0, 50))  # type: ignore[assignment]
    with pytest.raises(AssertionError, match="still more than 1 s behind when the watch ended"):
        library.sink_should_have_caught_up_within("clickhouse", load, timedelta(seconds=2), since="healed")


def test_a_sink_that_paused_is_told_with_its_longest_pause(
    sinks: Sinks, library: ObserverLibrary, load: EventLoad
) -> None:
    begin = load.published.outcome.started_us / 1e6
    load.marks.update(killed=begin, end=begin + 4)
    load.watches["search"] = Watched(load, (1.0, 10), (3.5, 20), (4.5, 30))  # type: ignore[assignment]
    library.sink_should_never_have_stopped("search", load, timedelta(seconds=3), since="killed", until="end")
    with pytest.raises(AssertionError, match=r"no new event for 2\.50 s of the 4\.0 s from killed to end"):
        library.sink_should_never_have_stopped("search", load, timedelta(seconds=2), since="killed", until="end")
    with pytest.raises(AssertionError, match="clickhouse was not watched during this load"):
        library.sink_should_never_have_stopped("clickhouse", load, timedelta(seconds=2), since="killed", until="end")


def test_aggregates_are_those_of_the_ledger_or_told(
    sinks: Sinks, library: ObserverLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def arrives(condition: Callable[[], str | None], *_: Any, **__: Any) -> float:
        sinks.put(made[0].published_now())
        assert condition() is None
        return 0.0

    made: list[Any] = []

    def remembered(*arguments: Any) -> EventLoad:
        load = new_load(*arguments)
        made.append(_Arriving(load))
        return load

    monkeypatch.setattr("ObserverLibrary.keywords.pipeline.wait_until", arrives)
    monkeypatch.setattr("ObserverLibrary.keywords.pipeline.new_load", remembered)
    stages = library.events_go_through_the_pipeline(50, Rate(1000.0), WITHIN)
    library.aggregate_should_equal_that_of_the_ledger(stages)
    assert list(stages.seconds) == ["insert", "ClickHouse", "aggregate", "query"]
    with pytest.raises(AssertionError, match=r"insert took .* expected less than 0\.001 s"):
        library.every_stage_should_have_taken_less_than(stages, timedelta(seconds=0.001))
    key = next(iter(stages.aggregate))
    stages.aggregate[key] = (stages.aggregate[key][0], stages.aggregate[key][1] + 0.25)
    with pytest.raises(AssertionError, match=f"1 of .* aggregates are wrong; {key[0]}/{key[1]} is "):
        library.aggregate_should_equal_that_of_the_ledger(stages)


class _Arriving:
    """A load whose events can be had once all are acknowledged."""

    def __init__(self, load: EventLoad) -> None:
        self._load = load

    def published_now(self) -> list[EntityEvent]:
        self._load.end(self._load.publishing.wait())
        return self._load.published.events()


def test_a_sink_that_the_environment_does_not_declare_is_named(sinks: Sinks) -> None:
    with pytest.raises(LookupError, match="declares no sink 'kafka'; it is one of clickhouse, search"):
        reader_of("kafka")


def test_nats_is_reached_through_a_link_with_the_same_login(sinks: Sinks) -> None:
    system: Any = sinks.run.system
    system.nats, system.links = "nats://user:word@127.0.0.1:4222", {"publisher-nats": Endpoint("127.0.0.1", 99)}
    assert nats_url("publisher-nats") == "nats://user:word@127.0.0.1:99"
    assert nats_url() == system.nats
