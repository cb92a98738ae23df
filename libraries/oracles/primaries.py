"""Never two writable primaries at once, judged from polls of each member's own port.

A poll that found a member writable proves it for some instant between asking and answering. Between two writable
polls of one member that follow each other closely, without a poll that says otherwise, the member is taken to have
been writable throughout: that stretch is certain. Two members are writable at once when a certain stretch of one
holds a writable poll, or overlaps a certain stretch, of the other. Two single polls that only lie close together
could also be a quick handover; they are counted as doubtful, and make the verdict inconclusive instead of a pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from statistics import median

from measurement.verdicts import Verdict
from oracles.history import Finding, Findings, History, Kind, Mark, Operation, by_key, concluded, relative, span

ORACLE = "two writable primaries"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time during which one member was writable: `first`..`last` may be, `sure_from`..`sure_to` is certain."""

    node: str
    first: float
    sure_from: float
    sure_to: float
    last: float

    @property
    def certain(self) -> bool:
        """Whether more than one poll found it so."""
        return self.sure_to > self.sure_from


def split_brain(
    observations: History | Iterable[Operation],
    window_seconds: float = 0.1,
    *,
    minimum_polls: int = 10,
    longest_blind_seconds: float = 2.0,
    marks: Sequence[Mark] = (),
) -> Findings:
    """Find times at which two members accepted writes.

    Args:
        observations: kind "observe", `node` the member, `value` True (writable), False (not), None (no answer).
        window_seconds: the intended time between two polls of a member.
        minimum_polls: polls with an answer that each of at least two members needs before anything can be said.
        longest_blind_seconds: the longest time between the starts of two polls of a member, answered or not, for
            which the watch still counts as continuous.
        marks: instants to tell the findings by.
    """
    polls, marks = _polls(observations, marks)
    per_member = by_key(polls, lambda o: o.node)
    stretches = {
        node: writable_stretches(member, closest=max(2.5 * window_seconds, 0.05)) for node, member in per_member.items()
    }
    items, doubtful = [], []
    for one, other in combinations(sorted(stretches), 2):
        for a in stretches[one]:
            for b in stretches[other]:
                finding = _overlap(a, b, marks)
                if finding is not None:
                    items.append(finding)
                elif _close(a, b, window_seconds):
                    doubtful.append((a, b))
    answered = sum(o.value is not None for o in polls)
    findings = concluded(ORACLE, items, answered, "answered polls")
    if findings.verdict is not Verdict.PASS:
        return findings
    weakness = _weakness(per_member, minimum_polls, longest_blind_seconds)
    if weakness is None and doubtful:
        a, b = doubtful[0]
        weakness = (
            f"{a.node} and {b.node} were each seen writable within {window_seconds:g} s at "
            f"{relative(b.first, marks)}: a quick handover or two primaries, the polls cannot tell"
        )
    if weakness is not None:
        return replace(findings, verdict=Verdict.INCONCLUSIVE, reason=f"{ORACLE}: {weakness}")
    return replace(findings, reason=f"{ORACLE}: never, in {answered} answered polls of {len(per_member)} members")


def writable_stretches(polls: Sequence[Operation], closest: float) -> list[Stretch]:
    """Join the writable polls of one member into stretches.

    Args:
        polls: of one member, in their order; polls without an answer neither join nor part.
        closest: two writable polls further apart than this (seconds) are two stretches, since nobody looked between.
    """
    stretches: list[Stretch] = []
    open_stretch = False
    for poll in polls:
        if poll.value is None:
            continue
        if not poll.value:
            open_stretch = False
            continue
        if open_stretch and poll.invoked - stretches[-1].last <= closest:
            stretches[-1] = replace(stretches[-1], sure_to=poll.invoked, last=poll.completed)
        else:
            stretches.append(Stretch(poll.node, poll.invoked, poll.completed, poll.invoked, poll.completed))
        open_stretch = True
    return stretches


def primaries_over_time(observations: History | Iterable[Operation], closest: float = 0.25) -> list[Stretch]:
    """Return every member's writable stretches in the order of their beginning, for a timeline."""
    polls, _ = _polls(observations, ())
    stretches = [s for member in by_key(polls, lambda o: o.node).values() for s in writable_stretches(member, closest)]
    return sorted(stretches, key=lambda s: s.first)


def _polls(
    observations: History | Iterable[Operation], marks: Sequence[Mark]
) -> tuple[list[Operation], Sequence[Mark]]:
    if isinstance(observations, History):
        marks = marks or observations.marks
        observations = observations.operations
    return [o for o in observations if o.kind is Kind.OBSERVE], marks


def _overlap(a: Stretch, b: Stretch, marks: Sequence[Mark]) -> Finding | None:
    start = max(a.sure_from if a.certain else a.first, b.sure_from if b.certain else b.first)
    end = min(a.sure_to if a.certain else a.last, b.sure_to if b.certain else b.last)
    if a.certain and b.certain:
        found = start < end
    elif a.certain:
        found = a.sure_from <= b.first and b.last <= a.sure_to
    elif b.certain:
        found = b.sure_from <= a.first and a.last <= b.sure_to
    else:
        found = False
    if not found:
        return None
    text = f"{a.node} and {b.node} both writable for {span(max(end - start, 0))} from {relative(start, marks)}"
    return Finding(f"{a.node}+{b.node}", start, text)


def _close(a: Stretch, b: Stretch, window: float) -> bool:
    return a.first - b.last < window and b.first - a.last < window


def _weakness(per_member: dict[str, list[Operation]], minimum: int, longest_blind: float) -> str | None:
    answered = {node: sum(o.value is not None for o in polls) for node, polls in per_member.items()}
    if len(answered) < 2:
        return f"only {len(answered)} member was polled, two are needed for the property to mean anything"
    enough = [node for node, count in answered.items() if count >= minimum]
    if len(enough) < 2:
        counts = ", ".join(f"{node} {count}" for node, count in answered.items())
        return f"too few polls with an answer ({counts}); two members need {minimum} each"
    if not any(o.value for polls in per_member.values() for o in polls):
        return "no member was ever seen writable, so the polls cannot tell a primary from none"
    begin = min(polls[0].invoked for polls in per_member.values())
    end = max(polls[-1].invoked for polls in per_member.values())
    for node, polls in per_member.items():
        times = [begin, *(o.invoked for o in polls), end]
        blind = max(after - before for before, after in pairwise(times))
        if blind > longest_blind:
            usual = median(after - before for before, after in pairwise(times))
            return f"{node} was not looked at for {blind:.1f} s (usually every {usual:.2f} s)"
    return None
