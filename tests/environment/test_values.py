"""What keywords measure is noted under the name and in the unit of the criterion's budget."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from CacheLibrary.lifetime import Lifetime, Look
from CacheLibrary.race_keywords import RaceKeywords
from CacheLibrary.server_keywords import ServerKeywords
from CitusLibrary.layout import LayoutKeywords
from CitusLibrary.searching import SearchKeywords
from CitusLibrary.topology import Shard
from criteria import load_registry
from EnvironmentLibrary import context
from environments.system import Running, use
from HAProxyLibrary import HAProxyLibrary
from HAProxyLibrary import keywords as haproxy
from oracles.history import History, Kind, Operation, Result
from oracles.versions import Report
from PatroniLibrary import PatroniLibrary
from PatroniLibrary.member_keywords import Bytes
from PatroniLibrary.replication import Replication, Stream
from PostgresLibrary import PostgresLibrary, base, connection_keywords, data_keywords, error_keywords
from PostgresLibrary.entries import Load
from PostgresLibrary.refusals import Refusal
from VectorLibrary.keywords import Searches, VectorLibrary
from VectorLibrary.nearest import Answer

SECOND = timedelta(seconds=1)
ANSWERS = (Answer((0, 1), (0.1, 0.2)),)
TRUTH = np.array([[0.1, 0.2, 0.3]])


@pytest.fixture
def noted(tmp_path):
    """Read the values noted so far as (name, value, unit)."""
    use(Running("values", "embedded", "quick", str(tmp_path), 1.0, 7))
    context.set_criterion("CL-07")
    path = tmp_path / "values.jsonl"

    def read():
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        assert {line["criterion"] for line in lines} <= {"CL-07"}
        return [(line["of"], pytest.approx(line["value"]), line["unit"]) for line in lines]

    yield read
    use(None)
    context.set_criterion("")


def check(found, criterion, expected):
    """Compare, and see that the registry has a budget of that name and unit."""
    assert found == expected
    budgets = {(budget.of, budget.unit) for budget in load_registry()[criterion].budgets}
    assert {(of, unit) for of, _, unit in expected} <= budgets


def test_without_a_run_nothing_is_noted():
    use(None)
    context.record_value("pool", 45, "connections")


def test_the_connections_of_a_busy_pool(noted):
    library = PostgresLibrary()
    library._pool = SimpleNamespace(make_busy=lambda seconds: frozenset(range(45)))  # type: ignore[assignment]
    library.all_pooled_connections_are_busy(SECOND)
    check(noted(), "CL-03", [("pool", 45, "connections")])


def refused(monkeypatch, module, seconds):
    monkeypatch.setattr(module, "refusal_of", lambda what, action: Refusal(None, "refused", seconds))


def test_the_end_of_a_statement(noted, monkeypatch):
    refused(monkeypatch, connection_keywords, 0.502)
    monkeypatch.setattr(connection_keywords, "rows", lambda *arguments: [])
    PostgresLibrary().a_statement_of_30_seconds_runs(None)  # type: ignore[arg-type]
    check(noted(), "CL-04", [("statement time-out", 502, "ms")])


@pytest.mark.parametrize("criterion", ["CL-13", "CL-14"])
def test_the_refusal_of_an_insert(noted, monkeypatch, criterion):
    refused(monkeypatch, error_keywords, 0.004)
    monkeypatch.setattr(base, "session", lambda: None)
    PostgresLibrary().refused_insert("namespace", [0.0])
    check(noted(), criterion, [("refusal", 0.004, "s")])


@pytest.mark.parametrize(("seconds", "of"), [(0.001, "refused connection"), (3.01, "timed-out connection")])
def test_the_end_of_an_attempt_to_connect(noted, monkeypatch, seconds, of):
    refused(monkeypatch, error_keywords, seconds)
    monkeypatch.setattr(error_keywords, "primary", lambda: SimpleNamespace(at=lambda endpoint: endpoint))
    PostgresLibrary().refused_connection("127.0.0.1:1", 3 * SECOND)  # type: ignore[arg-type]
    check(noted(), "CL-15", [(of, seconds, "s")])


def test_a_bulk_load_also_when_it_was_too_slow(noted):
    with pytest.raises(AssertionError, match=r"took 1\.500 s"):
        PostgresLibrary().bulk_load_should_have_taken_less_than(Load("namespace", (), 1.5), SECOND)
    check(noted(), "CL-07", [("bulk load", 1.5, "s")])


@pytest.mark.parametrize("criterion", ["CL-07", "CL-11"])
def test_the_slowest_replica(noted, monkeypatch, criterion):
    sights = [
        SimpleNamespace(server=name, seconds=s, session=None) for name, s in (("a", 0.1), ("b", 0.2), ("c", 0.05))
    ]
    monkeypatch.setattr(data_keywords, "seen_by_replicas", lambda *arguments: sights)
    for name in ("replicas", "number_of_replicas", "close"):
        monkeypatch.setattr(data_keywords, name, lambda *arguments: None)
    PostgresLibrary().every_replica_should_see("namespace", 1, SECOND)
    check(noted(), criterion, [("on every replica", 0.2, "s")])


def test_the_recall_of_searches(noted):
    VectorLibrary().recall_should_be_at_least(Searches(2, ANSWERS, (), ANSWERS, TRUTH), 0.9)
    assert noted() == [("recall at 2", 100, "%")]


def test_the_recall_of_searches_over_all_shards(noted):
    evidence = SimpleNamespace(
        searching=SimpleNamespace(truth=TRUTH, neighbours=2), answers=(Answer((0, 2), (0.1, 0.3)),), exact=ANSWERS
    )
    with pytest.raises(AssertionError, match=r"recall@2 is 0\.5"):
        SearchKeywords().recall_over_all_shards_should_be_at_least(0.95, evidence=evidence)
    assert noted() == [("recall at 2", 50, "%")]


def test_the_shards_of_a_table(noted):
    shards = [Shard(table, number, None, None) for table in ("a", "b") for number in range(3)]
    LayoutKeywords().table_should_have_shards("a", number=3, shards=shards)
    check(noted(), "CT-05", [("shards of a distributed table", 3, "shards")])


def test_the_keys_that_are_left(noted):
    pressure = SimpleNamespace(in_use=50, in_use_left=48, check_kept_what_is_used=lambda share: None)
    ServerKeywords().keys_in_use_should_be_left(pressure, 0.9)  # type: ignore[arg-type]
    check(noted(), "RC-02", [("keys in use that are left", 96, "%")])


def test_the_life_of_a_key(noted):
    looks = (Look(0.1, 0.101, True, 0.9), Look(0.5, 0.501, True, 0.5), Look(0.99, 0.991, True, 0.01))
    life = Lifetime(1.0, 0.001, (*looks, Look(1.021, 1.022, False, -0.002)))
    ServerKeywords().key_should_have_lived_until(life, SECOND)
    check(noted(), "RC-04", [("time to live", 0.991, "s"), ("gone after its end", 20, "ms")])


def test_the_keys_of_one_command(noted):
    keywords = ServerKeywords()
    keywords._redis = SimpleNamespace(mset=lambda values: True)
    keywords.set_many_keys_at_once(1000)
    check(noted(), "RC-06", [("one command", 1000, "keys")])


def test_the_slowest_answer(noted):
    operations = [
        Operation(f"k{n}", Kind.READ, float(n), n + took, Result.OBSERVED, 1) for n, took in enumerate((0.1, 0.4))
    ]
    report = Report(History.of(operations, kind="cache", criterion="RC-16", marks={"begun": 0.0}))
    RaceKeywords().every_answer_should_have_come_within(report, SECOND)
    check(noted(), "RC-16", [("slowest answer", 0.4, "s")])


def test_a_row_on_the_replica_port(noted, monkeypatch):
    port = SimpleNamespace(read=lambda row: SimpleNamespace(is_standby=True))
    monkeypatch.setattr(haproxy, "_port", lambda name: port)
    monkeypatch.setattr(haproxy, "wait_until", lambda missing, *_, **__: 0.03 if missing() is None else 9.0)
    HAProxyLibrary().row_should_be_read_through_the_replica_port(7, SECOND)
    check(noted(), "HA-06", [("row on the replica port", 0.03, "s")])


def test_the_replica_furthest_behind(noted, monkeypatch):
    library = PatroniLibrary()
    streams = tuple(Stream(name, "streaming", "async", lag) for name, lag in (("a", 1 << 19), ("b", 3 << 20)))
    monkeypatch.setattr(library, "view", lambda: SimpleNamespace(replicas=[SimpleNamespace(name=n) for n in "ab"]))
    monkeypatch.setattr(library, "replication", lambda view: Replication(streams, {}, ""))
    with pytest.raises(AssertionError, match="b was up to 3145728 bytes behind"):
        library.replicas_should_stay_within(Bytes(1 << 20), timedelta(milliseconds=1))
    assert noted() == [("replay behind the leader", 0.5, "MiB"), ("replay behind the leader", 3, "MiB")]
    context.record_value("age of an unseen row", 0.1, "s")
    check(noted()[1:], "HA-08", [("replay behind the leader", 3, "MiB"), ("age of an unseen row", 0.1, "s")])
