"""A refusal is held against its SQLSTATE, its words and its time, from both sides."""

from __future__ import annotations

import psycopg2
import pytest

from PostgresLibrary.refusals import Refusal, check_duration, check_sqlstate, check_text, one_line, refusal_of

TIMED_OUT = Refusal("57014", "canceling statement due to statement timeout", 0.501)


def test_what_is_accepted_is_no_refusal() -> None:
    with pytest.raises(AssertionError, match=r"inserting twice: expected a refusal, but it was accepted"):
        refusal_of("inserting twice", lambda: None)


def test_an_error_of_the_client_library_has_no_sqlstate() -> None:
    def connect() -> None:
        raise psycopg2.OperationalError("Connection\n  refused")

    refusal = refusal_of("connecting", connect)
    assert (refusal.sqlstate, refusal.message) == (None, "Connection refused")


def test_another_error_is_not_taken_for_a_refusal() -> None:
    with pytest.raises(ZeroDivisionError):
        refusal_of("dividing", lambda: 1 // 0)


def test_the_sqlstate_is_compared_exactly() -> None:
    check_sqlstate(TIMED_OUT, "57014")
    with pytest.raises(AssertionError, match=r"expected SQLSTATE 57P01, was 57014 after 0.501 s: canceling statement"):
        check_sqlstate(TIMED_OUT, "57P01")


def test_the_words_are_compared_without_case() -> None:
    check_text(TIMED_OUT, "Statement Timeout")
    with pytest.raises(AssertionError, match="expected an error that says 'lock timeout'"):
        check_text(TIMED_OUT, "lock timeout")


@pytest.mark.parametrize("actual", [0.4996, 0.5, 1.999])
def test_a_time_within_its_bounds_is_right(actual: float) -> None:
    check_duration("the refusal", actual, 0.5, 2)


@pytest.mark.parametrize("actual", [0.49, 2.0, 30.0])
def test_a_time_outside_its_bounds_is_wrong(actual: float) -> None:
    with pytest.raises(AssertionError, match=r"expected at least 0.500 s and less than 2.000 s, took \d+\.\d+ s"):
        check_duration("the refusal", actual, 0.5, 2)


def test_an_error_without_words_gives_its_name() -> None:
    assert one_line(psycopg2.OperationalError()) == "OperationalError"
