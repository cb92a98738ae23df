"""Pages of both dialects, upstream's recorded from PgDog 0.1.17 (all but `two-users` without unrelated families)."""

from __future__ import annotations

from pathlib import Path

import pytest

from PgDogLibrary.counts import Tally, moved
from PgDogLibrary.dialect import counts, is_count, is_shown
from PgDogLibrary.scrape import Scrape

PAGES = Path(__file__).with_name("pages")
MIRRORS = {"app_mirror": "app", "other_mirror": "other"}


def text(name):
    return (PAGES / f"{name}.txt").read_text()


def upstream(name, destinations=MIRRORS):
    return counts(Scrape.of(text(f"upstream-{name}")), "upstream", destinations)


def plan(page):
    return counts(Scrape.of(page), "plan")


def shown(tally: Tally) -> str:
    names = ("attempted", "mirrored", "sampled_out", "overflow", "errors", "connection", "query", "timeout", "backlog")
    return " ".join(str(getattr(tally, name)) for name in names)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("before", "0 0 0 0 0 None 0 None 0"),
        ("ten", "10 8 0 2 2 None 0 None 0"),  # ten at once into a queue of five: two did not fit
        ("two-users", "53 33 18 2 2 None 0 None 0"),
        ("query-errors", "60 36 18 2 6 None 4 None 0"),
        ("overflow-blocked", "72 37 18 8 12 None 4 None 5"),
        ("overflow", "72 42 18 8 12 None 4 None 0"),
        ("dead", "5 1 0 0 4 None 0 None 0"),
        ("reloaded", "0 0 0 0 0 None 0 None 0"),
    ],
)
def test_upstream_numbers_are_what_happened(page, expected):
    found = upstream(page)
    assert shown(found.total) == expected
    assert found.total.unaccounted() == 0
    assert found.contradictions == ()
    assert found.started is None


def test_upstream_databases_have_the_names_of_their_clients_and_sources_are_no_mirrors():
    found = upstream("two-users")
    assert {k: shown(v) for k, v in found.users.items()} == {
        ("app", "app"): "10 8 0 2 2 None 0 None 0",
        ("app", "other"): "3 3 0 0 0 None 0 None 0",
        ("other", "app"): "20 11 9 0 0 None 0 None 0",
        ("other", "other"): "20 11 9 0 0 None 0 None 0",
    }
    assert {k: shown(v) for k, v in found.databases.items()} == {
        "app": "13 11 0 2 2 None 0 None 0",
        "other": "40 22 18 0 0 None 0 None 0",
    }
    assert sorted(upstream("two-users", None).databases) == ["app_mirror", "other_mirror"]


def test_upstream_latency_is_that_of_the_mirrors_pools():
    latency = upstream("query-errors").total.latency
    assert (latency.total_ms, latency.count, latency.maximum_ms) == (312, 45, None)
    assert latency.average_ms == pytest.approx(312 / 45)
    assert upstream("query-errors").users["app", "other"].latency.count == 4


def test_upstream_attempts_that_nothing_explains_are_told():
    page = text("upstream-overflow").replace("mirror_error_count 8", "mirror_error_count 3")
    found = counts(Scrape.of(page), "upstream", MIRRORS)
    assert found.total.unaccounted() == 5
    assert found.contradictions[0] == ("mirror_total_count is 72: 46 queued, 18 sampled out, 3 errors, which leaves 8")
    page = text("upstream-overflow").replace("mirror_total_count 72", "mirror_total_count 60")
    found = counts(Scrape.of(page), "upstream", MIRRORS)
    assert found.total.unaccounted() == -4
    assert "attempted: 60 in all, 72 of all databases" in found.contradictions


def test_statements_that_failed_are_no_more_than_transactions_that_were_replayed():
    pool = (
        'total_server_errors{user="app",database="app_mirror",host="127.0.0.1",port="27502",shard="0",role="primary"}'
    )
    page = text("upstream-query-errors").replace(f"{pool} 4", f"{pool} 400")
    total = counts(Scrape.of(page), "upstream", MIRRORS).total
    assert (total.mirrored, total.query, total.unaccounted()) == (0, 40, 0)


def test_what_moved_is_concluded_from_how_far_the_numbers_moved():
    """A session that ends breaks off an item, and may be told as an error of the server as well."""
    pool = (
        'total_server_errors{user="app",database="app_mirror",host="127.0.0.1",port="27502",shard="0",role="primary"}'
    )
    before, after = text("upstream-dead"), text("upstream-dead")
    for name, was, now in (("total", 5, 7), ("mirrored", 5, 7), ("error", 4, 6)):
        for labels in ("", '{user="app",database="app_mirror"}'):
            assert f"\nmirror_{name}_count{labels} {was}\n" in after
            after = after.replace(f"\nmirror_{name}_count{labels} {was}\n", f"\nmirror_{name}_count{labels} {now}\n")
    after = after.replace(f"{pool} 0", f"{pool} 1")
    readings = [counts(Scrape.of(page), "upstream", MIRRORS) for page in (before, after, after)]
    for change in (moved(readings[:2]), moved(readings)):
        for tally in (change.counts.total, change.counts.databases["app"], change.counts.users["app", "app"]):
            assert shown(tally) == "2 0 0 0 2 None 0 None 0"


def test_an_upstream_page_without_a_sum_or_with_two_is_refused():
    with pytest.raises(AssertionError, match="has 0 samples mirror_total_count in all, expected one"):
        counts(Scrape.of('mirror_total_count{user="a",database="b"} 1\n'), "upstream")
    with pytest.raises(AssertionError, match="has 2 samples mirror_total_count in all"):
        counts(Scrape.of("mirror_total_count 1\nmirror_total_count 1\n"), "upstream")


def test_plan_numbers_are_read():
    found = plan(text("plan-ten"))
    assert shown(found.total) == "30 20 1 3 9 2 3 1 0"
    assert found.total.unaccounted() == 0
    assert found.contradictions == ()
    assert found.total.latency.average_ms == 12.5
    assert (found.total.latency.total_ms, found.total.latency.count, found.total.latency.maximum_ms) == (250, 20, 101)
    assert (found.total.health.consecutive_errors, found.total.health.last_success_seconds_ago) == (0, 4)
    assert shown(found.databases["app"]) == "None 15 None None 9 None None None None"
    assert shown(found.users["app", "other"]) == "10 5 None 0 4 None None None None"


def test_what_the_plan_does_not_promise_is_not_told_rather_than_zero():
    page = "\n".join(line for line in text("plan-ten").splitlines() if "sampled_out" not in line) + "\n"
    total = plan(page).total
    assert total.sampled_out is None
    assert total.unaccounted() is None
    assert total.unbalanced() is None
    assert total.announced() == 9
    assert "sampled out not told" in str(total)


@pytest.mark.parametrize(
    ("was", "now", "sentence"),
    [
        ('"buffer_full"} 3', '"buffer_full"} 4', "3 are dropped, and 4 errors are of a full buffer"),
        ('user="other",metric="total"} 10', 'user="other",metric="total"} 9', "attempted: 30 in all, 29 of all users"),
        ('"app",metric="errors"} 9', '"app",metric="errors"} 8', "errors: 9 in all, 8 of all databases"),
        ('"other",metric="mirrored"} 5', '"other",metric="mirrored"} 6', "mirrored: 20 in all, 21 of all databases"),
    ],
)
def test_plan_numbers_that_cannot_all_be_right_are_told(was, now, sentence):
    page = text("plan-ten")
    assert was in page
    assert sentence in plan(page.replace(was, now)).contradictions


def test_only_what_grows_tells_a_reset():
    before = plan(text("plan-ten"))
    assert len(before.total.grows) == 8  # neither latency nor health, and no backlog
    page = text("plan-ten").replace('"backlog"} 0', '"backlog"} 5').replace('"total"} 30', '"total"} 35')
    slower = plan(page.replace("12.500", "20.000"))
    faster = plan(page.replace('"backlog"} 5', '"backlog"} 1').replace('ago"} 4', 'ago"} 0'))
    change = moved([before, slower, faster])
    assert (change.resets, change.counts.total.attempted, change.counts.total.backlog) == (0, 5, 1)


def test_balanced_numbers_are_not_told():
    assert plan(text("plan-ten")).total.unbalanced() is None
    assert upstream("overflow").total.unbalanced() is None


def test_unbalanced_numbers_are_told():
    total = plan(text("plan-ten").replace('"total"} 30', '"total"} 33')).total
    assert (total.unbalanced() or "").startswith("3 of 33 attempts are unaccounted for: attempted 33, mirrored 20, ")


def test_a_page_of_another_dialect_or_without_mirroring_is_refused():
    with pytest.raises(AssertionError, match="no family 'mirror'"):
        plan(text("upstream-ten"))
    with pytest.raises(AssertionError, match=r'the page has no mirror\{type="dropped"\}'):
        plan('mirror{type="total"} 1\nmirror{type="mirrored"} 1\n')
    off = Scrape.of("clients 1\n")
    assert not is_shown(off, "plan")
    assert not is_shown(off, "upstream")
    assert is_shown(Scrape.of(text("plan-ten")), "plan")
    assert is_shown(Scrape.of(text("upstream-ten")), "upstream")


def test_whole_numbers_are_told_from_measured_ones():
    counted = [s for s in Scrape.of(text("plan-ten")).samples if is_count("plan")(s)]
    assert {s.written for s in counted if "." in s.written} == set()
    assert len(counted) == text("plan-ten").count("\nmirror{") - 2  # average and maximum
    assert all(is_count("upstream")(s) for s in Scrape.of(text("upstream-ten")).samples if s.name.startswith("mirror_"))
