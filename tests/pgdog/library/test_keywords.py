"""What keywords compute, and that each step of the suites is a keyword whose documentation can be built."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from robot.libdocpkg import LibraryDocumentation
from robot.run import run
from scipy.stats import binom

from environments.config import ROOT
from measurement.memory import Memory
from measurement.verdicts import Inconclusive
from PgDogLibrary import PgDogLibrary, scenarios
from PgDogLibrary.counts import MirrorCounts, Tally
from PgDogLibrary.keywords.base import on_test_end
from PgDogLibrary.keywords.counters import ONCE_IN, _bounds, _by_user, _near
from PgDogLibrary.keywords.load import Lasting
from PgDogLibrary.keywords.readiness import CONDITIONS, _thresholds, _traffic
from PgDogLibrary.ledger import Account
from PgDogLibrary.readiness import Observed, assess

library = PgDogLibrary()
NO_PROXY: Any = None


# -- exposure


@pytest.mark.parametrize(
    ("exposure", "number", "bounds"), [(0, 400, (0, 0)), (1, 400, (400, 400)), (0.5, 400, (151, 249))]
)
def test_the_bounds_of_an_exposure(exposure, number, bounds):
    assert _bounds(exposure, number) == bounds


@pytest.mark.parametrize("exposure", [0.1, 0.5, 0.9])
def test_a_fair_draw_leaves_the_bounds_about_as_seldom_as_is_said(exposure):
    """By the binomial distribution itself, of which the bounds take the normal one for an approximation."""
    low, high = _bounds(exposure, 400)
    left = binom.cdf(low - 1, 400, exposure) + binom.sf(high, 400, exposure)
    assert left < 10 / ONCE_IN
    narrower = binom.cdf(low + 1, 400, exposure) + binom.sf(high - 2, 400, exposure)
    assert narrower > 0.3 / ONCE_IN


# -- latency


@pytest.mark.parametrize("was", [90.0, 100.0, 110.0])
def test_a_latency_within_its_tolerance_is_told(was, said):
    _near("average latency", was, timedelta(milliseconds=100), "10 %")
    assert said == [f"average latency {was:.1f} ms"]


@pytest.mark.parametrize("was", [89.9, 110.1, 0.0])
def test_a_latency_beyond_its_tolerance_is_wrong(was):
    with pytest.raises(AssertionError, match=f"expected average latency of 100 ms within 10%, was {was:.1f} ms"):
        _near("average latency", was, timedelta(milliseconds=100), "10 %")


def test_a_latency_that_nobody_tells_is_told_to_be_missing():
    with pytest.raises(AssertionError, match="expected maximum latency of 300 ms, none is told"):
        _near("maximum latency", None, timedelta(milliseconds=300), "10 %")


# -- counters


def test_numbers_of_a_user_are_those_of_all_databases():
    users = {
        ("app", "app"): Tally(mirrored=50),
        ("other", "app"): Tally(mirrored=30),
        ("other", "other"): Tally(mirrored=20),
    }
    found = _by_user(MirrorCounts(0.0, Tally(), {}, users))
    assert {name: tally.mirrored for name, tally in found.items()} == {"app": 80, "other": 20}


def test_failed_are_the_errors_without_what_found_a_full_queue():
    tally = Tally(mirrored=5, errors=7, overflow=4)
    assert (scenarios.number_of(tally, "failed"), scenarios.number_of(tally, "overflow")) == (3, 4)
    with pytest.raises(AssertionError, match="'timeout' is not told by this dialect"):
        scenarios.number_of(tally, "timeout")
    with pytest.raises(AssertionError, match="'failed' is not told"):
        scenarios.number_of(Tally(errors=7), "failed")


def test_a_scenario_must_have_met_what_it_is_about():
    assert scenarios.missing_of("half is sampled", Tally(mirrored=1, sampled_out=1)) is None
    assert (
        scenarios.missing_of("half is sampled", Tally(mirrored=1, sampled_out=0)) == "none was counted as 'sampled_out'"
    )
    assert (
        scenarios.missing_of("the queue overflows", Tally(mirrored=3, overflow=0)) == "none was counted as 'overflow'"
    )
    assert all(scenario.counted for scenario in scenarios.SCENARIOS.values())
    with pytest.raises(ValueError, match="there is no scenario 'rain'; there are all goes well, "):
        scenarios.options_of("rain")


# -- readiness


def test_traffic_is_read_as_criteria_write_it():
    assert _traffic("95 queries and 5 failures") == (95, 5)
    with pytest.raises(ValueError, match="'95 queries' is no traffic"):
        _traffic("95 queries")


SEEN = {  # total, mirrored, errors, average latency in ms
    "too few requests": (20, 20, 0, 1.0),
    "many errors": (200, 150, 50, 1.0),
    "slow statements": (20, 20, 0, 100.0),
    "a short runtime": (50, 50, 0, 1.0),
    "healthy traffic": (100, 100, 0, 1.0),
}
REASONS = {
    "too few requests": "Total requests 20 below minimum 100",
    "many errors": "Error rate 25.00% exceeds threshold 5.00%",
    "slow statements": "Average latency 100ms exceeds threshold 50ms",
    "a short runtime": "Runtime 0.0 hours below minimum 24 hours",
    "healthy traffic": "All migration criteria met",
}


@pytest.mark.parametrize("name", list(CONDITIONS))
def test_a_condition_has_one_reason_and_no_other(name):
    readiness, _ = CONDITIONS[name]
    found = assess(Observed(*SEEN[name], 0.01, 0), _thresholds(readiness))
    assert found.reasons == (REASONS[name],)
    assert found.ready == (name == "healthy traffic")


def test_a_condition_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(ValueError, match="there is no condition 'rain'; there are too few requests, many errors"):
        library.migration_readiness_is_found("READY", of="rain", because="")


# -- answers, memory and sessions


def client_side(**found):
    account = Account()
    for name, values in found.items():
        getattr(account, name).extend(values)
    return SimpleNamespace(account=account)


def test_wrong_answers_and_errors_are_told(said):
    library.answers_should_have_been_right(client_side(waits=[0.1, 0.2]))
    assert said == ["2 answers, all right"]
    for kind in ("wrong", "errors"):
        with pytest.raises(AssertionError, match="1 of 1 answers were wrong; first: this"):
            library.answers_should_have_been_right(client_side(waits=[0.1], **{kind: ["this"]}))


def test_a_client_that_waited_is_told():
    proxy = client_side(waits=[0.01, 0.3, 0.02])
    library.clients_should_not_have_waited(proxy, timedelta(milliseconds=300))
    with pytest.raises(AssertionError, match="waited 300 ms for an answer, expected at most 299 ms"):
        library.clients_should_not_have_waited(proxy, timedelta(milliseconds=299))


def lasting(sizes=(), sessions=()):
    times = tuple(float(at) for at in range(len(sizes)))
    return Lasting(NO_PROXY, Memory("proxy", times, tuple(map(float, sizes))), {"mirror": list(sessions)}, 6000, 60.0)


def test_sessions_that_grew_are_told():
    library.sessions_should_not_have_grown(lasting(sessions=[8, 9, 10, 9, 8, 10, 12, 9, 9]))
    with pytest.raises(AssertionError, match="sessions on the mirror rose from 10 to 13"):
        library.sessions_should_not_have_grown(lasting(sessions=[8, 9, 10, 9, 8, 10, 9, 9, 13]))
    with pytest.raises(Inconclusive, match="6 looks at the sessions of the mirror are too few"):
        library.sessions_should_not_have_grown(lasting(sessions=[8] * 6))


def test_memory_that_rises_with_the_transactions_is_told(said):
    wavers = [50e6 + 1e5 * (at % 3) for at in range(60)]
    library.memory_of_the_proxy_should_not_rise(lasting(wavers))
    assert said[0].startswith("memory: ")
    with pytest.raises(AssertionError, match=r"the proxy's memory rose by \+49\d\d B .* a transaction"):
        library.memory_of_the_proxy_should_not_rise(lasting([size + 5e5 * at for at, size in enumerate(wavers)]))
    with pytest.raises(Inconclusive, match="2 looks are too few"):
        library.memory_of_the_proxy_should_not_rise(lasting(wavers[:2]))


# -- the library itself


def test_what_the_test_began_ends_in_reverse_even_where_something_fails():
    done: list[str] = []
    on_test_end(done.append, "first")
    on_test_end(lambda: 1 / 0)
    on_test_end(done.append, "last")
    with pytest.raises(ZeroDivisionError):
        library.end_what_the_test_began()
    assert done == ["last", "first"]
    library.end_what_the_test_began()
    assert done == ["last", "first"]


def test_every_keyword_and_each_of_its_arguments_is_documented():
    made = LibraryDocumentation(str(ROOT / "libraries" / "PgDogLibrary"))
    assert len(made.keywords) > 40
    made.convert_docs_to_html()
    assert [keyword.name for keyword in made.keywords if not keyword.doc.strip()] == []
    untyped = [f"{k.name}: {a.name}" for k in made.keywords for a in k.args if a.type is None and a.kind != a.VAR_NAMED]
    assert untyped == []


def steps(*options):
    where = {"output": None, "log": None, "report": None, "stdout": None, "stderr": None, "console": "none"}
    variables = str(ROOT / "variables" / "quick.yaml")
    return run(*options, dryrun=True, pythonpath=[str(ROOT), str(ROOT / "libraries")], variablefile=variables, **where)


def test_every_step_of_the_suites_is_a_keyword_with_these_arguments(tmp_path):
    assert steps(str(ROOT / "suites" / "pgdog")) == 0
    wrong = tmp_path / "wrong.robot"
    wrong.write_text(
        "*** Settings ***\nLibrary    PgDogLibrary\n*** Test Cases ***\nOne\n    Client Asks Nicely\n"
        "Two\n    A Proxy Mirrors    speed=5\nThree\n    Counters Are Read    proxy\n"
    )
    assert steps(str(wrong)) == 2
