"""A pool's connections are at work at one instant of the server, not one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from psycopg2.extensions import connection

from PostgresLibrary import pools, tenants
from PostgresLibrary.pools import Pool
from tests.one_server import OneServer

pytestmark = pytest.mark.servers


@pytest.fixture
def pool(server: OneServer) -> Iterator[Pool]:
    one = Pool(server.target, 6)
    yield one
    one.close()


def test_all_are_busy_at_once_then_serve_again(pool: Pool) -> None:
    busy = pool.make_busy(5)
    assert len(busy) == 6
    assert pool.one_more() == "connection pool exhausted"
    assert set(pool.release(5)) == busy
    assert set(pool.use_again()) == busy


def test_a_pool_that_is_not_full_gives_one_more(pool: Pool) -> None:
    assert pool.one_more() is None


def test_connections_that_are_not_at_work_are_not_counted(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_HOLD", "SELECT pg_backend_pid() FROM (SELECT %s) AS not_held")
    with pytest.raises(AssertionError, match="expected 6 busy backends at one instant, the server saw 0"):
        pool.make_busy(0.3)


def test_closing_ends_what_still_runs(server: OneServer) -> None:
    pool = Pool(server.target, 3)
    pool.make_busy(5)
    pool.close()


def test_a_pool_the_server_has_no_room_for_is_refused(server: OneServer, owner: connection) -> None:
    login = tenants.new_login("limited")
    tenants.create_role(owner, login, 2)
    try:
        with pytest.raises(psycopg2.OperationalError, match="too many connections for role"):
            Pool(server.target.as_role(login), 3)
    finally:
        tenants.drop_role(owner, login.user)
