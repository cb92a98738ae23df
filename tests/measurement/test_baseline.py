from __future__ import annotations

import pytest

from measurement.baseline import beside_baseline
from measurement.verdicts import Judgement, Verdict


@pytest.mark.parametrize(
    ("verdict", "attainable", "expected"),
    [
        (Verdict.PASS, True, Verdict.PASS),
        (Verdict.PASS, False, Verdict.PASS),
        (Verdict.FAIL, True, Verdict.FAIL),
        (Verdict.FAIL, False, Verdict.INCONCLUSIVE),
        (Verdict.INCONCLUSIVE, True, Verdict.INCONCLUSIVE),
        (Verdict.INCONCLUSIVE, False, Verdict.INCONCLUSIVE),
    ],
)
def test_only_a_failure_that_the_baseline_shares_is_excused_and_never_passed(verdict, attainable, expected):
    judged = beside_baseline(Judgement(verdict, "8/s, 10/s wanted"), attainable=attainable, baseline="raw 9/s")
    assert judged.verdict is expected
    assert judged.reason.endswith("8/s, 10/s wanted; raw 9/s")
    excused = verdict is Verdict.FAIL and not attainable
    assert judged.reason.startswith("not met on this machine: ") == judged.unfit == excused
