"""Namespaces chosen by where they belong, and shards worked on at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from CitusLibrary.namespaces import Namespace, first_of_each
from CitusLibrary.nodes import Node
from CitusLibrary.parallel import GroupWork, ParallelRun, most_at_once
from environments.system import Endpoint

WORKERS = [Node(f"worker {number}", Endpoint("127.0.0.1", 9700 + number)) for number in (1, 2)]
NAMES = [worker.name for worker in WORKERS]
ZERO = datetime(2026, 1, 1, tzinfo=UTC)


def located(*workers: int) -> list[Namespace]:
    return [Namespace(f"n{place}", WORKERS[worker], f"memory_entries_{place}") for place, worker in enumerate(workers)]


def test_the_first_namespaces_of_each_worker_are_taken():
    chosen = first_of_each(NAMES, 2, located(0, 0, 1, 0, 1, 1))
    assert [(place.name, place.node.name) for place in chosen] == [
        ("n0", "worker 1"),
        ("n1", "worker 1"),
        ("n2", "worker 2"),
        ("n4", "worker 2"),
    ]


def test_a_worker_without_enough_namespaces_is_told_with_the_share_of_each():
    with pytest.raises(AssertionError, match=r"worker 2 has no shard .* 3 to worker 1, 1 to worker 2 belong"):
        first_of_each(NAMES, 2, located(0, 0, 0, 1))


def test_a_node_that_is_no_worker_is_passed_over():
    coordinator = Namespace("n9", Node("coordinator", Endpoint("127.0.0.1", 9700)), "memory_entries_1")
    assert [place.name for place in first_of_each(NAMES, 1, [coordinator, *located(0, 1)])] == ["n0", "n1"]


def interval(begin: float, end: float) -> tuple[datetime, datetime]:
    return ZERO + timedelta(seconds=begin), ZERO + timedelta(seconds=end)


def test_overlaps_are_counted_at_the_busiest_instant():
    assert most_at_once([interval(0, 10), interval(1, 3), interval(2, 4), interval(5, 6)]) == 3


def test_one_after_the_other_is_one_at_once():
    assert most_at_once([interval(0, 1), interval(1, 2), interval(2, 3)]) == 1
    assert most_at_once([]) == 0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), min_size=1, max_size=12))
def test_it_is_what_counting_at_every_begin_gives(pieces):
    intervals = [interval(begin, begin + length) for begin, length in pieces]
    counted = max(sum(begin <= moment < end for begin, end in intervals) for moment, _ in intervals)
    assert most_at_once(intervals) == counted


def test_a_run_counts_its_groups():
    groups = tuple(GroupWork(f"n{number}", 10, *interval(0, 1)) for number in range(3))
    assert ParallelRun(groups, 1.0, 3.0).at_once == 3
