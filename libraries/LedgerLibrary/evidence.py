"""What the clients of one run were told, and what follows from it. No input or output.

A run is one fault or operation with load before, during and after it. Several criteria may judge the same run, each by
its own sentence.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from measurement.verdicts import Inconclusive
from oracles import writes
from oracles.history import History, Kind, Mark, Operation, Result

MINIMUM_ACKED = 50
"""Acknowledged writes that each window needs before anything can be concluded from it: half a second at 100/s."""

INTERRUPTION_SECONDS = 1.0
"""A shorter time without an acknowledgement is no outage, after which writes would have to come back."""

_TIMELINE = re.compile(r"timeline (\d+)")


@dataclass(frozen=True)
class Evidence:
    """The histories of one run.

    Attributes:
        ledger: writes through the primary port, and the read of what survived.
        reads: background reads, one history for each address that was read from.
        observations: who accepted writes, from every member's own port.
        marks: named instants, epoch seconds.
        missed: what was waited for in vain, with the reason.
    """

    ledger: History
    reads: tuple[History, ...]
    observations: History
    marks: Mapping[str, float] = field(default_factory=dict)
    missed: Mapping[str, str] = field(default_factory=dict)

    def at(self, label: str) -> float:
        """Return when a marked thing happened.

        Raises:
            Inconclusive: it did not happen in this run.
        """
        if label not in self.marks:
            known = ", ".join(f"'{name}'" for name in self.marks) or "nothing"
            raise Inconclusive(f"'{label}' did not happen in this run; what did: {known}")
        return self.marks[label]

    @property
    def oracle_marks(self) -> tuple[Mark, ...]:
        """The marks as the oracles want them."""
        return tuple(Mark(label, at) for label, at in sorted(self.marks.items(), key=lambda mark: mark[1]))

    def leader_before(self, label: str) -> str:
        """Return the member that accepted writes last before a marked instant.

        Raises:
            Inconclusive: none was seen to.
        """
        instant = self.at(label)
        before = [o for o in _writable(self.observations) if o.completed <= instant]
        if not before:
            raise Inconclusive(f"no member was seen to accept writes before '{label}'")
        return before[-1].node


@dataclass(frozen=True, slots=True)
class Takeover:
    """Who accepted writes next after a fault, and how long after."""

    before: str
    member: str
    seconds: float


def acked_between(ledger: History, start: float, end: float) -> list[Operation]:
    """Return the writes acknowledged in a window (epoch seconds, end excluded)."""
    return [o for o in ledger.acked() if start <= o.completed < end]


def write_gap(evidence: Evidence, label: str, minimum: int = MINIMUM_ACKED) -> writes.Gap:
    """Return the longest time without an acknowledged write around a marked instant.

    Raises:
        Inconclusive: fewer than `minimum` acknowledged writes before it, or after it though writes came back.
    """
    instant = evidence.at(label)
    _require_before(evidence, label, minimum)
    gap = writes.longest_gap(evidence.ledger, since=instant)
    begin = gap.end if gap.seconds >= INTERRUPTION_SECONDS else instant
    after = acked_between(evidence.ledger, begin, float("inf"))
    if gap.healed and len(after) < minimum:
        raise Inconclusive(f"{len(after)} acknowledged writes after the gap, at least {minimum} needed")
    return gap


@dataclass(frozen=True, slots=True)
class Stop:
    """How writes stopped: seconds from a mark to the last one acknowledged, and those that came too late."""

    seconds: float
    late: int


def stop_of_writes(evidence: Evidence, since: str, until: str, limit_seconds: float) -> Stop:
    """Look for acknowledged writes from some time after one mark until another.

    Args:
        evidence: of the run.
        since: the mark of what should stop them.
        until: the mark up to which they should stay away.
        limit_seconds: writes acknowledged later than this after `since` are late.

    Raises:
        Inconclusive: too few acknowledged writes before, or hardly any time to see that they stay away.
    """
    _require_before(evidence, since, MINIMUM_ACKED)
    begin, end = evidence.at(since), evidence.at(until)
    watched = end - begin - limit_seconds
    last = max((o.completed for o in acked_between(evidence.ledger, 0, end)), default=begin)
    late = len(acked_between(evidence.ledger, begin + limit_seconds, end))
    if not late and end - max(last, begin) < INTERRUPTION_SECONDS:
        raise Inconclusive(f"'{until}' came {watched:.1f} s after the limit, too soon to see that writes stay away")
    return Stop(max(last - begin, 0.0), late)


def _require_before(evidence: Evidence, label: str, minimum: int) -> None:
    before = acked_between(evidence.ledger, 0, evidence.at(label))
    if len(before) < minimum:
        raise Inconclusive(f"{len(before)} acknowledged writes before '{label}', at least {minimum} needed")


def takeover(evidence: Evidence, label: str) -> Takeover | None:
    """Return the member that accepted writes next after a fault at a marked instant; None: none did.

    The member that led before counts again only when it had been seen not to accept writes in between.
    """
    instant = evidence.at(label)
    before = evidence.leader_before(label)
    interrupted = False
    for observation in sorted(evidence.observations.operations, key=lambda o: o.completed):
        if observation.kind is not Kind.OBSERVE or observation.completed <= instant:
            continue
        if observation.value is not True:
            interrupted = interrupted or observation.node == before
        elif interrupted or observation.node != before:
            return Takeover(before, observation.node, observation.completed - instant)
    return None


def last_leader(evidence: Evidence) -> str:
    """Return the member that accepted writes when the watch ended.

    Raises:
        Inconclusive: none was seen to.
    """
    seen = _writable(evidence.observations)
    if not seen:
        raise Inconclusive("no member was ever seen to accept writes")
    return seen[-1].node


def timelines(evidence: Evidence) -> tuple[int, int]:
    """Return the timelines of the first and of the last acknowledged write.

    Raises:
        Inconclusive: no acknowledged write tells its timeline.
    """
    seen = [int(match.group(1)) for o in evidence.ledger.acked() if (match := _TIMELINE.search(o.detail))]
    if not seen:
        raise Inconclusive("no acknowledged write tells its timeline")
    return seen[0], seen[-1]


@dataclass(frozen=True, slots=True)
class Silence:
    """The longest time without an answered read, and how many were answered and failed meanwhile."""

    seconds: float
    answered: int
    failed: int


def longest_silence(reads: History, since: float) -> Silence:
    """Return the longest time without an answered read from an instant (epoch seconds) to the last read.

    Raises:
        Inconclusive: no read was answered before the instant, so there was nothing to interrupt.
    """
    answered = [o.completed for o in reads.operations if o.kind is Kind.READ and o.outcome is Result.OBSERVED]
    if not any(completed <= since for completed in answered):
        raise Inconclusive("no read was answered before the fault")
    after = sorted(completed for completed in answered if completed > since)
    end = max(since, *(o.completed for o in reads.operations))
    longest = max(later - earlier for earlier, later in pairwise([since, *after, end]))
    failed = sum(o.outcome is Result.FAILED and o.completed > since for o in reads.operations)
    return Silence(longest, len(after), failed)


@dataclass(frozen=True, slots=True)
class WindowLoss:
    """Which acknowledged writes of a window were lost, and which of those outside it.

    Attributes:
        acked: writes sent and acknowledged inside the window.
        kept: those of them that are still there.
        elsewhere: lost writes acknowledged before the cause began to act.
        lost: lost writes altogether.
    """

    acked: tuple[int | str, ...]
    kept: tuple[int | str, ...]
    elsewhere: tuple[int | str, ...]
    lost: int


def loss_in_window(evidence: Evidence, began: str, begin: str, end: str) -> WindowLoss:
    """Compare what was lost with what was acknowledged between marked instants.

    Args:
        evidence: of the run.
        began: before what causes the loss began to act; nothing acknowledged earlier may be lost.
        begin: when it was known to act; everything sent later must be lost.
        end: up to which acknowledgements count.
    """
    start, stop = evidence.at(begin), evidence.at(end)
    lost = {item.id: item for item in writes.lost(evidence.ledger).items}
    inside = [o.id for o in acked_between(evidence.ledger, start, stop) if o.invoked > start]
    return WindowLoss(
        acked=tuple(inside),
        kept=tuple(id_ for id_ in inside if id_ not in lost),
        elsewhere=tuple(id_ for id_, item in lost.items() if item.at < evidence.at(began)),
        lost=len(lost),
    )


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a replica's rows were behind, as a client could tell.

    Attributes:
        replica: its name.
        seconds: greatest age of an acknowledged row that the replica did not show yet; 0: it never missed one.
        samples: how often it was asked.
    """

    replica: str
    seconds: float
    samples: int


def row_lag(ledger: History, reads: History) -> Lag:
    """Judge a replica by the newest row it showed each time it was asked.

    At each answered read the oldest write that was acknowledged before it and is newer than the row shown tells the
    lag: its age when the read was answered.

    Args:
        ledger: the writes; their ids grow in the order in which they were sent.
        reads: of one replica; the value is the greatest id seen.
    """
    acked = sorted((int(o.id), o.completed) for o in ledger.acked())
    ids = [id_ for id_, _ in acked]
    answered = [o for o in reads.operations if o.kind is Kind.READ and o.outcome is Result.OBSERVED]
    worst = 0.0
    for read in answered:
        newer = acked[bisect_right(ids, read.value) :]
        oldest = next((completed for _, completed in newer if completed < read.invoked), None)
        if oldest is not None:
            worst = max(worst, read.completed - oldest)
    return Lag(answered[-1].node if answered else "", worst, len(answered))


def _writable(observations: History) -> list[Operation]:
    return [o for o in observations.operations if o.kind is Kind.OBSERVE and o.value is True]
