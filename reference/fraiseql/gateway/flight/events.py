"""Observer events: what the sink put into ClickHouse, as Arrow batches from its HTTP interface."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

import pyarrow as pa
import pyarrow.flight as fl

from reference.fraiseql.gateway.config import EventsSettings
from reference.fraiseql.gateway.flight.errors import NotServed, Refused
from reference.fraiseql.gateway.flight.patience import Patience
from reference.fraiseql.gateway.flight.rows import BATCH_ROWS, Rows, cast
from reference.fraiseql.gateway.flight.tickets import ObserverEvents

_TIME = pa.timestamp("us", "UTC")
_TEXTS = ("event_id", "event_type", "entity_type", "entity_id")
SCHEMA = pa.schema(
    [*((name, pa.string()) for name in _TEXTS), ("timestamp", _TIME)]
    + [(name, pa.string()) for name in ("data", "user_id", "tenant_id")]
)
_SETTINGS = {
    "max_block_size": str(BATCH_ROWS),
    "max_threads": "1",  # rows are in order already: a second one would only contend with readers for the machine
    "output_format_arrow_string_as_string": "1",
    "output_format_arrow_compression_method": "none",  # both are usually near, and packing costs more than sending
    "cancel_http_readonly_queries_on_client_close": "1",
}
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"  # the last bytes of every stream of Arrow batches


class EventAnswers:
    """Answers ObserverEvents tickets.

    Args:
        settings: where the events are; None: nowhere.
    """

    columns = ", ".join(SCHEMA.names)

    def __init__(self, settings: EventsSettings | None) -> None:
        self._settings = settings

    def rows(self, ticket: ObserverEvents, patience: Patience) -> Rows:
        """Stream the events that a ticket asks for, in the order of their ids, which are made of time (UUIDv7).

        The table is in that order, so that the first events come at once and none has to be sorted.

        Raises:
            Refused: a date is not RFC 3339.
            NotServed: there are no events here.
            FlightUnavailableError: ClickHouse cannot be reached.
        """
        if self._settings is None:
            raise NotServed("There is no [events] section: this gateway has no events")
        statement, values = self._statement(ticket, self._settings)
        answer = _Answer(self._settings, statement, values, patience)
        return Rows(SCHEMA, answer.batches(), answer.close)

    def _statement(self, ticket: ObserverEvents, settings: EventsSettings) -> tuple[str, dict[str, str]]:
        conditions, values = ["entity_type = {entity_type:String}"], {"entity_type": ticket.entity_type}
        for name, comparison, date in (("start", ">=", ticket.start_date), ("end", "<", ticket.end_date)):
            if date is not None:
                conditions.append(f"timestamp {comparison} {{{name}:DateTime64(6, 'UTC')}}")
                values[name] = _instant(date)
        limit = "" if ticket.limit is None else f" LIMIT {self._limit(ticket.limit)}"
        where = f'"{settings.database}"."{settings.table}" WHERE {" AND ".join(conditions)}'
        return f"SELECT {self.columns} FROM {where} ORDER BY event_id{limit} FORMAT ArrowStream", values  # noqa: S608

    def _limit(self, limit: int) -> int:
        return limit


def _instant(text: str) -> str:
    """Return an RFC 3339 time as ClickHouse takes one, in UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"'{text}' is not an RFC 3339 time such as 2026-01-31T12:00:00Z") from None
    if instant.tzinfo is None or len(text) <= len("2026-01-31"):
        raise Refused(f"'{text}' has no offset from UTC: write it as 2026-01-31T12:00:00Z")
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


class _Answer:
    """One answer of ClickHouse, read while it is made."""

    def __init__(self, settings: EventsSettings, statement: str, values: Mapping[str, str], patience: Patience) -> None:
        url = urlsplit(settings.clickhouse_url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(url.hostname or "", url.port, timeout=patience.left)
        self._patience = patience
        self._socket: socket.socket | None = None
        arguments = urlencode(_SETTINGS | {f"param_{name}": value for name, value in values.items()})
        headers = {"X-ClickHouse-User": settings.user.encode(), "X-ClickHouse-Key": settings.password.encode()}
        try:
            with self._waiting():
                self._connection.connect()
                self._socket = self._connection.sock
                self._connection.request("POST", f"/?{arguments}", statement.encode(), headers)
                self._body = _Body(self._connection.getresponse())
        except BaseException:
            self.close()
            raise

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the events.

        Raises:
            FlightUnavailableError: the answer ends before its end.
        """
        with self._waiting():
            reader = pa.ipc.open_stream(self._body)
        while True:
            try:
                with self._waiting():
                    batch = reader.read_next_batch()
            except StopIteration:  # at the end of the stream, and at the end of what there is of it
                break
            yield cast(batch, SCHEMA)
        if self._body.tail != _END:
            raise fl.FlightUnavailableError("ClickHouse broke its answer off")

    def close(self) -> None:
        """Hang up: ClickHouse stops working on an answer that nobody reads."""
        self._connection.close()
        if self._socket is not None:
            self._socket.close()

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Wait for ClickHouse, and raise what goes wrong as clients are to be told."""
        try:
            with self._patience.waiting(self._hang_up):
                yield
        except fl.FlightError:
            raise
        except TimeoutError:
            raise fl.FlightTimedOutError("ClickHouse did not answer in time") from None
        except (OSError, http.client.HTTPException, pa.ArrowInvalid) as error:
            raise fl.FlightUnavailableError(f"ClickHouse: {error}") from None

    def _hang_up(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class _Body:
    """The body of an answer as pyarrow reads it; `tail` is what it ended with so far."""

    closed = False

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        if answer.status != http.HTTPStatus.OK:
            raise fl.FlightInternalError(f"ClickHouse: {answer.read(1000).decode(errors='replace')}")
        self._answer = answer
        self.tail = b""

    def read(self, size: int) -> bytes:
        content = self._answer.read(size)
        self.tail = (self.tail + content[-len(_END) :])[-len(_END) :]
        return content

    def close(self) -> None:
        self._answer.close()
