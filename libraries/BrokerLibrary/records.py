"""What a client writes down: what it attempted, what it got, what it was told, and when it was connected."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from BrokerLibrary.wire import BrokerError, ErrorCode
from oracles.history import Result


@dataclass(slots=True)
class Attempt:
    """One publish.

    Attributes:
        topic: where to.
        key: what the caller calls it, such as the id of a numbered message.
        size: bytes of the payload.
        checksum: of the payload.
        invoked: epoch seconds at which it was handed to the kernel.
        ack: whether an acknowledgement was asked for.
        completed: epoch seconds at which its outcome was known; None: it is not yet.
        outcome: acked; failed: refused, or never sent; unknown: not known (yet).
        detail: the error, if there was one.
    """

    topic: str
    key: str
    size: int
    checksum: str
    invoked: float
    ack: bool
    completed: float | None = None
    outcome: Result = Result.UNKNOWN
    detail: str = ""

    @property
    def pending(self) -> bool:
        """Whether its outcome may still become known."""
        return self.completed is None

    def end(self, outcome: Result, at: float, detail: str = "") -> None:
        """Write down how it ended."""
        self.outcome, self.completed, self.detail = outcome, max(at, self.invoked), detail


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it came."""

    topic: str
    payload: bytes
    at: float  # epoch seconds
    connection: int  # which of the client's connections brought it, from 0


@dataclass(frozen=True, slots=True)
class Told:
    """An error frame, and when it came (epoch seconds)."""

    error: BrokerError
    at: float
    connection: int


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A subscription that began (`begun`) or ended, and how many messages of its topic had come before."""

    topic: str
    begun: bool
    at: float  # epoch seconds
    connection: int
    delivered: int  # messages of this topic that had come on this connection


@dataclass(slots=True)
class Session:
    """One connection of a client. Instants are epoch seconds, None while they have not come.

    Attributes:
        opened: when the connection stood.
        ready: when every subscription was acknowledged again.
        closed: when it ended.
        why: how it ended.
        sent: its publishes in their order.
        accepted: how many of these the broker says it has accepted.
        expected_acks: subscriptions asked for at its beginning and not acknowledged yet.
        delivered: how many messages of each topic have come.
    """

    opened: float
    ready: float | None = None
    closed: float | None = None
    why: str = ""
    sent: list[Attempt] = field(default_factory=list)
    accepted: int = 0
    expected_acks: set[str] = field(default_factory=set)
    delivered: Counter[str] = field(default_factory=Counter)
    _settled: int = 0  # all before this one in `sent` are accepted or refused

    def accept(self, count: int, now: float) -> str | None:
        """Take a PublishAck: so many messages have been accepted, those the broker refused not counted.

        Args:
            count: from the acknowledgement.
            now: when it came (epoch seconds).

        Returns:
            What is wrong with it, None when nothing is.
        """
        if count <= self.accepted:
            return f"an acknowledgement of {count} messages after one of {self.accepted}"
        while self.accepted < count and self._settled < len(self.sent):
            attempt = self.sent[self._settled]
            self._settled += 1
            if attempt.outcome is not Result.FAILED:
                attempt.end(Result.ACKED, now)
                self.accepted += 1
        if self.accepted < count:
            return f"an acknowledgement of {count} messages, {self.accepted} were sent and not refused"
        return None

    def refuse(self, error: BrokerError, now: float) -> None:
        """Take an error about a message: of those pending on its topic it is the largest, and of these the first."""
        if error.code not in (ErrorCode.UNKNOWN_TOPIC, ErrorCode.PAYLOAD_TOO_LARGE):
            return
        pending = [a for a in self.sent[self._settled :] if a.pending and a.topic == error.topic]
        if pending:
            max(pending, key=lambda attempt: attempt.size).end(Result.FAILED, now, str(error))


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the n-th attempt to connect again: min(start * 2^n, limit) seconds (MYC-005)."""

    start: float = 1.0
    limit: float = 30.0

    def pause(self, attempt: int) -> float:
        """Return the seconds before an attempt, counted from 0."""
        return float(min(self.start * 2 ** min(attempt, 30), self.limit))


SWIFT = Backoff(0.05, 0.2)
"""For criteria: the same rule, so short that a recovery is the broker's and not the client's sleep."""
