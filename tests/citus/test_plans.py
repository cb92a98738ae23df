"""Plans as Citus explains them, and what is wrong with each."""

from __future__ import annotations

import pytest

from CitusLibrary.plans import (
    DistributedPlan,
    NotDistributed,
    aggregate_problems,
    index_problems,
    parse_plan,
    route_problems,
    task_problems,
    together_problems,
)
from environments.system import Endpoint

WORKER1, WORKER2 = Endpoint("127.0.0.1", 9701), Endpoint("127.0.0.1", 9702)


def scan(relation: str, kind: str = "Seq Scan", index: str | None = None) -> dict[str, object]:
    return {"Node Type": kind, "Relation Name": relation, **({"Index Name": index} if index else {})}


def over(kind: str, *below: dict[str, object], **more: object) -> dict[str, object]:
    return {"Node Type": kind, "Plans": list(below), **more}


def task(port: int, plan: dict[str, object]) -> dict[str, object]:
    return {"Node": f"host=127.0.0.1 port={port} dbname=acceptance", "Remote Plan": [[{"Plan": plan}]]}


def distributed(*tasks: dict[str, object], count: int | None = None, subplans: int = 0) -> dict[str, object]:
    job = {"Task Count": count or len(tasks), "Tasks Shown": "All", "Tasks": list(tasks)}
    query: dict[str, object] = {"Job": job}
    if subplans:
        query["Subplans"] = [{"PlannedStmt": []}] * subplans
    return {"Node Type": "Custom Scan", "Custom Plan Provider": "Citus Adaptive", "Distributed Query": query}


def parsed(plan: dict[str, object]) -> DistributedPlan:
    return parse_plan([{"Plan": plan}])


def test_a_plan_has_its_tasks_with_their_operators_and_nodes():
    plan = parsed(
        over(
            "Limit",
            over(
                "Sort",
                distributed(
                    task(9701, over("Hash Join", scan("memory_entries_102008"), over("Hash", scan("metadata_102072")))),
                    task(9702, scan("memory_entries_102009", "Index Scan", "memory_entries_pkey_102009")),
                ),
            ),
        )
    )
    assert plan.task_count == 2
    assert [one.endpoint for one in plan.tasks] == [WORKER1, WORKER2]
    assert [operator.kind for operator in plan.tasks[0].operators] == ["Hash Join", "Seq Scan", "Hash", "Seq Scan"]
    assert plan.tasks[0].relations("metadata") == {"metadata_102072"}
    assert plan.tasks[1].operators[0].index == "memory_entries_pkey_102009"
    assert [operator.kind for operator in plan.local] == ["Limit", "Sort", "Custom Scan"]


def test_relations_of_a_table_are_not_those_of_one_with_a_longer_name():
    plan = parsed(distributed(task(9701, scan("memory_entries_archive_102008"))))
    assert plan.tasks[0].relations("memory_entries") == set()


def test_a_plan_without_citus_says_what_the_coordinator_does_itself():
    with pytest.raises(NotDistributed, match="by itself: Sort > Seq Scan on memory_entries"):
        parsed(over("Sort", scan("memory_entries")))


def test_a_wrong_number_of_tasks_is_told():
    plan = parsed(distributed(task(9701, scan("memory_entries_102008"))))
    assert task_problems(plan, 1) == []
    assert task_problems(plan, 32) == ["the query has 1 tasks, expected 32"]


def test_tasks_that_are_not_shown_are_no_evidence():
    plan = parsed(distributed(task(9701, scan("memory_entries_102008")), count=32))
    assert task_problems(plan, 32) == ["only 1 of 32 tasks are shown"]


def test_a_query_routed_elsewhere_or_to_another_shard_is_told():
    plan = parsed(distributed(task(9701, scan("memory_entries_102008"))))
    assert route_problems(plan, WORKER1, "memory_entries_102008") == []
    assert route_problems(plan, WORKER2, "memory_entries_102008") == [
        "the query goes to 127.0.0.1:9701, expected 127.0.0.1:9702"
    ]
    assert route_problems(plan, WORKER1, "memory_entries_102009") == [
        "the query reads memory_entries_102008, expected memory_entries_102009"
    ]


def test_a_table_missing_from_a_task_is_told():
    both = over("Hash Join", scan("memory_entries_102008"), scan("metadata_102072"))
    plan = parsed(distributed(task(9701, both), task(9702, scan("memory_entries_102009"))))
    assert together_problems(plan, ["memory_entries"]) == []
    assert together_problems(plan, ["memory_entries", "metadata"]) == ["1 of 2 tasks read no shard of metadata"]


def test_a_part_that_is_run_first_is_told():
    plan = parsed(distributed(task(9701, scan("memory_entries_102008")), subplans=1))
    assert together_problems(plan, ["memory_entries"]) == ["1 parts of the query are run first and sent to every task"]


def grouped(relation: str, key: str = "namespace") -> dict[str, object]:
    return over("Aggregate", scan(relation), **{"Group Key": [key]})


def test_tasks_that_all_group_leave_nothing_to_the_coordinator():
    plan = parsed(
        distributed(task(9701, grouped("memory_entries_102008")), task(9702, grouped("memory_entries_102009")))
    )
    assert aggregate_problems(plan, "namespace") == []


@pytest.mark.parametrize("other", [scan("memory_entries_102009"), grouped("memory_entries_102009", "key")])
def test_a_task_that_does_not_group_by_the_column_is_told(other):
    plan = parsed(distributed(task(9701, grouped("memory_entries_102008")), task(9702, other)))
    assert aggregate_problems(plan, "namespace") == ["1 of 2 tasks do not group by namespace"]


def test_a_coordinator_that_groups_again_is_told():
    inner = distributed(task(9701, grouped("memory_entries_102008")))
    assert aggregate_problems(parsed(over("Aggregate", inner)), "namespace") == [
        "the coordinator groups again what the tasks answer (Aggregate > Custom Scan)"
    ]


def test_every_shard_must_be_searched_by_its_own_part_of_the_index():
    first = task(9701, scan("vectors_1", "Index Scan", "vectors_index_1"))
    second = task(9702, scan("vectors_2", "Index Scan", "vectors_index_2"))
    unindexed = task(9702, over("Sort", scan("vectors_2")))
    other_index = task(9702, scan("vectors_2", "Index Scan", "vectors_pkey_2"))
    assert index_problems(parsed(distributed(first, second)), "vectors", "vectors_index") == []
    assert index_problems(parsed(distributed(first, unindexed)), "vectors", "vectors_index") == [
        "1 of 2 shards of vectors are searched by vectors_index, the others by Seq Scan"
    ]
    assert index_problems(parsed(distributed(first, other_index)), "vectors", "vectors_index") == [
        "1 of 2 shards of vectors are searched by vectors_index, the others by Index Scan"
    ]


def test_one_shard_twice_is_not_two_shards():
    same = task(9701, scan("vectors_1", "Index Scan", "vectors_index_1"))
    assert index_problems(parsed(distributed(same, same)), "vectors", "vectors_index")
