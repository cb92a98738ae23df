"""PgDog of the embedded environment: it starts, more proxies can be started beside the first, and nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
import requests
from psycopg2.extensions import connection

import environments
from environments.config import load_environment
from environments.embedded import vendor_pgdog
from environments.embedded.pgdog import REFERENCE, EmbeddedPgdog
from environments.embedded.processes import wait_until
from environments.pgdog import DATABASES, Mirrored, ProxyOptions
from environments.system import Endpoint, Login

pytestmark = pytest.mark.servers

VENDOR = vendor_pgdog.cache_directory() / "bin" / "pgdog"
WAYS = {
    "plan": pytest.param({}, marks=pytest.mark.skipif(not REFERENCE.exists(), reason="no reference proxy")),
    "upstream": pytest.param(
        {"dialect": "upstream"}, marks=pytest.mark.skipif(not REFERENCE.exists(), reason="no reference proxy")
    ),
    "vendor": pytest.param(
        {"vendor": True, "path": str(VENDOR)},
        marks=pytest.mark.skipif(not VENDOR.exists(), reason="this user has not built the vendor's PgDog"),
    ),
}


@pytest.fixture(scope="module", params=list(WAYS.values()), ids=list(WAYS))
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPgdog]:
    overlay = {"systems": {"pgdog": {"services": {"proxy": request.param}}}}
    file = load_environment("embedded", overlay)
    one = environments.start_system("pgdog", file, tmp_path_factory.mktemp("results"))
    assert isinstance(one, EmbeddedPgdog)
    yield one
    assert one.stop() == []
    assert not one.directory.exists()


def connected(endpoint: Endpoint, database: str, login: Login) -> connection:
    session = psycopg2.connect(
        host=endpoint.host, port=endpoint.port, dbname=database, user=login.user, password=login.password.value
    )
    session.autocommit = True
    return session


def asked(endpoint: Endpoint, database: str, login: Login, statement: str) -> list[tuple[object, ...]]:
    with closing(connected(endpoint, database, login)) as session, session.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def mirrored(system: EmbeddedPgdog, client: Endpoint, name: str, database: str, table: str) -> None:
    """Write through a proxy as each user, and wait for the rows on the mirror."""
    where = system.addresses
    for login in where.users:
        mine = f"{table}_{login.user}"
        asked(client, name, login, f"CREATE TABLE {mine} (a int)")
        asked(client, name, login, f"INSERT INTO {mine} VALUES (7)")

        def missing(mine: str = mine) -> str | None:
            try:
                rows = asked(where.mirror, database, where.superuser, f"SELECT a FROM {mine}")
            except psycopg2.errors.UndefinedTable:
                return "no table"
            return None if rows == [(7,)] else f"rows {rows}"

        wait_until(missing, 10, f"{mine} on the mirror")


def test_both_servers_have_the_users_and_the_databases(system: EmbeddedPgdog) -> None:
    where = system.addresses
    for server in (where.primary, where.mirror):
        for login in where.users:
            for database in DATABASES:
                asked(server, database, login, "CREATE TABLE probe (); DROP TABLE probe")
        ((logging,),) = asked(server, "app", where.superuser, "SELECT current_setting('fsync')")
        assert logging == "off"


def test_what_is_written_through_the_proxy_is_mirrored_for_both_users(system: EmbeddedPgdog) -> None:
    mirrored(system, system.addresses.client, "app", "app", "first")
    assert system.link_counters("proxy-mirror")["connections"] > 0
    assert "mirror" in requests.get(str(system.addresses.metrics), timeout=5).text


def test_another_proxy_has_databases_ports_and_files_of_its_own(system: EmbeddedPgdog) -> None:
    options = ProxyOptions(databases=(Mirrored("shop", "db_0", mirror_database="db_1"), Mirrored("other", "other")))
    another = system.launch(options)
    assert another.client != system.addresses.client
    assert another.options == options
    mirrored(system, another.client, "shop", "db_1", "second")
    assert asked(another.client, "other", system.users[0], "SELECT 1") == [(1,)]
    system.end(another)
    assert another.exit_status() == 0
    assert asked(system.addresses.client, "app", system.users[0], "SELECT 1") == [(1,)]
