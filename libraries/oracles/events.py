"""What became of published events in a sink: lost, doubled, there though nobody published them, or changed.

Ids are arrays of 16 bytes each (dtype S16), as a UUID has: a million of them are judged in about a second. An event
whose acknowledgement never came may be there or not; both are right, and how many are there is worth telling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from measurement.verdicts import Verdict
from oracles.history import Finding, Findings, Mark, relative

Ids = NDArray[np.bytes_]

EXAMPLES = 5  # findings that are told one by one; the sentence counts all of them
MICROSECONDS = 1_000_000
ID_BYTES = 16


@dataclass(frozen=True)
class Ledger:
    """What a publisher knows of its events, one position each.

    Attributes:
        ids: of all events that were sent, acknowledged or not; none twice.
        acked: which were acknowledged.
        intended_us: when each was to be published, microseconds since the epoch.
    """

    ids: Ids
    acked: NDArray[np.bool_]
    intended_us: NDArray[np.int64]

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.acked) == len(self.intended_us):
            raise ValueError(f"{len(self.ids)} ids, {len(self.acked)} outcomes and {len(self.intended_us)} instants")

    def in_order_of_ids(self) -> Ledger:
        """Return the same ledger sorted by id."""
        order = np.argsort(self.ids, kind="stable")
        return Ledger(self.ids[order], self.acked[order], self.intended_us[order])


@dataclass(frozen=True)
class Held:
    """What a sink holds, counted: each id once, in order, and how often it is there.

    Attributes:
        no_ids: what it holds in the place of an id and is none.
    """

    sink: str
    ids: Ids
    times: NDArray[np.int64]
    no_ids: tuple[str, ...] = ()

    @classmethod
    def of(cls, sink: str, texts: ArrayLike) -> Held:
        """Count the ids that a sink answered with, in any order, repeated ones repeatedly; UUIDs of 36 characters."""
        ids, no_ids = parse_ids(texts)
        unique, times = np.unique(ids, return_counts=True)
        return cls(sink, unique, times.astype(np.int64), tuple(no_ids))

    @property
    def entries(self) -> int:
        """Rows or documents."""
        return int(self.times.sum()) + len(self.no_ids)


def judge(ledger: Ledger, held: Held, minimum: int = 1, marks: Sequence[Mark] = ()) -> tuple[Findings, ...]:
    """Judge whether a sink holds exactly what was acknowledged: lost, doubled and phantom events.

    Args:
        ledger: of the publisher.
        held: by the sink.
        minimum: acknowledged events without which nothing can be said.
        marks: instants to tell the findings by, such as the injection of a fault.
    """
    ledger = ledger.in_order_of_ids()
    return lost(ledger, held, minimum, marks), doubled(ledger, held, minimum, marks), phantom(ledger, held, minimum)


def lost(ledger: Ledger, held: Held, minimum: int = 1, marks: Sequence[Mark] = ()) -> Findings:
    """Find acknowledged events that the sink does not hold."""
    missing = ledger.acked & ~_among(ledger.ids, held.ids)
    examples = [
        _finding(ledger.ids[n], ledger.intended_us[n], f"was acknowledged and is not in {held.sink}", marks)
        for n in _first(missing, ledger.intended_us)
    ]
    return _concluded(f"events lost in {held.sink}", examples, int(missing.sum()), ledger, minimum)


def doubled(ledger: Ledger, held: Held, minimum: int = 1, marks: Sequence[Mark] = ()) -> Findings:
    """Find published events that the sink holds more than once."""
    several = held.times > 1
    ids, times = held.ids[several], held.times[several]
    known = ledger.in_order_of_ids()
    positions = np.minimum(np.searchsorted(known.ids, ids), max(len(known.ids) - 1, 0))
    published = known.ids[positions] == ids if len(known.ids) else np.zeros(len(ids), dtype=bool)
    instants = known.intended_us[positions[published]]
    examples = [
        _finding(ids[published][n], instants[n], f"is in {held.sink} {times[published][n]} times", marks)
        for n in _first(np.ones(len(instants), dtype=bool), instants)
    ]
    return _concluded(f"events doubled in {held.sink}", examples, int(published.sum()), ledger, minimum)


def phantom(ledger: Ledger, held: Held, minimum: int = 1) -> Findings:
    """Find events in the sink that nobody published."""
    strange = held.ids[~_among(held.ids, ledger.ids)]
    texts = [*held.no_ids[:EXAMPLES], *map(id_text, strange[:EXAMPLES])][:EXAMPLES]
    examples = [Finding(text, 0.0, f"{text} is in {held.sink} and nobody published it") for text in texts]
    count = len(strange) + len(held.no_ids)
    return _concluded(f"events never published in {held.sink}", examples, count, ledger, minimum)


def unacknowledged_there(ledger: Ledger, held: Held) -> int:
    """Return how many events the sink holds although their acknowledgement never came: allowed."""
    return int((~ledger.acked & _among(ledger.ids, held.ids)).sum())


def changed(sink: str, expected: Iterable[Mapping[str, Any]], found: Iterable[Mapping[str, Any]]) -> Findings:
    """Find events whose fields are not as they were published.

    Args:
        sink: its name.
        expected: events as they were published, by their fields; timestamps as microseconds.
        found: what the sink holds, in the same form. Ids that were not expected are not judged here.
    """
    wanted = {event["id"]: event for event in expected}
    judged, items = 0, []
    for event in found:
        known = wanted.get(event["id"])
        if known is None:
            continue
        judged += 1
        wrong = [name for name in {**known, **event} if not _same(known.get(name, _ABSENT), event.get(name, _ABSENT))]
        if wrong:
            told = ", ".join(f"{n} is {event.get(n, _ABSENT)!r}, was {known.get(n, _ABSENT)!r}" for n in wrong)
            items.append(Finding(event["id"], 0.0, f"{event['id']} in {sink}: {told}"))
    name = f"events changed in {sink}"
    if judged == 0:
        return Findings(name, Verdict.INCONCLUSIVE, (), 0, f"{name}: none of {len(wanted)} was found to compare")
    reason = f"{name}: {len(items)} of {judged} compared field by field"
    if not items:
        return Findings(name, Verdict.PASS, (), judged, reason)
    return Findings(name, Verdict.FAIL, tuple(items), judged, f"{reason}; first: {items[0].text}")


def parse_ids(texts: ArrayLike) -> tuple[Ids, list[str]]:
    """Read ids as sinks answer them.

    Args:
        texts: UUIDs of 36 characters, any number of them.

    Returns:
        The ids, and the texts that are none: no publisher made them.
    """
    given = np.asarray(texts, dtype=np.bytes_)
    if given.size == 0:
        return np.empty(0, dtype=f"S{ID_BYTES}"), []
    width = given.dtype.itemsize
    characters = np.frombuffer(given.tobytes(), dtype=np.uint8).reshape(len(given), width)
    if width < TEXT_LENGTH:
        return np.empty(0, dtype=f"S{ID_BYTES}"), [text.decode(errors="replace") for text in given]
    digits = _DIGIT[characters[:, _DIGIT_PLACES]]
    right = (digits < 16).all(axis=1) & (characters[:, _DASH_PLACES] == ord("-")).all(axis=1)
    right &= (characters[:, TEXT_LENGTH:] == 0).all(axis=1)
    nibbles = digits[right]
    ids = np.ascontiguousarray(nibbles[:, 0::2] << 4 | nibbles[:, 1::2]).view(f"S{ID_BYTES}").reshape(-1)
    return ids, [text.decode(errors="replace") for text in given[~right]]


def id_text(identifier: bytes | np.bytes_) -> str:
    """Return an id as it is written: 36 characters."""
    digits = bytes(identifier).ljust(ID_BYTES, b"\0").hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


TEXT_LENGTH = 36
_ABSENT = "absent"
_DASH_PLACES = [8, 13, 18, 23]
_DIGIT_PLACES = [place for place in range(TEXT_LENGTH) if place not in _DASH_PLACES]
_DIGIT = np.full(256, 255, dtype=np.uint8)
_DIGIT[[ord(digit) for digit in "0123456789abcdef"]] = range(16)


def _among(ids: Ids, others: Ids) -> NDArray[np.bool_]:
    """Which ids are among others, in order of the first; the others must be sorted or are sorted here."""
    if not len(others):
        return np.zeros(len(ids), dtype=bool)
    ordered = others if (others[1:] >= others[:-1]).all() else np.sort(others)
    positions = np.minimum(np.searchsorted(ordered, ids), len(ordered) - 1)
    return np.asarray(ordered[positions] == ids)


def _first(chosen: NDArray[np.bool_], instants: NDArray[np.int64]) -> list[int]:
    """Positions of the first few of the chosen by time."""
    positions = np.flatnonzero(chosen)
    return [int(n) for n in positions[np.argsort(instants[positions], kind="stable")[:EXAMPLES]]]


def _finding(identifier: bytes, intended_us: int, what: str, marks: Sequence[Mark]) -> Finding:
    text, at = id_text(identifier), float(intended_us) / MICROSECONDS
    return Finding(text, at, f"{text}, published at {relative(at, marks)}, {what}")


def _concluded(name: str, examples: Sequence[Finding], count: int, ledger: Ledger, minimum: int) -> Findings:
    acked = int(ledger.acked.sum())
    reason = f"{name}: {count} of {acked} acknowledged"
    if count:
        return Findings(name, Verdict.FAIL, tuple(examples), acked, f"{reason}; first: {examples[0].text}")
    if acked < minimum:
        few = f"{name}: {acked} events were acknowledged, at least {minimum} needed"
        return Findings(name, Verdict.INCONCLUSIVE, (), acked, few)
    return Findings(name, Verdict.PASS, (), acked, reason)


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
