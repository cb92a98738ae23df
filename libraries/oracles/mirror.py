"""Whether a mirror holds what its primary holds: tables compared column by column, never row by row.

Each table comes from both servers as text, the way the servers themselves write values, with NULL as null. Rows are
matched by a key; without one (or where it is not unique) a row is known by all its values, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from measurement.verdicts import Judgement, Verdict

_BETWEEN, _NULL = "\x00", "\x1fNULL"  # in the text that stands for a key; PostgreSQL's own never has a \x00
_SHOWN = 80  # characters of a value in a message
_COLUMNS_SHOWN = 4


class Kind(StrEnum):
    """In which way a mirror differs from its primary."""

    TABLE = "table"  # on one server only, or with other columns
    LOST = "lost rows"
    DOUBLED = "doubled rows"
    PHANTOM = "phantom rows"
    VALUE = "values that differ"
    SEQUENCE = "sequences behind their rows"


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which a table differs.

    Attributes:
        table: its name.
        kind: in which way.
        count: how many rows.
        first: the first of them, in the primary's order.
    """

    table: str
    kind: Kind
    count: int
    first: str

    def __str__(self) -> str:
        return f"{self.table}: {self.count} {self.kind}; first: {self.first}"


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of comparing two servers.

    Attributes:
        differences: in the order of tables; none: the mirror holds what the primary holds.
        rows: table -> rows on the primary and on the mirror.
    """

    differences: tuple[Difference, ...]
    rows: Mapping[str, tuple[int, int]]

    @property
    def judgement(self) -> Judgement:
        """Pass when all is equal, fail with every difference, inconclusive when there was no row to compare."""
        if self.differences:
            return Judgement(Verdict.FAIL, "; ".join(map(str, self.differences)))
        compared = sum(primary for primary, _ in self.rows.values())
        tables = f"{len(self.rows)} table{'' if len(self.rows) == 1 else 's'}"
        if not compared:
            return Judgement(Verdict.INCONCLUSIVE, f"there is no row in {tables} to compare")
        return Judgement(Verdict.PASS, f"{compared} rows in {tables} are the same on both servers")

    def count(self, *kinds: Kind) -> int:
        """Return how many rows differ in these ways."""
        return sum(difference.count for difference in self.differences if difference.kind in kinds)


@dataclass(frozen=True, slots=True)
class SequenceState:
    """A sequence on one server.

    Attributes:
        last: the last value it gave out; None: it gave out none yet.
        owner: the column it fills, as `table.column`.
        highest: the largest value in that column; None: there is no row.
    """

    last: int | None
    owner: str
    highest: int | None

    @property
    def behind(self) -> bool:
        """Whether it would give out a value that is taken."""
        return self.highest is not None and (self.last or 0) < self.highest


def difference_of_sequences(
    primary: Mapping[str, SequenceState], mirror: Mapping[str, SequenceState]
) -> list[Difference]:
    """List sequences that would give out on the mirror what is taken, and would not on the primary.

    That they stand at other values is no difference: work that was rolled back takes values, and is not mirrored.
    """
    found = []
    for name, own in mirror.items():
        if own.behind and not (name in primary and primary[name].behind):
            stands = "was never used" if own.last is None else f"stands at {own.last}"
            text = f"{name} {stands} on the mirror, {own.owner} goes to {own.highest}"
            found.append(Difference(own.owner.rpartition(".")[0], Kind.SEQUENCE, 1, text))
    return found


def differences(table: str, primary: pa.Table, mirror: pa.Table, key: Sequence[str] = ()) -> list[Difference]:
    """List in which ways the rows of a table differ.

    A million rows on each side take about a second in different orders, and next to nothing when all is the same.

    Args:
        table: its name, for messages.
        primary: its rows there, every column as text.
        mirror: the same of the mirror, with the same columns.
        key: columns by which rows are matched; none: by all of them.
    """
    if primary.equals(mirror):
        return []
    key = list(key) or primary.column_names
    matched = _Matched(primary, mirror, key)
    if not matched.unique and len(key) < primary.num_columns:
        key = primary.column_names
        matched = _Matched(primary, mirror, key)
    found = []
    for kind, difference in (
        (Kind.LOST, matched.primary_times - matched.mirror_times),
        (Kind.DOUBLED, np.where(matched.primary_times > 0, matched.mirror_times - matched.primary_times, 0)),
        (Kind.PHANTOM, np.where(matched.primary_times == 0, matched.mirror_times, 0)),
    ):
        surplus = np.maximum(difference, 0)
        if total := int(surplus.sum()):
            first = matched.row(int(np.flatnonzero(surplus)[0]), key)
            found.append(Difference(table, kind, total, first))
    rest = [name for name in primary.column_names if name not in key]
    value = _values(table, primary, mirror, rest, matched, key) if rest else None
    return [*found, value] if value else found


class _Matched:
    """Rows of two tables, those with the same key under the same number; numbers in the order of first appearance."""

    def __init__(self, primary: pa.Table, mirror: pa.Table, key: Sequence[str]) -> None:
        self._primary, self._mirror = primary, mirror
        both = pa.chunked_array([*_text(primary, key).chunks, *_text(mirror, key).chunks], pa.large_string())
        numbers = both.combine_chunks().dictionary_encode()
        codes = numbers.indices.to_numpy()
        self.of_primary, self.of_mirror = codes[: primary.num_rows], codes[primary.num_rows :]
        self.number = len(numbers.dictionary)
        self.primary_times = np.bincount(self.of_primary, minlength=self.number)
        self.mirror_times = np.bincount(self.of_mirror, minlength=self.number)

    @property
    def unique(self) -> bool:
        """Whether no key is there twice on one side."""
        return bool((self.primary_times < 2).all() and (self.mirror_times < 2).all())

    def row(self, number: int, key: Sequence[str]) -> str:
        """Show the row with this number, by its key."""
        there = self.primary_times[number] > 0
        side, numbers = (self._primary, self.of_primary) if there else (self._mirror, self.of_mirror)
        return _shown(side, int(np.flatnonzero(numbers == number)[0]), key)

    def pairs(self) -> tuple[Any, Any]:
        """Return the positions in both tables of the rows that are on both sides, in the primary's order."""
        position = np.full(self.number, -1)
        position[self.of_mirror] = np.arange(len(self.of_mirror))
        partner = position[self.of_primary]
        there = np.flatnonzero(partner >= 0)
        return there, partner[there]


def _values(
    table: str, primary: pa.Table, mirror: pa.Table, columns: Sequence[str], matched: _Matched, key: Sequence[str]
) -> Difference | None:
    """Compare the values of rows that are on both sides."""
    rows, partners = matched.pairs()
    differing = np.zeros(len(rows), dtype=bool)
    ordered = len(rows) == primary.num_rows == mirror.num_rows and bool((rows == partners).all())
    for name in columns:
        a, b = primary[name], mirror[name]
        if not ordered:
            a, b = a.take(pa.array(rows)), b.take(pa.array(partners))
        if not a.equals(b):
            unequal = pc.or_(pc.fill_null(pc.not_equal(a, b), False), pc.xor(pc.is_null(a), pc.is_null(b)))
            differing |= unequal.to_numpy()
    if not differing.any():
        return None
    first = int(np.flatnonzero(differing)[0])
    row, partner = int(rows[first]), int(partners[first])
    parts = [
        f"{name} is {_value(primary, name, row)} on the primary and {_value(mirror, name, partner)} on the mirror"
        for name in columns
        if primary[name][row].as_py() != mirror[name][partner].as_py()
    ]
    return Difference(table, Kind.VALUE, int(differing.sum()), f"{_shown(primary, row, key)}: {', '.join(parts)}")


def _text(table: pa.Table, key: Sequence[str]) -> pa.ChunkedArray:
    """Return one text for each row's key."""
    columns = [table[name].cast(pa.large_string()) for name in key]
    if len(columns) == 1:
        return pc.fill_null(columns[0], _NULL)
    joined = pc.binary_join_element_wise(
        *columns, pa.scalar(_BETWEEN, pa.large_string()), null_handling="replace", null_replacement=_NULL
    )
    return joined if isinstance(joined, pa.ChunkedArray) else pa.chunked_array([joined])


def _shown(table: pa.Table, row: int, columns: Sequence[str]) -> str:
    shown = ", ".join(f"{name}={_value(table, name, row)}" for name in columns[:_COLUMNS_SHOWN])
    return f"({shown}{', ...' if len(columns) > _COLUMNS_SHOWN else ''})"


def _value(table: pa.Table, name: str, row: int) -> str:
    value = table[name][row].as_py()
    if value is None:
        return "NULL"
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}... ({len(value)} characters)"
