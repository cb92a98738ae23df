"""How tables, shards and nodes should be laid out, and what is wrong when they are not. No I/O.

Every `..._problems` function returns one sentence for each thing that is wrong; none means that all is well.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

HASH_MINIMUM, HASH_MAXIMUM = -(2**31), 2**31 - 1
"""Citus hashes a distribution column to a 32-bit integer."""

REFERENCE_METHOD, REFERENCE_MODEL = "n", "t"
"""`partmethod` and `repmodel` of a reference table. A local table that Citus knows has the same method."""

ACTIVE = 1
"""`shardstate` of a placement that is in use."""


@dataclass(frozen=True, slots=True)
class NodeVersion:
    """What one node says of Citus: the extension in its catalogue, and the library it loaded."""

    node: str
    extension: str | None
    library: str | None


@dataclass(frozen=True, slots=True)
class Check:
    """One node's attempt to reach another: True, False, or None when the first one could not be asked."""

    source: str
    target: str
    result: bool | None


@dataclass(frozen=True, slots=True)
class TableEntry:
    """What one node knows of a table."""

    node: str
    table: str
    kind: str  # citus_table_type: distributed, reference, local or schema
    column: str  # "<none>" without a distribution column
    colocation: int
    shard_count: int
    method: str
    model: str


@dataclass(frozen=True, slots=True)
class Shard:
    """A shard and the part of the hash range it holds; a reference table's shard has none."""

    table: str
    number: int
    low: int | None
    high: int | None

    @property
    def relation(self) -> str:
        """Name of the table that holds the shard's rows on its node."""
        return f"{self.table}_{self.number}"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the coordinator believes a shard to be."""

    table: str
    shard: int
    node: str
    state: int

    @property
    def relation(self) -> str:
        """Name of the table that holds the shard's rows on its node."""
        return f"{self.table}_{self.shard}"


def extension_problems(versions: Iterable[NodeVersion]) -> list[str]:
    """Every node must have the extension, and have loaded its library."""
    problems = []
    for version in versions:
        if version.extension is None:
            problems.append(f"{version.node} has no extension citus")
        elif version.library is None:
            problems.append(f"{version.node} has extension {version.extension}, but has loaded no library of Citus")
    return problems


def version_problems(versions: Sequence[NodeVersion]) -> list[str]:
    """Every node must have the same extension version, and the library of that version."""
    problems = []
    first = versions[0]
    for version in versions[1:]:
        if version.extension != first.extension:
            problems.append(f"{version.node} has extension {version.extension}, {first.node} has {first.extension}")
        if version.library != first.library:
            problems.append(f"{version.node} has loaded library {version.library}, {first.node} {first.library}")
    problems += [
        f"{version.node} has extension {version.extension}, but library {version.library}"
        for version in versions
        if version.extension and version.library and _minor(version.extension) != _minor(version.library)
    ]
    return problems


def _minor(version: str) -> tuple[str, ...]:
    """`14.0-1` of the extension and `14.0.1` of the library are both 14.0."""
    return tuple(version.replace("-", ".").split(".")[:2])


def active_problems(active: Collection[str], expected: Collection[str]) -> list[str]:
    """The active workers must be those the environment has, no more and no fewer."""
    missing, unknown = sorted(set(expected) - set(active)), sorted(set(active) - set(expected))
    return [f"{name} is not active" for name in missing] + [f"{name} is not a known worker" for name in unknown]


def reach_problems(checks: Sequence[Check], nodes: Sequence[str]) -> list[str]:
    """Every node must have reached every node, itself included."""
    seen = {(check.source, check.target): check.result for check in checks}
    problems = []
    for source, target in itertools.product(nodes, nodes):
        if (source, target) not in seen:
            problems.append(f"{source} was not asked whether it reaches {target}")
        elif (result := seen[source, target]) is not True:
            problems.append(f"{source} could not be asked" if result is None else f"{source} does not reach {target}")
    return list(dict.fromkeys(problems))


def distribution_problems(entries: Iterable[TableEntry], nodes: Iterable[str], table: str, column: str) -> list[str]:
    """Every node must know the table as one that is distributed by the column.

    The kind alone would not do: a table that is one single shard counts as distributed, too.
    """
    problems = []
    for node, entry in _entries(entries, nodes, table):
        if entry is None:
            problems.append(f"{node} does not know {table} as a table of Citus")
        elif entry.kind != "distributed" or entry.column != column:
            problems.append(f"{node} has {table} as {entry.kind} by {entry.column}, expected distributed by {column}")
    return problems


def reference_problems(entries: Iterable[TableEntry], nodes: Iterable[str], table: str) -> list[str]:
    """Every node must know the table as a reference table."""
    problems = []
    for node, entry in _entries(entries, nodes, table):
        if entry is None:
            problems.append(f"{node} does not know {table} as a table of Citus")
        elif (entry.kind, entry.method, entry.model) != ("reference", REFERENCE_METHOD, REFERENCE_MODEL):
            problems.append(
                f"{node} has {table} as {entry.kind} (partmethod {entry.method}, repmodel {entry.model}), "
                f"expected reference (partmethod {REFERENCE_METHOD}, repmodel {REFERENCE_MODEL})"
            )
    return problems


def colocation_problems(entries: Iterable[TableEntry], tables: Sequence[str]) -> list[str]:
    """The tables must be in one colocation group, so that rows of one namespace lie side by side."""
    groups = {entry.table: entry.colocation for entry in entries if entry.table in tables}
    missing = [f"{table} is not a table of Citus" for table in tables if table not in groups]
    if missing or len(set(groups.values())) == 1:
        return missing
    return [f"the tables are in different colocation groups: {', '.join(f'{t} in {g}' for t, g in groups.items())}"]


def _entries(entries: Iterable[TableEntry], nodes: Iterable[str], table: str) -> list[tuple[str, TableEntry | None]]:
    known = {entry.node: entry for entry in entries if entry.table == table}
    return [(node, known.get(node)) for node in nodes]


def count_problems(shards: Iterable[Shard], table: str, expected: int) -> list[str]:
    """The table must have so many shards."""
    number = sum(shard.table == table for shard in shards)
    return [] if number == expected else [f"{table} has {number} shards, expected {expected}"]


def coverage_problems(shards: Iterable[Shard], table: str) -> list[str]:
    """The table's shards must cover the whole hash range, without a gap and without an overlap."""
    mine = [shard for shard in shards if shard.table == table]
    ranges = sorted((s.low, s.high, s.number) for s in mine if s.low is not None and s.high is not None)
    if not ranges:
        return [f"{table} has no shard with a hash range"]
    problems, reached = [], HASH_MINIMUM - 1
    for low, high, number in ranges:
        if low > reached + 1:
            problems.append(f"{table} has no shard for hashes {reached + 1} to {low - 1}")
        elif low <= reached:
            problems.append(f"{table}: shard {number} begins at {low}, but the one before it ends at {reached}")
        reached = max(reached, high)
    if reached != HASH_MAXIMUM:
        problems.append(f"{table} has no shard for hashes {reached + 1} to {HASH_MAXIMUM}")
    return problems


def spread_problems(placements: Sequence[Placement], table: str, workers: Sequence[str]) -> list[str]:
    """Each shard must have one active placement on a worker, and no worker one more than one more than another."""
    mine = [placement for placement in placements if placement.table == table]
    if not mine:
        return [f"{table} has no placements"]
    problems = [f"{p.relation} on {p.node} has state {p.state}, expected {ACTIVE}" for p in mine if p.state != ACTIVE]
    copies = Counter(placement.relation for placement in mine)
    problems += [f"{name} has {number} placements, expected 1" for name, number in copies.items() if number != 1]
    share = {worker: sum(placement.node == worker for placement in mine) for worker in workers}
    if max(share.values()) - min(share.values()) > 1:
        problems.append(f"{table} is not spread evenly: {', '.join(f'{n} shards on {w}' for w, n in share.items())}")
    problems += [f"{p.relation} is on {p.node}, which is not a worker" for p in mine if p.node not in share]
    return problems


def copy_problems(placements: Sequence[Placement], table: str, nodes: Sequence[str]) -> list[str]:
    """A reference table must have one active placement on every node."""
    mine = Counter(p.node for p in placements if p.table == table and p.state == ACTIVE)
    return [f"{node} has {mine[node]} active copies of {table}, expected 1" for node in nodes if mine[node] != 1]
