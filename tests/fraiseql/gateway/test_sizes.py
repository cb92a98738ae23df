"""Large answers: whole, quick enough, and about as much memory as their text."""

from __future__ import annotations

import socket
from contextlib import closing

import orjson
import psutil
import pytest

from environments.embedded.ports import HOST
from tests.fraiseql.gateway.conftest import ROOMY
from tests.fraiseql.gateway.programs import Gateway, Postgres
from tests.waiting import until

ROWS = 300_000
QUERY = "{ users { id name visits score createdAt } }"


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A server with many more users than the criteria have."""
    server = Postgres(tmp_path_factory.mktemp("postgres")).with_data()
    server.run(f"""
        INSERT INTO tb_user (name, email, visits, score) SELECT 'User ' || n, n || '@example.org', n, n / 7.0
        FROM generate_series(1, {ROWS} - 2000) AS n; ANALYZE tb_user""")  # fmt: skip
    yield server
    server.end()


@pytest.fixture(scope="module")
def large(many, tmp_path_factory):
    gateway = Gateway(tmp_path_factory.mktemp("gateway"), many.url, sections=ROOMY, FRAISEQL_MAX_PAGE_SIZE="0")
    yield gateway.ready()
    gateway.end()


def memory(gateway):
    return psutil.Process(gateway.process.pid).memory_info().rss


def test_a_large_answer_is_whole(large, many):
    text = large.post(QUERY).content
    rows = orjson.loads(text)["data"]["users"]
    assert len(rows) == ROWS
    assert many.rows("SELECT count(*), sum(visits) FROM tb_user") == [(ROWS, sum(row["visits"] for row in rows))]
    assert not text.count(b"\n")


def test_every_length_of_an_answer_is_whole(large):
    """Pieces end anywhere: before, in and after the end of a row."""
    for rows in range(3000, 3040):
        assert len(large.data(f"{{ users(limit: {rows}) {{ name bio email createdAt }} }}")["users"]) == rows


def test_memory_is_about_the_size_of_the_text(large):
    size, before = len(large.post(QUERY).content), memory(large)
    query = orjson.dumps({"query": QUERY})
    with closing(socket.create_connection((HOST, large.port))) as client:
        head = "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
        client.sendall(f"{head}{len(query)}\r\n\r\n".encode() + query)
        client.recv(1)  # the answer has begun, so that it is there as a whole
        peak = memory(large)
    assert peak - before < 1.5 * size
    until(lambda: memory(large) < before + 0.5 * size, "memory to be given back")
