"""What is replayed: one transaction, as frames that are ready to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reference.pgdog.mirror.lane import Lane
    from reference.pgdog.mirror.order import Place
    from reference.pgdog.tally import Kind


class Statement:
    """A prepared statement: the Parse that makes it, and its text. Which one it is, is a matter of identity."""

    __slots__ = ("name", "parse", "text")

    def __init__(self, name: bytes, parse: bytes, text: bytes) -> None:
        self.name, self.parse, self.text = name, parse, text


class Step:
    """Frames that are answered by one ReadyForQuery.

    Args:
        frames: what is sent; a statement among them is prepared at this place unless the session has it.
        tags: the tags of its CommandCompletes on the primary.
    """

    __slots__ = ("frames", "tags")

    def __init__(self, frames: Sequence[bytes | Statement], tags: list[bytes]) -> None:
        self.frames, self.tags = frames, tags


@dataclass(frozen=True)
class Setting:
    """Something a session keeps: a parameter, or a statement that SQL prepared.

    Args:
        key: its kind, and what is set: a later setting with the same key takes its place.
        step: what sets it.
        version: counts a client's settings.
        lenient: whether it is no matter that it fails, as of something removed that never was there.
    """

    key: tuple[str, str]
    step: Step
    version: int
    lenient: bool = False


Kept = tuple[Setting, ...]


class Unit:
    """A transaction, or a request outside of one, that took effect on the primary.

    Args:
        steps: all of it.
        size: bytes.
        wrote: whether it may have changed something: its place among what other clients wrote is kept.
        before, after: what the client's session had been set to.
        lost: whether the recording is not whole, because there was no memory for it.
        verdict: set where it cannot be replayed, whatever the mirror says.
        lane, place: where it waits, and its place among what all clients wrote.
        places: those that were taken for it before its outcome was known.
    """

    __slots__ = ("after", "before", "lane", "lost", "place", "places", "size", "steps", "verdict", "wrote")

    def __init__(self, steps: list[Step], size: int, wrote: bool, before: Kept, after: Kept) -> None:
        self.steps, self.size, self.wrote = steps, size, wrote
        self.before, self.after = before, after
        self.lost = False
        self.verdict: Kind | None = None
        self.lane: Lane | None = None
        self.place: Place | None = None
        self.places: dict[Lane, Place] | None = None

    def copy(self) -> Unit:
        """Return the same for another mirror."""
        other = Unit(self.steps, self.size, self.wrote, self.before, self.after)
        other.lost, other.verdict, other.places = self.lost, self.verdict, self.places
        return other

    @property
    def closed(self) -> bool:
        """Whether nothing can be open after it, however its steps end: others may be sent behind it unseen."""
        tags = self.steps[-1].tags
        if len(self.steps) > 1:
            return tags == [b"COMMIT"]
        return len(tags) <= 1 and tags not in ([b"BEGIN"], [b"START TRANSACTION"])
