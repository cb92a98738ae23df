"""Uploads: into tables that take them, all rows or none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from tests.fraiseql.flight.client import Client, refused, token
from tests.fraiseql.gateway.programs import ROOT, Gateway, Postgres
from tests.waiting import until


def batch(first: int, rows: int, **columns: list[object]) -> pa.RecordBatch:
    ids = list(range(first, first + rows))
    return pa.record_batch({"id": ids, "name": [f"n{i}" for i in ids], "amount": [i / 2 for i in ids]} | columns)


@pytest.fixture(autouse=True)
def empty(postgres: Postgres) -> Iterator[None]:
    yield
    postgres.run("TRUNCATE tb_import")


def stored(postgres: Postgres) -> int:
    return int(postgres.value("SELECT count(*) FROM tb_import"))


def test_an_upload_is_stored_and_counted(gateway: Gateway, client: Client, postgres: Postgres):
    before = gateway.counters()["fraiseql_flight_rows_uploaded_total"]
    assert client.put("tb_import", batch(1, 1000), batch(1001, 500)) == "Inserted 1500 rows"
    assert postgres.rows("SELECT id, name, amount FROM tb_import ORDER BY id") == [
        (i, f"n{i}", i / 2) for i in range(1, 1501)
    ]
    assert gateway.counters()["fraiseql_flight_rows_uploaded_total"] == before + 1500
    assert client.put("tb_import", batch(5000, 0)) == "Inserted 0 rows"


def test_columns_come_in_any_order_and_in_types_that_fit(client: Client, postgres: Postgres):
    narrow = pa.record_batch(
        {"amount": pa.array([1, None], pa.int32()).fill_null(2), "id": pa.array([1, 2], pa.int16()), "name": ["a", "b"]}
    )
    assert client.put("tb_import", narrow) == "Inserted 2 rows"
    assert postgres.rows("SELECT * FROM tb_import ORDER BY id") == [(1, "a", 1.0), (2, "b", 2.0)]


@pytest.mark.parametrize(
    ("last", "match"),
    [
        (batch(1, 10), "duplicate key"),
        (batch(5000, 10, name=[None] * 10), "null value"),
    ],
)
def test_one_bad_row_keeps_all_others_out(client: Client, postgres: Postgres, last: pa.RecordBatch, match: str):
    last = last.cast(batch(1, 1).schema)
    refused("INVALID_ARGUMENT", lambda: client.put("tb_import", batch(1, 1000), batch(1001, 1000), last), match)
    assert stored(postgres) == 0
    assert client.put("tb_import", batch(1, 1)) == "Inserted 1 rows"


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"nope": [1]}, "no column nope; it has id, name, amount"),
        ({"id": ["x"]}, "does not fit"),
        ({"id": [1.5]}, "does not fit"),
        ({"id": [1]}, "null value"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    client: Client, postgres: Postgres, columns: dict[str, list[object]], match: str
):
    refused("INVALID_ARGUMENT", lambda: client.put("tb_import", pa.record_batch(columns)), match)
    assert stored(postgres) == 0


@pytest.mark.parametrize("table", ["tb_user", "tb_order", "public.tb_import", "nope", ""])
def test_other_tables_take_no_uploads(client: Client, postgres: Postgres, table: str):
    refused("PERMISSION_DENIED", lambda: client.put(table, batch(1, 1)))


def test_an_upload_names_its_table(client: Client):
    writer, _ = client.flight.do_put(fl.FlightDescriptor.for_command(b"tb_import"), batch(1, 1).schema, client.options)
    refused("INVALID_ARGUMENT", writer.close, "names the table")


CUT_OFF = f"""
import sys; sys.path[0] = {str(ROOT)!r}
import time, pyarrow.flight as fl
from tests.fraiseql.flight.client import options
from tests.fraiseql.flight.test_writes import batch
client = fl.connect(("127.0.0.1", int(sys.argv[1])))
writer, _ = client.do_put(fl.FlightDescriptor.for_path("tb_import"), batch(1, 1).schema, options(sys.argv[2]))
for number in range(20):
    writer.write_batch(batch(number * 1000, 1000))
print("written", flush=True)
time.sleep(60)
"""


def test_an_upload_that_is_cut_off_leaves_nothing(gateway: Gateway, client: Client, postgres: Postgres):
    ended = 'fraiseql_flight_calls_total{method="DO_PUT",status="CANCELLED"}'
    for cut in (1, 2, 3):
        arguments = [sys.executable, "-c", CUT_OFF, str(gateway.flight_port), f"Bearer {token()}"]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as writing:
            assert writing.stdout is not None
            assert writing.stdout.readline() == b"written\n"
            writing.kill()
        until(partial(_counted, gateway, ended, cut), "the upload to end")
        assert stored(postgres) == 0


def _counted(gateway: Gateway, name: str, least: int) -> bool:
    return gateway.counters().get(name, 0) >= least


def exchanged(client: Client, *requests: dict[str, object], raw: bytes | None = None) -> list[tuple[Any, Any]]:
    """Send requests with the ids 1, 2, ...; return (rows, message) of each answer."""
    writer, reader = client.flight.do_exchange(fl.FlightDescriptor.for_command(b""), client.options)
    with writer:
        for number, request in enumerate(requests, 1):
            message = {"Request": {"correlation_id": str(number), "request_type": request}}
            writer.write_metadata(json.dumps(message).encode())
        if raw is not None:
            writer.write_metadata(raw)
        writer.done_writing()
        return [
            (data and data.to_pylist(), metadata and json.loads(metadata.to_pybytes())) for data, metadata in reader
        ]


def packed(rows: pa.RecordBatch) -> list[int]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    return list(sink.getvalue().to_pybytes())


def test_an_exchange_answers_each_request(client: Client, postgres: Postgres):
    found = exchanged(
        client,
        {"Query": {"query": "query ($n: Int) { users(limit: $n) { name visits } user(id: null) { id } }"}},
        {"Query": {"query": "query ($n: Int) { few: users(limit: $n) { name } }", "variables": {"n": 1}}},
        {"Upload": {"table": "tb_import", "batch": packed(batch(1, 3))}},
        {"Upload": {"table": "tb_user", "batch": packed(batch(1, 3))}},
        {"Upload": {"table": "tb_import", "batch": [1, 2, 3]}},
        {"Upload": {"table": "tb_import", "batch": packed(batch(3, 3))}},
        {"Subscribe": {"entity_type": "Order", "filter": None}},
    )
    assert [message["Response"]["result"] for rows, message in found if rows is None and "Response" in message] == [
        {"Err": found[0][1]["Response"]["result"]["Err"]},
        {"Ok": list(b"Inserted 3 rows")},
        {"Err": "Table tb_user does not take uploads"},
        {"Err": found[5][1]["Response"]["result"]["Err"]},
        {"Err": 'duplicate key value violates unique constraint "tb_import_pkey"'},
        {"Err": "Subscribe is not implemented: nothing publishes events to Flight"},
    ]
    assert found[0][1]["Response"]["result"]["Err"].startswith("VALIDATION_ERROR")
    assert found[5][1]["Response"]["result"]["Err"].startswith("batch is no stream of Arrow batches")
    assert json.loads(found[1][0][0]["result"]) == {"data": {"few": [{"name": "Zoë Ångström"}]}}
    assert found[2] == (None, {"Complete": {"correlation_id": "2"}})
    assert stored(postgres) == 3


@pytest.mark.parametrize(
    "raw",
    [
        b"no json",
        b"[]",
        b"{}",
        b'{"Request": {}}',
        b'{"Request": {"correlation_id": 1, "request_type": {"Query": {}}}}',
        b'{"Request": {"correlation_id": "1", "request_type": {"Delete": {}}}}',
        b" " * 262_145,
    ],
)
def test_an_exchange_refuses_what_is_no_request(client: Client, raw: bytes):
    refused("INVALID_ARGUMENT", lambda: exchanged(client, raw=raw))


def test_actions(client: Client, gateway: Gateway):
    listed = [action.type for action in client.flight.list_actions(client.options)]
    assert listed == ["ClearCache", "RefreshSchemaRegistry", "GetSchemaVersions", "HealthCheck"]
    assert client.act("HealthCheck")["status"] == "healthy"
    assert client.act("RefreshSchemaRegistry")["success"] is True
    versions = client.act("GetSchemaVersions")
    assert versions["count"] == len(versions["schemas"]) == 4
    assert {entry["view_name"] for entry in versions["schemas"]} == {"va_users", "va_orders", "ta_users", "ta_orders"}
    (cleared,) = client.flight.do_action("ClearCache", client.options)
    assert cleared.body.to_pybytes() == b"Cache cleared"
    assert client.act("GetSchemaVersions") == {"schemas": [], "count": 0}
    refused("INVALID_ARGUMENT", lambda: client.act("DropEverything"))


@pytest.mark.parametrize("action", ["ClearCache", "RefreshSchemaRegistry", "GetSchemaVersions"])
def test_only_admins_may_change_what_is_kept(client: Client, action: str):
    client.options = fl.FlightCallOptions(headers=[(b"authorization", b"Bearer " + token(scopes=["read"]).encode())])
    refused("PERMISSION_DENIED", lambda: client.act(action))
    assert client.act("HealthCheck")["status"] == "healthy"
