"""Layouts that are right, and each way in which one can be wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from CitusLibrary.topology import (
    HASH_MAXIMUM,
    HASH_MINIMUM,
    Check,
    NodeVersion,
    Placement,
    Shard,
    TableEntry,
    active_problems,
    colocation_problems,
    copy_problems,
    count_problems,
    coverage_problems,
    distribution_problems,
    extension_problems,
    reach_problems,
    reference_problems,
    spread_problems,
    version_problems,
)

NODES = ("coordinator", "worker 1", "worker 2")
WORKERS = NODES[1:]


def versions(**changed: NodeVersion) -> list[NodeVersion]:
    good = {node: NodeVersion(node, "14.0-1", "14.0.1") for node in NODES}
    return list({**good, **changed}.values())


def test_equal_versions_are_right():
    assert extension_problems(versions()) == []
    assert version_problems(versions()) == []


def test_a_node_without_extension_or_library_is_told():
    assert extension_problems([NodeVersion("worker 1", None, None)]) == ["worker 1 has no extension citus"]
    assert extension_problems([NodeVersion("worker 1", "14.0-1", None)]) == [
        "worker 1 has extension 14.0-1, but has loaded no library of Citus"
    ]


def test_different_extensions_and_libraries_are_told():
    found = version_problems(
        [NodeVersion("coordinator", "14.0-1", "14.0.1"), NodeVersion("worker 1", "13.2-1", "13.2.2")]
    )
    assert found == [
        "worker 1 has extension 13.2-1, coordinator has 14.0-1",
        "worker 1 has loaded library 13.2.2, coordinator 14.0.1",
    ]


def test_a_library_of_another_version_than_its_extension_is_told():
    assert version_problems([NodeVersion("coordinator", "13.2-1", "14.0.1")]) == [
        "coordinator has extension 13.2-1, but library 14.0.1"
    ]


def test_missing_and_unexpected_workers_are_told():
    assert active_problems(WORKERS, WORKERS) == []
    assert active_problems(["worker 1", "127.0.0.1:5"], WORKERS) == [
        "worker 2 is not active",
        "127.0.0.1:5 is not a known worker",
    ]


def test_every_pair_of_nodes_must_have_been_tried_with_success():
    good = [Check(source, target, True) for source in NODES for target in NODES]
    assert reach_problems(good, NODES) == []
    assert reach_problems(good[:-1], NODES) == ["worker 2 was not asked whether it reaches worker 2"]
    failed = [*good[:2], replace(good[2], result=False), *good[3:]]
    assert reach_problems(failed, NODES) == ["coordinator does not reach worker 2"]
    unasked = [replace(check, result=None) if check.source == "worker 2" else check for check in good]
    assert reach_problems(unasked, NODES) == ["worker 2 could not be asked"]


ENTRY = TableEntry("coordinator", "memory_entries", "distributed", "namespace", 1, 32, "h", "s")
REFERENCE = TableEntry("coordinator", "metadata", "reference", "<none>", 2, 1, "n", "t")


def on_all(entry: TableEntry) -> list[TableEntry]:
    return [replace(entry, node=node) for node in NODES]


def test_a_table_distributed_on_every_node_is_right():
    assert distribution_problems(on_all(ENTRY), NODES, "memory_entries", "namespace") == []


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"kind": "reference", "column": "<none>"}, "reference by <none>"),
        ({"column": "<none>"}, "distributed by <none>"),
        ({"column": "key"}, "distributed by key"),
    ],
)
def test_another_kind_or_column_on_one_node_is_told(changed, told):
    entries = [*on_all(ENTRY)[:2], replace(ENTRY, node="worker 2", **changed)]
    assert distribution_problems(entries, NODES, "memory_entries", "namespace") == [
        f"worker 2 has memory_entries as {told}, expected distributed by namespace"
    ]


def test_a_node_that_does_not_know_the_table_is_told():
    assert distribution_problems(on_all(ENTRY)[:2], NODES, "memory_entries", "namespace") == [
        "worker 2 does not know memory_entries as a table of Citus"
    ]
    assert reference_problems(on_all(REFERENCE)[1:], NODES, "metadata") == [
        "coordinator does not know metadata as a table of Citus"
    ]


def test_a_local_table_is_no_reference_table_although_it_has_the_same_method():
    assert reference_problems(on_all(REFERENCE), NODES, "metadata") == []
    local = [*on_all(REFERENCE)[:2], replace(REFERENCE, node="worker 2", kind="local", model="s")]
    assert reference_problems(local, NODES, "metadata") == [
        "worker 2 has metadata as local (partmethod n, repmodel s), expected reference (partmethod n, repmodel t)"
    ]


def test_tables_of_different_groups_are_not_colocated():
    patterns = replace(ENTRY, table="patterns")
    tables = ("memory_entries", "patterns")
    assert colocation_problems([ENTRY, patterns], tables) == []
    assert colocation_problems([ENTRY, replace(patterns, colocation=3)], tables) == [
        "the tables are in different colocation groups: memory_entries in 1, patterns in 3"
    ]
    assert colocation_problems([ENTRY], tables) == ["patterns is not a table of Citus"]


def shards(number: int) -> list[Shard]:
    step = 2**32 // number
    bounds = [HASH_MINIMUM + place * step for place in range(number)] + [HASH_MAXIMUM + 1]
    return [Shard("memory_entries", 100 + n, bounds[n], bounds[n + 1] - 1) for n in range(number)]


@given(st.integers(1, 128))
def test_shards_that_cover_the_range_are_right_in_any_order(number):
    assert coverage_problems(list(reversed(shards(number))), "memory_entries") == []


@given(st.integers(2, 64), st.data())
def test_any_lost_shard_is_a_gap(number, data):
    all_of_them = shards(number)
    lost = data.draw(st.sampled_from(all_of_them))
    told = coverage_problems([shard for shard in all_of_them if shard is not lost], "memory_entries")
    assert told == [f"memory_entries has no shard for hashes {lost.low} to {lost.high}"]


def test_the_range_is_that_of_a_32_bit_integer():
    assert coverage_problems([Shard("memory_entries", 1, -2147483648, 2147483647)], "memory_entries") == []
    assert coverage_problems([Shard("memory_entries", 1, -2147483648, 2147483646)], "memory_entries") == [
        "memory_entries has no shard for hashes 2147483647 to 2147483647"
    ]


def test_an_overlap_is_told():
    first, second = shards(2)
    assert coverage_problems([first, replace(second, low=-1)], "memory_entries") == [
        "memory_entries: shard 101 begins at -1, but the one before it ends at -1"
    ]


def test_a_reference_table_has_no_hash_range():
    assert coverage_problems([Shard("metadata", 1, None, None)], "metadata") == [
        "metadata has no shard with a hash range"
    ]


def test_the_number_of_shards_is_that_of_the_table_alone():
    found = [*shards(32), Shard("metadata", 1, None, None)]
    assert count_problems(found, "memory_entries", 32) == []
    assert count_problems(found, "metadata", 32) == ["metadata has 1 shards, expected 32"]


def placements(*nodes: str) -> list[Placement]:
    return [Placement("memory_entries", 100 + number, node, 1) for number, node in enumerate(nodes)]


def test_an_even_spread_may_differ_by_one():
    assert spread_problems(placements("worker 1", "worker 2", "worker 1"), "memory_entries", WORKERS) == []


def test_an_uneven_spread_is_told():
    assert spread_problems(placements("worker 1", "worker 1", "worker 1", "worker 2"), "memory_entries", WORKERS) == [
        "memory_entries is not spread evenly: 3 shards on worker 1, 1 shards on worker 2"
    ]


def test_placements_that_are_double_inactive_or_elsewhere_are_told():
    good = placements("worker 1", "worker 2")
    assert spread_problems([*good, replace(good[0], node="worker 2")], "memory_entries", WORKERS) == [
        "memory_entries_100 has 2 placements, expected 1"
    ]
    assert spread_problems([good[0], replace(good[1], state=3)], "memory_entries", WORKERS) == [
        "memory_entries_101 on worker 2 has state 3, expected 1"
    ]
    assert "memory_entries_102 is on coordinator, which is not a worker" in spread_problems(
        [*good, Placement("memory_entries", 102, "coordinator", 1)], "memory_entries", WORKERS
    )
    assert spread_problems([], "memory_entries", WORKERS) == ["memory_entries has no placements"]


def test_a_reference_table_must_be_on_every_node():
    copies = [Placement("metadata", 1, node, 1) for node in NODES]
    assert copy_problems(copies, "metadata", NODES) == []
    assert copy_problems(copies[:2], "metadata", NODES) == ["worker 2 has 0 active copies of metadata, expected 1"]
    assert copy_problems([*copies[:2], replace(copies[2], state=3)], "metadata", NODES)
