"""Rows and sizes found on nodes, and each way in which they can be wrong."""

from __future__ import annotations

import pytest

from CitusLibrary.findings import require
from CitusLibrary.storage import (
    Relation,
    StoredRow,
    TableSize,
    filled_problems,
    presence_problems,
    share_problems,
    storage_problems,
    sum_problems,
)
from CitusLibrary.topology import Placement

HOME = {"a": ("worker 1", "memory_entries_1"), "b": ("worker 2", "memory_entries_2")}
FOUND = [
    StoredRow("worker 1", "memory_entries_1", "a", "k"),
    StoredRow("worker 2", "memory_entries_2", "b", "k"),
]
WRITTEN = [("a", "k"), ("b", "k")]


def test_rows_stored_once_where_they_belong_are_right():
    assert storage_problems(FOUND, WRITTEN, HOME) == []


def test_a_lost_row_is_told():
    assert storage_problems(FOUND[:1], WRITTEN, HOME) == ["row b/k is stored 0 times, expected once"]


def test_a_copy_on_another_node_is_told_twice_over():
    copy = StoredRow("worker 2", "memory_entries_1", "a", "k")
    assert storage_problems([*FOUND, copy], WRITTEN, HOME) == [
        "row a/k is stored 2 times, expected once",
        "row a/k is in memory_entries_1 on worker 2, expected memory_entries_1 on worker 1",
    ]


def test_a_row_in_another_shard_is_told():
    moved = StoredRow("worker 1", "memory_entries_3", "a", "k")
    assert storage_problems([moved, FOUND[1]], WRITTEN, HOME) == [
        "row a/k is in memory_entries_3 on worker 1, expected memory_entries_1 on worker 1"
    ]


def test_a_row_nobody_wrote_is_told():
    more = StoredRow("worker 1", "memory_entries_1", "a", "other")
    assert storage_problems([*FOUND, more], WRITTEN, HOME) == ["row a/other is stored, but was never written"]


def test_rows_on_one_worker_only_are_told():
    assert share_problems(FOUND, ["worker 1", "worker 2"]) == []
    assert share_problems(FOUND[:1], ["worker 1", "worker 2"]) == [
        "the rows are not on every worker: 1 on worker 1, 0 on worker 2"
    ]


def test_placements_and_tables_on_nodes_must_be_the_same():
    placements = [Placement("memory_entries", 1, "worker 1", 1)]
    there = Relation("worker 1", "memory_entries_1", 8192)
    orphan = Relation("worker 2", "memory_entries_1", 8192)
    assert presence_problems(placements, [there]) == []
    assert presence_problems(placements, [orphan]) == [
        "worker 1 has no table memory_entries_1, where the coordinator believes a shard",
        "worker 2 has a table memory_entries_1 that the coordinator does not know",
    ]


@pytest.mark.parametrize(("total", "listed", "size"), [(200, 100, 100), (100, 200, 100), (100, 100, 200)])
def test_each_of_the_three_sums_counts(total, listed, size):
    measured = TableSize("memory_entries", total, listed, (Relation("worker 1", "memory_entries_1", size),))
    (problem,) = sum_problems(measured)
    assert problem == (
        f"memory_entries: citus_total_relation_size says {total} bytes, citus_shards adds up to {listed} bytes, "
        f"the shards' tables on the nodes to {size} bytes"
    )


def test_equal_sums_are_right():
    relations = (Relation("worker 1", "memory_entries_1", 60), Relation("worker 2", "memory_entries_2", 40))
    assert sum_problems(TableSize("memory_entries", 100, 100, relations)) == []


def test_a_shard_smaller_than_what_was_written_is_told():
    size = TableSize("memory_entries", 100, 100, (Relation("worker 1", "memory_entries_1", 100),))
    assert filled_problems(size, {"memory_entries_1": 100}) == []
    assert filled_problems(size, {"memory_entries_1": 101, "memory_entries_2": 1}) == [
        "memory_entries_1 has 100 bytes, but 101 bytes of values were written to it",
        "memory_entries_2 has 0 bytes, but 1 bytes of values were written to it",
    ]


def test_problems_become_one_message_with_the_sample():
    require([], "nothing")
    with pytest.raises(AssertionError, match=r"^one; two \(looked at 3 nodes\)$"):
        require(["one", "two"], "3 nodes")


def test_a_message_tells_five_problems_and_counts_the_rest():
    with pytest.raises(AssertionError, match=r"^0; 1; 2; 3; 4; and 3 more \(looked at 8 rows\)$"):
        require([str(number) for number in range(8)], "8 rows")
