"""Stale reads: a read that returned less than what was already acknowledged when it began.

Each key has versions that grow with each write. A read is stale when its version is older than the newest version
acknowledged before the read was invoked; a write still under way may be seen or not. Times compare the clock of one
process (or of one machine), so a history must not mix clocks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from oracles.history import FINAL, Finding, Findings, History, Kind, Mark, Operation, Result, concluded, relative


def stale_reads(history: History, marks: Sequence[Mark] = ()) -> Findings:
    """Find reads that returned a version older than the newest acknowledged before they were invoked.

    Reads that failed are no evidence, nor are reads of a key that nobody had written yet. A read of nothing (None) is
    older than every version.
    """
    marks = marks or history.marks
    newest = _newest_acknowledged(history)
    items, judged = [], 0
    for read in _reads(history):
        known = _newest_before(newest.get(read.id), read.invoked)
        if known is None:
            continue
        judged += 1
        if read.value is None or read.value < known.value:
            text = (
                f"key {read.id} read{_from(read)} as {_version(read.value)} at {relative(read.invoked, marks)}, "
                f"{(read.invoked - known.completed) * 1000:.1f} ms after version {known.value} was acknowledged"
            )
            items.append(Finding(read.id, read.invoked, text))
    return concluded("stale reads", items, judged, "reads of acknowledged keys")


def backward_reads(history: History, marks: Sequence[Mark] = ()) -> Findings:
    """Find reads that returned an older version than another read of that key which was over before they began."""
    marks = marks or history.marks
    seen: dict[Any, list[Operation]] = {}
    for read in sorted(_reads(history), key=lambda o: o.completed):
        reads = seen.setdefault(read.id, [])
        if read.value is not None and (not reads or read.value > reads[-1].value):
            reads.append(read)
    items, judged = [], 0
    for read in _reads(history):
        before = _newest_before(_timeline(seen.get(read.id, [])), read.invoked)
        if before is None:
            continue
        judged += 1
        if read.value is None or read.value < before.value:
            text = (
                f"key {read.id} read{_from(read)} as {_version(read.value)} at {relative(read.invoked, marks)}, "
                f"after version {before.value} had been read{_from(before)}"
            )
            items.append(Finding(read.id, read.invoked, text))
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


def _newest_acknowledged(history: History) -> dict[Any, Timeline]:
    """For each key: the instants at which its newest acknowledged version grew, and the write that did it."""
    growing: dict[Any, list[Operation]] = {}
    for write in sorted(history.acked(), key=lambda o: o.completed):
        writes = growing.setdefault(write.id, [])
        if not writes or write.value > writes[-1].value:
            writes.append(write)
    return {key: _timeline(writes) for key, writes in growing.items()}


def _timeline(operations: list[Operation]) -> Timeline:
    return [o.completed for o in operations], operations


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
