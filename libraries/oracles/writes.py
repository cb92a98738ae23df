"""What became of writes: lost, unexpected, recovered, duplicated, reordered, and how long none was acknowledged.

The verdict on durability is set algebra over a history and the read after everything healed: lost is acknowledged
minus read, unexpected is read minus attempted, recovered is unknown but read (allowed, and worth counting). An id
stands for one write; attempted again after an unknown outcome it is still the same write.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from measurement.verdicts import Inconclusive
from oracles.history import Finding, Findings, History, Kind, Mark, Operation, Result, concluded, relative


def lost(history: History, marks: Sequence[Mark] = ()) -> Findings:
    """Find acknowledged writes that the final read does not hold.

    Args:
        history: writes and one final read.
        marks: instants to tell the findings by; those of the history's header when empty.
    """
    marks = marks or history.marks
    acked = _first_acks(history)
    present = set(history.final_read())
    items = [
        Finding(
            id_,
            o.completed,
            f"id {id_} acknowledged{_by(o)} at {relative(o.completed, marks)}, not there at the end",
        )
        for id_, o in acked.items()
        if id_ not in present
    ]
    return concluded("lost writes", items, len(acked), "acknowledged writes")


def unexpected(history: History, marks: Sequence[Mark] = ()) -> Findings:
    """Find rows in the final read that nobody wrote, or whose write the server refused."""
    marks = marks or history.marks
    attempts = _attempts(history)
    read = _final_operation(history)
    items = []
    for id_ in dict.fromkeys(read.value):
        tried = attempts.get(id_)
        if tried is None:
            items.append(Finding(id_, read.completed, f"id {id_} is there though nobody wrote it"))
        elif all(o.outcome is Result.FAILED for o in tried):
            at = tried[0].completed
            items.append(Finding(id_, at, f"id {id_} is there though refused{_by(tried[0])} at {relative(at, marks)}"))
    return concluded("unexpected rows", items, len(set(read.value)), "rows read")


def recovered(history: History) -> tuple[int | str, ...]:
    """Return the writes whose outcome was unknown and that are there: allowed, never a violation."""
    present = set(history.final_read())
    acked = _first_acks(history)
    unknown = (id_ for id_, tried in _attempts(history).items() if any(o.outcome is Result.UNKNOWN for o in tried))
    return tuple(id_ for id_ in unknown if id_ in present and id_ not in acked)


def duplicated(history: History, marks: Sequence[Mark] = ()) -> Findings:
    """Find writes that the final read holds more than once."""
    marks = marks or history.marks
    read = _final_operation(history)
    attempts = _attempts(history)
    items = []
    for id_, times in Counter(read.value).items():
        if times > 1:
            tried = attempts.get(id_)
            at = tried[0].invoked if tried else read.completed
            text = f"id {id_} is there {times} times, written at {relative(at, marks)} in {len(tried or ())} attempts"
            items.append(Finding(id_, at, text))
    return concluded("duplicated writes", items, len(set(read.value)), "rows read")


def reordered(
    history: History, stream: Callable[[Operation], object] | None = None, marks: Sequence[Mark] = ()
) -> Findings:
    """Find writes that the final read shows after a write which began only when they were already acknowledged.

    Writes that overlapped in time may come in either order. Only acknowledged writes are judged: of the others nobody
    knows when they took place.

    Args:
        history: writes and one final read in the order in which the system keeps them.
        stream: maps a write to the stream within which order matters, such as `lambda o: o.node`; None: one stream.
        marks: instants to tell the findings by.
    """
    marks = marks or history.marks
    acked = _first_acks(history)
    latest: dict[object, Operation] = {}
    items, judged = [], 0
    for id_ in dict.fromkeys(history.final_read()):
        operation = acked.get(id_)
        if operation is None:
            continue
        judged += 1
        key = stream(operation) if stream else None
        newest = latest.get(key)
        if newest is not None and newest.invoked > operation.completed:
            text = (
                f"id {id_} acknowledged at {relative(operation.completed, marks)} stands behind id {newest.id}, "
                f"which began {newest.invoked - operation.completed:.3f} s later"
            )
            items.append(Finding(id_, operation.completed, text))
        if newest is None or operation.invoked > newest.invoked:
            latest[key] = operation
    return concluded("reordered writes", items, judged, "acknowledged writes")


@dataclass(frozen=True, slots=True)
class Gap:
    """The longest time without an acknowledged write.

    Attributes:
        seconds: its length.
        start: epoch seconds of the acknowledgement before it.
        end: epoch seconds of the acknowledgement after it, or of the last thing the history tells.
        before: id of the last write acknowledged before it.
        after: id of the first write acknowledged after it; None: writes never came back.
        acked: acknowledged writes in the history.
    """

    seconds: float
    start: float
    end: float
    before: int | str
    after: int | str | None
    acked: int

    @property
    def healed(self) -> bool:
        """Whether writes were acknowledged again."""
        return self.after is not None


def longest_gap(
    history: History, *, since: float | None = None, minimum_before: int = 1, minimum_after: int = 1
) -> Gap:
    """Return the longest interval between two acknowledgements, or to the end of a history that stays silent.

    Args:
        history: writes; the end of the last operation is the end of what was watched.
        since: count only gaps that end after this instant (epoch seconds), such as the injection of a fault.
        minimum_before: acknowledged writes there must be before the gap, so that there was something to interrupt.
        minimum_after: acknowledged writes there must be after a gap that ended.

    Raises:
        Inconclusive: too few acknowledged writes before or after the gap.
    """
    acks = sorted(history.acked(), key=lambda o: o.completed)
    if not acks:
        raise Inconclusive("write gap: no write was acknowledged, so there is nothing that could be interrupted")
    silent_until = max(o.completed for o in history.operations if o.kind is Kind.WRITE)
    ends = [*acks[1:], None]
    gaps = [
        Gap(
            seconds=(after.completed if after else silent_until) - before.completed,
            start=before.completed,
            end=after.completed if after else silent_until,
            before=before.id,
            after=after.id if after else None,
            acked=len(acks),
        )
        for before, after in zip(acks, ends, strict=True)
    ]
    gap = max((g for g in gaps if since is None or g.end >= since), key=lambda g: g.seconds, default=None)
    if gap is None:
        raise Inconclusive(f"write gap: none of {len(acks)} acknowledged writes came after the instant asked about")
    before = sum(o.completed <= gap.start for o in acks)
    after = len(acks) - before
    if before < minimum_before:
        raise Inconclusive(f"write gap: {before} acknowledged writes before it, at least {minimum_before} needed")
    if gap.healed and after < minimum_after:
        raise Inconclusive(f"write gap: {after} acknowledged writes after it, at least {minimum_after} needed")
    return gap


@dataclass(frozen=True, slots=True)
class Bucket:
    """What happened to writes in one short stretch of time, by the instant at which their outcome was known."""

    start: float  # epoch seconds
    acked: int
    failed: int
    unknown: int


def availability(history: History, bucket_seconds: float = 0.1) -> tuple[Bucket, ...]:
    """Count outcomes per stretch of time, empty ones included: the timeline around a failover."""
    writes = list(history.writes())
    if not writes:
        return ()
    origin = math.floor(min(o.invoked for o in writes) / bucket_seconds)
    number = math.floor(max(o.completed for o in writes) / bucket_seconds) - origin + 1
    counts = Counter((math.floor(o.completed / bucket_seconds) - origin, o.outcome) for o in writes)
    return tuple(
        Bucket(
            (origin + i) * bucket_seconds,
            counts[i, Result.ACKED],
            counts[i, Result.FAILED],
            counts[i, Result.UNKNOWN],
        )
        for i in range(number)
    )


def _attempts(history: History) -> dict[int | str, list[Operation]]:
    attempts: dict[int | str, list[Operation]] = {}
    for operation in history.writes():
        attempts.setdefault(operation.id, []).append(operation)
    return attempts


def _first_acks(history: History) -> dict[int | str, Operation]:
    acked: dict[int | str, Operation] = {}
    for operation in history.acked():
        if operation.id not in acked or operation.completed < acked[operation.id].completed:
            acked[operation.id] = operation
    return acked


def _final_operation(history: History) -> Operation:
    history.final_read()  # says why when there is none
    return next(o for o in reversed(history.operations) if o.kind is Kind.READ and isinstance(o.value, list))


def _by(operation: Operation) -> str:
    return f" by {operation.node}" if operation.node else ""
