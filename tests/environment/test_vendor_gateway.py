"""The vendor's server as a gateway: what it is configured with, and the server itself where it has been built."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import psycopg2
import pyarrow.flight
import pytest
import requests
from robot.api.types import Secret

from environments.embedded import programs, vendor
from environments.embedded.gateway import SCHEMA, Behind, GatewaySecrets
from environments.embedded.identity import Issuer
from environments.embedded.ports import HOST, Ports
from environments.embedded.postgresql import PostgreSQL
from environments.embedded.processes import Home, Keeper, wait_until
from environments.embedded.vendor_gateway import VendorGateway
from environments.errors import EnvironmentProblem
from environments.fraiseql import VIEWS, provision_database
from environments.fraiseql.vendor.author import vendor_schema
from environments.sections.base import Program
from environments.system import Endpoint, Login

SECRETS = GatewaySecrets(Secret("what session tokens are signed with"), Secret("what opens the metrics"))
OWNER = Login("fraiseql", Secret("a p@ss word"))


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    one = Keeper(tmp_path_factory.mktemp("state"))
    yield one
    one.close()


def _home(keeper: Keeper, tmp_path: Path, name: str) -> Home:
    return Home(name, keeper, tmp_path / "logs", tmp_path / name)


def _gateway(home: Home, database: Endpoint, issuer: Issuer | None, directory: Path) -> VendorGateway:
    found = vendor.VendorPrograms(directory / vendor.SERVER, directory / vendor.CLI, vendor.VERSION, "a test")
    ports = Ports()
    endpoints = (Endpoint(HOST, ports.choose()), Endpoint(HOST, ports.choose()))
    return VendorGateway(home, found, endpoints, SECRETS, Behind(database, "fraiseql", OWNER, issuer, None, None))


def _configured(gateway: VendorGateway) -> dict[str, Any]:
    gateway.configure(gateway.directory / "server.toml")
    return tomllib.loads((gateway.directory / "server.toml").read_text(encoding="utf-8"))


def test_it_is_configured_for_the_database_the_addresses_and_the_issuer(keeper: Keeper, tmp_path: Path) -> None:
    issuer = Issuer(_home(keeper, tmp_path, "identity"), Endpoint(HOST, 8999))
    gateway = _gateway(_home(keeper, tmp_path, "gateway"), Endpoint(HOST, 5432), issuer, Path("/programs"))
    content = _configured(gateway)
    assert content["database_url"] == "postgres://fraiseql:a%20p%40ss%20word@127.0.0.1:5432/fraiseql"
    assert (content["bind_addr"], content["flight_bind_addr"]) == (str(gateway.http), str(gateway.flight))
    assert content["auth"] == {
        "issuer": "http://127.0.0.1:8999",
        "audience": "fraiseql",
        "jwks_uri": "http://127.0.0.1:8999/jwks.json",
        "required": False,
    }
    assert content["flight_upload_tables"]
    assert not content["cache_enabled"], "the server refuses both at once"
    assert (gateway.directory / "server.toml").stat().st_mode & 0o077 == 0


def test_without_an_issuer_it_has_no_authentication_configured(keeper: Keeper, tmp_path: Path) -> None:
    gateway = _gateway(_home(keeper, tmp_path, "gateway"), Endpoint(HOST, 5432), None, Path("/programs"))
    assert "auth" not in _configured(gateway)


def test_secrets_are_no_arguments(keeper: Keeper, tmp_path: Path) -> None:
    argv, variables = _gateway(
        _home(keeper, tmp_path, "gateway"), Endpoint(HOST, 5432), None, Path("/programs")
    ).command()
    assert argv == ["/programs/fraiseql-server", "--config", str(tmp_path / "gateway" / "server.toml")]
    assert variables["FLIGHT_SESSION_SECRET"] == SECRETS.session.value


def test_a_compiler_that_refuses_is_told_in_one_line(keeper: Keeper, tmp_path: Path) -> None:
    compiler = tmp_path / vendor.CLI
    compiler.write_text("#!/bin/sh\necho 'no such' >&2\necho 'database' >&2\nexit 1\n", encoding="utf-8")
    compiler.chmod(0o755)
    gateway = _gateway(_home(keeper, tmp_path, "gateway"), Endpoint(HOST, 5432), None, tmp_path)
    with pytest.raises(EnvironmentProblem) as told:
        gateway.provision()
    assert told.value.problems == (f"{vendor.KEY}: fraiseql-cli setup failed (no such database); mend what it names",)


def test_its_schema_has_the_types_and_operations_of_ours() -> None:
    document = vendor_schema(SCHEMA.read_text(encoding="utf-8"))
    user, order = document["types"]
    assert [field["name"] for field in user["fields"]][-2:] == ["createdAt", "orders"]
    assert {field["name"] for field in user["fields"] if field["nullable"]} == {"bio", "score"}
    assert (user["sql_source"], order["sql_source"]) == ("v_user", "v_order")
    users, one, _ = document["queries"]
    assert (users["returns_list"], users["arguments"], users["pagination_order"]) == (True, [], "pk_user")
    assert one["arguments"] == [{"name": "id", "type": "ID", "nullable": False}]
    assert "auto_params" not in one
    create = document["mutations"][1]
    assert (create["sql_source"], create["return_type"]) == ("fn_create_order", "Order")
    assert create["arguments"][-1] == {"name": "customerName", "type": "String", "nullable": True}


@pytest.fixture(scope="module")
def running(keeper: Keeper, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VendorGateway]:
    """The vendor's server in front of a PostgreSQL of its own."""
    finished = vendor.cache_directory() / "bin"
    if not (finished / vendor.SERVER).exists():
        pytest.skip(f"the vendor's server is not in {finished}; a run with `vendor: true` builds it")
    tmp_path = tmp_path_factory.mktemp("vendor")
    program = programs.find(programs.POSTGRESQL, Program(version="18"))
    superuser = Login("postgres", Secret("super secret"))
    where = Endpoint(HOST, Ports().choose())
    postgresql = PostgreSQL(_home(keeper, tmp_path, "postgresql"), program, {}, where, superuser)
    gateway = _gateway(_home(keeper, tmp_path, "gateway"), where, None, finished)
    try:
        postgresql.start()
        wait_until(postgresql.missing, 30, "PostgreSQL")
        provision_database(postgresql.connect, "fraiseql", OWNER)
        gateway.provision()
        provision_database(postgresql.connect, "fraiseql", OWNER)
        gateway.provision()
        gateway.start()
        wait_until(gateway.missing, 30, "the vendor's server")
        yield gateway
    finally:
        gateway.stop()
        postgresql.stop()


def _answer(gateway: VendorGateway, query: str) -> dict[str, Any]:
    answer = requests.post(f"http://{gateway.http}/graphql", json={"query": query}, timeout=10)
    return answer.json()["data"]  # type: ignore[no-any-return]


def _flight(gateway: VendorGateway, ticket: str) -> pyarrow.Table:
    now = int(time.time())
    claims = {"sub": "t", "iat": now, "exp": now + 60, "scopes": [], "session_type": "flight"}
    token = jwt.encode(claims, SECRETS.session.value, algorithm="HS256")
    options = pyarrow.flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])
    with pyarrow.flight.connect(f"grpc://{gateway.flight}") as client:
        return client.do_get(pyarrow.flight.Ticket(ticket.encode()), options).read_all()


def test_it_answers_over_http_with_nested_objects_and_lists(running: VendorGateway) -> None:
    (user,) = _answer(running, "{ users(limit: 1) { name orders { id } } }")["users"]
    assert user == {"name": "Zoë Ångström", "orders": [{"id": 1}, {"id": 2}, {"id": 3}]}
    assert _answer(running, "{ orders(limit: 1) { user { name } } }")["orders"] == [{"user": {"name": "Zoë Ångström"}}]


def test_it_sorts_large_numbers_as_numbers(running: VendorGateway) -> None:
    answer = _answer(running, "{ users(limit: 2, orderBy: {visits: DESC}) { visits } }")["users"]
    assert [user["visits"] for user in answer] == [9223372036854775807, 9007199254740993]


def test_it_creates_what_is_seen_over_flight_at_once(running: VendorGateway) -> None:
    user = _answer(running, 'mutation { createUser(name: "N", email: "e@example.org") { id name bio } }')["createUser"]
    assert (user["name"], user["bio"]) == ("N", None)
    order = f'createOrder(userId: "{user["id"]}", total: 1.5, quantity: 2, status: "new") {{ total user {{ name }} }}'
    assert _answer(running, f"mutation {{ {order} }}")["createOrder"] == {"total": 1.5, "user": {"name": "N"}}
    assert user["id"] in _flight(running, '{"type": "OptimizedView", "view": "ta_users"}')["id"].to_pylist()


def test_it_serves_every_view(running: VendorGateway) -> None:
    for view in VIEWS:
        assert _flight(running, f'{{"type": "OptimizedView", "view": "{view}", "limit": 3}}').num_rows == 3


def test_an_order_of_nobody_is_refused(running: VendorGateway) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    query = f'mutation {{ createOrder(userId: "{nobody}", total: 1, quantity: 1, status: "new") {{ id }} }}'
    answer = requests.post(f"http://{running.http}/graphql", json={"query": query}, timeout=10)
    assert answer.json()["errors"][0]["code"] == "CONSTRAINT_VIOLATION"


def test_the_owner_of_the_database_is_enough_and_all_is_there_once(running: VendorGateway) -> None:
    """The vendor's setup makes a schema with the owner's name: what is provisioned again must not land there."""
    with psycopg2.connect(running.behind.database_url) as session, session.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False,)
        cursor.execute("SELECT count(*) FROM pg_class WHERE relname = 'tb_user'")
        assert cursor.fetchone() == (1,)
