"""The ClickHouse sink: one row for each event id, without FINAL.

An id that is already in the table is not inserted again. That alone would not do, for an insert that was given up can
still be executed after the next look at the table. So each insert has a token made of its place in the stream, and the
table remembers tokens (`non_replicated_deduplication_window`): whichever attempt comes second changes nothing. After a
restart the batches are cut at the same places (see `intake.py`), so their tokens are the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from reference.fraiseql.observers.config import ClickHouseSettings, SinkName
from reference.fraiseql.observers.events import Event
from reference.fraiseql.observers.sinks import Answer, Away, Http, Outcome, Refused, Sink, unique

_COLUMNS = ("event_id", "event_type", "entity_type", "entity_id", "timestamp", "data", "user_id", "tenant_id")
# Errors that are about the rows and not about the server, by ClickHouse's numbers (its ErrorCodes.cpp).
_ABOUT_ROWS = {
    "6": "CANNOT_PARSE_TEXT",
    "26": "CANNOT_PARSE_QUOTED_STRING",
    "27": "CANNOT_PARSE_INPUT_ASSERTION_FAILED",
    "38": "CANNOT_PARSE_DATE",
    "41": "CANNOT_PARSE_DATETIME",
    "53": "TYPE_MISMATCH",
    "69": "ARGUMENT_OUT_OF_BOUND",
    "72": "CANNOT_PARSE_NUMBER",
    "117": "INCORRECT_DATA",
    "130": "CANNOT_READ_ARRAY_FROM_TEXT",
    "131": "TOO_LARGE_STRING_SIZE",
    "321": "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
    "349": "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN",
    "376": "CANNOT_PARSE_UUID",
    "469": "VIOLATED_CONSTRAINT",
    "691": "UNKNOWN_ELEMENT_OF_ENUM",
}
_TOO_LARGE = 413
_OK = 200


class ClickHouse(Sink):
    """One table of a ClickHouse server."""

    name = SinkName.CLICKHOUSE
    knows_batches = True  # and takes one at a time: of two with the same id, neither would find it there

    def __init__(self, settings: ClickHouseSettings) -> None:
        headers = {"X-ClickHouse-User": _in_header(settings.user), "X-ClickHouse-Key": _in_header(settings.password)}
        self._http = Http(settings.url, headers, self.at_once)
        self._table = f"`{settings.database}`.`{settings.table}`"

    def attempt(self, events: Sequence[Event], stream: str) -> Outcome:
        """See `Sink.attempt`."""
        first = unique(events)
        there = self.there(list(first))
        new = [event for event in first.values() if event.id not in there]
        if new:
            place = f"{events[0].message.sequence}-{events[-1].message.sequence}"
            self.insert(b"\n".join(row(event) for event in new), f"{stream}-{place}")
        return Outcome(written=len(new), already_there=len(events) - len(new))

    def there(self, ids: Sequence[str]) -> set[str]:
        """Return those ids that the table has.

        They stand in one text: as a list of texts ClickHouse takes as long to read them as to look for them. They are
        UUIDs, see `events.parse`: there is nothing to escape.
        """
        listed = f"arrayJoin(splitByChar(',', '{','.join(ids)}'))"
        statement = f"SELECT event_id FROM {self._table} WHERE event_id IN (SELECT {listed}) FORMAT TabSeparated"  # noqa: S608
        return set(self._asked({}, statement.encode()).body.decode().split())

    def insert(self, rows: bytes, token: str) -> None:
        """Insert rows, unless an insert with this token has been executed."""
        statement = f"INSERT INTO {self._table} ({', '.join(_COLUMNS)}) FORMAT JSONEachRow"
        settings = {
            "query": statement,
            "insert_deduplication_token": token,
            "date_time_input_format": "best_effort",
            "input_format_skip_unknown_fields": "1",
        }
        self._asked(settings, rows)

    def _asked(self, arguments: dict[str, str], body: bytes) -> Answer:
        answer = self._http.post("/", {**arguments, "wait_end_of_query": "1"}, body)  # no 200 before it is done
        if answer.status == _OK:
            return answer
        if answer.status == _TOO_LARGE or answer.headers.get("X-ClickHouse-Exception-Code") in _ABOUT_ROWS:
            raise Refused(str(answer))
        raise Away(str(answer))


def _in_header(text: str) -> str:
    return text.encode().decode("latin-1")  # as which headers are sent: then they are UTF-8, which ClickHouse expects


def row(event: Event) -> bytes:
    """Return an event as a row.

    The text of an event as it is usually written only needs its first name changed; so `data` stays as it was, digit
    for digit. Everything else is written anew.
    """
    head = b'{"id":"' + event.id.encode() + b'"'
    content, payload = event.content, event.message.payload
    if payload.startswith(head) and "event_id" not in content and isinstance(content["data"], dict | list):
        return b'{"event_id"' + payload[len(b'{"id"') :]
    content = json.loads(payload)
    values = {**{name: content.get(name) for name in _COLUMNS}, "event_id": event.id}
    return json.dumps({**values, "data": json.dumps(content["data"], ensure_ascii=False)}, ensure_ascii=False).encode()
