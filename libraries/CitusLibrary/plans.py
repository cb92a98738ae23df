"""Distributed plans: how many tasks a query has, on which nodes, and what each of them does. No I/O.

Reads `EXPLAIN (FORMAT JSON)` with `citus.explain_all_tasks` on, so that every task is there and not one of them
for all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from environments.system import Endpoint

_PROVIDER = "Citus Adaptive"
_NODE = re.compile(r"host=(\S+) port=(\d+)")
_SHARD = re.compile(r"^(.+)_(\d+)$")


class NotDistributed(AssertionError):
    """The coordinator answers a query by itself."""

    ROBOT_SUPPRESS_NAME = True


@dataclass(frozen=True, slots=True)
class Operator:
    """One node of a plan tree."""

    kind: str  # such as "Index Scan"
    relation: str | None = None
    index: str | None = None
    keys: tuple[str, ...] = ()  # what an aggregate groups by


@dataclass(frozen=True, slots=True)
class Task:
    """What one node is asked to do."""

    endpoint: Endpoint
    operators: tuple[Operator, ...]

    def relations(self, table: str) -> set[str]:
        """Return the shards of a table that the task reads, by the names of their tables."""
        names = (operator.relation for operator in self.operators)
        return {name for name in names if name and (match := _SHARD.match(name)) and match.group(1) == table}


@dataclass(frozen=True, slots=True)
class DistributedPlan:
    """A plan with a part for the workers."""

    task_count: int
    tasks: tuple[Task, ...]
    local: tuple[Operator, ...]  # what the coordinator does with the workers' answers
    subplans: int  # parts that are run first, their results sent to every task

    def __str__(self) -> str:
        first = " > ".join(operator.kind for operator in self.tasks[0].operators) if self.tasks else "nothing"
        return f"{self.task_count} tasks ({first}), {self.subplans} subplans, coordinator: {_kinds(self.local)}"


def parse_plan(explained: Sequence[Mapping[str, Any]]) -> DistributedPlan:
    """Read the answer of EXPLAIN.

    Raises:
        NotDistributed: the plan has no part for the workers.
    """
    local = list(_operators(explained[0]["Plan"]))
    job = _citus_job(explained[0]["Plan"])
    if job is None:
        raise NotDistributed(f"no task goes to a worker, the coordinator answers by itself: {_kinds(local)}")
    query = job["Job"]
    tasks = tuple(
        Task(_endpoint(task["Node"]), tuple(o for plan in task["Remote Plan"][0] for o in _operators(plan["Plan"])))
        for task in query["Tasks"]
    )
    return DistributedPlan(query["Task Count"], tasks, tuple(local), len(job.get("Subplans", ())))


def task_problems(plan: DistributedPlan, expected: int) -> list[str]:
    """The plan must have so many tasks, all of them shown."""
    if plan.task_count != expected:
        return [f"the query has {plan.task_count} tasks, expected {expected}"]
    return [] if len(plan.tasks) == expected else [f"only {len(plan.tasks)} of {expected} tasks are shown"]


def route_problems(plan: DistributedPlan, endpoint: Endpoint, relation: str) -> list[str]:
    """Every task must go to one node, and read one shard there."""
    elsewhere = sorted({str(task.endpoint) for task in plan.tasks if task.endpoint != endpoint})
    read = {operator.relation for task in plan.tasks for operator in task.operators if operator.relation}
    problems = [f"the query goes to {', '.join(elsewhere)}, expected {endpoint}"] if elsewhere else []
    if read != {relation}:
        problems.append(f"the query reads {', '.join(sorted(read)) or 'nothing'}, expected {relation}")
    return problems


def together_problems(plan: DistributedPlan, tables: Sequence[str]) -> list[str]:
    """Every task must read all the tables on its own node, and nothing may have to be moved between nodes first."""
    problems = [f"{plan.subplans} parts of the query are run first and sent to every task"] if plan.subplans else []
    for table in tables:
        without = [task for task in plan.tasks if not task.relations(table)]
        if without:
            problems.append(f"{len(without)} of {len(plan.tasks)} tasks read no shard of {table}")
    return problems


def aggregate_problems(plan: DistributedPlan, key: str) -> list[str]:
    """Every task must group by the key, and the coordinator must have nothing left to group."""
    without = sum(not any(o.kind == "Aggregate" and key in o.keys for o in task.operators) for task in plan.tasks)
    problems = [f"{without} of {len(plan.tasks)} tasks do not group by {key}"] if without else []
    if any(operator.kind == "Aggregate" for operator in plan.local):
        problems.append(f"the coordinator groups again what the tasks answer ({_kinds(plan.local)})")
    return problems


def index_problems(plan: DistributedPlan, table: str, index: str) -> list[str]:
    """Every task must find its rows by the shard's own part of an index.

    Args:
        plan: of a search.
        table: the distributed table.
        index: the index' name on the coordinator; each shard's has the shard's number behind it.
    """
    operators = [operator for task in plan.tasks for operator in task.operators]
    shards = {o.relation for o in operators if o.kind == "Index Scan" and (o.index or "").startswith(index)}
    if len(shards) == plan.task_count:
        return []
    others = sorted({o.kind for o in operators if o.relation and o.relation not in shards})
    instead = f", the others by {' and '.join(others)}" if others else ""
    return [f"{len(shards)} of {plan.task_count} shards of {table} are searched by {index}{instead}"]


def _citus_job(plan: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if plan.get("Custom Plan Provider") == _PROVIDER:
        return plan["Distributed Query"]  # type: ignore[no-any-return]
    return next((job for below in plan.get("Plans", ()) if (job := _citus_job(below)) is not None), None)


def _operators(plan: Mapping[str, Any]) -> Iterator[Operator]:
    yield Operator(
        plan["Node Type"], plan.get("Relation Name"), plan.get("Index Name"), tuple(plan.get("Group Key", ()))
    )
    for below in plan.get("Plans", ()):
        yield from _operators(below)


def _endpoint(text: str) -> Endpoint:
    match = _NODE.search(text)
    if match is None:
        raise ValueError(f"'{text}' names no node")
    return Endpoint(match.group(1), int(match.group(2)))


def _kinds(operators: Sequence[Operator]) -> str:
    return " > ".join(f"{o.kind}{f' on {o.relation}' if o.relation else ''}" for o in operators) or "nothing"
