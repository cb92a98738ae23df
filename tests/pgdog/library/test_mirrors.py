from __future__ import annotations

import re

import pytest

from PgDogLibrary.admin import Answer
from PgDogLibrary.mirrors import differing
from PgDogLibrary.scrape import Scrape
from tests.pgdog.library.test_dialect import text

UPSTREAM = ("database", "user", "total_count", "mirrored_count", "dropped_count", "error_count", "queue_length")
PLAN = (*UPSTREAM, "sampled_out_count", "connection_errors", "query_errors", "timeout_errors", "buffer_full_errors")


def upstream_rows():
    """What PgDog 0.1.17 answered when the page `upstream-overflow` was recorded."""
    counted = {("app_mirror", "app"): "29 21 0 8 0", ("app_mirror", "other"): "3 3 0 0 0"}
    counted |= {("other_mirror", user): "20 11 9 0 0" for user in ("app", "other")}
    counted |= {(database, user): "0 0 0 0 0" for database in ("app", "other") for user in ("app", "other")}
    return [(*key, *numbers.split()) for key, numbers in counted.items()]


PLAN_ROWS = [
    ("app", "app", "15", "10", "3", "5", "0", "0", "1", "1", "0", "3"),
    ("app", "other", "10", "5", "0", "4", "0", "1", "1", "2", "1", "0"),
    ("other", "app", "5", "5", *8 * ("0",)),
]


def found(dialect, page, rows):
    columns = PLAN if dialect == "plan" else UPSTREAM
    return differing(Scrape.of(text(page)), Answer(columns, tuple(tuple(row) for row in rows), "SHOW"), dialect)


def changed(rows, row, column, value, columns):
    made = [list(one) for one in rows]
    made[row][columns.index(column)] = value
    return made


def test_a_console_and_a_page_of_one_moment_show_the_same():
    assert found("upstream", "upstream-overflow", upstream_rows()) == []
    assert found("plan", "plan-ten", PLAN_ROWS) == []


@pytest.mark.parametrize("column", UPSTREAM[2:])
def test_each_number_of_upstream_is_compared(column):
    rows = changed(upstream_rows(), 1, column, "77", UPSTREAM)
    told = found("upstream", "upstream-overflow", rows)
    assert len(told) == 2  # its own, and the sum
    assert re.search(r'\{database="app_mirror",user="other"\}: 77 in SHOW MIRRORS, \d on the page', told[0])


@pytest.mark.parametrize("column", ["total_count", "mirrored_count", "dropped_count", "error_count"])
def test_numbers_of_a_user_are_compared_with_the_plans_page(column):
    told = found("plan", "plan-ten", changed(PLAN_ROWS, 1, column, "77", PLAN))
    assert re.match(rf"other of app, {column}: 77 in SHOW MIRRORS, \d+ on the page", told[0])
    assert told[1].startswith(f"in all, {column}: ")


@pytest.mark.parametrize(
    "column", ["queue_length", "sampled_out_count", "connection_errors", "query_errors", "timeout_errors"]
)
def test_what_the_plans_page_has_in_all_is_compared_in_all(column):
    [told] = found("plan", "plan-ten", changed(PLAN_ROWS, 0, column, "77", PLAN))
    assert re.match(rf"in all, {column}: \d+ in SHOW MIRRORS, \d on the page", told)


def test_rows_that_only_one_of_them_has_are_told():
    assert found("plan", "plan-ten", PLAN_ROWS[:2])[0] == "app of other is only on the page"
    more = [*PLAN_ROWS, ("x", "y", *10 * ("0",))]
    assert found("plan", "plan-ten", more) == ["y of x is only in SHOW MIRRORS"]
    fewer = found("upstream", "upstream-overflow", upstream_rows()[:-1])
    assert fewer[0] == 'mirror_total_count{database="other",user="other"}: nothing in SHOW MIRRORS, 0 on the page'


def test_what_cannot_be_compared_is_an_error_or_told():
    with pytest.raises(AssertionError, match="has no column error_count, queue_length"):
        differing(Scrape.of(text("upstream-ten")), Answer(UPSTREAM[:5], (), "SHOW"), "upstream")
    with pytest.raises(AssertionError, match="a number that is none"):
        found("plan", "plan-ten", changed(PLAN_ROWS, 0, "total_count", "many", PLAN))
    assert found("plan", "plan-ten", PLAN_ROWS + PLAN_ROWS[:1]) == [
        "SHOW MIRRORS has two rows of the same database and user"
    ]
