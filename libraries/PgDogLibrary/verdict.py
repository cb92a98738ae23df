"""One answer from what is known of a mirror: is it safe to cut over to it, and is what it lacks at least announced?

What was lost may have been announced: a proxy that counts a transaction as an error, as one that found a full queue or
as one that was sampled out has said that the mirror will lack it. Nothing that it counts says that work is there
twice, in another order, in parts, or that never took effect: such a difference is always silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from measurement.verdicts import Judgement, Verdict
from oracles.mirror import Compared, Kind
from oracles.replay import Fault, Replayed
from PgDogLibrary.counts import Moved, Tally
from PgDogLibrary.readiness import Assessment

_MISSING = (Fault.LOST, Fault.HALF)  # transactions that the mirror lacks, as a whole or in part
_SILENT = tuple(fault for fault in Fault if fault not in _MISSING)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a mirror at a quiet moment.

    Attributes:
        contents: of both servers, compared.
        counted: how far the proxy's counters moved since both servers were last known to be the same.
        backlog: transactions that the proxy says are queued or under way; None: it does not say.
        transactions: what became of those in a ledger on the mirror, where one was kept.
    """

    contents: Compared
    counted: Moved
    backlog: int | None
    transactions: Replayed | None = None

    @property
    def contradictions(self) -> tuple[str, ...]:
        """Numbers on the proxy's page that cannot all be right."""
        return self.counted.counts.contradictions

    @property
    def judged_contents(self) -> Judgement:
        """What the contents say by themselves."""
        return self.contents.judgement

    @property
    def differs(self) -> bool:
        """Whether anything on the mirror is not as it should be."""
        return bool(self.contents.differences or (self.transactions is not None and self.transactions.faults))

    @property
    def shown(self) -> str:
        """The differences, each with the first row it shows in."""
        wrong = [str(difference) for difference in self.contents.differences]
        if self.transactions is not None:
            wrong += [f"transactions: {fault}" for fault in self.transactions.faults]
        return f"the mirror differs: {'; '.join(wrong)}"


def silent_divergence(evidence: Evidence) -> Judgement:
    """Judge whether every difference of the mirror is announced by the proxy's counters.

    Returns:
        Pass: there is no difference, or the proxy has counted enough that did not reach the mirror to explain it.
        Fail: there is one that it has not counted, shown with its first row. Inconclusive: there is nothing to compare,
        or work is still under way.
    """
    tally = evidence.counted.counts.total
    if evidence.backlog:
        return Judgement(Verdict.INCONCLUSIVE, f"{_under_way(evidence.backlog)}: this is no quiet moment")
    if evidence.differs:
        why = _unannounced(evidence, tally)
        if why is not None:
            return Judgement(Verdict.FAIL, f"silent divergence: {why}{_anew(evidence)}; {evidence.shown}")
        return Judgement(Verdict.PASS, f"the proxy announces {_announcement(tally)}; {evidence.shown}")
    return evidence.judged_contents


def cut_over(evidence: Evidence, readiness: Assessment) -> Judgement:
    """Judge whether clients can be moved to the mirror now.

    Args:
        evidence: of a quiet moment.
        readiness: by the proxy's own numbers.

    Returns:
        Pass only when the mirror holds what the primary holds, every attempt is accounted for, nothing is queued, and
        the numbers say READY; else fail with every reason. Inconclusive when nothing is wrong, and there is nothing to
        compare or a number that READY needs is told by nobody.
    """
    wrong = list(_reasons_against(evidence))
    if readiness.failing:
        wrong.append(f"{readiness.status} with {readiness.score:.1f}%: {', '.join(readiness.failing)}")
    notes = [f"not told: {name}" for name in _untold(evidence.counted.counts.total)]
    if wrong:
        return Judgement(Verdict.FAIL, "; ".join(["not safe to cut over", *wrong, *notes]))
    if not readiness.ready:
        notes = [f"{readiness.status} with {readiness.score:.1f}%: {', '.join(readiness.reasons)}", *notes]
        return Judgement(Verdict.INCONCLUSIVE, "; ".join(["nobody can say whether it is safe to cut over", *notes]))
    if evidence.judged_contents.verdict is not Verdict.PASS:
        return evidence.judged_contents
    right = [evidence.judged_contents.reason]
    if evidence.transactions is not None:
        right.append(evidence.transactions.judgement.reason)
    right.append(f"{readiness.status} with {readiness.score:.1f}%: {', '.join(readiness.reasons)}")
    return Judgement(Verdict.PASS, "; ".join(["safe to cut over", *right, *notes]))


def _reasons_against(evidence: Evidence) -> Iterator[str]:
    """Say what speaks against the mirror, but for the proxy's own opinion."""
    tally = evidence.counted.counts.total
    if evidence.differs:
        why = _unannounced(evidence, tally)
        how = f"announced: {_announcement(tally)}" if why is None else f"not announced: {why}{_anew(evidence)}"
        yield f"{evidence.shown} ({how})"
    if evidence.backlog:
        yield _under_way(evidence.backlog)
    unbalanced = tally.unbalanced()
    if unbalanced is not None:
        yield unbalanced
    yield from evidence.contradictions


def _unannounced(evidence: Evidence, tally: Tally) -> str | None:
    """Say why the proxy's counters do not explain the differences; None when they do."""
    announced = tally.announced() or 0
    if evidence.transactions is not None:
        if wrong := evidence.transactions.count(*_SILENT):
            return f"{wrong} times a transaction went wrong in a way that no counter announces"
        if (missing := evidence.transactions.count(*_MISSING)) > announced:
            return f"{missing} transactions are missing, the proxy announces {_announcement(tally)}"
    if evidence.contents.count(Kind.SEQUENCE):
        return "no counter announces that a sequence is behind its rows"
    return None if announced else f"the proxy announces {_announcement(tally)}"


def _announcement(tally: Tally) -> str:
    if tally.announced() is None:
        return "nothing, since it tells of no outcome"
    parts = {"errors": tally.errors, "of them overflow": tally.overflow, "sampled out": tally.sampled_out}
    return ", ".join(f"{number} {name}" for name, number in parts.items() if number is not None)


def _anew(evidence: Evidence) -> str:
    """Say that counters were lost on the way: whoever reads them now does not find what they had announced."""
    return f", and counters began anew {evidence.counted.resets} times" if evidence.counted.resets else ""


def _under_way(backlog: int) -> str:
    return f"{backlog} transactions are still to be replayed"


def _untold(tally: Tally) -> Iterator[str]:
    """Name the numbers without which not every attempt can be accounted for."""
    for name in ("attempted", "mirrored", "sampled_out", "errors", "backlog"):
        if getattr(tally, name) is None:
            yield name.replace("_", " ")
