"""What really lies on the nodes: shards' tables, their sizes and their rows, as the nodes themselves say. No I/O.

Every `..._problems` function returns one sentence for each thing that is wrong; none means that all is well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from CitusLibrary.topology import Placement


@dataclass(frozen=True, slots=True)
class Relation:
    """A shard's table as it really lies on a node."""

    node: str
    name: str
    size: int  # bytes, with its indexes and out-of-line values


def presence_problems(placements: Iterable[Placement], relations: Iterable[Relation]) -> list[str]:
    """Every placement must exist as a table on its node, and every shard's table on a node as a placement."""
    believed = {(placement.node, placement.relation) for placement in placements}
    real = {(relation.node, relation.name) for relation in relations}
    absent, unknown = sorted(believed - real), sorted(real - believed)
    return [
        *(f"{node} has no table {name}, where the coordinator believes a shard" for node, name in absent),
        *(f"{node} has a table {name} that the coordinator does not know" for node, name in unknown),
    ]


@dataclass(frozen=True, slots=True)
class TableSize:
    """A table's size in bytes, as the coordinator gives it and as its shards' tables on the workers add up to."""

    table: str
    total: int  # citus_total_relation_size
    listed: int  # the sum of citus_shards.shard_size
    relations: tuple[Relation, ...]

    @property
    def measured(self) -> int:
        """The sum of what the workers themselves say."""
        return sum(relation.size for relation in self.relations)


def sum_problems(size: TableSize) -> list[str]:
    """The coordinator's size, its list of shards and the tables on the workers must agree."""
    if size.total == size.listed == size.measured:
        return []
    sums = f"{size.listed} bytes, the shards' tables on the nodes to {size.measured} bytes"
    return [f"{size.table}: citus_total_relation_size says {size.total} bytes, citus_shards adds up to {sums}"]


def filled_problems(size: TableSize, filled: Mapping[str, int]) -> list[str]:
    """No shard may be smaller than the values known to be in it.

    Args:
        size: of one table.
        filled: bytes of values written, by the shard's table they were written to.
    """
    sizes = {relation.name: relation.size for relation in size.relations}
    return [
        f"{name} has {sizes.get(name, 0)} bytes, but {written} bytes of values were written to it"
        for name, written in filled.items()
        if sizes.get(name, 0) < written
    ]


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row found in a shard's table on a node."""

    node: str
    relation: str
    namespace: str
    key: str


def storage_problems(
    found: Sequence[StoredRow], written: Collection[tuple[str, str]], home: Mapping[str, tuple[str, str]]
) -> list[str]:
    """Every row must be stored exactly once, where its namespace belongs.

    Args:
        found: rows of these namespaces in all shards of all nodes.
        written: namespace and key of every row.
        home: the node and the shard's table each namespace belongs to.
    """
    copies = Counter((row.namespace, row.key) for row in found)
    problems = [
        f"row {namespace}/{key} is stored {copies[namespace, key]} times, expected once"
        for namespace, key in written
        if copies[namespace, key] != 1
    ]
    unknown = [row for row in copies if row not in written]
    problems += [f"row {namespace}/{key} is stored, but was never written" for namespace, key in unknown]
    for stored in found:
        expected = home[stored.namespace]
        if (stored.node, stored.relation) != expected:
            problems.append(
                f"row {stored.namespace}/{stored.key} is in {stored.relation} on {stored.node}, "
                f"expected {expected[1]} on {expected[0]}"
            )
    return problems


def share_problems(found: Iterable[StoredRow], workers: Iterable[str]) -> list[str]:
    """Every worker must hold some of the rows."""
    share = Counter(row.node for row in found)
    parts = {worker: share[worker] for worker in workers}
    if all(parts.values()):
        return []
    listed = ", ".join(f"{number} on {worker}" for worker, number in parts.items())
    return [f"the rows are not on every worker: {listed}"]
