"""GraphQL over Flight: typed columns, streamed from PostgreSQL, whole or an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from tests.fraiseql.flight.client import Client, connected, options, refused, ticket, token
from tests.fraiseql.flight.conftest import ENDLESS, ENDLESS_PATH, ORDERS, Starter
from tests.fraiseql.gateway.programs import Gateway, Postgres
from tests.waiting import until

ALL = "{ orders { id total quantity status customerName createdAt } }"


# `own_postgres` stands before `start` in these tests: it ends after the gateways, whose connections it waits for.


def running(postgres: Postgres) -> list[str]:
    """The statements of gateways that PostgreSQL is working on."""
    found = postgres.rows(
        "SELECT query FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY%%' AND pid <> pg_backend_pid()"
    )
    return [query for (query,) in found]


def test_columns_have_the_types_of_the_schema_in_the_order_of_the_document(client: Client, postgres: Postgres):
    found = client.query("{ users(limit: 3) { visits name: email id score active createdAt orders(limit: 1) { id } } }")
    assert found.schema == pa.schema(
        {
            "visits": pa.int64(),
            "name": pa.string(),
            "id": pa.string(),
            "score": pa.float64(),
            "active": pa.bool_(),
            "createdAt": pa.timestamp("us", "UTC"),
            "orders": pa.string(),
        }
    )
    rows = postgres.rows(
        "SELECT visits, email, id::text, score, active, created_at FROM tb_user ORDER BY pk_user LIMIT 3"
    )
    assert [tuple(row.values())[:6] for row in found.to_pylist()] == rows
    assert [json.loads(text)[0]["id"] for text in found["orders"].to_pylist()] == [1, 4, 7]
    orders = client.query("{ orders(limit: 2) { quantity customerName } }")
    assert orders.schema.types == [pa.int32(), pa.string()]


def test_no_rows_are_an_empty_stream_with_the_schema(client: Client):
    found = client.query("{ users(limit: 0) { id visits } }")
    assert (found.num_rows, found.schema.names) == (0, ["id", "visits"])
    none = client.query("query ($id: ID!) { user(id: $id) { name } }", id="00000000-0000-0000-0000-000000000000")
    assert (none.num_rows, none.schema.names) == (0, ["name"])


def test_a_large_result_comes_in_batches_of_ten_thousand_rows_at_most(client: Client):
    batches = [chunk.data for chunk in client.ask("GraphQLQuery", query="{ orders { id } }")]
    assert sum(batch.num_rows for batch in batches) == ORDERS
    assert max(batch.num_rows for batch in batches) <= 10_000
    ids = pa.Table.from_batches(batches)["id"].to_pylist()
    assert ids == list(range(1, ORDERS + 1))


def test_the_first_batch_is_sent_before_the_last_is_read(endless: Gateway, postgres: Postgres):
    with connected(endless) as client:
        reader = client.ask("GraphQLQuery", query=ALL)
        assert reader.read_chunk().data.num_rows > 0
        assert running(postgres)
        reader.cancel()


def test_a_client_that_goes_away_ends_its_statement(endless: Gateway, postgres: Postgres):
    with connected(endless) as client:
        for _ in range(5):
            reader = client.ask("GraphQLQuery", query=ALL)
            reader.read_chunk()
            reader.cancel()
        until(lambda: not running(postgres), "the statements to end")
        assert client.query("{ users(limit: 1) { id } }").num_rows == 1
    until(lambda: endless.counters()["fraiseql_flight_streams_active"] == 0, "the streams to end")
    assert endless.counters()['fraiseql_flight_calls_total{method="DO_GET",status="CANCELLED"}'] >= 5


@pytest.fixture
def sleeping(start: Starter, postgres: Postgres) -> Callable[..., Gateway]:
    """A gateway whose tb_order is a view in which each row takes its time."""

    def made(seconds: float, top: str = "") -> Gateway:
        postgres.run("CREATE SCHEMA IF NOT EXISTS slow; DROP VIEW IF EXISTS slow.tb_order")
        postgres.run(
            f"CREATE VIEW slow.tb_order AS SELECT o.id, fk_user, total, quantity, customer_name, o.created_at, "
            f"status || pg_sleep({seconds}) AS status FROM public.tb_order AS o"
        )
        return start(database=f"{postgres.url}?options=-csearch_path%3Dslow,public", top=top)

    return made


def test_a_client_that_goes_away_while_it_waits_ends_its_statement(
    sleeping: Callable[..., Gateway], postgres: Postgres
):
    with connected(sleeping(60)) as client:
        impatient = options(f"Bearer {token()}", timeout=0.5)
        wanted = ticket("GraphQLQuery", query="{ orders { id status } }")
        refused("DEADLINE_EXCEEDED", lambda: client.flight.do_get(wanted, impatient).read_all())
        until(lambda: not running(postgres), "the statement to end")


def test_a_query_that_takes_too_long_is_ended(sleeping: Callable[..., Gateway], postgres: Postgres):
    with connected(sleeping(60, "query_timeout_seconds = 1\n")) as client:
        slow = "{ orders { id status } }"
        refused("DEADLINE_EXCEEDED", lambda: client.query(slow), "The query took longer than 1 seconds")
        assert not running(postgres)
        assert client.query("{ users(limit: 1) { id } }").num_rows == 1


@pytest.mark.parametrize(
    ("query", "match"),
    [
        ("{", "^PARSE_ERROR"),
        ("{ nope }", "^VALIDATION_ERROR"),
        ('{ user(id: "x") { name } }', "^BAD_USER_INPUT"),
        ("{ users { id } orders { id } }", "one root field"),
        ('mutation { createUser(name: "a", email: "b") { id } }', "over HTTP"),
        ("query ($n: Int!) { users(limit: $n) { id } }", "^BAD_USER_INPUT"),
    ],
)
def test_a_wrong_document_is_the_clients_mistake(client: Client, query: str, match: str):
    refused("INVALID_ARGUMENT", lambda: client.query(query), match)
    refused("INVALID_ARGUMENT", lambda: client.ask("GraphQLQuery", query=query, variables=[1]).read_all())


def test_what_the_database_refuses_is_an_error(own_postgres: Postgres, start: Starter):
    with connected(start(database=own_postgres.url)) as client:
        own_postgres.run("ALTER TABLE tb_user RENAME COLUMN bio TO biography")
        refused("INTERNAL", lambda: client.query("{ users { bio } }"), "^Database query failed: column")
        assert client.query("{ users { name } }").num_rows == 2000


def test_a_stream_whose_source_fails_raises(own_postgres: Postgres, start: Starter):
    own_postgres.run(
        "CREATE SCHEMA bad; CREATE VIEW bad.tb_order AS SELECT o.id, fk_user, quantity, status, customer_name, "
        "o.created_at, 1 / (5500 - o.id)::float8 AS total FROM public.tb_order AS o"
    )
    with connected(start(database=f"{own_postgres.url}?options=-csearch_path%3Dbad,public")) as client:
        reader = client.ask("GraphQLQuery", query="{ orders { id total createdAt status customerName quantity } }")
        message = refused("INTERNAL", reader.read_all, "^Database query failed: division by zero")
        assert "bad.tb_order" not in message


def test_a_database_that_ends_under_a_stream_is_an_error_and_one_that_is_back_is_used(
    own_postgres: Postgres, start: Starter
):
    own_postgres.run(ENDLESS)
    with connected(start(database=own_postgres.url + ENDLESS_PATH)) as client:
        reader = client.ask("GraphQLQuery", query=ALL)
        reader.read_chunk()
        own_postgres.kill()
        refused("UNAVAILABLE", reader.read_all)
        refused("UNAVAILABLE", lambda: client.query("{ users { id } }"))
        own_postgres.launch()
        own_postgres.await_ready()
        assert client.query("{ users { id } }").num_rows == 2000


def test_what_flight_info_says_is_what_comes(client: Client):
    content = ticket("GraphQLQuery", query="{ users(limit: 2) { id visits } }").ticket
    for descriptor in (fl.FlightDescriptor.for_command(content), fl.FlightDescriptor.for_path(content)):
        info = client.flight.get_flight_info(descriptor, client.options)
        (endpoint,) = info.endpoints
        found = client.flight.do_get(endpoint.ticket, client.options).read_all()
        assert found.schema == info.schema == client.flight.get_schema(descriptor, client.options).schema
        assert found.num_rows == 2
    nothing = fl.FlightDescriptor.for_command(b"")
    refused("INVALID_ARGUMENT", lambda: client.flight.get_flight_info(nothing, client.options), "^Invalid ticket")


def test_batched_queries_come_one_after_the_other(client: Client):
    queries = ["{ users(limit: 2) { id name } }", "{ users(limit: 3, offset: 10) { id name } }"]
    assert client.ask("BatchedQueries", queries=queries).read_all().num_rows == 5
    other = [*queries, "{ orders(limit: 1) { id status } }"]
    refused("INVALID_ARGUMENT", lambda: client.ask("BatchedQueries", queries=other).read_all(), "number 3 differs")
    refused("INVALID_ARGUMENT", lambda: client.ask("BatchedQueries", queries=[]).read_all())


def test_only_listed_tables_are_exported(client: Client, postgres: Postgres):
    found = client.ask("BulkExport", table="tb_order", limit=12_345).read_all()
    assert found.num_rows == 12_345
    assert found.schema.names == [name for (name,) in postgres.rows("SELECT attname FROM pg_attribute "
        "WHERE attrelid = 'tb_order'::regclass AND attnum > 0 ORDER BY attnum")]  # fmt: skip
    refused("PERMISSION_DENIED", lambda: client.ask("BulkExport", table="tb_user").read_all())
    refused("INVALID_ARGUMENT", lambda: client.ask("BulkExport", table="tb_order", filter="1=1").read_all())


def test_bulk_and_batched_are_off_unless_allowed(postgres: Postgres, tmp_path):
    with (
        closing(_Plain(Gateway(tmp_path / "plain", postgres.url).ready())) as plain,
        connected(plain.gateway) as client,
    ):
        refused("PERMISSION_DENIED", lambda: client.ask("BulkExport", table="tb_order").read_all())
        refused("PERMISSION_DENIED", lambda: client.ask("BatchedQueries", queries=["{ users { id } }"]).read_all())
        refused("NOT_FOUND", lambda: client.view("va_users"))
        refused("UNIMPLEMENTED", lambda: client.ask("ObserverEvents", entity_type="Order").read_all())


class _Plain:
    """A gateway that ends with `close`."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def close(self) -> None:
        self.gateway.end()
