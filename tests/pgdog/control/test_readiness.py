"""The worked values of the contract, and the report line by line."""

from __future__ import annotations

import time

import pytest

from reference.pgdog.readiness import Observed, assess, observed, report
from reference.pgdog.settings import Thresholds
from reference.pgdog.tally import Tallies

SEED = Thresholds(max_error_rate=0.05, max_latency_ms=500, min_runtime_hours=0, min_requests=100)
LARGE = Thresholds(min_runtime_hours=0)  # the others are the defaults
MET = ("All migration criteria met",)


def seen(total=0, mirrored=0, errors=0, latency=0.0, hours=0.0, in_a_row=0):
    return Observed(total, mirrored, errors, latency, hours, in_a_row)


def text(found, limits):
    return list(report(assess(found, limits), found, limits))


@pytest.mark.parametrize(
    ("found", "limits", "ready", "score", "reasons"),
    [
        pytest.param(seen(100, 95, 5), SEED, True, 85.0, MET, id="accuracy case of the seed"),
        pytest.param(seen(105, 95, 5), SEED, True, 85.0, MET, id="the same, errors counted twice"),
        pytest.param(seen(100_000, 100_000, latency=100, hours=24), LARGE, True, 95.0, MET, id="100k"),
        pytest.param(seen(200_000, 200_000, latency=100, hours=24), Thresholds(), True, 100.0, MET, id="200k"),
        pytest.param(
            seen(100_000, 100_000),
            Thresholds(),
            False,
            70.0,
            ("Runtime 0.0 hours below minimum 24 hours",),
            id="100k with the defaults",
        ),
        pytest.param(
            seen(1000, 900, 100, latency=500),
            Thresholds(0.15, 600, 0, 500),
            True,
            85.0,
            MET,
            id="900 of 1000",
        ),
        pytest.param(
            seen(100, 90, 10),
            Thresholds(0.05, 1000, 0, 100),
            False,
            65.0,
            ("Error rate 10.00% exceeds threshold 5.00%",),
            id="90 of 100",
        ),
        pytest.param(
            seen(),
            Thresholds(),
            False,
            50.0,
            ("Runtime 0.0 hours below minimum 24 hours", "Total requests 0 below minimum 100000"),
            id="no traffic, the defaults",
        ),
        pytest.param(seen(), SEED, False, 75.0, ("Total requests 0 below minimum 100",), id="no traffic"),
        pytest.param(seen(5, 5), SEED, False, 75.0, ("Total requests 5 below minimum 100",), id="5 queries"),
        pytest.param(seen(1000, 1000), SEED, True, 100.0, MET, id="1000 queries"),
        pytest.param(
            seen(99, 0, 99, latency=1000.4, in_a_row=101),
            Thresholds(0.01, 1000, 0.5, 100),
            False,
            0.0,
            (
                "Error rate 100.00% exceeds threshold 1.00%",
                "Average latency 1000ms exceeds threshold 1000ms",
                "Runtime 0.0 hours below minimum 0.5 hours",
                "Total requests 99 below minimum 100",
                "High consecutive error count: 101",
            ),
            id="everything bad",
        ),
    ],
)  # fmt: skip
def test_worked_values(found, limits, ready, score, reasons):
    verdict = assess(found, limits)
    assert (verdict.ready, verdict.score, verdict.reasons) == (ready, score, reasons)


@pytest.mark.parametrize(
    ("found", "score"),
    [
        (seen(1000, 950, 50), 90.0),  # at the limit is not over it, but over its half
        (seen(1000, 975, 25), 100.0),  # at the half is not over it
        (seen(1000, 1000, latency=375), 100.0),
        (seen(1000, 1000, latency=375.5), 95.0),
        (seen(1000, 1000, latency=500), 95.0),
        (seen(100, 100), 95.0),
        (seen(199, 199), 95.0),
        (seen(200, 200), 100.0),
        (seen(1000, 1000, in_a_row=100), 100.0),
    ],
)
def test_comparisons_are_strict(found, score):
    verdict = assess(found, SEED)
    assert (verdict.ready, verdict.score, verdict.reasons) == (True, score, MET)


def test_errors_in_a_row_cost_points_and_do_not_fail():
    verdict = assess(seen(1000, 1000, in_a_row=101), SEED)
    assert (verdict.ready, verdict.score, verdict.reasons) == (True, 90.0, ("High consecutive error count: 101",))


def test_the_least_a_ready_mirror_can_have():
    verdict = assess(seen(100, 96, 4, latency=400, in_a_row=101), SEED)
    assert (verdict.ready, verdict.score) == (True, 70.0)


def test_the_report_line_by_line():
    assert text(seen(100, 95, 5, latency=12.6, hours=1.26), SEED) == [
        "=== Mirror Migration Readiness Report ===",
        "",
        "Status: READY",
        "Confidence Score: 85.0%",
        "",
        "Metrics:",
        "  Error Rate: 5.000%",
        "  Success Rate: 90.000%",
        "  Avg Latency: 13ms",
        "  Uptime: 1.3 hours",
        "  Total Requests: 100",
        "  Consecutive Successes: 90",
        "",
        "Criteria:",
        "  Max Error Rate: 5.00%",
        "  Max Latency: 500ms",
        "  Min Runtime: 0 hours",
        "  Min Requests: 100",
        "",
        "Assessment:",
        "  - All migration criteria met",
        "",
        "Recommendation:",
        "  ⚠ possible, review the metrics before the migration",
    ]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (seen(1000, 1000), "✓ safe to proceed with the migration"),
        (seen(100, 95, 5), "⚠ possible, review the metrics before the migration"),
        (seen(100, 96, 4, latency=400, in_a_row=101), "⚠ address issues before the migration"),
        (seen(5, 5), "⚠ address issues before the migration"),
        (seen(5, 0, 5), "✗ do not migrate"),
    ],
)
def test_recommendations(found, words):
    assert text(found, SEED)[-1] == f"  {words}"


def test_more_errors_than_successes_are_no_negative_success():
    assert "  Consecutive Successes: 0" in text(seen(10, 2, 8), SEED)


def test_it_is_made_of_what_all_mirrors_were_seen_to_do():
    tallies = Tallies()
    tallies.started = time.monotonic() - 5400.9
    one, two = tallies.of("a", "am", "u"), tallies.of("b", "bm", "v")
    for tally in (one, two):
        for _ in range(4):
            tally.attempt()
        tally.succeed(0.1)
        tally.fail("connection")
        tally.fail("timeout")
        tally.overflow()
    one.attempt()
    one.sample_out()
    one.attempt()
    two.fail("query")
    found = observed(tallies)
    assert (found.total, found.mirrored, found.errors, found.consecutive_errors) == (10, 2, 7, 4)
    assert found.latency_ms == pytest.approx(100)
    assert found.uptime_hours == pytest.approx(1.5)
