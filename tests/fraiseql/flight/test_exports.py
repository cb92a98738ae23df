"""Tables as files: what pyarrow reads back is the table, and no file is ever whole in the gateway's memory."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.flight as fl
import pyarrow.json
import pyarrow.parquet
import pytest

from reference.fraiseql.gateway.flight.exports import FORMATS, SCHEMA
from tests.fraiseql.flight.client import Client, connected, refused, ticket
from tests.fraiseql.flight.conftest import ORDERS, Starter
from tests.fraiseql.flight.test_live import running
from tests.fraiseql.gateway.programs import Gateway, Postgres
from tests.waiting import until

TIME = pa.timestamp("us", "UTC")


def file(client: Client, **keys: object) -> tuple[bytes, set[bytes]]:
    """A file, and the MIME types that stood beside its parts."""
    reader = client.ask("BulkExport", **keys)
    assert reader.schema == SCHEMA
    parts = list(reader)
    content = b"".join(part.data.column(0).to_numpy(zero_copy_only=True).tobytes() for part in parts)
    return content, {part.app_metadata.to_pybytes() for part in parts}


def plain(rows: pa.Table) -> pa.Table:
    """What neither CSV nor JSON has a type for as its text."""
    for number, field in enumerate(rows.schema):
        if isinstance(field.type, pa.BaseExtensionType):
            texts = pa.array([str(value) for value in rows.column(number).to_pylist()])
            rows = rows.set_column(number, field.name, texts)
    return rows


def from_csv(content: bytes, schema: pa.Schema) -> pa.Table:
    options = pyarrow.csv.ConvertOptions(
        column_types=schema, strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    return pyarrow.csv.read_csv(io.BytesIO(content), convert_options=options)


def from_lines(content: bytes, schema: pa.Schema) -> pa.Table:
    """With times by Python: pyarrow reads none with an offset."""
    texts = pa.schema([field.with_type(pa.string()) if field.type == TIME else field for field in schema])
    options = pyarrow.json.ParseOptions(explicit_schema=texts)
    found = pyarrow.json.read_json(io.BytesIO(content), parse_options=options)
    for number, field in enumerate(schema):
        if field.type == TIME:
            instants = [text and datetime.fromisoformat(text) for text in found.column(number).to_pylist()]
            found = found.set_column(number, field.name, pa.array(instants, TIME))
    return found


def from_parquet(content: bytes, _schema: pa.Schema) -> pa.Table:
    return pyarrow.parquet.read_table(io.BytesIO(content))


READERS: Mapping[str, tuple[bytes, Callable[[bytes, pa.Schema], pa.Table]]] = {
    "csv": (b"text/csv", from_csv),
    "json": (b"application/x-ndjson", from_lines),
    "ndjson": (b"application/x-ndjson", from_lines),
    "parquet": (b"application/octet-stream", from_parquet),
}


@pytest.fixture(scope="module")
def users(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that exports the table with texts of all kinds."""
    directory = tmp_path_factory.mktemp("users")
    started = Gateway(directory, postgres.url, sections='[bulk]\ntables = ["tb_user"]\n')
    yield started.ready()
    started.end()


@pytest.mark.parametrize("kind", READERS)
def test_a_file_holds_the_table(client: Client, kind: str):
    mime, read = READERS[kind]
    rows = client.ask("BulkExport", table="tb_order").read_all()
    content, mimes = file(client, table="tb_order", format=kind)
    assert read(content, rows.schema).sort_by("id").equals(rows.sort_by("id"))
    assert (rows.num_rows, mimes) == (ORDERS, {mime})


@pytest.mark.parametrize("kind", READERS)
def test_texts_come_as_they_are(users: Gateway, kind: str):
    with connected(users) as client:
        rows = client.ask("BulkExport", table="tb_user").read_all()
        content, _ = file(client, table="tb_user", format=kind)
    rows = plain(rows)
    assert plain(READERS[kind][1](content, rows.schema)).sort_by("pk_user").equals(rows.sort_by("pk_user"))


@pytest.mark.parametrize("kind", READERS)
def test_a_limit_is_that_of_rows(client: Client, kind: str):
    content, _ = file(client, table="tb_order", format=kind, limit=12_345)
    schema = client.ask("BulkExport", table="tb_order", limit=1).read_all().schema
    assert READERS[kind][1](content, schema).num_rows == 12_345
    nothing, _ = file(client, table="tb_order", format=kind, limit=0)
    assert nothing.count(b"\n") == {"csv": 1}.get(kind, 0) or kind == "parquet"
    if kind == "parquet":
        assert from_parquet(nothing, schema).num_rows == 0


def test_the_body_of_a_message_is_a_part_of_the_file():
    lines = pa.record_batch({"line": ['{"id":1}', '{"id":2}']})
    (part,) = FORMATS["ndjson"].batches(lines.schema, [lines])
    body = pa.ipc.read_message(part.serialize()).body.to_pybytes()
    assert body.rstrip(b"\0") == b'{"id":1}\n{"id":2}\n'


@pytest.mark.parametrize("kind", READERS)
def test_a_part_is_sent_before_the_last_row_is_read(endless: Gateway, postgres: Postgres, kind: str):
    with connected(endless) as client:
        reader = client.ask("BulkExport", table="tb_order", format=kind)
        assert reader.read_chunk().data.num_rows > 0
        assert running(postgres)
        reader.cancel()
        until(lambda: not running(postgres), "the statement to end")


def peak(gateway: Gateway) -> int:
    """Bytes of memory that it has had at most."""
    (line,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{gateway.process.pid}/status").read_text())
    return int(line) * 1024


@pytest.mark.parametrize("kind", READERS)
def test_a_file_is_written_in_little_memory(start: Starter, kind: str):
    gateway = start()
    with connected(gateway) as client:
        file(client, table="tb_order", format=kind, limit=10_000)
        before = peak(gateway)
        rows = client.ask("BulkExport", table="tb_order").read_all()
        file(client, table="tb_order", format=kind)
        assert peak(gateway) - before < rows.nbytes / 2


def test_what_is_no_file_is_refused(client: Client):
    refused("INVALID_ARGUMENT", lambda: file(client, table="tb_order", format="xls"), "format is none of csv, json")
    refused("INVALID_ARGUMENT", lambda: file(client, table="tb_order", format="csv", filter="1=1"), "filter")
    refused("PERMISSION_DENIED", lambda: file(client, table="tb_user", format="csv"))


def test_rows_and_not_bytes_are_counted(gateway: Gateway, client: Client):
    def counted() -> float:
        return gateway.counters()["fraiseql_flight_rows_total"]

    before = counted()
    file(client, table="tb_order", format="csv", limit=7)
    assert counted() == before


def test_what_flight_info_says_is_what_comes(client: Client):
    for kind in READERS:
        content = ticket("BulkExport", table="tb_order", format=kind).ticket
        info = client.flight.get_flight_info(fl.FlightDescriptor.for_command(content), client.options)
        assert info.schema == SCHEMA
        assert json.loads(info.endpoints[0].ticket.ticket)["format"] == kind
    content = ticket("BulkExport", table="tb_user", format="csv").ticket
    descriptor = fl.FlightDescriptor.for_command(content)
    refused("PERMISSION_DENIED", lambda: client.flight.get_flight_info(descriptor, client.options))
