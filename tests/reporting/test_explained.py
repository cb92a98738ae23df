"""What is said of a run: reasons once, measured beside budget, times, faults, services."""

from __future__ import annotations

from dataclasses import replace

import pytest

from criteria.registry import Budget
from measurement.histogram import LatencyHistogram
from reporting import read_run
from reporting.explained import (
    grouped,
    headline,
    hit,
    measured,
    overhead_share,
    services_line,
    since,
    skip_reason,
    time_spent,
)
from reporting.texts import duration, first_lines, number, plain


def rows(run):
    return {row.id: row for row in run.rows}


def test_equal_reasons_are_told_once(made_once):
    run = read_run(made_once)
    (group,) = grouped(run.rows, ["skip"])
    assert group.reason == "needs citus, which this environment does not declare"
    assert group.ids == "CT-01..02"
    assert [g.verdict for g in grouped(run.rows, ["fail", "inconclusive"])] == ["fail", "inconclusive"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("CT-01 (004 TestCitus) needs citus, which is not declared", "needs citus, which is not declared"),
        ("no root", "no root"),
        ("", "no reason given"),
    ],
)
def test_a_skip_is_told_by_what_is_needed(message, reason):
    assert skip_reason(message) == reason


def test_a_measured_percentile_stands_beside_its_budget(made_once):
    run = read_run(made_once)
    (value,) = measured(run, rows(run)["CL-16"])
    assert (value.of, value.budget, value.verdict) == ("p99 latency", "≤ 100 ms", "pass")
    record = run.measurements[0]
    assert value.value == f"{number(record['latency']['p99'] * 1000)} ms"
    assert value.share == pytest.approx(record["latency"]["p99"] / 0.1)


@pytest.mark.parametrize(("limit", "unit", "told"), [(0.1, "s", 1), (100, "ms", 1), (0.2, "s", 2), (100, "/s", 2)])
def test_a_budget_in_another_unit_of_time_is_told_once(made_once, limit, unit, told):
    run = read_run(made_once)
    row = rows(run)["CL-16"]
    row = replace(row, criterion=replace(row.criterion, budgets=(Budget(limit, unit, "p99"),)))
    assert len(measured(run, row)) == told


def test_a_single_measured_value_stands_beside_its_budget(made_once):
    run = read_run(made_once)
    (value,) = measured(run, rows(run)["HA-10"])
    assert (value.of, value.value, value.budget) == ("write gap", "1.4 s", "10 s")
    assert value.share == pytest.approx(0.14)


@pytest.mark.parametrize(
    ("unit", "value", "identifier", "share"),
    [
        ("s", 5.0, "HA-10", 0.5),
        ("s", 12.0, "HA-10", None),  # the criterion is met, so that its number was not to be kept below
        ("s", 12.0, "HA-11", 1.2),
        ("%", 9.0, "HA-10", None),
    ],
)
def test_a_bar_shows_only_what_can_be_used_up(fake, unit, value, identifier, share):
    fake.everything()
    fake.lines("values", [{"criterion": identifier, "of": "x", "value": value, "unit": unit}])
    run = read_run(fake.directory)
    row = rows(run)[identifier]
    budget = replace(row.criterion.budgets[0], of="x", unit=unit, limit=10)
    (found,) = measured(run, replace(row, criterion=replace(row.criterion, budgets=(budget,))))
    assert (found.of, found.budget) == ("x", f"10 {unit}")
    assert found.share == (None if share is None else pytest.approx(share))


def test_a_budget_without_a_value_says_so_by_its_absence(made_once):
    run = read_run(made_once)
    (value,) = measured(run, rows(run)["HA-11"])
    assert (value.of, value.value, value.budget, value.share) == ("takeover", "", "25 s", None)
    assert measured(run, rows(run)["CL-01"]) == []


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([("takeover", 21.3)], [("takeover", "21.3 s", "25 s")]),
        ([("takeover", 21.3), ("takeover", 3.0)], [("takeover", "21.3 s", "25 s")]),
        ([("the killed node streamed", 9.5)], [("takeover", "9.5 s", "25 s")]),
        (
            [("takeover", 21.3), ("writes resume", 21.9)],
            [("takeover", "21.3 s", "25 s"), ("writes resume", "21.9 s", "")],
        ),
        ([("a", 1.0), ("b", 2.0)], [("takeover", "", "25 s"), ("a", "1 s", ""), ("b", "2 s", "")]),
    ],
)
def test_values_find_their_budget_by_name_or_by_being_alone(fake, values, shown):
    fake.everything()
    fake.lines("values", [{"criterion": "HA-11", "of": of, "value": value, "unit": "s"} for of, value in values])
    run = read_run(fake.directory)
    assert [(found.of, found.value, found.budget) for found in measured(run, rows(run)["HA-11"])] == shown


def record(**changes):
    base = {"criterion": "CL-16", "name": "load", "latency": None, "service_time": {"p50": 0.002}, "comparison": None}
    return {**base, "load": {"achieved_rate": 3109.4}, "verdict": {"value": "pass", "reason": ""}, **changes}


@pytest.mark.parametrize(
    ("changes", "value", "budget", "share"),
    [
        ({"target": {"of": "rate", "limit": 1000, "unit": "/s", "bound": "at least"}}, "3 109 /s", "≥ 1 000 /s", None),
        (
            {
                "target": {"of": "time of cache / time of database", "limit": 1, "unit": "ratio", "bound": "at most"},
                "comparison": {"ratio": 0.633},
            },
            "0.633 ratio",
            "≤ 1 ratio",
            0.633,
        ),
        (
            {
                "target": {"of": "rate of the relay", "limit": 60, "unit": "%", "bound": "at least"},
                "comparison": {"ratio": 0.74},
            },
            "74 %",
            "≥ 60 %",
            None,
        ),
        ({"target": {"of": "p99 latency", "limit": 5, "unit": "ms", "bound": "at most"}}, "", "≤ 5 ms", None),
        (
            {"target": {"of": "p50 latency", "limit": 0.004, "unit": "s", "bound": "at most"}},
            "0.002 s",
            "≤ 0.004 s",
            0.5,
        ),
        (
            {
                "target": {"of": "p95 latency", "limit": 100, "unit": "us", "bound": "at most"},
                "latency": {"p50": 2e-5, "hdr": LatencyHistogram.of([2e-5] * 940 + [5e-5] * 60).encode()},
            },
            "50 us",
            "≤ 100 us",
            0.5,
        ),
        (
            {
                "target": {"of": "p99 latency", "limit": 100, "unit": "us", "bound": "at most"},
                "latency": {"p99": None, "hdr": LatencyHistogram.of([2e-5] * 9).encode()},
            },
            "",
            "≤ 100 us",
            None,
        ),
    ],
)
def test_each_kind_of_budget_finds_its_value(made_once, changes, value, budget, share):
    run = read_run(made_once)
    changed = type(run)(directory=run.directory, measurements=[record(**changes)])
    row = type(rows(run)["CL-16"])("CL-16", "", "", "", None, None)
    (found,) = measured(changed, row)
    assert (found.value, found.budget) == (value, budget)
    assert found.share == (pytest.approx(share) if share else None)


def test_time_is_told_by_kind_and_adds_up(made_once):
    run = read_run(made_once)
    spent = {name: seconds for name, seconds, _ in time_spent(run)}
    assert spent["start-up"] == 4
    assert spent["waiting"] == 4  # 14..20 s, of which 13..16 s was measuring
    assert spent["measuring"] == 3
    assert sum(share for *_, share in time_spent(run)) == pytest.approx(1)
    assert overhead_share(run) == pytest.approx(9 / 12, abs=0.01)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ([{"service": "member3", "role": "leader", "part": "all", "pids": [1, 2]}], "member3 (leader), 2 processes"),
        ([{"service": "member3", "part": "walsenders", "pids": [1]}], "walsenders of member3"),
        ([{"link": "client-primary"}], "link client-primary"),
        ([{"service": "member1"}, {"service": "member2"}], "member1, member2"),
        ("member3", "member3"),
        (None, ""),
    ],
)
def test_what_a_fault_hit_is_told_in_words(given, text):
    assert hit({"hit": given}) == text


def test_instants_are_told_from_the_injection():
    assert since(12.05, 12.0) == "+50 ms"
    assert since(None, 12.0) == "–"
    assert since(12.0, None) == "–"


def test_services_are_told_once_and_what_is_not_real_is_marked(made_once):
    assert services_line(read_run(made_once)) == "member Patroni 4.1.5 ×3, cache 1.0 (reference)"


def test_the_headline_names_a_defect(fake):
    fake.everything()
    fake.fingerprint(defect="cache-skips-invalidation")
    assert "DEFECT cache-skips-invalidation" in headline(read_run(fake.directory))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0004, "0 ms"), (0.0126, "13 ms"), (0.14, "0.1 s"), (9.94, "9.9 s"), (9.96, "10 s"), (99.4, "99 s"),
        (99.6, "1 min 40 s"), (3599.7, "1 h 00 min"), (7380, "2 h 03 min"),
    ],
)  # fmt: skip
def test_durations_have_the_precision_that_matters(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9534, "0.953"), (48.23, "48.2"), (100, "100"), (12345, "12 345"), (3109.4, "3 109"), (0, "0")],
)
def test_numbers_are_written_for_reading(value, text):
    assert number(value) == text


def test_html_messages_are_read_as_text():
    assert plain("*HTML* <b>lost</b> 14<br>see <a href='x'>log</a> &amp; weep") == "lost 14\nsee log & weep"


def test_long_messages_say_that_more_follows():
    assert first_lines("a\n\nb\nc\nd", 2) == ["a", "b", "… (2 more lines in the log)"]
