"""A budget beside what this machine can do at all.

A contract's absolute number was written for some other machine. A baseline, such as a raw relay in the place of the
system, measured in turns with it, says what this one can do: a number that even the baseline misses tells nothing of
the system, and is reported as *not met on this machine*, with the baseline beside it. That is never a pass.
"""

from __future__ import annotations

from measurement.verdicts import Judgement, Verdict


def beside_baseline(judgement: Judgement, *, baseline_meets: bool, baseline: str) -> Judgement:
    """Put what the baseline did beside a judgement that is about a number alone.

    Args:
        judgement: of the system. One that failed for wrong results must not come here: no machine excuses those.
        baseline_meets: whether the baseline met the same budget.
        baseline: what it did, as a clause with its numbers.

    Returns:
        The judgement with the baseline in its reason; a failure that the baseline shares is inconclusive.
    """
    reason = f"{judgement.reason}; {baseline}"
    if judgement.verdict is Verdict.FAIL and not baseline_meets:
        return Judgement(Verdict.INCONCLUSIVE, f"not met on this machine: {reason}")
    return Judgement(judgement.verdict, reason)
