"""What upstream counts of mirroring, which is not what became of it, and what can be concluded from that.

Conclusions do not add up: of a stretch of time they are drawn from how far the numbers moved in it, and of several
users from their sums, never from conclusions about the parts.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Queued:
    """Upstream's numbers of one user and mirror, of several, or how far they moved.

    Attributes:
        attempted: T, transactions that were to be mirrored.
        queued: M, of them, those that were handed to the replay, whatever became of them there.
        sampled_out: D, left out by `exposure`.
        failed: E, that found a full queue or broke off in the replay; the latter are in M as well.
        refused: Q, errors that the mirror's server answered with, one for each statement. A session that the mirror
            ended may be among them and among the failed.
        backlog: L, still in the queue.
    """

    attempted: int = 0
    queued: int = 0
    sampled_out: int = 0
    failed: int = 0
    refused: int = 0
    backlog: int = 0

    def __add__(self, other: Queued) -> Queued:
        return Queued(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Queued)))

    def __sub__(self, other: Queued) -> Queued:
        return Queued(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(Queued)))

    def concluded(self) -> dict[str, int]:
        """Return the numbers of a `Tally` that follow.

        Overflow is T - M - D, of which E is the most there can be: what is beyond is unaccounted for. Of what was
        queued, neither failed nor waits, at most all was refused, and the rest is mirrored.
        """
        overflow = min(max(self.attempted - self.queued - self.sampled_out, 0), self.failed)
        replayed = self.queued - (self.failed - overflow) - self.backlog
        refused = min(self.refused, max(replayed, 0))
        return {
            "attempted": self.attempted,
            "mirrored": replayed - refused,
            "sampled_out": self.sampled_out,
            "overflow": overflow,
            "errors": self.failed + refused,
            "query": refused,
            "backlog": self.backlog,
        }
