"""The client of the wire, the comparison of rows, and the history of traffic with its judgement."""

from __future__ import annotations

import json
import re
import signal
from dataclasses import replace

import pytest

from CacheLibrary.rows import Comparison, Counted, Row, deleted_keys, write_of_every_kind
from CacheLibrary.traffic import Plan, Traffic
from CacheLibrary.wire import CacheClient, Read, Refused, parsed_metrics
from measurement.verdicts import Inconclusive
from oracles.history import History, Kind, Operation, Result
from oracles.versions import Report
from tests.cache.conftest import until

ROW = Row("n", "k", "value")
HIT = {"cache_hits_total": 1, "cache_misses_total": 0, "cache_fills_total": 0, "cache_database_reads_total": 0}
MISS = {"cache_hits_total": 0, "cache_misses_total": 1, "cache_fills_total": 1, "cache_database_reads_total": 1}
ONE_HIT = {"keyspace_hits": 1, "keyspace_misses": 0}


def test_a_hit_and_a_miss_are_told_by_their_counts():
    Counted(ROW, Read("value", 1, "cache"), HIT, ONE_HIT).check_hit()
    Counted(ROW, Read("value", 1, "database"), MISS, {}).check_miss()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"read": Read("other", 1, "cache")}, "it returned 'other', expected 'value'"),
        ({"read": Read("value", 1, "database")}, "came from the database, expected from the cache"),
        ({"client": {**HIT, "cache_database_reads_total": 1}}, "counts 1 database_reads, expected 0"),
        ({"client": {}}, "the cache client counts None hits, expected 1"),
        ({"server": {"keyspace_hits": 0, "keyspace_misses": 0}}, "Redis counts 0 keyspace_hits, expected 1"),
    ],
)
def test_each_wrong_count_of_a_hit_is_named(change, message):
    counted = replace(Counted(ROW, Read("value", 1, "cache"), HIT, ONE_HIT), **change)
    with pytest.raises(AssertionError, match=re.escape(message)):
        counted.check_hit()


def test_keys_are_compared_as_written_stored_and_read():
    read = Read("v", 1, "cache")
    assert Comparison("k", ("v",), ("v",), (read,)).difference() is None
    assert Comparison("k", None, None, (None,)).difference() is None
    assert Comparison("k", (None,), (None,), (replace(read, value=None),)).difference() is None
    assert Comparison("k", ("v",), None, (read,)).difference() == "'k' was written as 'v', the database holds no row"
    assert (
        Comparison("k", ("v",), ("v",), (read, None)).difference() == "'k' is 'v' in the database, the read says no row"
    )
    gone = Comparison("k", None, None, (read,)).difference()
    assert gone == "'k' is no row in the database, the read from the cache says 'v'"


def test_metrics_are_read():
    assert parsed_metrics(["# HELP a b", "a 1", "", "b 2.5"]) == {"a": 1, "b": 2.5}


# -- histories ---------------------------------------------------------------------------------------------


def write(key, value, began, ended, outcome=Result.ACKED):
    return Operation(key, Kind.WRITE, began, ended, outcome, value)


def read(key, value, began, ended, outcome=Result.OBSERVED, node="cache"):
    return Operation(key, Kind.READ, began, ended, outcome, value, node)


GOOD = [write("k", 1, 0, 1), read("k", 1, 2, 2.1), write("k", 2, 3, 4), read("k", 1, 3.5, 3.6), read("k", 2, 5, 5.2)]


def report(*operations, **marks):
    return Report(History.of(operations, kind="cache", criterion="RC-00", marks=marks or {"begun": 0.0}))


def test_a_good_history():
    good = report(*GOOD)
    good.check_all_answered()
    assert good.check_answered_within(1.0) == 1.0
    assert "0 of" in good.check_right()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (read("k", 1, 6, 6.1), "stale reads: 1 of"),
        (read("k", None, 6, 6.1), "stale reads: 1 of"),
        (read("k", 9, 6, 6.1), "invented reads: 1 of"),
    ],
)
def test_a_wrong_read_is_found(bad, message):
    with pytest.raises(AssertionError, match=message):
        report(*GOOD, bad).check_right()


def test_a_read_that_goes_back_during_a_write_is_found():
    with pytest.raises(AssertionError, match="backward reads: 1 of"):
        report(write("k", 1, 0, 1), write("k", 2, 2, 9), read("k", 2, 3, 4), read("k", 1, 5, 6)).check_right()


def test_nothing_read_is_inconclusive():
    with pytest.raises(Inconclusive):
        report(write("k", 1, 0, 1)).check_right()
    with pytest.raises(Inconclusive):
        report().check_answered_within(1)


def test_what_had_no_answer_or_a_late_one_is_told():
    with pytest.raises(AssertionError, match=r"1 of 2 operations had no right answer; first: write of k at .*unknown"):
        report(read("k", 1, 0, 1), write("k", 1, 2, 3, Result.UNKNOWN)).check_all_answered()
    with pytest.raises(AssertionError, match=r"a read of k at .* was answered after 1\.500 s, limit 1 s"):
        report(read("k", 1, 0, 1.5)).check_answered_within(1)


def test_windows_are_cut_by_their_marks():
    cut = report(*GOOD, before=0.0, after=3.0)
    assert cut.windows() == {
        "before": {"acked": 1, "reads": 1, "cache": 1},
        "after": {"acked": 1, "reads": 2, "cache": 2},
    }


def test_a_history_is_never_overwritten(tmp_path):
    first = report(*GOOD).write(tmp_path / "h" / "RC-00-cache.jsonl")
    second = report(*GOOD).write(tmp_path / "h" / "RC-00-cache.jsonl")
    assert (first.name, second.name) == ("RC-00-cache.jsonl", "RC-00-cache-2.jsonl")
    assert History.read(second).operations == tuple(GOOD)
    assert json.loads(second.read_text().splitlines()[0])["marks"] == {"begun": 0.0}


# -- against the program -----------------------------------------------------------------------------------


def run_traffic(cache, ns, hits=200, writes=100, **plan):
    def connect():
        return CacheClient(f"http://127.0.0.1:{cache.port}")

    traffic = Traffic(connect, ns, Plan(**{"keys": 2, "pause": 0.0, **plan}), seed=1).start()
    try:
        until(
            lambda: traffic.seen("begun")["cache"] >= hits and traffic.seen("begun")["acked"] >= writes, "traffic", 60
        )
    finally:
        traffic.stop()
    return traffic.report("RC-00")


@pytest.mark.servers
def test_traffic_finds_nothing_wrong_with_the_program(cache, ns):
    seen = run_traffic(cache, ns)
    seen.check_all_answered()
    seen.check_right()
    assert seen.windows()["begun"]["cache"] >= 200


@pytest.mark.servers
def test_traffic_finds_the_stale_reads_of_a_program_that_skips_invalidation(start_cache, ns):
    cache = start_cache("--defect", "skips-invalidation")
    with pytest.raises(AssertionError, match="stale reads"):
        run_traffic(cache, ns).check_right()


@pytest.mark.servers
def test_traffic_tells_what_had_no_answer(cache, postgres, ns):
    postgres.query("ALTER TABLE memory_entries RENAME TO elsewhere")
    try:
        traffic = Traffic(lambda: CacheClient(f"http://127.0.0.1:{cache.port}"), ns, Plan(keys=2), seed=1).start()
        until(lambda: traffic.seen("begun")["failed"] > 10, "failures")
        traffic.stop()
    finally:
        postgres.query("ALTER TABLE elsewhere RENAME TO memory_entries")
    with pytest.raises(AssertionError, match="had no right answer; first: write of key-0"):
        traffic.report("").check_all_answered()


@pytest.mark.servers
def test_the_client_speaks_the_whole_wire(cache, postgres, ns):
    with CacheClient(f"http://127.0.0.1:{cache.port}") as client:
        assert client.read(ns, "ä/b c") is None
        assert client.write(ns, "ä/b c", "v", "write-through") == 1
        assert client.read(ns, "ä/b c") == Read("v", 1, "cache")
        assert client.read(ns, "ä/b c", past_cache=True) == Read("v", 1, "database")
        client.write_many(ns, {"a": "1", "b": None})
        assert client.read_many(ns, ["a", "b", "c"]) == {"a": Read("1", 1, "database"), "b": Read(None, 1, "database")}
        assert client.delete(ns, "a")
        assert not client.delete(ns, "a")
        assert client.health()["database"] == "up"
        assert client.metrics()["cache_hits_total"] == 1
        assert client.held("nobody") == client.release("nobody") == 0
        with pytest.raises(Refused, match=r"400 .refused.: a value cannot hold"):
            client.write(ns, "k", "\0")
        assert client.read(ns, "b") is not None


@pytest.mark.servers
def test_the_client_goes_on_after_an_answer_that_did_not_come(cache, ns):
    with CacheClient(f"http://127.0.0.1:{cache.port}", seconds=0.3) as client:
        client.write(ns, "k", "v")
        cache.process.send_signal(signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            client.read(ns, "k")
        cache.process.send_signal(signal.SIGCONT)
        assert client.read(ns, "k") is not None
    with pytest.raises(ValueError, match="not an address"):
        CacheClient("127.0.0.1:80")


@pytest.mark.servers
def test_writes_of_every_kind_leave_what_they_say(cache, postgres, ns):
    with CacheClient(f"http://127.0.0.1:{cache.port}") as client:
        written = write_of_every_kind(client, ns)
    stored = dict(postgres.query("SELECT key, value FROM memory_entries WHERE namespace = %s", ns))
    assert stored == written
    assert not set(deleted_keys()) & set(stored)
