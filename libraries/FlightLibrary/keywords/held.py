"""What one answer costs a client: a process of its own gets it, holds it or lets each batch go, and tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from EnvironmentLibrary.context import scaled
from FlightLibrary.jobs import Job
from FlightLibrary.keywords.base import addresses, right_token
from measurement.memory import Look
from measurement.usage import ResidentMemory

DEADLINE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Held:
    """What one client process needed for one answer, in bytes and seconds.

    Attributes:
        over: `flight` or `http`.
        rows: of the answer.
        bytes: of the columns, or of the body.
        seconds: from the call to usable rows.
        before: resident memory before the call.
        after: after it, with the answer still held, if it was kept.
        peak: the most there was from the call on.
        began: when the call did, epoch seconds.
        looks: (epoch seconds, bytes) from then on, as seen from outside.
    """

    over: str
    rows: int
    bytes: int
    seconds: float
    before: int
    after: int
    peak: int
    began: float = 0.0
    looks: Sequence[Look] = ()

    @property
    def held(self) -> int:
        """By how much holding the answer made the process larger."""
        return self.after - self.before

    @property
    def needed(self) -> int:
        """By how much getting it did, at most: what a client must have to spare."""
        return self.peak - self.before


def held_by_a_process(over: str, ticket: Mapping[str, Any], *, keep: bool) -> Held:
    """Let a new process get one answer.

    Args:
        over: `flight` or `http`.
        ticket: the fields of a query or, over Flight, of a view.
        keep: whether it holds the rows to the end.
    """
    where = addresses().flight if over == "flight" else addresses().http
    job: dict[str, Any] = {"over": over, "address": where, "token": right_token(), "ticket": ticket}
    with (
        Job("read", **job, keep=keep, deadline_seconds=scaled(DEADLINE_SECONDS)) as process,
        ResidentMemory(lambda: [process.pid]) as memory,
    ):
        told: Mapping[str, Any] = process.answer(2 * scaled(DEADLINE_SECONDS))
    names = ("rows", "bytes", "seconds", "before", "after", "peak", "began")
    looks = [(told["began"], told["before"]), *(look for look in memory.looks if look[0] > told["began"] and look[1])]
    return Held(over, **{name: told[name] for name in names}, looks=looks)
