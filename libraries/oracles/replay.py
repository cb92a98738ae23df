"""What became of transactions on a mirror, by what each client had been told: lost, half, doubled, out of order.

Clients write rows that nothing changes afterwards into a table made for it, on both servers alike:

===========  ========================================================================================
client       who wrote it, a whole number
seq          the client's how-manyth transaction it belongs to, from 0
part         which row of that transaction, from 0
value        anything
arrived      the server's own: `bigint GENERATED ALWAYS AS IDENTITY`, the order in which rows came
transaction  the server's own: `xid8 DEFAULT pg_current_xact_id()`, the transaction that brought the row
===========  ========================================================================================

There is no unique key, so that what is replayed twice is there twice. The last two columns differ from server to
server and are left out where contents are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from measurement.verdicts import Judgement, Verdict
from oracles.history import Result

TABLE = """CREATE TABLE {name} (
    client bigint NOT NULL, seq bigint NOT NULL, part bigint NOT NULL, value text,
    arrived bigint GENERATED ALWAYS AS IDENTITY, transaction xid8 NOT NULL DEFAULT pg_current_xact_id()
)"""
OWN_COLUMNS = ("arrived", "transaction")


class Fault(StrEnum):
    """What may be wrong with the replay of a transaction."""

    LOST = "lost"  # acknowledged, and nothing of it is there
    HALF = "half there"
    DOUBLED = "there more than once"
    PHANTOM = "there though it never took effect"  # rolled back, refused, or never sent
    ALTERED = "there with other values"
    SPLIT = "not in one transaction"
    MERGED = "in one transaction with another"
    REORDERED = "behind a later one of its client"


@dataclass
class Ledger:
    """What clients sent, row by row, and what they were told of each transaction.

    Attributes:
        client: of each row.
        seq: its transaction.
        part: its number there.
        value: its value.
        outcomes: (client, seq) -> acked; failed: refused or rolled back; unknown: nobody told.
    """

    client: list[int] = field(default_factory=list)
    seq: list[int] = field(default_factory=list)
    part: list[int] = field(default_factory=list)
    value: list[str | None] = field(default_factory=list)
    outcomes: dict[tuple[int, int], Result] = field(default_factory=dict)

    def sent(self, client: int, seq: int, values: Sequence[str | None], outcome: Result) -> None:
        """Write down a transaction when its outcome is known. One of these for each client and number.

        Raises:
            ValueError: it stands there already.
        """
        if (client, seq) in self.outcomes:
            raise ValueError(f"transaction {seq} of client {client} is in the ledger already")
        self.outcomes[client, seq] = outcome
        for part, value in enumerate(values):
            self.client.append(client)
            self.seq.append(seq)
            self.part.append(part)
            self.value.append(value)


@dataclass(frozen=True, slots=True)
class Misplayed:
    """Transactions with one fault: how many, and the first by client and number."""

    fault: Fault
    count: int
    first: str

    def __str__(self) -> str:
        return f"{self.count} {self.fault}; first: {self.first}"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of all transactions.

    Attributes:
        faults: at most one entry for each fault.
        acked: acknowledged transactions, by which it was judged.
        unknown: transactions of unknown outcome; they may be there or not, but whole and once.
    """

    faults: tuple[Misplayed, ...]
    acked: int
    unknown: int

    @property
    def judgement(self) -> Judgement:
        """Pass without faults, fail with every one, inconclusive when nothing was acknowledged."""
        if self.faults:
            return Judgement(
                Verdict.FAIL, f"of {self.acked} acknowledged transactions " + "; ".join(map(str, self.faults))
            )
        if not self.acked:
            return Judgement(Verdict.INCONCLUSIVE, "no transaction was acknowledged, so there is none to look for")
        return Judgement(
            Verdict.PASS,
            f"{self.acked} acknowledged transactions are there once, whole and in order, of no other a row",
        )

    def count(self, *faults: Fault) -> int:
        """Return how many transactions have one of these faults; one with two of them counts twice."""
        return sum(entry.count for entry in self.faults if entry.fault in faults)


def replayed(ledger: Ledger, rows: pa.Table) -> Replayed:
    """Judge the rows of a server by the ledger.

    Args:
        ledger: of every client.
        rows: all rows there: `client`, `seq`, `part`, `value`, `arrived` and `transaction`, as text or as numbers.
    """
    plane = _Plane(ledger, rows)
    outcomes = plane.outcomes
    acked, failed = outcomes == _ACKED, np.isin(outcomes, (_FAILED, _NEVER))
    there, whole = plane.parts_there > 0, plane.parts_there == plane.parts_sent
    found = (
        (Fault.LOST, acked & ~there),
        (Fault.HALF, ~failed & there & ~whole),
        (Fault.DOUBLED, plane.doubled()),
        (Fault.PHANTOM, plane.phantom() | failed & there),
        (Fault.ALTERED, plane.altered()),
        (Fault.SPLIT, plane.split()),
        (Fault.MERGED, plane.merged()),
        (Fault.REORDERED, plane.reordered()),
    )
    faults = tuple(
        Misplayed(fault, int(which.sum()), plane.shown(int(np.flatnonzero(which)[0])))
        for fault, which in found
        if which.any()
    )
    return Replayed(faults, int(acked.sum()), int((outcomes == _UNKNOWN).sum()))


_NEVER, _ACKED, _FAILED, _UNKNOWN = range(4)
_CODES = {Result.ACKED: _ACKED, Result.FAILED: _FAILED, Result.UNKNOWN: _UNKNOWN}


class _Plane:
    """Sent and arrived rows side by side, with transactions as numbers in the order of client and seq.

    Everything is an array over transactions unless it says otherwise.
    """

    def __init__(self, ledger: Ledger, rows: pa.Table) -> None:
        sent = [np.asarray(column, dtype=np.int64) for column in (ledger.client, ledger.seq, ledger.part)]
        came = [_whole(rows, name) for name in ("client", "seq", "part")]
        told = np.array(list(ledger.outcomes), dtype=np.int64).reshape(-1, 2)
        pairs = np.concatenate([told, np.stack(sent[:2], 1), np.stack(came[:2], 1)])
        self.names, numbers = np.unique(pairs, axis=0, return_inverse=True)
        numbers = numbers.reshape(-1)
        self._size = len(self.names)
        of_told, of_sent, of_came = np.split(numbers, [len(told), len(told) + len(sent[0])])
        self.outcomes = np.full(self._size, _NEVER)
        self.outcomes[of_told] = [_CODES[outcome] for outcome in ledger.outcomes.values()]
        self.parts_sent = np.bincount(of_sent, minlength=self._size)

        width = int(max(sent[2].max(initial=0), came[2].max(initial=0))) + 1
        self._sent_rows, self._came_rows = of_sent * width + sent[2], of_came * width + came[2]  # over rows
        self._width = width
        self._distinct, times = np.unique(self._came_rows, return_counts=True)
        self._twice = self._distinct[times > 1] // width
        known = np.isin(self._distinct, self._sent_rows)
        self._stray = self._distinct[~known] // width
        self.parts_there = np.bincount(self._distinct[known] // width, minlength=self._size)
        self._of_came, self._arrived = of_came, _whole(rows, "arrived")
        self._transaction = _whole(rows, "transaction")
        self._values = ledger.value, rows["value"]

    def doubled(self) -> Any:
        """Those of which a row is there more than once."""
        return self._marked(self._twice)

    def phantom(self) -> Any:
        """Those of which a row is there that nobody sent."""
        return self._marked(self._stray)

    def altered(self) -> Any:
        """Those of which a row that was sent is there with another value."""
        known = np.isin(self._came_rows, self._sent_rows)
        order = np.argsort(self._sent_rows)
        partners = order[np.searchsorted(self._sent_rows, self._came_rows[known], sorter=order)]
        sent, came = self._values
        expected = pa.array(sent, pa.string()).take(pa.array(partners))
        got = came.combine_chunks().cast(pa.string()).filter(pa.array(known))
        return self._marked(self._of_came[known][_unlike(expected, got)])

    def split(self) -> Any:
        """Those whose rows came in several transactions of the server, each part counted at its first coming."""
        first = self._first_comings()
        pairs = np.unique(np.stack([self._of_came[first], self._transaction[first]], 1), axis=0)
        return np.bincount(pairs[:, 0], minlength=self._size) > 1

    def merged(self) -> Any:
        """Those that share a transaction of the server with another."""
        pairs = np.unique(np.stack([self._transaction, self._of_came], 1), axis=0)
        _, inverse, times = np.unique(pairs[:, 0], return_inverse=True, return_counts=True)
        return self._marked(pairs[:, 1][times[inverse.reshape(-1)] > 1])

    def reordered(self) -> Any:
        """Those whose first row came after the first row of a later one of the same client."""
        first = np.full(self._size, np.iinfo(np.int64).max)
        np.minimum.at(first, self._of_came, self._arrived)
        there = np.flatnonzero(first < np.iinfo(np.int64).max)
        out = np.zeros(self._size, dtype=bool)
        for client in np.unique(self.names[there, 0]):
            own = there[self.names[there, 0] == client]  # in the order of seq
            earliest_later = np.minimum.accumulate(first[own][::-1])[::-1]
            out[own[:-1]] = first[own][:-1] > earliest_later[1:]
        return out

    def shown(self, number: int) -> str:
        """Show a transaction: whose, which, and how much of it is there."""
        client, seq = (int(part) for part in self.names[number])
        outcome = ("never sent", "acknowledged", "failed", "of unknown outcome")[self.outcomes[number]]
        rows = np.flatnonzero(self._of_came == number)
        parts = ", ".join(
            f"row {self._came_rows[row] % self._width} as arrival {self._arrived[row]} in {self._transaction[row]}"
            for row in rows[:4]
        )
        there = f"{self.parts_there[number]} of {self.parts_sent[number]} rows there"
        return f"transaction {seq} of client {client}, {outcome}, {there}{f' ({parts})' if parts else ''}"

    def _marked(self, numbers: Any) -> Any:
        marks = np.zeros(self._size, dtype=bool)
        marks[numbers] = True
        return marks

    def _first_comings(self) -> Any:
        """Positions of rows that came for the first time."""
        order = np.argsort(self._arrived, kind="stable")
        _, first = np.unique(self._came_rows[order], return_index=True)
        return order[first]


def _whole(rows: pa.Table, name: str) -> Any:
    return rows[name].cast(pa.int64()).to_numpy()


def _unlike(expected: pa.Array, got: pa.Array) -> Any:
    unequal = pc.fill_null(pc.not_equal(expected, got), False)
    return pc.or_(unequal, pc.xor(pc.is_null(expected), pc.is_null(got))).to_numpy(zero_copy_only=False)
