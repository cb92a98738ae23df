from __future__ import annotations

import pytest

from measurement.verdicts import Inconclusive, Judgement, UnfitMachine, Verdict


def test_inconclusive_is_an_assertion_error_whose_message_begins_with_the_word():
    error = Inconclusive("3 polls, 10 needed")
    assert isinstance(error, AssertionError)
    assert str(error) == "INCONCLUSIVE: 3 polls, 10 needed"
    assert error.reason == "3 polls, 10 needed"
    assert error.ROBOT_SUPPRESS_NAME is True


def test_the_word_stands_once_when_a_reason_brings_it_along():
    assert str(Inconclusive(str(Inconclusive("why")))) == "INCONCLUSIVE: why"


def test_a_pass_requires_nothing():
    Judgement(Verdict.PASS, "fine").require()


def test_a_fail_raises_and_is_not_inconclusive():
    with pytest.raises(AssertionError, match=r"^too slow$") as caught:
        Judgement(Verdict.FAIL, "too slow").require()
    assert not isinstance(caught.value, Inconclusive)


def test_an_inconclusive_judgement_raises_inconclusive():
    with pytest.raises(Inconclusive, match=r"^INCONCLUSIVE: too few$"):
        Judgement(Verdict.INCONCLUSIVE, "too few").require()


def test_one_that_this_machine_cannot_settle_skips_the_test():
    with pytest.raises(UnfitMachine, match=r"^a raw relay needs 120 us$") as caught:
        Judgement(Verdict.INCONCLUSIVE, "a raw relay needs 120 us", unfit=True).require()
    assert caught.value.ROBOT_SKIP_EXECUTION is True


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_judgement_is_no_truth_value(verdict):
    with pytest.raises(TypeError):
        bool(Judgement(verdict, ""))
