"""What may be demanded of rows with versions that were written and read at once, whoever kept them in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from measurement.verdicts import Inconclusive
from oracles.history import History, Mark, Operation, Result, relative
from oracles.staleness import backward_reads, invented_reads, stale_reads


@dataclass(frozen=True)
class Report:
    """The history of rows that were written and read at once, and what may be demanded of it."""

    history: History

    def write(self, path: Path) -> Path:
        """Write the history to a file that is not there yet, with a number behind its name if need be."""
        free, number = path, 1
        while free.exists():
            number += 1
            free = path.with_stem(f"{path.stem}-{number}")
        self.history.write(free)
        return free

    def windows(self) -> dict[str, Counter[str]]:
        """What was answered in each window, by when it was asked."""
        marks = self.history.marks
        ends = [*(mark.at for mark in marks[1:]), float("inf")]
        return {
            mark.label: counted(o for o in self.history.operations if mark.at <= o.invoked < end)
            for mark, end in zip(marks, ends, strict=True)
        }

    def check_right(self) -> str:
        """Demand that no read was stale, went backwards or returned what nobody wrote, and return the evidence.

        Raises:
            AssertionError: one did.
            Inconclusive: there is nothing to judge by.
        """
        findings = [judge(self.history) for judge in (stale_reads, backward_reads, invented_reads)]
        for finding in findings:
            finding.require()
        return "; ".join(finding.reason for finding in findings)

    def check_all_answered(self) -> None:
        """Demand that every read was answered and every write acknowledged.

        Raises:
            AssertionError: naming how many were not, and the first of them.
        """
        bad = [o for o in self.history.operations if o.outcome in (Result.FAILED, Result.UNKNOWN)]
        if bad:
            first = bad[0]
            raise AssertionError(
                f"{len(bad)} of {len(self.history.operations)} operations had no right answer; first: {first.kind} of "
                f"{first.id} at {relative(first.invoked, self._marks)}: {first.outcome}, {first.detail}"
            )

    @property
    def slowest(self) -> float:
        """Seconds that the slowest answer took; 0 when nothing was asked."""
        return max((o.completed - o.invoked for o in self.history.operations), default=0.0)

    def check_answered_within(self, seconds: float) -> float:
        """Demand that no answer took longer, and return how long the slowest took.

        Raises:
            AssertionError: one did.
            Inconclusive: there was no operation.
        """
        if not self.history.operations:
            raise Inconclusive("nothing was asked, so nothing is known about how long answers take")
        slowest = max(self.history.operations, key=lambda o: o.completed - o.invoked)
        took = slowest.completed - slowest.invoked
        if took > seconds:
            raise AssertionError(
                f"a {slowest.kind} of {slowest.id} at {relative(slowest.invoked, self._marks)} was answered after "
                f"{took:.3f} s, limit {seconds:g} s ({len(self.history.operations)} operations)"
            )
        return took

    def require_windows(self, minimum: Mapping[str, Mapping[str, int]]) -> None:
        """Make sure that enough was answered in each window to say anything.

        Args:
            minimum: window -> what -> how many, such as `{"redis down": {"database": 20}}`.

        Raises:
            Inconclusive: too little was.
        """
        windows = self.windows()
        for label, needs in minimum.items():
            for what, needed in needs.items():
                if windows[label][what] < needed:
                    raise Inconclusive(
                        f"window '{label}': {windows[label][what]} times '{what}', at least {needed} needed "
                        f"({dict(windows[label])})"
                    )

    @property
    def _marks(self) -> Sequence[Mark]:
        return self.history.marks


def counted(operations: Iterable[Operation]) -> Counter[str]:
    """Count reads, in all and by where they were answered from, and operations by any other outcome."""
    counts: Counter[str] = Counter()
    for operation in operations:
        if operation.outcome is Result.OBSERVED:
            counts["reads"] += 1
            counts[operation.node or "nothing"] += 1
        else:
            counts[str(operation.outcome)] += 1
    return counts
