"""What clients of a proxy did and were told: the measure for counters and contents."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from oracles.history import Result
from oracles.replay import Ledger


class Fate(StrEnum):
    """What became of a transaction, as its client was told."""

    COMMITTED = "committed"
    UNDONE = "undone"  # rolled back, or refused by the primary
    UNKNOWN = "unknown"  # the session broke off before the answer


RESULTS = {Fate.COMMITTED: Result.ACKED, Fate.UNDONE: Result.FAILED, Fate.UNKNOWN: Result.UNKNOWN}
"""As oracles call them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction of a client that wrote rows into `entries`."""

    client: int
    seq: int
    values: tuple[str, ...]  # of its rows, in order
    fate: Fate
    began: float  # epoch seconds
    ended: float


@dataclass
class Account:
    """What all clients of one proxy did; clients in threads of their own share it.

    Attributes:
        entries: transactions that wrote.
        transactions: (database, user) -> transactions that took effect, written or not.
        undone: transactions that did not.
        waits: seconds that each answer took.
        wrong: answers that were not what had been asked.
        errors: what clients were told where they expected an answer.
    """

    entries: list[Entry] = field(default_factory=list)
    transactions: Counter[tuple[str, str]] = field(default_factory=Counter)
    undone: int = 0
    waits: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _clients: int = 0

    def next_client(self) -> int:
        """Return the number of a new client."""
        with self._lock:
            self._clients += 1
            return self._clients

    def add(self, fate: Fate, database: str, user: str, entry: Entry | None = None) -> None:
        """Keep what became of a transaction."""
        with self._lock:
            if fate is Fate.COMMITTED:
                self.transactions[database, user] += 1
            elif fate is Fate.UNDONE:
                self.undone += 1
            if entry is not None:
                self.entries.append(entry)

    def wrote(self, client: int, seq: int, *values: str, database: str = "app", user: str = "app") -> None:
        """Keep that the rows of a transaction that has just ended were acknowledged."""
        now = time.time()
        self.add(Fate.COMMITTED, database, user, Entry(client, seq, values, Fate.COMMITTED, now, now))

    @property
    def committed(self) -> int:
        """Transactions that took effect."""
        return sum(self.transactions.values())

    def ledger(self) -> Ledger:
        """Return what oracles judge by."""
        ledger = Ledger()
        for entry in self.entries:
            ledger.sent(entry.client, entry.seq, entry.values, RESULTS[entry.fate])
        return ledger

    def longest_wait(self) -> float:
        """The longest that a client waited for an answer, seconds."""
        return max(self.waits, default=0.0)

    def written(self) -> list[Entry]:
        """Transactions that wrote and took effect."""
        return [entry for entry in self.entries if entry.fate is Fate.COMMITTED]
