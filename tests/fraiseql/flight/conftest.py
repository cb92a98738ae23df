"""One PostgreSQL with 60 000 orders, and a gateway that serves all that Flight has, for tests that break neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.fraiseql.flight.client import Client, connected
from tests.fraiseql.gateway.programs import Gateway, Postgres

ORDERS = 60_000
TOP = """flight_views = ["va_users", "va_orders", "ta_users", "ta_orders"]
flight_upload_tables = ["tb_import"]
"""
SECTIONS = """[validation]
max_query_complexity = 1000000000
[bulk]
tables = ["tb_order"]
batched_queries = true
"""
MORE_ORDERS = f"""
INSERT INTO tb_order (id, fk_user, total, quantity, status, created_at)
SELECT n, n % 2000 + 1, n / 4.0, n % 17 + 1, repeat('x', 800), timestamptz '2026-03-01' + n * interval '1 second'
FROM generate_series(6001, {ORDERS}) AS n;
ANALYZE tb_order;
"""
# Orders whose status takes its time after the first 5 000: an answer that begins at once and does not end.
# How much a client that does not read lets its own side take in depends on the machine, so that no size is too large.
ENDLESS = """
CREATE SCHEMA IF NOT EXISTS endless;
CREATE OR REPLACE FUNCTION endless.slowly(id bigint, status text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
    'BEGIN IF id > 5000 THEN PERFORM pg_sleep(0.1); END IF; RETURN repeat(status, 200); END';
CREATE OR REPLACE VIEW endless.tb_order AS SELECT o.id, fk_user, total, quantity, customer_name, o.created_at,
    endless.slowly(o.id, status) AS status FROM public.tb_order AS o;
"""
ENDLESS_PATH = "?options=-csearch_path%3Dendless,public%20-cenable_sort%3Doff"  # as the index has them, not all at once
Starter = Callable[..., Gateway]


@pytest.fixture(scope="package")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    server.with_data().run(MORE_ORDERS)
    server.run(ENDLESS)
    yield server
    server.end()


@pytest.fixture(scope="package")
def gateway(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("gateway")
    started = Gateway(directory, postgres.url, top=TOP, sections=SECTIONS, FRAISEQL_MAX_PAGE_SIZE="0")
    yield started.ready()
    started.end()


@pytest.fixture(scope="package")
def endless(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of orders that do not end."""
    directory = tmp_path_factory.mktemp("endless")
    url = postgres.url + ENDLESS_PATH
    started = Gateway(directory, url, top=TOP, sections=SECTIONS, FRAISEQL_MAX_PAGE_SIZE="0")
    yield started.ready()
    started.end()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    with connected(gateway) as made:
        yield made


@pytest.fixture
def start(tmp_path: Path, postgres: Postgres) -> Iterator[Starter]:
    """Start further gateways, which end with the test."""
    with ExitStack() as ending:
        number = iter(range(100))

        def started(*arguments: str, database: str = "", top: str = "", sections: str = "", **more: Any) -> Gateway:
            directory = tmp_path / f"gateway-{next(number)}"
            variables = {"FRAISEQL_MAX_PAGE_SIZE": "0"} | more
            made = Gateway(
                directory,
                database or postgres.url,
                *arguments,
                top=TOP + top,
                sections=SECTIONS + sections,
                **variables,
            )
            ending.callback(made.end)
            return made.ready()

        yield started


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Postgres]:
    """A server that a test may stop, with few orders."""
    directory = tmp_path / "own postgres"
    directory.mkdir()
    server = Postgres(directory)
    yield server.with_data()
    server.end()
