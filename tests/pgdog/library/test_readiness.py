"""The worked values of the plan's algorithm, and reports with each line right or one of them wrong."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from PgDogLibrary.counts import Health, Latency, Tally
from PgDogLibrary.readiness import MET, Observed, Thresholds, assess
from PgDogLibrary.report import WrongReport, difference, parse, written

SEED = Thresholds(0.05, 1000, 0.0, 100)


def observed(total=0, mirrored=0, errors=0, latency=0.0, uptime=0.0, consecutive=0):
    return Observed(total, mirrored, errors, latency, uptime, consecutive)


@pytest.mark.parametrize(
    ("numbers", "wanted", "status", "score", "reasons"),
    [
        (observed(100, 95, 5, 300), SEED, "READY", 85.0, [MET]),
        (observed(105, 95, 5, 300), SEED, "READY", 85.0, [MET]),
        (observed(100_000, 100_000, 0, 100), Thresholds(0.01, 200, 0.0, 100_000), "READY", 95.0, [MET]),
        (
            observed(100_000, 100_000, 0),
            Thresholds(),
            "NOT READY",
            70.0,
            ["Runtime 0.0 hours below minimum 24 hours"],
        ),
        (observed(1000, 900, 100, 500), Thresholds(0.15, 600, 0.0, 500), "READY", 85.0, [MET]),
        (observed(100, 90, 10), SEED, "NOT READY", 65.0, ["Error rate 10.00% exceeds threshold 5.00%"]),
        (
            observed(),
            Thresholds(),
            "NOT READY",
            50.0,
            ["Runtime 0.0 hours below minimum 24 hours", "Total requests 0 below minimum 100000"],
        ),
        (observed(), SEED, "NOT READY", 75.0, ["Total requests 0 below minimum 100"]),
        (observed(5, 5), SEED, "NOT READY", 75.0, ["Total requests 5 below minimum 100"]),
        (observed(1000, 1000), SEED, "READY", 100.0, [MET]),
        (
            observed(50, 0, 50, 2000.4, 0.25, 101),
            Thresholds(0.01, 1000, 0.5, 100),
            "NOT READY",
            0.0,
            [
                "Error rate 100.00% exceeds threshold 1.00%",
                "Average latency 2000ms exceeds threshold 1000ms",
                "Runtime 0.2 hours below minimum 0.5 hours",
                "Total requests 50 below minimum 100",
                "High consecutive error count: 101",
            ],
        ),
        (
            observed(300, 300, 0, 0, 1, 101),
            replace(SEED, min_requests=100),
            "READY",
            90.0,
            ["High consecutive error count: 101"],
        ),
    ],
)
def test_the_worked_values_come_out(numbers, wanted, status, score, reasons):
    found = assess(numbers, wanted)
    assert (found.status, found.score, list(found.reasons), found.unknown) == (status, score, reasons, ())


@pytest.mark.parametrize(
    ("numbers", "score"),
    [
        (observed(1000, 950, 50), 90.0),  # exactly the limit does not exceed it
        (observed(1000, 975, 25), 100.0),  # nor does exactly half of it
        (observed(1000, 1000, 0, 1000), 95.0),
        (observed(1000, 1000, 0, 750), 100.0),
        (observed(100, 100), 95.0),
        (observed(200, 200), 100.0),
        (observed(1000, 1000, 0, 0, 0, 100), 100.0),
    ],
)
def test_every_comparison_is_strict(numbers, score):
    found = assess(numbers, SEED)
    assert (found.ready, found.score) == (True, score)


@pytest.mark.parametrize(
    ("missing", "score", "ready", "told"),
    [
        ("total", 45.0, False, ("Error rate", "Total requests")),
        ("errors", 70.0, False, ("Error rate",)),
        ("average_latency_ms", 80.0, False, ("Average latency",)),
        ("uptime_hours", 75.0, False, ("Runtime",)),
        ("consecutive_errors", 100.0, True, ()),  # there are not even as many errors in all
    ],
)
def test_a_number_that_nobody_tells_is_never_met(missing, score, ready, told):
    numbers = replace(observed(1000, 1000, 0, 10, 30), **{missing: None})
    found = assess(numbers, Thresholds(0.05, 1000, 24, 100))
    assert (found.score, found.ready, found.unknown) == (score, ready, told)
    assert [f"{what} is not known" for what in told] == [r for r in found.reasons if r != MET]


def test_errors_in_a_row_are_unknown_where_there_are_enough_to_make_one():
    found = assess(replace(observed(100_000, 99_800, 101), consecutive_errors=None), SEED)
    assert (found.ready, found.score) == (True, 90.0)
    assert found.reasons == ("Consecutive error count is not known",)


def test_a_row_of_errors_is_no_longer_than_there_are_errors():
    assert assess(replace(observed(100_000, 99_900, 100), consecutive_errors=None), SEED).score == 100.0


def test_no_minimum_of_runtime_needs_no_runtime():
    assert assess(replace(observed(1000, 1000), uptime_hours=None), SEED).score == 100.0


@pytest.mark.parametrize(
    ("score", "ready", "advice"),
    [(95, True, "proceed"), (94.9, True, "review"), (80, True, "review"), (79.9, True, "address"),
     (100, False, "address"), (60, False, "address"), (59.9, False, "stop")],
)  # fmt: skip
def test_bands_of_the_recommendation(score, ready, advice):
    found = replace(assess(observed(), SEED), score=score, ready=ready)
    assert found.advice == advice


def test_numbers_of_a_page_are_taken_as_they_are():
    tally = Tally(
        attempted=10, mirrored=8, errors=2, latency=Latency(80.0, 8, 10.0, 30.0), health=Health(consecutive_errors=1)
    )
    assert Observed.of(tally, 1.5) == Observed(10, 8, 2, 10.0, 1.5, 1)
    assert Observed.of(Tally(latency=Latency(count=0)), None) == Observed(None, None, None, 0.0, None, None)
    assert Observed.of(Tally(latency=Latency(count=3)), None).average_latency_ms is None


# -- reports

NUMBERS = observed(100, 95, 5, 12.4, 0.04)
LINES = [*written(assess(NUMBERS, SEED), NUMBERS, SEED), "  ⚠️ Migration possible, review the metrics first"]


def changed(number, line):
    return [*LINES[:number], line, *LINES[number + 1 :]]


def test_a_right_report_is_read_and_equals_our_own():
    report = parse(LINES)
    assert (report.ready, report.score, report.reasons, report.advice) == (True, 85.0, (MET,), "review")
    assert report.metrics == {
        "error_rate": 5.0, "success_rate": 90.0, "average_latency_ms": 12.0, "uptime_hours": 0.0, "total": 100.0,
        "successes": 90.0,
    }  # fmt: skip
    assert report.criteria == {
        "max_error_rate": 5.0, "max_latency_ms": 1000.0, "min_runtime_hours": 0.0, "min_requests": 100.0
    }  # fmt: skip
    assert difference(report, SEED, NUMBERS, NUMBERS) is None
    assert parse(["\n".join(LINES)]) == report


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_line_that_is_missing_or_not_of_its_form_is_told(number):
    with pytest.raises(WrongReport):
        parse(LINES[:number] + LINES[number + 1 :])
    with pytest.raises(WrongReport, match=f"line {number + 1} of the report is"):
        parse(changed(number, "  unmarked" if number == len(LINES) - 1 else LINES[number] + "x"))


@pytest.mark.parametrize(
    ("number", "line", "told"),
    [
        (6, "  Error Rate: 5.00%", r"line 7 of the report is '  Error Rate: 5\.00%', expected"),
        (3, "Confidence Score: 85%", "line 4"),
        (8, "  Avg Latency: 12.4ms", "line 9"),
        (20, "  - It looks fine", "line 21 of the report is '  - It looks fine', expected a reason"),
        (23, "  ✅ address issues", "line 24 .* expected a mark and one of"),
    ],
)
def test_every_form_is_exact(number, line, told):
    with pytest.raises(WrongReport, match=told):
        parse(changed(number, line))


def test_a_line_behind_the_last_one_is_told():
    with pytest.raises(WrongReport, match="expected the end of the report"):
        parse([*LINES, "  more"])


@pytest.mark.parametrize(
    ("number", "line", "told"),
    [
        (2, "Status: NOT READY", "line 3 of the report is 'Status: NOT READY', its numbers make 'Status: READY'"),
        (3, "Confidence Score: 95.0%", "line 4"),
        (7, "  Success Rate: 95.000%", "line 8 of the report is .*, its numbers make '  Success Rate: 90.000%'"),
        (10, "  Total Requests: 101", "line 11"),
        (17, "  Min Requests: 10", "line 18"),
        (20, "  - Total requests 5 below minimum 100", "line 21"),
        (23, "  ✅ It is safe to proceed", "the report recommends to proceed, its numbers to review"),
    ],
)
def test_the_first_line_that_differs_from_our_own_is_told(number, line, told):
    assert re.match(told, difference(parse(changed(number, line)), SEED, NUMBERS, NUMBERS) or "")


def test_reasons_too_many_or_too_few_are_told():
    bad = observed(10, 5, 5)
    lines = [*written(assess(bad, SEED), bad, SEED), "  ❌ Do not migrate yet"]
    assert difference(parse(lines), SEED, bad, bad) is None
    fewer = lines[:21] + lines[22:]
    assert (difference(parse(fewer), SEED, bad, bad) or "").startswith("line 22 of the report is ''")
    more = [*lines[:22], lines[21], *lines[22:]]
    assert (difference(parse(more), SEED, bad, bad) or "").startswith("line 23 of the report is '  - Total requests")


def test_uptime_may_go_on_between_two_readings():
    later = replace(NUMBERS, uptime_hours=0.06)
    report = parse(changed(9, "  Uptime: 0.1 hours"))
    assert difference(report, SEED, NUMBERS, NUMBERS) is not None
    assert difference(report, SEED, NUMBERS, later) is None


def test_a_latency_between_two_whole_numbers_may_be_shown_as_either():
    numbers = replace(NUMBERS, average_latency_ms=12.5)  # 12.5004 on the proxy's side
    for shown, right in (("12", True), ("13", True), ("11", False), ("14", False)):
        report = parse(changed(8, f"  Avg Latency: {shown}ms"))
        assert (difference(report, SEED, numbers, numbers) is None) is right


def test_there_is_no_report_of_unknown_numbers():
    with pytest.raises(ValueError, match="not known"):
        written(assess(NUMBERS, SEED), replace(NUMBERS, average_latency_ms=None), SEED)
