from __future__ import annotations

import json
import time
import uuid

import numpy as np
import pytest

from ObserverLibrary.event import (
    EntityEvent,
    EventSource,
    intended_of,
    lone_event,
    microseconds_of,
    number_of,
    timestamp_of,
)
from oracles.events import id_text

NOW = 1_795_292_270_691_188  # microseconds since the epoch
KEYS = ["id", "event_type", "entity_type", "entity_id", "data", "user_id", "tenant_id", "timestamp"]


def test_a_message_is_compact_json_with_its_keys_in_order_and_about_313_bytes() -> None:
    source = EventSource(7)
    messages = [source.message(number, NOW + 100 * number)[1] for number in range(1000)]
    for message in messages:
        assert list(json.loads(message)) == KEYS
        assert json.dumps(json.loads(message), separators=(",", ":")).encode() == message
        assert message[7:43].decode() == json.loads(message)["id"]
    assert 300 < sum(map(len, messages)) / len(messages) < 330


def test_an_event_sends_the_message_that_it_was_read_from() -> None:
    payload = EventSource(7).message(3, NOW)[1]
    assert EntityEvent.parse(payload).payload() == payload


def test_the_same_seed_gives_the_same_events_and_another_seed_none_of_them() -> None:
    assert EventSource(7).message(5, NOW) == EventSource(7).message(5, NOW)
    one, other = (json.loads(EventSource(seed).message(5, NOW)[1]) for seed in (7, 8))
    assert one["timestamp"] == other["timestamp"]
    assert all(one[name] != other[name] for name in ("id", "entity_id", "tenant_id"))


def test_an_id_is_a_uuid_of_version_7_that_tells_the_intended_microsecond_and_the_number() -> None:
    source = EventSource(7)
    for number in range(2000):
        at = NOW + 37 * number
        identifier = uuid.UUID(source.columns(number, at)[0])
        assert (identifier.version, identifier.variant) == (7, uuid.RFC_4122)
        assert (intended_of(str(identifier)), number_of(str(identifier))) == (at, number)


def test_ids_are_in_the_order_of_their_time() -> None:
    source = EventSource(7)
    ids = [source.columns(number, NOW + 33 * number)[0] for number in range(5000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 5000


def test_another_version_is_not_asked_for_its_time() -> None:
    with pytest.raises(ValueError, match="is not a UUIDv7, its version is 4"):
        intended_of("0b8d3bb4-5a7b-4d5e-9d5c-0d9a3c3ef001")


def test_ids_made_many_at_once_are_those_made_one_by_one() -> None:
    source, at = EventSource(7), NOW + np.arange(300) * 251
    assert [id_text(one) for one in source.ids(at)] == [source.columns(n, int(at[n]))[0] for n in range(300)]


def test_timestamps_are_rfc_3339_with_microseconds_and_say_the_intended_time_across_seconds() -> None:
    source = EventSource(7)
    for at in (NOW, NOW + 400_000, NOW + 2_000_000, NOW - 691_188):
        timestamp = source.event(0, at).timestamp
        assert timestamp == timestamp_of(at)
        assert len(timestamp) == 27
        assert microseconds_of(timestamp) == at


def test_timestamps_are_read_in_any_zone_but_not_without() -> None:
    assert microseconds_of("2026-01-25T12:39:00.5+01:00") == microseconds_of("2026-01-25T11:39:00.500000Z")
    with pytest.raises(ValueError, match="does not say its zone"):
        microseconds_of("2026-01-25T12:39:00")


def test_every_kind_of_event_and_of_entity_occurs_and_some_have_no_user() -> None:
    events = [EventSource(7).event(number, NOW) for number in range(500)]
    assert {event.event_type for event in events} == {"INSERT", "UPDATE", "DELETE", "CUSTOM"}
    assert {event.entity_type for event in events} == {"Order", "User"}
    assert 0 < sum(event.user_id is None for event in events) < 100
    assert len({event.tenant_id for event in events}) == 1


def test_sums_of_the_totals_are_exact() -> None:
    totals = [EventSource(7).event(number, NOW).data["total"] for number in range(500)]
    assert all(total * 4 == int(total * 4) and 0 <= total < 1000 for total in totals)
    assert len(set(totals)) > 300


def test_a_subject_names_the_entity_and_what_became_of_it() -> None:
    source = EventSource(7)
    for number in range(50):
        topic, payload = source.message(number, NOW)
        event = EntityEvent.parse(payload)
        assert event.subject("fraiseql.mutation") == f"fraiseql.mutation.{topic}"


def test_a_lone_event_carries_the_data_it_is_given() -> None:
    data = {"name": "Zoë 🐘", "nested": [{"big": 2**53 - 1, "none": None}]}
    event = lone_event("CUSTOM", "User", data, seed=9, intended_us=NOW)
    assert EntityEvent.parse(event.payload()) == event
    assert (event.data, event.event_type, event.entity_type, intended_of(event.id)) == (data, "CUSTOM", "User", NOW)
    assert event.user_id is not None


@pytest.mark.parametrize(
    ("payload", "why"),
    [(b"[]", "a list"), (b'{"id":"x"}', "missing 7"), (b'{"org_id":1}', "unexpected"), (b"garbage", "unexpected")],
)
def test_what_is_no_event_is_refused(payload: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        EntityEvent.parse(payload)


def test_a_hundred_thousand_messages_are_made_in_a_few_seconds() -> None:
    source, begin = EventSource(7), time.perf_counter()
    for number in range(100_000):
        source.message(number, NOW + number)
    assert time.perf_counter() - begin < 10  # 0.4 s; a busy machine's patience
