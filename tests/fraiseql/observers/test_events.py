"""What is an EntityEvent, and what is wrong with what is none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from reference.fraiseql.observers.clickhouse import row
from reference.fraiseql.observers.events import Message, NotAnEvent, parse
from reference.fraiseql.observers.search import document
from tests.fraiseql.observers.publishing import encoded, event


def message(payload: bytes) -> Message:
    return Message(b"fraiseql.mutation.Order.INSERT", 1, 0, b"", payload, b"")


def test_an_event() -> None:
    content = event(timestamp="2026-01-25T13:39:00.5+01:00", seq=5, changes=None)
    found = parse(message(encoded(content)))
    assert found.id == content["id"]
    assert found.content == content
    assert found.timestamp == datetime(2026, 1, 25, 12, 39, 0, 500_000, UTC)


@pytest.mark.parametrize(
    "changed",
    [
        {"user_id": ...},
        {"tenant_id": None},
        {"data": None},
        {"event_type": "CUSTOM"},
        {"timestamp": "2026-01-25t12:39:00z"},
        {"timestamp": "2026-01-25 12:39:00.123456789+14:00"},
        {"id": "0194A1B2-0000-7000-8000-000000000000"},
    ],
)
def test_more_events(changed: dict[str, Any]) -> None:
    parse(message(encoded(event(**changed))))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"id": ...}, "id has to be a UUID, but is missing"),
        ({"id": None}, "id has to be a UUID, but is None"),
        ({"id": "0194a1b2-0000-7000-8000-00000000000'"}, "id has to be a UUID"),
        ({"id": "0194a1b2-0000-7000-8000-000000000000\n"}, "id has to be a UUID"),
        ({"entity_id": "test-order-1"}, "entity_id has to be a UUID, but is 'test-order-1'"),
        ({"event_type": "Order.Created"}, "event_type has to be one of INSERT, UPDATE, DELETE, CUSTOM"),
        ({"event_type": ["INSERT"]}, "event_type has to be one of"),
        ({"entity_type": 5}, "entity_type has to be a string"),
        ({"data": ...}, "data has to be there, but is missing"),
        ({"user_id": 5}, "user_id has to be a string or null, but is 5"),
        ({"tenant_id": {}}, "tenant_id has to be a string or null"),
        ({"timestamp": ...}, "timestamp has to be a time of RFC 3339"),
        ({"timestamp": "2026-01-25"}, "timestamp has to be a time of RFC 3339"),
        ({"timestamp": "2026-01-25T12:39:00"}, "timestamp has to be a time of RFC 3339"),
        ({"timestamp": "2026-02-30T12:39:00Z"}, "timestamp has to be a time of RFC 3339"),
        ({"timestamp": "1800-01-01T12:39:00Z"}, "of the years 1901 to 2298"),
        ({"timestamp": 1769344740}, "timestamp has to be a time of RFC 3339"),
    ],
)
def test_what_is_no_event(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(NotAnEvent) as problem:
        parse(message(encoded(event(**changed))))
    assert told in str(problem.value)


@pytest.mark.parametrize("payload", [b"", b"x", b'{"id": NaN}', b'"text"', b"null", b'{"id":"\xff"}', b"[" * 5000])
def test_what_is_no_object(payload: bytes) -> None:
    with pytest.raises(NotAnEvent, match=r"not JSON|a JSON object is wanted"):
        parse(message(payload))


def test_a_row_is_the_event_as_it_was_written() -> None:
    payload = encoded(event(data={"n": 1})).replace(b'{"n":1}', b'{"n": 1e2, "m": 123456789012345678901234567890}')
    assert row(parse(message(payload))) == b'{"event_id"' + payload.removeprefix(b'{"id"')


def test_a_document_has_one_line() -> None:
    payload = encoded(event(data={"n": 1})).replace(b'{"n":1}', b'{"n":\r\n 123456789012345678901234567890}')
    line = document(parse(message(payload)))
    assert line.endswith(b"\n")
    assert not set(b"\r\n") & set(line[:-1])
    assert json.loads(line) == json.loads(payload)
