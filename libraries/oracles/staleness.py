"""Stale reads: a read that returned less than what was already acknowledged when it began.

Each key has versions that grow with each write. A read is stale when its version is older than the newest version
acknowledged before the read was invoked; a write still under way may be seen or not. Times compare the clock of one
process (or of one machine), so a history must not mix clocks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from oracles.history import FINAL, Finding, Findings, History, Kind, Mark, Operation, Result, concluded, relative


def stale_reads(history: History, marks: Sequence[Mark] = ()) -> Findings:
    """Find reads that returned a version older than the newest acknowledged before they were invoked.

    Reads that failed are no evidence, nor are reads of a key that nobody had written yet. A read of nothing (None) is
    older than every version.
    """

    def told(read: Operation, known: Operation) -> str:
        late = (read.invoked - known.completed) * 1000
        return f"{late:.1f} ms after version {known.value} was acknowledged"

    items, judged = _older(history, _newest(history.acked()), marks or history.marks, told)
    return concluded("stale reads", items, judged, "reads of acknowledged keys")


def backward_reads(history: History, marks: Sequence[Mark] = ()) -> Findings:
    """Find reads that returned an older version than another read of that key which was over before they began."""

    def told(_: Operation, before: Operation) -> str:
        return f"after version {before.value} had been read{_from(before)}"

    items, judged = _older(history, _newest(_reads(history)), marks or history.marks, told)
    return concluded("backward reads", items, judged, "reads that follow another")


def invented_reads(history: History, marks: Sequence[Mark] = ()) -> Findings:
    """Find reads of a version that nobody had begun to write when the read was over."""
    marks = marks or history.marks
    begun: dict[tuple[Any, Any], float] = {}
    for write in history.writes():
        if write.outcome is not Result.FAILED:
            key = (write.id, write.value)
            begun[key] = min(begun.get(key, write.invoked), write.invoked)
    items, judged = [], 0
    for read in _reads(history):
        if read.value is None:
            continue
        judged += 1
        if begun.get((read.id, read.value), float("inf")) > read.completed:
            text = (
                f"key {read.id} read{_from(read)} as version {read.value} at {relative(read.invoked, marks)}, "
                "which nobody had written"
            )
            items.append(Finding(read.id, read.invoked, text))
    return concluded("invented reads", items, judged, "reads that found something")


Timeline = tuple[list[float], list[Operation]]


def _newest(operations: Iterable[Operation]) -> dict[Any, Timeline]:
    """For each key: the instants at which its newest version grew, and the operation that did it."""
    growing: dict[Any, list[Operation]] = {}
    for operation in sorted(operations, key=lambda o: o.completed):
        newest = growing.setdefault(operation.id, [])
        if operation.value is not None and (not newest or operation.value > newest[-1].value):
            newest.append(operation)
    return {key: ([o.completed for o in newest], newest) for key, newest in growing.items()}


def _older(
    history: History,
    newest: Mapping[Any, Timeline],
    marks: Sequence[Mark],
    told: Callable[[Operation, Operation], str],
) -> tuple[list[Finding], int]:
    """Find reads older than the newest version that was known before they began; return them and how many were judged.

    Args:
        history: the reads.
        newest: of each key.
        marks: instants that findings are told relative to.
        told: says what was known, from the read and the operation that made it known.
    """
    items, judged = [], 0
    for read in _reads(history):
        known = _newest_before(newest.get(read.id), read.invoked)
        if known is None:
            continue
        judged += 1
        if read.value is None or read.value < known.value:
            text = (
                f"key {read.id} read{_from(read)} as {_version(read.value)} at {relative(read.invoked, marks)}, "
                f"{told(read, known)}"
            )
            items.append(Finding(read.id, read.invoked, text))
    return items, judged


def _newest_before(timeline: Timeline | None, instant: float) -> Operation | None:
    if timeline is None:
        return None
    times, operations = timeline
    position = bisect_left(times, instant)
    return operations[position - 1] if position else None


def _reads(history: History) -> list[Operation]:
    return [
        o
        for o in history.operations
        if o.kind is Kind.READ and o.outcome in (Result.OBSERVED, Result.ACKED) and o.id != FINAL
    ]


def _version(value: object) -> str:
    return "nothing" if value is None else f"version {value}"


def _from(read: Operation) -> str:
    return f" from {read.node}" if read.node else ""
