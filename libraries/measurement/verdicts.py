"""Verdicts have three values: a measurement that settles nothing is neither a pass nor a failure.

`Inconclusive` is an `AssertionError`, so that a test which raises it can never be green; its message begins
with `INCONCLUSIVE: `, by which reports and the proof tell it from a failure. Where it is the machine that cannot settle
a criterion, whoever measures there, the criterion is skipped with that reason: `UnfitMachine`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "INCONCLUSIVE: "


class Verdict(StrEnum):
    """What a criterion's evidence says."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Inconclusive(AssertionError):
    """The evidence is too weak to decide either way.

    Robot Framework reports the message without the exception's name in front.
    """

    ROBOT_SUPPRESS_NAME = True

    def __init__(self, reason: str) -> None:
        super().__init__(reason if reason.startswith(PREFIX) else PREFIX + reason)

    @property
    def reason(self) -> str:
        """The message without its prefix."""
        return str(self).removeprefix(PREFIX)


class UnfitMachine(Exception):
    """The machine lacks what a criterion needs, as was measured beside it: Robot Framework skips the test."""

    ROBOT_SKIP_EXECUTION = True
    ROBOT_SUPPRESS_NAME = True


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and the sentence that explains it, with expected and actual value, unit and sample size.

    Attributes:
        unfit: the verdict is inconclusive since this machine cannot settle it, see `baseline`.
    """

    verdict: Verdict
    reason: str
    unfit: bool = False

    def require(self) -> None:
        """Do nothing on a pass.

        Raises:
            AssertionError: the verdict is fail.
            Inconclusive: the verdict is inconclusive.
            UnfitMachine: it is, and never will be another on this machine.
        """
        match self.verdict:
            case Verdict.PASS:
                return
            case Verdict.FAIL:
                raise AssertionError(self.reason)
            case Verdict.INCONCLUSIVE:
                raise UnfitMachine(self.reason) if self.unfit else Inconclusive(self.reason)

    def __bool__(self) -> bool:
        """Refuse to be a truth value: three values do not fit in two.

        Raises:
            TypeError: always; compare `.verdict` or call `.require()`.
        """
        raise TypeError("a judgement is not a boolean; compare its .verdict or call .require()")
