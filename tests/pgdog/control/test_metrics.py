"""Both dialects of the page, read back by Prometheus's parser and by promtool."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass

import pytest

from reference.pgdog.metrics.page import Page
from reference.pgdog.metrics.text import Family, Writer
from reference.pgdog.settings import Destination, Settings, Source
from reference.pgdog.state import State
from reference.pgdog.tally import Kind, Tallies
from tests.pgdog.control.conftest import samples_of, value


@dataclass
class Held:
    clients: str = "abc"  # three of them, whatever they are
    mirror_sessions: int = 2
    bytes_held: int = 345


def settings(dialect="plan"):
    mirror = Destination("app_mirror", "127.0.0.1", 5002, "app", 1.0, 128)
    sources = {
        "app": Source("app", "127.0.0.1", 5001, "app", (mirror,)),
        "app_mirror": Source("app_mirror", "127.0.0.1", 5002, "app"),
    }
    logins = {(user, name): "x" for user in ("app", "idle") for name in sources}
    return Settings(dialect=dialect, host="127.0.0.1", port=1, sources=sources, logins=logins)


def counted():
    """23 attempts of one user: 10 done, 1 sampled out, 2 without room, 3 + 4 + 1 errors, 2 that wait; 1 of another."""
    tallies = Tallies()
    tally = tallies.of("app", "app_mirror", "app")
    for _ in range(23):
        tally.attempt()
    tally.sample_out()
    for _ in range(2):
        tally.overflow()
    kinds: tuple[tuple[Kind, int], ...] = (("connection", 3), ("query", 4), ("timeout", 1))
    for kind, times in kinds:
        for _ in range(times):
            tally.fail(kind)
    for number in range(10):
        tally.succeed(0.1 if number < 9 else 0.25)
    tally.backlog, tally.sessions = 2, 1
    other = tallies.of("app", "app_mirror", "other")
    other.attempt()
    other.fail("query")
    return tallies


def page(dialect="plan", tallies=None):
    return Page(State(settings(dialect), tallies or counted(), Held())).render()


def test_the_plan_has_every_series_of_the_contract():
    samples = samples_of(page())
    expected = {
        ("type", "total"): 24, ("type", "mirrored"): 10, ("type", "dropped"): 2, ("type", "sampled_out"): 1,
        ("type", "backlog"): 2, ("error_type", "connection"): 3, ("error_type", "query"): 5,
        ("error_type", "timeout"): 1, ("error_type", "buffer_full"): 2, ("stat", "avg_latency_ms"): 115,
        ("stat", "max_latency_ms"): 250, ("health", "consecutive_errors"): 1,
        ("health", "last_success_seconds_ago"): 0,
    }  # fmt: skip
    assert {(name, word): value(samples, "mirror", **{name: word}) for name, word in expected} == expected
    whole = {labels: number for (name, labels), number in samples.items() if name == "mirror" and len(labels) == 1}
    assert len(whole) == len(expected)


def test_the_plan_has_databases_and_users_apart():
    tallies = counted()
    tallies.of("second", "second_mirror", "app").attempt()
    tallies.of("second", "second_mirror", "app").succeed(0.001)
    samples = samples_of(page(tallies=tallies))
    found = {labels: number for (name, labels), number in samples.items() if name == "mirror" and len(labels) > 1}
    users = {("app", "app"): (23, 10, 10, 2), ("app", "other"): (1, 0, 1, 0), ("second", "app"): (1, 1, 0, 0)}
    expected = {
        frozenset({"database": database, "user": user, "metric": metric}.items()): number
        for (database, user), numbers in users.items()
        for metric, number in zip(("total", "mirrored", "errors", "dropped"), numbers, strict=True)
    }
    for database, mirrored, errors in (("app", 10, 11), ("second", 1, 0)):
        expected[frozenset({"database": database, "metric": "mirrored"}.items())] = mirrored
        expected[frozenset({"database": database, "metric": "errors"}.items())] = errors
    assert found == expected


def test_the_plan_without_traffic_has_no_latency_and_no_database():
    lines = [line for line in page(tallies=Tallies()).splitlines() if line.startswith("mirror")]
    assert all(re.fullmatch(r'mirror\{(type|error_type|health)="\w+"\} \d+', line) for line in lines)
    assert len(lines) == 11


def test_counters_are_bare_integers_and_the_average_has_three_decimals():
    lines = [line for line in page().splitlines() if line.startswith("mirror")]
    assert 'mirror{stat="avg_latency_ms"} 115.000' in lines
    lines.remove('mirror{stat="avg_latency_ms"} 115.000')
    assert all(re.search(r"\} \d+$", line) for line in lines)


def test_upstream_has_its_five_families_for_each_cluster_and_in_all():
    samples = samples_of(page("upstream"))
    expected = {  # M = attempted - sampled out - overflow; E = overflow + connection + timeout
        ("app_mirror", "app"): (23, 20, 1, 6, 2),
        ("app_mirror", "other"): (1, 1, 0, 0, 0),
        ("app_mirror", "idle"): (0, 0, 0, 0, 0),
        ("app", "app"): (0, 0, 0, 0, 0),
        ("app", "idle"): (0, 0, 0, 0, 0),
    }
    names = [f"mirror_{name}" for name in ("total_count", "mirrored_count", "dropped_count", "error_count")]
    names = [f"{name}_total" for name in names] + ["mirror_queue_length"]  # as the parser calls counters
    for (database, user), numbers in expected.items():
        assert tuple(value(samples, name, database=database, user=user) for name in names) == numbers
    assert tuple(value(samples, name) for name in names) == (24, 21, 1, 6, 2)
    assert sum(name == "mirror_queue_length" for name, _ in samples) == len(expected) + 1


def test_upstream_has_the_pools_of_the_mirror():
    samples = samples_of(page("upstream"))
    where = {"database": "app_mirror", "host": "127.0.0.1", "port": "5002", "shard": "0", "role": "primary"}
    names = ("total_server_errors_total", "total_query_count_total", "total_query_time_total", "sv_active")
    assert [value(samples, name, user="app", **where) for name in names] == [4, 10, pytest.approx(1150), 1]
    assert [value(samples, name, user="idle", **where) for name in names] == [0, 0, 0, 0]
    assert all(dict(labels)["database"] == "app_mirror" for name, labels in samples if name == "sv_active")


@pytest.mark.parametrize("dialect", ["plan", "upstream"])
def test_each_family_has_one_type_and_one_help_before_its_series(dialect):
    heads: Counter[tuple[str, str]] = Counter()
    family = None
    for line in page(dialect).splitlines():
        if line.startswith("# "):
            _, kind, family, _ = line.split(" ", 3)
            heads[family, kind] += 1
        elif line:
            assert re.split(r"[{ ]", line)[0] == family
            assert (heads[family, "TYPE"], heads[family, "HELP"]) == (1, 1)
    assert set(heads.values()) == {1}


@pytest.mark.parametrize("dialect", ["plan", "upstream"])
def test_what_every_proxy_has(dialect):
    samples = samples_of(page(dialect))
    assert [value(samples, name) for name in ("clients", "replay_sessions", "replay_held_bytes")] == [3, 2, 345]
    assert value(samples, "process_resident_memory_bytes") > 1_000_000
    assert value(samples, "process_open_fds") >= 3
    assert page(dialect).startswith("# TYPE clients gauge\n")


def test_disabled_metrics_have_no_word_of_the_mirror_and_nothing_is_counted():
    tallies = Tallies(counting=False)
    tally = tallies.of("app", "app_mirror", "app")
    tally.attempt()
    tally.succeed(1)
    tally.overflow()
    tally.fail("query")
    tally.sample_out()
    assert (tally.attempted, tally.mirrored, tally.errors, tally.sampled_out, tally.latency_count) == (0, 0, 0, 0, 0)
    assert "mirror" not in page(tallies=tallies)
    assert "clients 3" in page(tallies=tallies)


def test_labels_are_escaped():
    name = 'a"b\\c\nd'
    text = Writer().page([Family("f", "gauge", "Text", (({"database": name}, 1),))])
    assert samples_of(text) == {("f", frozenset({("database", name)})): 1}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool")
@pytest.mark.parametrize("dialect", ["plan", "upstream"])
def test_promtool_takes_the_page(dialect):
    """It objects to upstream's counters for their names, which are upstream's."""
    checked = subprocess.run(["promtool", "check", "metrics"], input=page(dialect), capture_output=True, text=True)
    names = {line.split()[0] for line in (checked.stdout + checked.stderr).splitlines()}
    if dialect == "plan":
        assert (checked.returncode, names) == (0, set())
    else:
        assert checked.returncode == 3, checked.stderr
        assert all('should have "_total" suffix' in line or "_count" in line for line in checked.stderr.splitlines())


def test_sums_are_of_a_moment():
    tallies = counted()
    total = tallies.total()
    tallies.of("app", "app_mirror", "app").attempt()
    assert (total.attempted, tallies.total().attempted) == (24, 25)


def test_each_attempt_has_one_outcome_or_waits():
    for tally in counted().all():
        assert tally.attempted == tally.sampled_out + tally.overflowed + tally.mirrored + tally.failed + tally.backlog
