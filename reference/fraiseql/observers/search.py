"""The search sink: one document for each event id, which is the document's id."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import orjson

from reference.fraiseql.observers.config import SearchSettings, SinkName
from reference.fraiseql.observers.events import Event
from reference.fraiseql.observers.sinks import Away, Http, Outcome, Refused, Sink, unique

_SHOWN = "items.create.status,items.create.error"
_CREATED, _EXISTS, _WRONG, _TOO_LARGE = 201, 409, 400, 413
_ABOUT_CLUSTER = "validation_exception"  # such as "maximum shards open": wrong today, right tomorrow


class Search(Sink):
    """The monthly indices of an OpenSearch or Elasticsearch cluster."""

    name = SinkName.SEARCH
    at_once = 2  # one is made ready while the other is indexed; of two with the same id the engine creates one

    def __init__(self, settings: SearchSettings) -> None:
        self._http = Http(settings.url, {"Content-Type": "application/x-ndjson"}, self.at_once)
        self._prefix = settings.index_prefix

    def attempt(self, events: Sequence[Event], stream: str) -> Outcome:
        """See `Sink.attempt`."""
        first = list(unique(events).values())
        body = b"".join(part for event in first for part in (self.action(event), document(event)))
        answer = self._http.post("/_bulk", {"filter_path": _SHOWN}, body)
        if answer.status in (_WRONG, _TOO_LARGE):
            raise Refused(str(answer))
        try:
            items = orjson.loads(answer.body)["items"] if answer.status == 200 else None
        except (orjson.JSONDecodeError, KeyError):
            items = None
        if items is None or len(items) != len(first):
            raise Away(str(answer))
        outcome = Outcome(already_there=len(events) - len(first))
        for event, item in zip(first, items, strict=True):
            self.settle(event, item["create"], outcome)
        return outcome

    def action(self, event: Event) -> bytes:
        """Return the line that says what is to be done with the document after it."""
        at = event.timestamp if event.timestamp.tzinfo is UTC else event.timestamp.astimezone(UTC)
        index = f"{self._prefix}-{at.year}.{at.month:02}"
        return f'{{"create":{{"_index":"{index}","_id":"{event.id}"}}}}\n'.encode()

    def settle(self, event: Event, item: Mapping[str, Any], outcome: Outcome) -> None:
        """Note what became of one event."""
        status, error = item["status"], item.get("error", {})
        if status == _CREATED:
            outcome.written += 1
        elif status == _EXISTS:
            outcome.already_there += 1
        elif status == _WRONG and error.get("type") != _ABOUT_CLUSTER:
            outcome.refused.append((event.message, _told(error)))
        else:
            outcome.again.append(event)


def document(event: Event) -> bytes:
    """Return an event as one line."""
    payload = event.message.payload
    if b"\n" in payload or b"\r" in payload:
        payload = json.dumps(json.loads(payload), ensure_ascii=False).encode()
    return payload + b"\n"


def _told(error: Mapping[str, Any]) -> str:
    cause = error.get("caused_by", {})
    return f"{error.get('type')}: {error.get('reason')} {cause.get('reason', '')}".strip()
