"""When the database is slow, away or back, when clients go away, and when the gateway is told to end."""

from __future__ import annotations

import json
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from time import monotonic

import pytest

from environments.embedded.ports import HOST
from tests.fraiseql.gateway.programs import told
from tests.waiting import until

ONE = "{ users(limit: 1) { name } }"
RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'fraiseql%%' AND state = 'active'"


@contextmanager
def locked(postgres, table="tb_user"):
    """Whoever reads the table waits."""
    with closing(postgres.connect()) as session, session.cursor() as cursor:
        cursor.execute(f"BEGIN; LOCK {table} IN ACCESS EXCLUSIVE MODE")
        yield


def running(postgres):
    return postgres.value(RUNNING.replace("%%", "%"))


def test_what_takes_too_long_is_cancelled_in_the_database(start, own_postgres):
    gateway = start(database=own_postgres.url, top="query_timeout_seconds = 1").ready()
    with locked(own_postgres):
        began = monotonic()
        assert gateway.refused(ONE) == (504, "TIMEOUT")
        assert 0.9 < monotonic() - began < 3
        until(lambda: running(own_postgres) == 0, "the statement to be gone", 2)
        assert gateway.refused("{ a: users(limit: 1) { id } b: orders(limit: 1) { id } }") == (504, "TIMEOUT")
    assert gateway.data(ONE)


def test_a_client_that_goes_away_takes_its_statement_along(start, own_postgres):
    gateway = start(database=own_postgres.url).ready()
    body = json.dumps({"query": ONE}).encode()
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with locked(own_postgres):
        with socket.create_connection((HOST, gateway.port)) as client:
            client.sendall(head.encode() + body)
            until(lambda: running(own_postgres) == 1, "the statement to run")
        until(lambda: running(own_postgres) == 0, "the statement to be gone", 5)
    assert gateway.data(ONE)


def test_more_requests_than_connections_are_all_answered(start, own_postgres):
    gateway = start(database=own_postgres.url).ready()
    with ThreadPoolExecutor(64) as pool:
        with locked(own_postgres):
            answers = [pool.submit(gateway.data, ONE) for _ in range(64)]
            until(lambda: gateway.counters()["fraiseql_db_pool_requests_waiting"] == 54, "requests to wait")
            assert gateway.get("/health").status_code == 200, "health waits for no query"
        assert {str(answer.result()) for answer in answers} == {"{'users': [{'name': 'Zoë Ångström'}]}"}


def test_a_database_that_is_away_is_told_and_found_again(start, own_postgres):
    gateway = start(database=own_postgres.url).ready()
    assert gateway.data(ONE)
    own_postgres.signal(signal.SIGQUIT)
    own_postgres.process.wait(10)
    for _ in range(3):
        assert gateway.refused(ONE) == (503, "SERVICE_UNAVAILABLE")
    health = gateway.get("/health")
    assert (health.status_code, health.json()["status"]) == (503, "unhealthy")
    assert health.json()["database"]["connected"] is False
    ready = gateway.get("/readiness")
    assert (ready.status_code, ready.json()["status"]) == (503, "not_ready")
    own_postgres.launch()
    own_postgres.await_ready()
    assert gateway.data(ONE), "the first request after it is back"
    assert gateway.get("/health").status_code == gateway.get("/readiness").status_code == 200


def test_every_answer_during_a_restart_is_whole_or_an_error(start, own_postgres):
    gateway = start(database=own_postgres.url).ready()
    whole = gateway.post("{ users { id name } }").text
    stop, seen = threading.Event(), []

    def ask():
        while not stop.is_set():
            answer = gateway.post("{ users { id name } }")
            seen.append("whole" if answer.text == whole else told(answer))

    def await_more(answers):
        before = len(seen)
        until(lambda: seen[before:].count("whole") > answers, "whole answers", 30)

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask) for _ in range(8)]
        for _ in range(2):
            await_more(30)
            own_postgres.signal(signal.SIGQUIT)
            own_postgres.process.wait(10)
            own_postgres.launch()
            own_postgres.await_ready()
        await_more(30)
        stop.set()
        for one in asking:
            one.result()
    assert set(seen) == {"whole", (503, "SERVICE_UNAVAILABLE")}


def test_it_starts_without_its_database(start, own_postgres):
    own_postgres.signal(signal.SIGQUIT)
    own_postgres.process.wait(10)
    gateway = start(database=own_postgres.url).ready()
    assert gateway.refused(ONE) == (503, "SERVICE_UNAVAILABLE")
    own_postgres.launch()
    own_postgres.await_ready()
    assert gateway.data(ONE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_answers_what_it_has_begun(start, own_postgres, number):
    gateway = start(database=own_postgres.url).ready()
    with ThreadPoolExecutor(1) as pool:
        with locked(own_postgres):
            answer = pool.submit(gateway.data, ONE)
            until(lambda: running(own_postgres) == 1, "the statement to run")
            gateway.signal(number)
            until(lambda: not accepts(gateway.port), "no connection to be taken", not_yet=())
            end = monotonic() + 1
            while monotonic() < end:
                assert running(own_postgres) == 1, "what has begun goes on"
        assert answer.result() == {"users": [{"name": "Zoë Ångström"}]}
    assert gateway.process.wait(5) == 0


def accepts(port):
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


def test_what_does_not_end_in_time_is_cut_off(start, own_postgres):
    gateway = start(database=own_postgres.url).ready()
    with ThreadPoolExecutor(1) as pool, locked(own_postgres):
        answer = pool.submit(gateway.post, ONE)
        until(lambda: running(own_postgres) == 1, "the statement to run")
        began = monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(20) == 0
        assert 9 < monotonic() - began < 15
        assert told(answer.result()) == (503, "SERVICE_UNAVAILABLE")
