"""The cache: it saves work, and whatever happens to Redis it never changes an answer."""

from __future__ import annotations

import signal
import socket
import struct
import threading
from contextlib import suppress
from time import monotonic
from uuid import uuid4

import pytest
import uvloop

from environments.embedded.ports import HOST
from reference.fraiseql.gateway.config import CacheSettings
from reference.fraiseql.gateway.web.cache import AnswerCache
from tests.fraiseql.gateway.conftest import ROOMY
from tests.waiting import until

USER = 'query($id: String!) { users(where: {email: {eq: "user90@example.org"}, name: {neq: $id}}) { name visits } }'


@pytest.fixture
def cached(start, redis):
    """A gateway with a Redis that it reaches."""
    sections = f'{ROOMY}[cache]\nredis_url = "{redis.url}"\nttl_seconds = 30\n'
    gateway = start(sections=sections, FRAISEQL_MAX_PAGE_SIZE="0").ready()
    until(lambda: gateway.get("/health").json()["status"] == "healthy", "Redis to be there")
    return gateway


@pytest.fixture
def asked(cached):
    """Ask, and return the visits of user 90; nobody else has this document."""
    nonce = str(uuid4())

    def visits():
        return cached.data(USER, id=nonce)["users"][0]["visits"]

    return visits


def lookups(gateway):
    counters = gateway.counters()
    return counters["fraiseql_cache_hits"], counters["fraiseql_cache_misses"]


def visit(postgres):
    postgres.run("UPDATE tb_user SET visits = visits + 1 WHERE email = 'user90@example.org'")
    return postgres.value("SELECT visits FROM tb_user WHERE email = 'user90@example.org'")


def test_an_answer_is_kept(cached, asked):
    assert len({asked() for _ in range(5)}) == 1
    assert lookups(cached) == (4, 1)
    assert cached.counters()["fraiseql_cache_hit_ratio"] == 0.8


def test_other_variables_and_operations_are_other_answers(cached):
    query = "query A($n: Int) { users(limit: $n) { id } } query B($n: Int) { orders(limit: $n) { id } }"
    for name, root in (("A", "users"), ("B", "orders")):
        for number in (1, 2, 1):
            body = {"query": query, "operationName": name, "variables": {"n": number}}
            assert len(cached.send(json=body).json()["data"][root]) == number
    assert lookups(cached) == (2, 4)


def test_what_is_written_is_read(cached, asked, postgres):
    for _ in range(5):
        written = visit(postgres)
        assert [asked(), asked()] == [written, written]
    assert lookups(cached) == (5, 5)


def test_what_a_mutation_writes_is_read(cached, postgres):
    email = f"{uuid4()}@example.org"
    query = f'{{ users(where: {{email: {{eq: "{email}"}}}}) {{ name }} }}'
    assert [cached.data(query) for _ in range(2)] == [{"users": []}] * 2
    cached.data(f'mutation {{ createUser(name: "new", email: "{email}") {{ id }} }}')
    assert cached.data(query) == {"users": [{"name": "new"}]}
    postgres.run("DELETE FROM tb_user WHERE email = %s", email)
    assert cached.data(query) == {"users": []}


def test_rows_inside_rows_count_too(cached, postgres):
    query = '{ users(where: {email: {eq: "user91@example.org"}}) { orders { status } } }'
    first = cached.data(query)
    update = "UPDATE tb_order SET status = %s WHERE fk_user = 91"
    try:
        postgres.run(update, "lost")
        assert {order["status"] for order in cached.data(query)["users"][0]["orders"]} == {"lost"}
    finally:
        postgres.run(update, first["users"][0]["orders"][0]["status"])


def test_what_nobody_keeps_versions_of_is_not_kept(start, own_postgres, redis):
    gateway = start(database=own_postgres.url, sections=f'[cache]\nredis_url = "{redis.url}"\n').ready()
    own_postgres.run("ALTER TABLE tb_order DISABLE TRIGGER USER")
    own_postgres.run("DELETE FROM core.block_version WHERE table_name = 'tb_order'")
    query = "{ users(limit: 1) { orders { status } } }"
    assert gateway.data(query)
    own_postgres.run("UPDATE tb_order SET status = 'lost'")
    assert {order["status"] for order in gateway.data(query)["users"][0]["orders"]} == {"lost"}


def test_large_answers_are_not_kept(cached):
    query = "{ users { id name email bio orders { id status customerName createdAt total user { id name } } } }"
    assert len(cached.post(query).text) > 1 << 20
    cached.post(query)
    assert lookups(cached) == (0, 2)


def test_without_redis_answers_are_right_and_quick(cached, asked, postgres, redis):
    asked()
    redis.kill()
    for _ in range(20):
        assert asked() == visit(postgres) - 1
    health = cached.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert health.json()["cache"] == {"connected": False}
    redis.launch()
    before = lookups(cached)
    until(lambda: asked() and lookups(cached)[0] > before[0], "the cache to be used again")


def test_a_frozen_redis_costs_a_moment_now_and_then(cached, asked, postgres, redis):
    asked()
    redis.signal(signal.SIGSTOP)
    tries, began = sum(lookups(cached)), monotonic()
    asked()
    assert monotonic() - began < 3, "it is not waited for"
    for _ in range(20):
        assert asked() == visit(postgres) - 1
    assert sum(lookups(cached)) - tries <= monotonic() - began + 1, "it is asked once a second at most"
    written = visit(postgres)
    redis.signal(signal.SIGCONT)
    before = lookups(cached)
    until(lambda: asked() == written and lookups(cached)[0] > before[0], "the cache to be used again")


def test_a_redis_that_was_away_finds_nothing_old(cached, asked, postgres, redis):
    before = asked()
    redis.signal(signal.SIGSTOP)
    assert visit(postgres) == before + 1
    redis.signal(signal.SIGCONT)
    for _ in range(20):
        assert asked() == before + 1


def test_a_redis_whose_connections_are_closed_at_once_is_away_and_no_more():
    with socket.create_server((HOST, 0)) as listener:

        def close_at_once():
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()

        threading.Thread(target=close_at_once, daemon=True).start()

        async def ask():
            cache = AnswerCache(CacheSettings(f"redis://:word@{HOST}:{listener.getsockname()[1]}", 60))
            try:
                return [await cache.get("key") for _ in range(500)]
            finally:
                await cache.close()

        assert set(uvloop.run(ask())) == {None}
        listener.shutdown(socket.SHUT_RDWR)
