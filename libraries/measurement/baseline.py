"""A budget beside what this machine can do at all.

A contract's absolute number was written for some other machine. A baseline, such as a raw relay in the place of the
system, measured in turns with it, says what this one can do: a number that even the baseline misses tells nothing of
the system, and is reported as *not met on this machine*, with the baseline beside it. That is never a pass: the record
is inconclusive, and the criterion is skipped for want of a machine, with both numbers as the reason.
"""

from __future__ import annotations

from measurement.verdicts import Judgement, Verdict


def beside_baseline(judgement: Judgement, *, attainable: bool, baseline: str) -> Judgement:
    """Put what the baseline did beside a judgement that is about a number alone.

    Args:
        judgement: of the system. One that failed for wrong results must not come here: no machine excuses those.
        attainable: whether what the baseline did shows that the budget can be met on this machine.
        baseline: what it did, as a clause with its numbers.

    Returns:
        The judgement with the baseline in its reason; a failure where nothing better can be had is inconclusive.
    """
    reason = f"{judgement.reason}; {baseline}"
    if judgement.verdict is Verdict.FAIL and not attainable:
        return Judgement(Verdict.INCONCLUSIVE, f"not met on this machine: {reason}", unfit=True)
    return Judgement(judgement.verdict, reason)
