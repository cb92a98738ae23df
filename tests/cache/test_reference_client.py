"""The cache program against a real PostgreSQL and a real Redis: what it promises, promise by promise."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from tests.cache.conftest import ROOT, until

pytestmark = pytest.mark.servers

ONE_WAIT = 0.5  # seconds the program gives Redis for an answer


def test_a_miss_loads_the_row_and_the_next_read_hits(cache, postgres, ns):
    postgres.put(ns, "k", "v")
    before = cache.metrics()
    assert cache.read(ns, "k") == ("v", "database")
    assert cache.read(ns, "k") == ("v", "cache")
    after = cache.metrics()
    changed = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert changed == {
        "cache_misses_total": 1,
        "cache_fills_total": 1,
        "cache_hits_total": 1,
        "cache_database_reads_total": 1,
    }


@pytest.mark.parametrize(
    "value", ["", "plain", "Grüße, Jürgen", "💡" * 10, '"quoted" \\ back\nline', "x" * 100_000, None]
)
def test_values_come_back_as_they_went_in(cache, postgres, ns, value):
    cache.write(ns, "k", value)
    assert postgres.value(ns, "k") == value
    assert cache.read(ns, "k") == (value, "database")
    assert cache.read(ns, "k") == (value, "cache")


def test_keys_that_would_collide_when_joined_stay_apart(cache, ns):
    pairs = [(f"{ns}/a", "b/c"), (f"{ns}/a/b", "c"), (f"{ns}:a", "b"), (ns, "a:b"), (ns, "{x}"), (ns, "ü?&=%")]
    for number, (namespace, key) in enumerate(pairs):
        cache.write(namespace, key, str(number), "write-through")
    assert [cache.read(namespace, key)[0] for namespace, key in pairs] == [str(n) for n in range(len(pairs))]


def test_a_write_invalidates_and_versions_grow(cache, ns):
    assert cache.write(ns, "k", "1") == 1
    cache.read(ns, "k")
    assert cache.write(ns, "k", "2") == 2
    assert cache.read(ns, "k") == ("2", "database")


def test_a_write_through_is_in_the_database_and_in_the_cache(cache, postgres, ns):
    cache.write(ns, "k", "1", "write-through")
    assert postgres.value(ns, "k") == "1"
    assert cache.read(ns, "k") == ("1", "cache")


def test_a_delete_removes_row_and_entry(cache, postgres, ns):
    cache.write(ns, "k", "1", "write-through")
    assert cache.ask("DELETE", f"/entries/{ns}/k") == (200, {"deleted": 1})
    assert postgres.value(ns, "k") is None
    assert cache.read(ns, "k") == (None, "absent")


def test_many_rows_are_written_in_one_transaction_and_read_in_one_request(cache, ns):
    entries = {f"k{n:03}": str(n) for n in range(200)}
    assert cache.ask("PUT", f"/entries/{ns}", {"entries": entries})[0] == 200
    for source in ("database", "cache"):
        found = cache.ask("POST", f"/entries/{ns}", {"keys": [*entries, "absent"]})[1]["entries"]
        assert {key: entry["value"] for key, entry in found.items()} == entries
        assert {entry["source"] for entry in found.values()} == {source}


def test_a_missing_row_leaves_no_lease_that_would_block_later_fills(cache, postgres, ns):
    assert cache.read(ns, "k") == (None, "absent")
    postgres.put(ns, "k", "v")
    cache.read(ns, "k")
    assert cache.read(ns, "k") == ("v", "cache")


def test_an_entry_lives_for_its_ttl(start_cache, redis_server, postgres, ns):
    cache = start_cache("--ttl", "60")
    cache.write(ns, "k", "old")
    cache.read(ns, "k", "?ttl=0.3")
    names = [name for name in redis_server.client.scan_iter() if name.endswith(b":v")]
    assert all(0 < redis_server.client.pttl(name) <= 300 for name in names)
    postgres.put(ns, "k", "behind its back")
    until(lambda: cache.read(ns, "k")[0] == "behind its back", "the entry to expire", 2)


def test_a_reader_that_read_before_a_write_does_not_fill_after_it(cache, ns):
    cache.write(ns, "k", "old")
    before = cache.metrics()
    with ThreadPoolExecutor() as pool:
        reader = pool.submit(cache.read, ns, "k", **{"X-Hold-Before-Fill": "g"})
        until(lambda: cache.ask("GET", "/gates/g")[1]["waiting"], "the reader to be held")
        cache.write(ns, "k", "new")
        assert cache.ask("POST", "/gates/g/release")[1] == {"released": 1}
        assert reader.result() == ("old", "database")
    assert cache.metrics()["cache_fills_rejected_total"] - before["cache_fills_rejected_total"] == 1
    assert cache.read(ns, "k")[0] == "new"
    assert cache.read(ns, "k") == ("new", "cache")


def test_a_held_reader_goes_on_by_itself(start_cache, ns):
    cache = start_cache("--maximum-hold", "0.2")
    cache.write(ns, "k", "v")
    begin = time.monotonic()
    assert cache.read(ns, "k", **{"X-Hold-Before-Fill": "g"}) == ("v", "database")
    assert 0.2 <= time.monotonic() - begin < 1
    assert cache.ask("GET", "/gates/g")[1] == {"waiting": 0}


def test_nobody_fills_while_a_write_is_under_way(cache, postgres, ns):
    cache.write(ns, "k", "old")
    with psycopg2.connect(postgres.dsn) as blocker, ThreadPoolExecutor() as pool:
        with blocker.cursor() as cursor:
            cursor.execute("SELECT 1 FROM memory_entries WHERE namespace = %s FOR UPDATE", (ns,))
        writer = pool.submit(cache.write, ns, "k", "new")
        until(lambda: postgres.query("SELECT 1 FROM pg_locks WHERE NOT granted"), "the writer to wait for the row")
        assert cache.read(ns, "k") == ("old", "database")
        assert cache.read(ns, "k") == ("old", "database")
        blocker.rollback()
        writer.result()
    cache.read(ns, "k")
    assert cache.read(ns, "k") == ("new", "cache")


def test_of_two_overlapping_write_throughs_neither_is_believed(cache, postgres, ns):
    cache.write(ns, "k", "old", "write-through")
    with psycopg2.connect(postgres.dsn) as blocker, ThreadPoolExecutor() as pool:
        with blocker.cursor() as cursor:
            cursor.execute("SELECT 1 FROM memory_entries WHERE namespace = %s FOR UPDATE", (ns,))
        writers = [pool.submit(cache.write, ns, "k", value, "write-through") for value in ("a", "b")]
        until(lambda: len(postgres.query("SELECT 1 FROM pg_locks WHERE NOT granted")) >= 2, "both writers to wait")
        blocker.rollback()
        versions = [writer.result() for writer in writers]
    assert sorted(versions) == [2, 3]
    assert cache.read(ns, "k") == (postgres.value(ns, "k"), "database")


def test_without_redis_everything_works_past_it(cache, redis_server, ns):
    cache.write(ns, "k", "1", "write-through")
    redis_server.kill()
    assert cache.read(ns, "k") == ("1", "database")
    assert cache.write(ns, "k", "2") == 2
    assert cache.read(ns, "k") == ("2", "database")
    assert cache.ask("GET", "/health")[1]["redis"] == "down"


def test_a_redis_that_hangs_costs_one_bounded_wait(cache, redis_server, ns):
    cache.write(ns, "k", "1", "write-through")
    redis_server.signal(signal.SIGSTOP)
    begin = time.monotonic()
    assert cache.read(ns, "k") == ("1", "database")
    assert ONE_WAIT <= time.monotonic() - begin < 2 * ONE_WAIT
    begin = time.monotonic()
    cache.write(ns, "k", "2")
    assert cache.read(ns, "k") == ("2", "database")
    assert time.monotonic() - begin < ONE_WAIT
    redis_server.signal(signal.SIGCONT)
    cache.until_open()
    assert cache.read(ns, "k")[0] == "2"
    assert cache.read(ns, "k") == ("2", "cache")


def test_what_was_written_while_redis_was_down_is_not_hidden_by_old_entries(cache, redis_server, ns):
    cache.write(ns, "k", "old value", "write-through")
    until(lambda: cache.read(ns, "k") == ("old value", "cache"), "the cache to hold the old value")
    redis_server.kill()
    cache.write(ns, "k", "new value")
    redis_server.start()
    assert redis_server.holds("old value")
    cache.until_open()
    assert cache.read(ns, "k") == ("new value", "database")
    assert cache.read(ns, "k") == ("new value", "cache")


def test_a_redis_that_restarts_unnoticed_on_an_old_file_gives_no_stale_value(cache, redis_server, ns):
    cache.write(ns, "k", "old value", "write-through")
    redis_server.client.config_set("appendonly", "no")
    cache.write(ns, "k", "new value")
    redis_server.kill()
    redis_server.start()
    assert redis_server.holds("old value")
    assert cache.read(ns, "k") == ("new value", "database")
    cache.until_open()
    assert cache.read(ns, "k")[0] == "new value"


def test_a_flushed_redis_costs_misses_only(cache, redis_server, ns):
    cache.write(ns, "k", "1", "write-through")
    redis_server.client.flushall()
    redis_server.client.script_flush()
    assert cache.read(ns, "k") == ("1", "database")
    assert cache.read(ns, "k") == ("1", "cache")


def test_a_full_redis_that_evicts_nothing_costs_the_cache_only(cache, redis_server, ns):
    cache.write(ns, "k", "1", "write-through")
    redis_server.client.config_set("maxmemory", 1)
    for value in ("2", "3"):
        cache.write(ns, "k", value, "write-through")
        assert cache.read(ns, "k")[0] == value


def test_a_new_generation_opens_only_when_the_writes_before_it_are_over(cache, postgres, redis_server, ns):
    cache.write(ns, "k", "old")
    redis_server.kill()
    with psycopg2.connect(postgres.dsn) as blocker, ThreadPoolExecutor() as pool:
        with blocker.cursor() as cursor:
            cursor.execute("SELECT 1 FROM memory_entries WHERE namespace = %s FOR UPDATE", (ns,))
        writer = pool.submit(cache.write, ns, "k", "new")
        until(lambda: postgres.query("SELECT 1 FROM pg_locks WHERE NOT granted"), "the writer to wait for the row")
        redis_server.start()
        until(lambda: cache.ask("GET", "/health")[1]["entries"] == "begun", "a generation to begin")
        assert cache.read(ns, "k") == ("old", "database")
        assert cache.metrics()["cache_open"] == 0
        blocker.rollback()
        writer.result()
    cache.until_open()
    assert cache.read(ns, "k") == ("new", "database")


def test_a_database_that_refuses_is_told_apart_from_a_row_that_is_not_there(cache, postgres, ns):
    cache.write(ns, "k", "1")
    postgres.query("ALTER TABLE memory_entries RENAME TO elsewhere")
    try:
        assert cache.ask("GET", f"/entries/{ns}/k")[0] == 503
        status, content = cache.ask("PUT", f"/entries/{ns}/k", {"value": "2"})
        assert (status, content["outcome"]) == (503, "failed")
    finally:
        postgres.query("ALTER TABLE elsewhere RENAME TO memory_entries")
    assert cache.read(ns, "k") == ("1", "database")


def test_connections_that_died_while_idle_are_replaced(cache, postgres, ns):
    cache.write(ns, "k", "1")
    postgres.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cache'")
    assert cache.write(ns, "k", "2") == 2


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("POST", "/health", None, 405),
        ("PUT", "/entries/n/k", ["value"], 400),
        ("PUT", "/entries/n/k", {"values": "1"}, 400),
        ("PUT", "/entries/n/k", {"value": 1}, 400),
        ("PUT", "/entries/n/k", {"value": "\0"}, 400),
        ("PUT", "/entries/n/k", {"value": "\ud800"}, 400),
        ("PUT", "/entries/n", {"entries": {"\ud800": "1"}}, 400),
        ("PUT", "/entries/n/k?strategy=hope", {"value": "1"}, 400),
        ("PUT", "/entries/n", {"entries": {"k": 1}}, 400),
        ("POST", "/entries/n", {"keys": "k"}, 400),
        ("POST", "/entries/n", {"keys": ["k"] * 2 + [str(n) for n in range(10_000)]}, 413),
        ("GET", "/entries/n/k?ttl=never", None, 400),
        ("GET", "/entries/n/k%00", None, 400),
        ("GET", "/entries/n/%ff", None, 400),
    ],
)
def test_mistakes_are_refused_with_their_status(cache, method, path, content, status):
    answer = cache.ask(method, path, content)
    assert answer[0] == status, answer
    assert answer[1]["outcome"] == "refused"


def test_what_is_not_http_is_refused_and_the_program_goes_on(cache):
    for raw in (
        b"hello\r\n\r\n",
        b"GET /health HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"\r\n",
        b"\x00" * 100,
    ):
        with socket.create_connection(("127.0.0.1", cache.port), timeout=5) as connection:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(4096)[:8] in (b"HTTP/1.1", b"")
    assert cache.ask("GET", "/health")[0] == 200


def test_sigterm_lets_requests_finish_and_frees_the_port(cache, ns):
    cache.write(ns, "k", "v")
    with ThreadPoolExecutor() as pool:
        reader = pool.submit(cache.read, ns, "k", **{"X-Hold-Before-Fill": "g"})
        until(lambda: cache.ask("GET", "/gates/g")[1]["waiting"], "the reader to be held")
        assert cache.stop() == 0
        assert reader.result() == ("v", "database")
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", cache.port)) != 0


def test_it_starts_before_redis_and_the_database_and_says_so(redis_server, postgres, tmp_path):
    from tests.cache.conftest import Cache

    class Nowhere:
        dsn = "host=127.0.0.1 port=1 dbname=postgres user=postgres"

    cache = Cache(Nowhere(), redis_server, tmp_path)  # type: ignore[arg-type]
    try:
        status, content = cache.ask("GET", "/health")
        assert (status, content["database"], content["redis"]) == (503, "down", "up")
        assert cache.ask("GET", "/entries/n/k")[0] == 503
    finally:
        cache.stop()


@pytest.mark.parametrize("option", [("--redis", "nowhere"), ("--ttl", "-1"), ("--defect", "unknown")])
def test_wrong_options_are_a_usage_error(option):
    argv = ["--redis", "127.0.0.1:1", "--database", "", "--listen", "127.0.0.1:0", *option]
    result = subprocess.run([sys.executable, ROOT / "reference/cache/__main__.py", *argv], capture_output=True)
    assert result.returncode == 2
    assert option[1].encode() in result.stderr


def test_readers_and_writers_at_once_never_go_backwards(cache, ns):
    """Two writers and four readers on three keys; what a read returns was not older than what was acknowledged."""
    acknowledged = dict.fromkeys(("a", "b", "c"), 0)
    stop, stale = threading.Event(), []

    def write(keys: str, strategy: str) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            for key in keys:
                cache.write(ns, key, str(number), strategy)
                acknowledged[key] = number

    def read() -> None:
        while not stop.is_set():
            for key in acknowledged:
                known = acknowledged[key]
                value, source = cache.read(ns, key)
                if int(value or 0) < known:
                    stale.append((key, value, known, source))

    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(write, "ab", "invalidate"), pool.submit(write, "c", "write-through")]
        runs += [pool.submit(read) for _ in range(4)]
        until(lambda: min(acknowledged.values()) > 50, "fifty writes of each key", 30)
        stop.set()
        for run in runs:
            run.result()
    assert stale == []
    assert cache.metrics()["cache_hits_total"] > 50
