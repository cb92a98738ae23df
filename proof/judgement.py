"""What one run on a defect says of the criteria it must fail, and of those it must leave alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from proof.manifest import Defect

CANARY = "no defect"
MUST_BE_GREEN = "must be green: "
_SEVERAL = "Several failures occurred:"
_NUMBER = re.compile(r"^\d+\) ")


class Outcome(StrEnum):
    """What the proof found out about one criterion under one defect."""

    KILLED = "killed"
    SURVIVED = "SURVIVED"
    ERROR = "ERROR"  # nothing was proven: not run, skipped, inconclusive, or failed for another reason
    SPARED = "spared"
    SKIPPED = "skipped"  # the environment lacks what the criterion needs


@dataclass(frozen=True, slots=True)
class Executed:
    """One test as the run on the defect ended it."""

    status: str  # PASS, FAIL or SKIP
    message: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """One line of the proof."""

    criterion: str
    defect: str
    outcome: Outcome
    seconds: float
    message: str

    @property
    def is_good(self) -> bool:
        """Whether the line speaks for the criterion."""
        return self.outcome in (Outcome.KILLED, Outcome.SPARED)

    def __str__(self) -> str:
        match self.outcome:
            case Outcome.KILLED:
                return f"{self.criterion} killed by {self.defect} in {self.seconds:.0f} s: {self.message}"
            case Outcome.SPARED:
                return f"{self.criterion} stays green under {self.defect} ({self.seconds:.0f} s)"
            case _:
                return f"{self.criterion} {self.outcome} {self.defect}: {self.message}"


def judge_kill(criterion: str, defect: str, pattern: str, executed: Executed | None) -> Judgement:
    """Demand that a criterion failed, and for the reason the manifest states."""

    def judgement(outcome: Outcome, message: str) -> Judgement:
        return Judgement(criterion, defect, outcome, executed.seconds if executed else 0.0, message)

    if executed is None:
        return judgement(Outcome.ERROR, "its test did not run")
    message = first_line(executed.message)
    if executed.status == "SKIP":
        return judgement(Outcome.SKIPPED, message)
    if executed.status == "PASS":
        return judgement(Outcome.SURVIVED, "it passed on the defect")
    telling = [failure for failure in _failures(executed.message) if re.search(pattern, failure)]
    if not telling and "INCONCLUSIVE:" not in executed.message:
        return judgement(Outcome.ERROR, f"failed for another reason than /{pattern}/: {message}")
    if all("INCONCLUSIVE:" in failure for failure in telling):
        return judgement(Outcome.ERROR, f"inconclusive is no kill ({message})")
    return judgement(Outcome.KILLED, first_line(executed.message, pattern))


def judge_spared(criterion: str, defect: str, executed: Executed | None) -> Judgement:
    """Demand that a criterion passed: under an unrelated defect, or under none (the canary)."""
    if executed is None:
        return Judgement(criterion, defect, Outcome.ERROR, 0.0, "its test did not run")
    if executed.status == "PASS":
        return Judgement(criterion, defect, Outcome.SPARED, executed.seconds, "")
    outcome = Outcome.SKIPPED if executed.status == "SKIP" else Outcome.ERROR
    return Judgement(criterion, defect, outcome, executed.seconds, MUST_BE_GREEN + first_line(executed.message))


def judge(name: str, defect: Defect, wanted: set[str], executed: Mapping[str, Executed]) -> list[Judgement]:
    """Judge one run on one defect, for the wanted criteria and all that the defect must spare."""
    kills = [
        judge_kill(criterion, name, pattern, executed.get(criterion))
        for criterion, pattern in defect.kills.items()
        if criterion in wanted
    ]
    return kills + [judge_spared(criterion, name, executed.get(criterion)) for criterion in defect.spares]


def _failures(message: str) -> list[str]:
    """Take the message of a test apart that went on after a failure."""
    return re.split(r"\n\n\d+\) ", message) if message.startswith(_SEVERAL) else [message]


def first_line(message: str, pattern: str = "") -> str:
    """The first line of a failure message that says something and matches a pattern, short enough for a table.

    A test that went on after a failure numbers its failures below a heading; neither says anything.
    """
    lines = [_NUMBER.sub("", line.strip()) for line in message.splitlines() if line.strip() not in ("", _SEVERAL)]
    text = next((line for line in lines if re.search(pattern, line)), lines[0] if lines else "(no message)")
    return text if len(text) <= 200 else text[:199] + "…"
