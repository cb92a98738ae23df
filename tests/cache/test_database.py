"""The cache program's side of the database when that fails over, hangs, or leaves a commit in doubt."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg2.extensions
import pytest

from reference.cache import database as module
from reference.cache.database import Database, DatabaseUnavailable, OutcomeUnknown
from reference.cache.leases import Row
from reference.cache.metrics import Metrics
from tests.cache.conftest import until

pytestmark = pytest.mark.servers


@pytest.fixture
def timelines():
    return []


@pytest.fixture
def database(postgres, timelines):
    made = Database(postgres.dsn, None, "memory_entries", Metrics(), lambda: timelines.append("new"))
    yield made
    made.close()
    psycopg2.extensions.set_wait_callback(None)  # of the whole process, and these tests share one


@pytest.fixture
def never_replicated(postgres):
    """Every commit waits for a standby that does not exist."""
    postgres.query("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    postgres.query("SELECT pg_reload_conf()")
    until(lambda: postgres.query("SHOW synchronous_standby_names") == [("nobody",)], "the setting")
    yield
    postgres.query("ALTER SYSTEM RESET synchronous_standby_names")
    postgres.query("SELECT pg_reload_conf()")
    until(lambda: postgres.query("SHOW synchronous_standby_names") == [("",)], "the setting")


def cancel_the_waiting_commit(postgres):
    until(
        lambda: postgres.query(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
            "WHERE wait_event = 'SyncRep' AND application_name = 'cache'"
        ),
        "a commit that waits for a standby",
    )


def test_a_new_timeline_is_noticed(database, timelines, monkeypatch):
    monkeypatch.setattr(module, "_TIMELINE", "SELECT '00000001'")
    assert database.reachable()
    assert database.reachable()
    assert timelines == []
    monkeypatch.setattr(module, "_TIMELINE", "SELECT '00000002'")
    assert database.reachable()
    assert timelines == ["new"]


def test_the_real_timeline_is_read(database):
    assert database.reachable()
    assert database._timeline == "00000001"


def test_a_standby_is_refused(database, monkeypatch):
    monkeypatch.setattr(module, "_TIMELINE", "SELECT NULL")
    with pytest.raises(DatabaseUnavailable, match="leads to a standby"):
        database.read("n", ["k"])
    assert not database.reachable()


def test_a_server_that_does_not_answer_costs_a_bounded_wait(database, postgres, monkeypatch, ns):
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
    database.write(ns, {"k": "v"})
    monkeypatch.setattr(database, "_read", "SELECT pg_sleep(5) WHERE %s IS NOT NULL AND %s IS NOT NULL")
    with pytest.raises(DatabaseUnavailable, match=r"not answered for 0\.3 s"):
        database.read(ns, ["k"])


def test_connections_are_bounded(database, postgres, monkeypatch, ns):
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    for _ in range(module.CONNECTIONS):
        database._slots.acquire()
    with pytest.raises(DatabaseUnavailable, match="16 connections have been busy"):
        database.read(ns, ["k"])


def test_a_commit_without_an_answer_is_unknown(database, postgres, monkeypatch, never_replicated, ns):
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.5)
    with pytest.raises(OutcomeUnknown, match="has not answered"):
        database.write(ns, {"k": "v"})


def test_a_commit_that_gave_up_waiting_for_a_standby_is_unknown(database, postgres, never_replicated, ns):
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(database.write, ns, {"k": "v"})
        cancel_the_waiting_commit(postgres)
        with pytest.raises(OutcomeUnknown, match="canceling wait"):
            writing.result()


def test_versions_grow_with_each_write(database, ns):
    assert database.write(ns, {"k": "1"}) == {"k": Row("1", 1)}
    assert database.write(ns, {"k": "2", "l": None}) == {"k": Row("2", 2), "l": Row(None, 1)}
    assert database.read(ns, ["k", "l", "m"]) == {"k": Row("2", 2), "l": Row(None, 1)}
    assert database.delete(ns, ["k", "l", "m"]) == 2


def test_nobody_caches_a_row_whose_write_is_in_doubt(cache, postgres, never_replicated, ns):
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(cache.ask, "PUT", f"/entries/{ns}/k", {"value": "in doubt"})
        cancel_the_waiting_commit(postgres)
        status, content = writing.result()
    assert (status, content["outcome"]) == (504, "unknown")
    assert [cache.read(ns, "k")[1] for _ in range(3)] == ["database"] * 3
