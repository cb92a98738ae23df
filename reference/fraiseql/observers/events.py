"""Messages as they come, and the EntityEvents that they hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

EVENT_TYPES = ("INSERT", "UPDATE", "DELETE", "CUSTOM")
_is_uuid = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_is_timestamp = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)").fullmatch
_YEARS = range(1901, 2299)  # in any time zone a DateTime64 of six digits holds them


class NotAnEvent(Exception):
    """Why a message is no EntityEvent."""


class Message(NamedTuple):
    """One message of the stream.

    Args:
        subject: it was published to.
        sequence: its place in the stream, from 1.
        stored: when the stream took it, in nanoseconds since 1970.
        reply: where it is acknowledged.
        payload: as it was published.
        head: its headers as they came, see `feed.fields_of`.
    """

    subject: bytes
    sequence: int
    stored: int
    reply: bytes
    payload: bytes
    head: bytes


class Event(NamedTuple):
    """One EntityEvent.

    Args:
        message: that holds it.
        content: what it says, by name.
        id: its id, which is unique among all events.
        timestamp: when it happened; has a time zone.
    """

    message: Message
    content: Mapping[str, Any]
    id: str
    timestamp: datetime


def parse(message: Message) -> Event:
    """Read an event and check what sinks rely on; fields beyond those are let through.

    Raises:
        NotAnEvent: what is wrong with it.
    """
    try:
        content = orjson.loads(message.payload)
    except orjson.JSONDecodeError as error:
        raise NotAnEvent(f"not JSON: {error}") from None
    if not isinstance(content, dict):
        raise NotAnEvent(f"not an EntityEvent: a JSON object is wanted, this is {type(content).__name__}")
    for name in ("id", "entity_id"):
        value = content.get(name)
        if not isinstance(value, str) or _is_uuid(value) is None:
            raise _wrong(name, "a UUID", content)
    if content.get("event_type") not in EVENT_TYPES:
        raise _wrong("event_type", f"one of {', '.join(EVENT_TYPES)}", content)
    if not isinstance(content.get("entity_type"), str):
        raise _wrong("entity_type", "a string", content)
    if "data" not in content:
        raise _wrong("data", "there", content)
    for name in ("user_id", "tenant_id"):
        if not isinstance(content.get(name), str | None):
            raise _wrong(name, "a string or null", content)
    return Event(message, content, content["id"], _timestamp(content))


def _timestamp(content: Mapping[str, Any]) -> datetime:
    text = str(content.get("timestamp"))
    try:
        timestamp = datetime.fromisoformat(text.upper()) if _is_timestamp(text) else None
    except ValueError:
        timestamp = None
    if timestamp is None or timestamp.year not in _YEARS:
        raise _wrong("timestamp", f"a time of RFC 3339, of the years {_YEARS.start} to {_YEARS.stop - 1}", content)
    return timestamp


def _wrong(name: str, wanted: str, content: Mapping[str, Any]) -> NotAnEvent:
    found = f"is {content[name]!r:.80}" if name in content else "is missing"
    return NotAnEvent(f"not an EntityEvent: {name} has to be {wanted}, but {found}")
