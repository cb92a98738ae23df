"""The front as ClickHouse's own Python client meets it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.fraiseql.clickhouse.conftest import PASSWORD, USER, Front

AT = dt.datetime(2026, 1, 25, 12, 39, 0, 123456, tzinfo=dt.UTC)
COLUMNS = ["id", "kind", "at", "note"]


@pytest.fixture(params=[False, True, "gzip", "zstd", "lz4"], ids=str)
def client(front: Front, request: pytest.FixtureRequest) -> Iterator[Client]:
    made = clickhouse_connect.get_client(
        host="127.0.0.1", port=front.port, username=USER, password=PASSWORD, compress=request.param
    )
    made.command("DROP TABLE IF EXISTS events SYNC")
    made.command(
        "CREATE TABLE events (id UInt64, kind LowCardinality(String), at DateTime64(6, 'UTC'), note Nullable(String)) "
        "ENGINE = MergeTree ORDER BY id"
    )
    yield made
    made.close()


def test_rows_go_in_and_come_out(client: Client) -> None:
    rows = [[n, f"kind {n % 3}", AT, None if n % 2 else "ä"] for n in range(1000)]
    assert client.insert("events", rows, column_names=COLUMNS).written_rows == 1000
    text = "SELECT * FROM events WHERE id < {most:UInt64} AND kind = {kind:String} ORDER BY id"
    result = client.query(text, parameters={"most": 5, "kind": "kind 1"}, tz_mode="aware")
    assert result.result_rows == [(1, "kind 1", AT, None), (4, "kind 1", AT, "ä")]
    frame = client.query_df("SELECT * FROM events ORDER BY id")
    assert list(frame["id"]) == list(range(1000))


def test_arrow_goes_in_and_comes_out(client: Client) -> None:
    count = 200_000
    table = pa.table(
        {
            "id": pa.array(range(count), pa.uint64()),
            "kind": ["a"] * count,
            "at": pa.array([AT] * count, pa.timestamp("us", "UTC")),
            "note": pa.array([None] * count, pa.string()),
        }
    )
    assert client.insert_arrow("events", table).written_rows == count
    back = client.query_arrow("SELECT * FROM events ORDER BY id")
    assert back.cast(table.schema).equals(table)
    with client.query_arrow_stream("SELECT * FROM events") as batches:
        assert sum(batch.num_rows for batch in batches) == count


def test_rows_are_streamed(client: Client) -> None:
    with client.query_row_block_stream("SELECT number FROM numbers(300000)") as blocks:
        assert sum(len(block) for block in blocks) == 300_000


def test_errors_are_the_engines(client: Client) -> None:
    with pytest.raises(DatabaseError, match=r"Code: 60\. DB::Exception: .*nope.*UNKNOWN_TABLE"):
        client.query("SELECT * FROM nope")
    with pytest.raises(DatabaseError, match=r"Code: 43\. DB::Exception"):
        client.insert_arrow("events", pa.table({"id": [[1]]}))
    assert client.command("SELECT count() FROM events") == 0


def test_a_wrong_password_is_told(front: Front) -> None:
    with pytest.raises(DatabaseError, match=r"Code: 516.*AUTHENTICATION_FAILED"):
        clickhouse_connect.get_client(host="127.0.0.1", port=front.port, username=USER, password="wrong")
