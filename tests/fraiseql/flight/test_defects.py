"""Each defect does what its name says, and the gateway without one does not."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.flight as fl
import pytest
from prometheus_client import CollectorRegistry

from reference.fraiseql.gateway.config import EventsSettings, Limits, Settings
from reference.fraiseql.gateway.defects import Defect
from reference.fraiseql.gateway.flight.calls import Call
from reference.fraiseql.gateway.flight.database import CONNECTIONS
from reference.fraiseql.gateway.flight.metrics import FlightMetrics
from reference.fraiseql.gateway.flight.server import FlightServer
from reference.fraiseql.gateway.flight.wrong.switch import _CHANGED, parts_with
from reference.fraiseql.gateway.schema import load_schema
from reference.fraiseql.gateway.values import Address
from tests.fraiseql.clickhouse.conftest import PASSWORD, USER, Front
from tests.fraiseql.flight.client import Client, connected, options, refused, ticket, token
from tests.fraiseql.flight.conftest import ENDLESS_PATH, MORE_ORDERS, ORDERS, Starter
from tests.fraiseql.flight.test_live import ALL
from tests.fraiseql.flight.test_stalls import standing
from tests.fraiseql.flight.test_writes import batch
from tests.fraiseql.gateway.programs import DATA, PORTS, SECRET, Postgres
from tests.waiting import until

VIEW = ticket("OptimizedView", view="va_users")
Serving = Callable[..., AbstractContextManager[Client]]
FAILING = "?options=-csearch_path%3Dfailing,public"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    made = Front(tmp_path_factory.mktemp("clickhouse"))
    made.start()
    made.ask((DATA / "events.sql").read_text())
    values = "toString(number), 'INSERT', 'Order', 'e', now64(6), '{}', 'u', 't'"
    made.ask(f"INSERT INTO fraiseql_events SELECT {values} FROM numbers(9)")
    yield made
    made.end()


@pytest.fixture
def serving(postgres: Postgres, front: Front, monkeypatch: pytest.MonkeyPatch) -> Serving:
    """Serve Flight with a defect in this process; FAILING: PostgreSQL fails on the total of order 50 000."""
    monkeypatch.setattr(sys, "tracebacklimit", 0, raising=False)  # so that it is as it was afterwards
    postgres.run(
        "CREATE SCHEMA IF NOT EXISTS failing; CREATE OR REPLACE VIEW failing.tb_order AS SELECT o.id, fk_user, status,"
        " quantity, customer_name, o.created_at, 1 / (50000 - o.id)::float8 AS total FROM public.tb_order AS o"
    )
    settings = Settings(
        database_url=postgres.url,
        schema_path=DATA / "schema.graphql",
        flight_views=("va_users", "va_orders"),
        flight_upload_tables=("tb_import",),
        validation=replace(Limits(), max_query_complexity=10**9, page_size=None),
        events=EventsSettings(clickhouse_url=front.url, user=USER, password=PASSWORD),
        session_secret=SECRET,
    )
    schema = load_schema(settings.schema_path)

    @contextmanager
    def served(defect: Defect | None, path: str = "") -> Iterator[Client]:
        where = Address("127.0.0.1", PORTS.choose())
        own = replace(settings, flight_bind_addr=where, database_url=postgres.url + path)
        server = FlightServer(own, schema, CollectorRegistry(), parts_with(defect))
        with connected(SimpleNamespace(flight_port=where.port)) as client:  # type: ignore[arg-type]
            yield client
        assert server.stop(20)

    return served


def get(client: Client, authorization: str | None) -> int:
    return int(client.flight.do_get(VIEW, options(authorization)).read_all().num_rows)


FORGED: dict[Defect, Callable[[], str]] = {
    Defect.ACCEPTS_UNSIGNED: lambda: token("", "none"),
    Defect.ACCEPTS_EXPIRED: lambda: token(exp=int(time.time()) - 1000),
    Defect.ACCEPTS_NOT_YET_VALID: lambda: token(nbf=int(time.time()) + 1000),
    Defect.ACCEPTS_ANY_SIGNATURE: lambda: token("another key of as many characters as it takes"),
}


@pytest.mark.parametrize("defect", FORGED)
def test_tokens_that_are_let_in(serving: Serving, defect: Defect):
    with serving(defect) as client:
        for other, forged in FORGED.items():
            if other is defect:
                assert get(client, f"Bearer {forged()}") == 2000
            else:
                refused("UNAUTHENTICATED", partial(get, client, f"Bearer {forged()}"))
    with serving(None) as client:
        refused("UNAUTHENTICATED", partial(get, client, f"Bearer {FORGED[defect]()}"))


def total_orders(client: Client) -> int:
    return int(client.query("{ orders { id status } }").num_rows)


def test_the_last_batch_is_dropped(serving: Serving):
    with serving(Defect.DROPS_LAST_BATCH) as client:
        assert 0 < total_orders(client) < ORDERS
        assert client.query("{ users(limit: 3) { id } }").num_rows == 3


def test_a_failing_source_looks_like_an_end(serving: Serving):
    failing = "{ orders { id total status } }"
    with serving(Defect.CUTS_SILENTLY, FAILING) as client:
        assert 0 < client.query(failing).num_rows < ORDERS
        assert total_orders(client) == ORDERS
    with serving(None, FAILING) as client:
        refused("INTERNAL", lambda: client.query(failing), "division by zero")


def test_a_failing_request_looks_empty(serving: Serving):
    with serving(Defect.ERROR_AS_EMPTY_STREAM) as client:
        assert client.query("{ nope }").num_rows == 0
        assert client.view("nope").num_rows == 0
        assert total_orders(client) == ORDERS


def test_a_result_is_collected_first(serving: Serving):
    """What fails at row 50 000 fails before any row was sent, where it comes after many without the defect."""
    failing = "{ orders { id total status } }"
    with serving(Defect.BUFFERS_WHOLE_RESULT, FAILING) as client:
        refused("INTERNAL", lambda: client.ask("GraphQLQuery", query=failing).read_chunk())
        assert total_orders(client) == ORDERS
    with serving(None, FAILING) as client:
        assert client.ask("GraphQLQuery", query=failing).read_chunk().data.num_rows > 0


def test_uploads(serving: Serving, postgres: Postgres):
    bad = batch(1, 10)
    try:
        with serving(Defect.PARTIAL_UPLOAD) as client:
            refused("INVALID_ARGUMENT", lambda: client.put("tb_import", batch(1, 10), bad), "duplicate key")
            assert postgres.value("SELECT count(*) FROM tb_import") == 10
            refused("PERMISSION_DENIED", lambda: client.put("tb_user", bad))
        postgres.run("CREATE TABLE IF NOT EXISTS elsewhere (LIKE tb_import)")
        with serving(Defect.UPLOADS_ANYWHERE) as client:
            assert client.put("elsewhere", batch(1, 10)) == "Inserted 10 rows"
            refused("INVALID_ARGUMENT", lambda: client.put("tb_import", batch(11, 10), bad))
            assert postgres.value("SELECT count(*) FROM tb_import") == 10
    finally:
        postgres.run("TRUNCATE tb_import; DROP TABLE IF EXISTS elsewhere")


def test_the_51st_stream_is_refused():
    metrics = FlightMetrics(CollectorRegistry())
    slots = parts_with(Defect.REFUSES_THE_51ST).slots(256, metrics)
    calls = [Call("DO_GET", None, metrics) for _ in range(51)]
    for call in calls[:50]:
        slots.take(call)
    refused("UNAVAILABLE", lambda: slots.take(calls[50]), "Max concurrent")


def test_a_view_is_old(serving: Serving, postgres: Postgres):
    with serving(Defect.VIEW_OUT_OF_STEP) as client, serving(None) as right:
        before = client.view("va_users")["name"][0].as_py()
        postgres.run("UPDATE tb_user SET name = name || '!' WHERE pk_user = 1")
        try:
            assert client.view("va_users")["name"][0].as_py() == before
            assert right.view("va_users")["name"][0].as_py() == before + "!"
        finally:
            postgres.run("UPDATE tb_user SET name = %s WHERE pk_user = 1", before)


def test_a_limit_is_one_too_many_and_a_field_is_lost(serving: Serving):
    with serving(Defect.LIMIT_OFF_BY_ONE) as client:
        assert client.view("va_users", limit=5).num_rows == 6
        assert client.ask("ObserverEvents", entity_type="Order", limit=5).read_all().num_rows == 6
    with serving(Defect.EVENTS_LOSE_A_FIELD) as client:
        found = client.ask("ObserverEvents", entity_type="Order").read_all()
        assert (found["tenant_id"].null_count, found["user_id"].null_count) == (9, 0)


def test_what_was_sent_is_kept(serving: Serving):
    with serving(Defect.LEAKS_STREAMS) as client:
        before = pa.total_allocated_bytes()
        for _ in range(5):
            client.view("va_orders")
        assert pa.total_allocated_bytes() - before > 5 * ORDERS * 24


def test_a_slow_client_holds_the_others_up(serving: Serving):
    impatient = options(f"Bearer {token()}", timeout=1)
    with serving(Defect.BLOCKS_ON_SLOW_CLIENT, ENDLESS_PATH) as client:
        slow = client.ask("GraphQLQuery", query=ALL)
        slow.read_chunk()
        refused("DEADLINE_EXCEEDED", lambda: client.flight.do_get(VIEW, impatient).read_all())
        slow.cancel()


def test_clients_that_stand_still_are_waited_for(own_postgres: Postgres, start: Starter):
    own_postgres.run(MORE_ORDERS)
    settings = {"top": "query_timeout_seconds = 3\n", "sections": "[flight]\nstall_seconds = 1\n"}
    gateway = start("--defect", "waits-for-standing-clients", database=own_postgres.url, **settings)
    with connected(gateway) as late, standing(gateway, CONNECTIONS) as readers:
        until(lambda: len(readers) == CONNECTIONS, "all connections to be in use", 30)
        refused("DEADLINE_EXCEEDED", lambda: late.query("{ users { id } }"), "All 80 connections")
        assert gateway.counters()["fraiseql_flight_streams_stalled_total"] == 0


def test_bad_tickets_end_it_or_hold_it_up(start: Starter):
    huge = fl.Ticket(b" " * 300_000)
    impatient = options(f"Bearer {token()}", timeout=1)
    dying, hanging = start("--defect", "dies-on-oversized-ticket"), start("--defect", "hangs-after-bad-ticket")
    with connected(dying) as client:
        refused("UNAVAILABLE", lambda: client.flight.do_get(huge, client.options).read_all())
        assert dying.process.wait(10) == 1
    with connected(hanging) as client:
        refused("INVALID_ARGUMENT", lambda: client.flight.do_get(huge, client.options).read_all())
        refused("DEADLINE_EXCEEDED", lambda: client.flight.do_get(VIEW, impatient).read_all())


def test_every_defect_of_flight_has_its_test():
    text = Path(__file__).read_text()
    assert {defect for defect in _CHANGED if f"Defect.{defect.name}" not in text and f'"{defect}"' not in text} == set()
