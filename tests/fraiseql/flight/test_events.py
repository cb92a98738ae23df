"""Observer events over Flight: all fields, typed, in order, whole or an error."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pytest

from tests.fraiseql.clickhouse.conftest import PASSWORD, USER, Front
from tests.fraiseql.flight.client import Client, connected, refused
from tests.fraiseql.flight.conftest import Starter
from tests.fraiseql.gateway.programs import DATA, Gateway, Postgres

EVENTS = 25_000
FILL = f"""INSERT INTO fraiseql_events SELECT
    concat('id-', leftPad(toString({EVENTS} - number), 6, '0')), ['INSERT', 'UPDATE'][number % 2 + 1],
    if(number < 10, 'User', 'Order'), toString(number), toDateTime64('2026-01-01 00:00:00', 6, 'UTC')
    + toIntervalMicrosecond(intDiv(number, 2) * 1000001), concat('{{"n":', toString(number), ',"é":"🚀"}}'),
    if(number % 3 = 0, NULL, 'ann'), if(number % 5 = 0, NULL, 'tenant') FROM numbers({EVENTS})"""
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("event_id", "event_type", "entity_type", "entity_id")]
    + [("timestamp", pa.timestamp("us", "UTC"))]
    + [(name, pa.string()) for name in ("data", "user_id", "tenant_id")]
)


def section(url: str) -> str:
    password = PASSWORD.replace("\\", "\\\\")
    return f'[events]\nclickhouse_url = "{url}"\nuser = "{USER}"\npassword = "{password}"\n'


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    made = Front(tmp_path_factory.mktemp("clickhouse"))
    made.start()
    made.ask((DATA / "events.sql").read_text())
    made.ask(FILL)
    yield made
    made.end()


@pytest.fixture(scope="module")
def events(front: Front, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), postgres.url, sections=section(front.url)).ready()
    with connected(gateway) as client:
        yield client
    gateway.end()


def test_an_event_comes_with_all_its_fields(events: Client):
    found = events.ask("ObserverEvents", entity_type="User").read_all()
    assert found.schema == SCHEMA
    first = next(row for row in found.to_pylist() if row["event_id"] == "id-025000")
    assert first["timestamp"].isoformat() == "2026-01-01T00:00:00+00:00"
    assert {name: value for name, value in first.items() if name != "timestamp"} == {
        "event_id": "id-025000",
        "event_type": "INSERT",
        "entity_type": "User",
        "entity_id": "0",
        "data": '{"n":0,"é":"🚀"}',
        "user_id": None,
        "tenant_id": None,
    }
    assert "ann" in found["user_id"].to_pylist()


def test_events_come_in_the_order_of_their_ids(events: Client):
    batches = [chunk.data for chunk in events.ask("ObserverEvents", entity_type="Order")]
    assert max(batch.num_rows for batch in batches) <= 10_000
    found = pa.Table.from_batches(batches)
    assert found.num_rows == EVENTS - 10
    keys = found["event_id"].to_pylist()
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("keys", "count"),
    [
        ({"limit": 7}, 7),
        ({"limit": 0}, 0),
        ({"limit": 2**64 - 1}, EVENTS - 10),
        ({"entity_type": "Nothing"}, 0),
        ({"entity_type": "it's"}, 0),
        ({"start_date": "2026-01-01T00:00:06.000006Z"}, EVENTS - 12),
        ({"start_date": "2026-01-01T00:00:06.000007Z"}, EVENTS - 14),
        ({"start_date": "2026-01-01T01:00:06.000006+01:00", "end_date": "2026-01-01T00:00:08.000008Z"}, 4),
    ],
)
def test_a_ticket_chooses_events(events: Client, keys: dict[str, Any], count: int):
    assert events.ask("ObserverEvents", **({"entity_type": "Order"} | keys)).read_all().num_rows == count


@pytest.mark.parametrize("date", ["2026-01-01", "2026-01-01T00:00:00", "yesterday", ""])
@pytest.mark.parametrize("key", ["start_date", "end_date"])
def test_a_date_that_is_not_rfc_3339_is_refused(events: Client, key: str, date: str):
    refused("INVALID_ARGUMENT", lambda: events.ask("ObserverEvents", entity_type="Order", **{key: date}).read_all())


def test_clickhouse_that_is_away_is_an_error(start: Starter, tmp_path: Path):
    own = Front(tmp_path)
    with connected(start(sections=section(own.url))) as client:
        refused("UNAVAILABLE", lambda: client.ask("ObserverEvents", entity_type="Order").read_all())
        own.start()
        refused("INTERNAL", lambda: client.ask("ObserverEvents", entity_type="Order").read_all(), "UNKNOWN_TABLE")
        own.ask((DATA / "events.sql").read_text())
        assert client.ask("ObserverEvents", entity_type="Order").read_all().num_rows == 0
        own.end()


def stream_of(rows: int) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        for _ in range(rows):
            writer.write_batch(pa.RecordBatch.from_pylist([{"event_id": "one", "event_type": "INSERT"}], SCHEMA))
    return bytes(sink.getvalue())


@pytest.mark.parametrize(
    "answer",
    [stream_of(3)[:-8], stream_of(3)[:-100], stream_of(1)[:-8] + b"Code: 241. DB::Exception: Memory limit", b""],
    ids=["no end", "half a batch", "an exception", "nothing"],
)
def test_an_answer_that_is_broken_off_is_an_error(start: Starter, answer: bytes):
    """ClickHouse without chunked encoding: only the stream of batches itself says whether it is whole."""

    class Broken(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        with connected(start(sections=section(f"http://127.0.0.1:{server.server_port}"))) as client:
            refused("UNAVAILABLE", lambda: client.ask("ObserverEvents", entity_type="Order").read_all())
    finally:
        server.shutdown()
        server.server_close()
