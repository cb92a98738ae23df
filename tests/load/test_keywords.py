from __future__ import annotations

import time
from datetime import timedelta

import pytest
from robot.api import TestSuite as Suite
from robot.libdocpkg import LibraryDocumentation
from robot.libraries.BuiltIn import BuiltIn

from LoadLibrary import LoadLibrary, Rate
from LoadLibrary.measure import leave_record, measure_closed_loop, measure_open_loop, measure_paired
from measurement.openloop import Offering
from measurement.paired import Contender
from measurement.schedule import constant_rate
from measurement.verdicts import Inconclusive

library = LoadLibrary()


def quick(worker):
    return lambda number: None


def sleeps(seconds):
    return lambda worker: lambda number: time.sleep(seconds)


def ms(value):
    return timedelta(milliseconds=value)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("200/s", 200), ("1000 / s", 1000), ("1 000/s", 1000), ("90/min", 1.5), ("2.5/s", 2.5), ("500 per second", 500)],
)
def test_a_rate_is_read_as_criteria_write_it(text, rate):
    assert Rate.parse(text) == Rate(rate)


@pytest.mark.parametrize("text", ["fast", "0/s", "-1/s", "200", "", "1/h"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(ValueError, match=r"is not a rate, expected such as '500/s'"):
        Rate.parse(text)


def test_p99_below_its_limit_passes(run):
    measurement = measure_open_loop("query", quick, 1000, 1, workers=2, budget_p99_seconds=0.1, warm_up=0)
    library.p99_should_be_below(measurement, ms(100))


def test_p99_above_its_limit_fails_with_all_the_numbers(run):
    measurement = measure_open_loop("query", sleeps(0.1), 40, 0.5, workers=8, budget_p99_seconds=0.05, warm_up=0)
    with pytest.raises(AssertionError, match=r"p99 is 1\d\d ms, budget 50\.0 ms \(n = 20, .*open loop") as error:
        library.p99_should_be_below(measurement, ms(50))
    assert not isinstance(error.value, Inconclusive)


def test_p99_of_too_few_operations_is_inconclusive(run):
    measurement = measure_open_loop("query", quick, 50, 0.5, workers=2, budget_p99_seconds=0.1, warm_up=0)
    with pytest.raises(Inconclusive, match=r"^INCONCLUSIVE: p99 needs at least 1000 samples"):
        library.p99_should_be_below(measurement, ms(100))


def test_a_measurement_without_a_budget_is_judged_by_the_sentence(run):
    measurement = measure_open_loop("query", quick, 1000, 1, workers=2, warm_up=0)
    library.p99_should_be_below(measurement, ms(100))
    with pytest.raises(AssertionError):
        library.p99_should_be_below(measurement, timedelta(microseconds=1))


def test_the_sentence_and_the_record_must_name_the_same_budget(run):
    measurement = measure_open_loop("query", quick, 1000, 1, workers=2, budget_p99_seconds=0.05, warm_up=0)
    with pytest.raises(ValueError, match="recorded against 50 ms, the test says 100"):
        library.p99_should_be_below(measurement, ms(100))
    with pytest.raises(ValueError, match="measured for its p99 latency, not for its rate"):
        library.rate_should_be_above(measurement, Rate(100))


def test_a_closed_loop_has_no_p99(run):
    with pytest.raises(ValueError, match="closed-loop"):
        library.p99_should_be_below(measure_closed_loop("x", quick, 0.1, workers=1), ms(100))


def test_a_rate_above_its_limit_passes_and_one_below_fails(run):
    measurement = measure_closed_loop("reads", sleeps(0.01), 0.3, workers=2, minimum_per_second=100, warm_up=0)
    library.rate_should_be_above(measurement, Rate(100))
    slow = measure_closed_loop("reads", sleeps(0.05), 0.3, workers=1, warm_up=0)
    with pytest.raises(AssertionError, match="correct responses a second, at least 100 wanted"):
        library.rate_should_be_above(slow, Rate(100))


def test_a_ratio_below_its_limit_passes_and_one_above_fails(run):
    fast, slow = Contender("a", lambda _: time.sleep(0.001)), Contender("b", lambda _: time.sleep(0.003))
    library.ratio_should_be_below(measure_paired("x", fast, slow, rounds=5, operations_per_round=3), 1.0)
    with pytest.raises(AssertionError, match=r"time of b / time of a is"):
        library.ratio_should_be_below(measure_paired("x", slow, fast, rounds=5, operations_per_round=3), 1.0)
    with pytest.raises(ValueError, match="not a paired measurement"):
        library.ratio_should_be_below(measure_closed_loop("x", quick, 0.1, workers=1), 1.0)


def test_a_window_with_too_few_successes_is_inconclusive(run):
    with Offering(lambda _: lambda _: None, constant_rate(200, 60), workers=2) as load:
        load.mark("before")
        time.sleep(0.2)  # a stretch of load
        load.mark("during")
    measurement = leave_record("x", load.result())
    with pytest.raises(Inconclusive, match="window 'during': 0 successful"):
        library.every_window_should_have_successes(measurement, 1)
    whole = leave_record("x", measure_open_loop("y", quick, 100, 0.1, workers=1, warm_up=0).result)
    with pytest.raises(Inconclusive, match="no windows"):
        library.every_window_should_have_successes(whole, 1)


def test_robot_converts_rate_and_limit_and_sees_the_word_inconclusive_first(run, tmp_path):
    """The keywords as a suite calls them: conversion, a failing message and an inconclusive one."""
    measured = {
        "GOOD": measure_open_loop("good", quick, 1000, 1, workers=2, warm_up=0),
        "FEW": measure_open_loop("few", quick, 20, 0.2, workers=2, warm_up=0),
    }
    suite = Suite.from_string(
        "*** Settings ***\n"
        "Library    LoadLibrary\n"
        "*** Test Cases ***\n"
        "Good\n"
        "    P99 Should Be Below    ${GOOD}    100 ms\n"
        "Few\n"
        "    P99 Should Be Below    ${FEW}    100 ms\n"
        "Wrong Rate\n"
        "    Rate Should Be Above    ${GOOD}    fast\n"
    )
    result = suite.run(output=None, log=None, report=None, stdout=None, listener=Variables(measured))
    good, few, wrong = result.suite.tests
    assert good.status == "PASS", good.message
    assert few.status == "FAIL"
    assert few.message.startswith("INCONCLUSIVE: p99 needs at least 1000 samples")
    assert "Argument 'limit' got value 'fast' that cannot be converted to Rate" in wrong.message


class Variables:
    """Hands objects to a suite that is run from here."""

    ROBOT_LISTENER_API_VERSION = 3

    def __init__(self, values):
        self.values = values

    def start_test(self, data, result):
        for name, value in self.values.items():
            BuiltIn().set_test_variable(f"${{{name}}}", value)


def test_every_keyword_documents_its_arguments_and_what_it_raises():
    documentation = LibraryDocumentation("LoadLibrary")
    assert [k.name for k in documentation.keywords] == [
        "Every Window Should Have Successes",
        "P99 Should Be Below",
        "Rate Should Be Above",
        "Ratio Should Be Below",
    ]
    for keyword in documentation.keywords:
        assert keyword.doc, keyword.name
        assert "load" in keyword.tags
        told = keyword.to_dictionary()
        assert "Inconclusive" in told["raises"]
        assert all(argument["doc"] for argument in told["args"])
