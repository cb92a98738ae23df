"""Paired comparison: A and B take turns on the same system, so that what disturbs one disturbs the other.

Each round runs a number of operations of both, in alternating order, one at a time; its ratio is that of the medians
of their service times. The interval is over rounds, see `statistics.paired_ratio`.
"""

from __future__ import annotations

import statistics as plain
import time
from dataclasses import dataclass

from measurement.budgets import failure_of
from measurement.records import Comparison
from measurement.results import LoadResult
from measurement.statistics import paired_ratio
from measurement.verdicts import Inconclusive, Judgement, Verdict
from measurement.workers import Crew, Lane, Operation, clock, samples_of


@dataclass(frozen=True)
class Contender:
    """One side of a comparison."""

    name: str
    operation: Operation


@dataclass(frozen=True)
class PairedResult:
    """What both sides saw, and how they compare."""

    a: LoadResult
    b: LoadResult
    comparison: Comparison


def compare(a: Contender, b: Contender, *, rounds: int = 12, operations_per_round: int = 50) -> PairedResult:
    """Run both sides in turns.

    Args:
        a: the side whose time is the numerator of the ratio.
        b: the other side.
        rounds: pairs; the unit of replication.
        operations_per_round: of each side.

    Raises:
        Inconclusive: a side had no correct response in some round, so that round has no ratio.
        ValueError: fewer rounds than an interval needs.
    """
    sides = {a.name: _Side(a), b.name: _Side(b)}
    if len(sides) != 2:
        raise ValueError(f"both sides are called '{a.name}'; give them different names")
    for number in range(rounds):
        for side in sides.values() if number % 2 == 0 else reversed(sides.values()):
            side.run_round(operations_per_round)
    first, second = sides[a.name], sides[b.name]
    interval = paired_ratio(first.medians, second.medians)
    comparison = Comparison(a.name, b.name, tuple(first.medians), tuple(second.medians), interval)
    return PairedResult(first.result(), second.result(), comparison)


def judge_ratio(paired: PairedResult, limit: float, *, allowed_failures: int = 0) -> Judgement:
    """Judge whether A's time is below so many times that of B; see `judge_comparison`."""
    for side in (paired.a, paired.b):
        if (failure := failure_of(side, allowed_failures)) is not None:
            return failure
    return judge_comparison(paired.comparison, limit)


def judge_comparison(comparison: Comparison, limit: float) -> Judgement:
    """Judge whether A's time is below so many times that of B.

    Pass needs the whole interval below the limit; a ratio at or above the limit fails; in between nothing is settled.
    """
    facts = f"time of {comparison.a} / time of {comparison.b} is {comparison.interval}, below {limit:g} wanted"
    if comparison.interval.ratio >= limit:
        return Judgement(Verdict.FAIL, facts)
    if comparison.interval.high >= limit:
        return Judgement(Verdict.INCONCLUSIVE, f"the interval reaches the limit: {facts}")
    return Judgement(Verdict.PASS, facts)


class _Side:
    """The operations of one side, kept as a closed loop of one worker."""

    def __init__(self, contender: Contender) -> None:
        self.medians: list[float] = []
        self._name = contender.name
        self._operation = contender.operation
        self._crew = Crew(lambda _: contender.operation, 1)
        self._crew.origin, self._crew.started_at = clock(), time.time()
        self._cpu = time.process_time()
        self._number = 0

    def run_round(self, operations: int) -> None:
        lane: Lane = self._crew.lanes[0]
        took = []
        for _ in range(operations):
            sent = clock() - self._crew.origin
            outcome = self._crew.run(self._operation, self._number, sent)
            completed = clock() - self._crew.origin
            lane.add(self._number, sent, sent, completed, outcome)
            self._number += 1
            if outcome == 0:
                took.append(completed - sent)
        if not took:
            raise Inconclusive(f"comparison: none of {operations} operations of '{self._name}' succeeded in a round")
        self.medians.append(plain.median(took))

    def result(self) -> LoadResult:
        elapsed = clock() - self._crew.origin
        return LoadResult(
            mode="closed",
            workers=1,
            started_at=self._crew.started_at,
            schedule_seconds=elapsed,
            warm_up_seconds=0.0,
            samples=samples_of(self._crew, None),
            error_details=dict(self._crew.errors),
            client_cpu_percent=100 * (time.process_time() - self._cpu) / elapsed,
        )
