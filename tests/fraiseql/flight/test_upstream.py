"""`compat = "upstream"`: Flight as the vendor's server was seen to do it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as fl
import pytest

from tests.fraiseql.flight.client import Client, connected, options, refused, ticket
from tests.fraiseql.flight.conftest import SECTIONS, TOP
from tests.fraiseql.gateway.programs import Gateway, Postgres

TEXT, NUMBER = pa.string(), pa.int64()


@pytest.fixture(scope="module")
def gateway(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    top, directory = TOP + 'compat = "upstream"\n', tmp_path_factory.mktemp("upstream")
    started = Gateway(directory, postgres.url, top=top, sections=SECTIONS, FRAISEQL_MAX_PAGE_SIZE="0")
    yield started.ready()
    started.end()


def test_columns_are_sorted_and_typed_by_their_values(gateway: Gateway, client: Client, postgres: Postgres):
    found = client.query("{ orders(limit: 40) { quantity id createdAt status total } }")
    types = {"createdAt": TEXT, "id": NUMBER, "quantity": NUMBER, "status": TEXT, "total": pa.float64()}
    assert found.schema == pa.schema(types)
    instants = [when for (when,) in postgres.rows("SELECT created_at FROM tb_order ORDER BY id LIMIT 40")]
    assert [datetime.fromisoformat(text) for text in found["createdAt"].to_pylist()] == instants
    over_http = [row["createdAt"] for row in gateway.data("{ orders(limit: 40) { createdAt } }")["orders"]]
    assert found["createdAt"].to_pylist() == over_http


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [("score: {eq: 74}", NUMBER), ("score: {eq: 0.1}", pa.float64()), ("score: {isnull: true}", TEXT)],
)
def test_a_column_changes_its_type_with_the_rows(
    client: Client, postgres: Postgres, chosen: str, expected: pa.DataType
):
    found = client.query(f"{{ users(where: {{{chosen}}}) {{ score }} }}")
    assert (found.num_rows > 0, found.schema.field("score").type) == (True, expected)


@pytest.mark.parametrize("query", ["{ users(limit: 0) { id } }", "{ user(id: %s) { name visits } }", "{ __typename }"])
def test_what_is_no_list_of_rows_is_one_text(gateway: Gateway, client: Client, postgres: Postgres, query: str):
    query = query.replace("%s", json.dumps(str(postgres.value("SELECT id FROM tb_user LIMIT 1"))))
    found = client.query(query)
    assert found.schema == pa.schema([pa.field("result", TEXT, nullable=False)])
    assert [json.loads(text) for text in found["result"].to_pylist()] == [gateway.post(query).json()]


def test_of_several_lists_the_first_with_rows_is_kept(client: Client):
    found = client.query("{ none: users(limit: 0) { id } orders(limit: 3) { id } users(limit: 2) { name } }")
    assert found.to_pydict() == {"id": [1, 2, 3]}


def test_a_view_is_sorted_and_its_times_are_text(client: Client, postgres: Postgres):
    found = client.view("va_orders", limit=20_001, order_by="id DESC")
    assert found.schema == pa.schema({"created_at": TEXT, "customer_name": TEXT, "id": NUMBER, "total": pa.float64()})
    assert found.num_rows == 20_001
    instants = [when for (when,) in postgres.rows("SELECT created_at FROM tb_order ORDER BY id DESC LIMIT 20001")]
    assert [datetime.fromisoformat(text) for text in found["created_at"].to_pylist()] == instants


def test_other_tickets_are_refused_whatever_is_configured(client: Client):
    refused("PERMISSION_DENIED", lambda: client.ask("BulkExport", table="tb_order").read_all())
    refused("PERMISSION_DENIED", lambda: client.ask("BatchedQueries", queries=["{ users { id } }"]).read_all())
    refused("UNIMPLEMENTED", lambda: client.ask("ObserverEvents", entity_type="Order").read_all())


@pytest.mark.parametrize(
    ("status", "query"),
    [
        ("INVALID_ARGUMENT", "{"),
        ("INVALID_ARGUMENT", "{ users { nope } }"),
        ("INVALID_ARGUMENT", "{ users(limit: -1) { id } }"),
        ("INTERNAL", '{ user(id: "x") { id } }'),
        ("INTERNAL", '{ users(where: {createdAt: {gt: "x"}}) { id } }'),
    ],
)
def test_a_value_that_the_database_refuses_is_the_servers_fault(client: Client, status: str, query: str):
    refused(status, lambda: client.query(query), "^Query execution failed: ")


def test_an_order_or_a_part_that_a_view_does_not_have_is_the_servers_fault(client: Client):
    refused("INTERNAL", lambda: client.view("va_orders", order_by="nope"), "^Database query failed: ")
    refused("INTERNAL", lambda: client.view("va_orders", limit=2**63), "^Database query failed: ")
    refused("INVALID_ARGUMENT", lambda: client.view("va_orders", order_by="id;"))


def test_variables_that_are_no_object_are_passed_over(client: Client):
    found = client.ask("GraphQLQuery", query="{ users(limit: 2) { visits } }", variables=[1]).read_all()
    assert found.num_rows == 2


def test_views_alone_are_described_to_whoever_asks_without_saying_where_they_are(client: Client):
    def info(descriptor: fl.FlightDescriptor) -> fl.FlightInfo:
        return client.flight.get_flight_info(descriptor, options(None))

    view = ticket("OptimizedView", view="va_users").ticket
    described = info(fl.FlightDescriptor.for_path(view))
    assert (described.schema, described.endpoints) == (client.view("va_users").schema, [])
    assert len(list(client.flight.list_flights(options=options(None)))) == 4
    refused("INVALID_ARGUMENT", lambda: info(fl.FlightDescriptor.for_command(view)))
    query = ticket("GraphQLQuery", query="{ users { id } }").ticket
    refused("UNIMPLEMENTED", lambda: info(fl.FlightDescriptor.for_path(query)))
    refused("UNAUTHENTICATED", lambda: client.flight.do_get(fl.Ticket(view), options(None)).read_all())


def test_a_defect_keeps_its_place(postgres: Postgres, tmp_path: Path):
    arguments = "--defect", "error-as-empty-stream"
    started = Gateway(tmp_path / "both", postgres.url, *arguments, top='compat = "upstream"\n')
    try:
        with connected(started.ready()) as client:
            assert client.query("{ nope }").num_rows == 0
    finally:
        started.end()
