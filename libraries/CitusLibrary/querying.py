"""Keywords about rows and queries: where rows are stored, and how a query's tasks are run."""

from __future__ import annotations

import secrets
from collections import Counter
from datetime import timedelta

from robot.api import logger
from robot.api.deco import keyword

from CitusLibrary import catalog, entries, operations, plans, storage
from CitusLibrary.findings import require
from CitusLibrary.namespaces import Namespace, on_every_worker, one_for_each_shard
from CitusLibrary.nodes import nodes, workers
from CitusLibrary.plans import DistributedPlan
from CitusLibrary.written import Written
from LoadLibrary import Measurement
from LoadLibrary.measure import measure_open_loop
from LoadLibrary.rate import Rate

PARALLEL_RATE = 1.6
"""Queries a second: half of what one session can do when each takes the time that all shards at once need."""


class QueryKeywords:
    """See `CitusLibrary`."""

    written: Written

    # -- rows ----------------------------------------------------------------------------------------------

    @keyword(tags=["citus", "rows"])
    def namespaces_on_every_worker(self, *, each: int) -> list[Namespace]:
        """Invent namespaces, the same number for each worker; the teardown removes what is written to them.

        Args:
            each: how many for each worker.
        """
        return self.written.namespaces(on_every_worker("acceptance", each))

    @keyword(tags=["citus", "rows"])
    def a_namespace_for_every_shard(self, *, shards: int) -> list[Namespace]:
        """Invent one namespace for each shard; the teardown removes what is written to them."""
        return self.written.namespaces(one_for_each_shard("acceptance", shards))

    @keyword(tags=["citus", "rows"])
    def memory_entries_are_inserted(self, number: int, *, places: list[Namespace]) -> list[tuple[str, str]]:
        """Insert memory entries with one statement, spread over namespaces in turn.

        Args:
            number: of rows.
            places: the namespaces.

        Returns:
            namespace and key of every row.
        """
        written = [(places[row % len(places)].name, f"key-{row}") for row in range(number)]
        entries.insert_entries([(namespace, name, f"value of {name}") for namespace, name in written])
        return written

    @keyword(tags=["citus", "rows"])
    def entries_and_patterns_are_inserted(self, each: int, *, places: list[Namespace]) -> None:
        """Insert so many memory entries and so many patterns into each namespace."""
        self.memory_entries_are_inserted(each * len(places), places=places)
        entries.insert_patterns([place.name for place in places], each)

    @keyword(tags=["citus", "rows"])
    def rows_should_be_stored_once_where_they_belong(
        self, written: list[tuple[str, str]], *, places: list[Namespace]
    ) -> None:
        """Fail unless each row is stored exactly once on all nodes, in the shard its namespace hashes to.

        Args:
            written: namespace and key of every row; read in the shards' tables, on each node itself.
            places: the namespaces.
        """
        home = {place.name: (place.node.name, place.relation) for place in places}
        found = catalog.stored_entries(_names(places))
        sample = f"{len(found)} rows found in all shards on {len(nodes())} nodes, {len(written)} written"
        require(storage.storage_problems(found, written, home), sample)

    @keyword(tags=["citus", "rows"])
    def every_worker_should_hold_rows(self, places: list[Namespace]) -> None:
        """Fail unless each worker holds some rows of these namespaces, read on the worker itself."""
        found = catalog.stored_entries(_names(places))
        require(storage.share_problems(found, [worker.name for worker in workers()]), f"{len(found)} rows")

    # -- reference tables ----------------------------------------------------------------------------------

    @keyword(tags=["citus", "rows"])
    def a_reference_row_is_inserted(self, value: str) -> str:
        """Insert a row with a new key into the reference table metadata, and return its key."""
        key = self.written.key(f"acceptance-{secrets.token_hex(4)}")
        entries.insert_metadata(key, value)
        return key

    @keyword(tags=["citus", "rows"])
    def the_reference_row_is_updated(self, value: str, *, key: str) -> None:
        """Change the value of a row of the reference table metadata."""
        entries.update_metadata(key, value)

    @keyword(tags=["citus", "rows"])
    def every_copy_of_the_row_should_have(self, value: str, *, key: str) -> None:
        """Fail unless each node's copy of a row of metadata has this value, read on the node itself."""
        copies = catalog.reference_copies("metadata", "value", "key", key)
        different = {node: found for node, found in copies.items() if found != value}
        problems = [f"{node} has '{found}', expected '{value}'" for node, found in different.items()]
        require(problems, f"the copies of {len(copies)} nodes")

    @keyword(tags=["citus", "rows"])
    def memory_entries_name(self, value: str, *, places: list[Namespace]) -> None:
        """Insert one memory entry with this value into each namespace, such as a key of metadata."""
        entries.insert_entries([(place.name, "naming", value) for place in places])

    # -- plans ---------------------------------------------------------------------------------------------

    @keyword(tags=["citus", "plans"])
    def get_plan_of_reading_one_namespace(self, place: Namespace) -> DistributedPlan:
        """Explain reading one row by its namespace and key."""
        return _shown(entries.plan(entries.ROW_OF_ONE_NAMESPACE, (place.name, "key-0")))

    @keyword(tags=["citus", "plans"])
    def get_plan_of_joining_one_namespace(self, place: Namespace) -> DistributedPlan:
        """Explain the join of the memory entries and patterns of one namespace."""
        return _shown(entries.plan(entries.PAIRS_OF_ONE_NAMESPACE, (place.name,)))

    @keyword(tags=["citus", "plans"])
    def rows_should_be_counted_by_namespace(self, expected: int, *, places: list[Namespace]) -> None:
        """Fail unless one query over all these namespaces counts so many memory entries in each, and no other group."""
        names = _names(places)
        counted = {str(name): int(str(n)) for name, n in entries.query(entries.COUNT_BY_NAMESPACE, (names,))}
        different = {name: counted.get(name, 0) for name in names if counted.get(name, 0) != expected}
        problems = [f"{name} has {number} rows, expected {expected}" for name, number in different.items()]
        unknown = [f"{name} was not asked for" for name in sorted(set(counted) - set(names))]
        require(problems + unknown, f"{len(counted)} groups")

    @keyword(tags=["citus", "plans"])
    def get_plan_of_counting_by_namespace(self, places: list[Namespace]) -> DistributedPlan:
        """Explain counting the memory entries of each namespace with one query."""
        return _shown(entries.plan(entries.COUNT_BY_NAMESPACE, (_names(places),)))

    @keyword(tags=["citus", "plans"])
    def join_should_find_for_every_namespace(self, value: str, *, places: list[Namespace]) -> None:
        """Fail unless joining memory entries with the metadata they name gives each namespace this value once."""
        names = _names(places)
        joined = entries.query(entries.WITH_REFERENCE, (names,))
        actual = Counter((str(namespace), str(found)) for namespace, _, found in joined)
        problems = [
            f"{name} has found '{value}' {actual[name, value]} times" for name in names if actual[name, value] != 1
        ]
        others = [f"{name} has found '{found}'" for name, found in actual if name not in names or found != value]
        require(problems + others, f"{len(joined)} rows of the join, {len(names)} namespaces, one row expected of each")

    @keyword(tags=["citus", "plans"])
    def get_plan_of_joining_with_reference_rows(self, places: list[Namespace]) -> DistributedPlan:
        """Explain the join of memory entries with metadata."""
        return _shown(entries.plan(entries.WITH_REFERENCE, (_names(places),)))

    @keyword(tags=["citus", "plans"])
    def query_should_have_tasks(self, plan: DistributedPlan, *, number: int) -> None:
        """Fail unless the coordinator makes so many tasks of the query."""
        require(plans.task_problems(plan, number), str(plan))

    @keyword(tags=["citus", "plans"])
    def query_should_go_to(self, plan: DistributedPlan, *, place: Namespace) -> None:
        """Fail unless all tasks of the query go to the node of a namespace, and read its shard there."""
        require(plans.route_problems(plan, place.node.endpoint, place.relation), str(plan))

    @keyword(tags=["citus", "plans"])
    def every_task_should_read(self, *tables: str, plan: DistributedPlan) -> None:
        """Fail unless each task reads a shard of every table on its own node, and nothing is moved between nodes."""
        require(plans.together_problems(plan, tables), str(plan))

    @keyword(tags=["citus", "plans"])
    def every_task_should_group_by(self, column: str, *, plan: DistributedPlan) -> None:
        """Fail unless each task groups by the column, and the coordinator has nothing left to group."""
        require(plans.aggregate_problems(plan, column), str(plan))

    # -- times ---------------------------------------------------------------------------------------------

    @keyword(tags=["citus", "load"])
    def joins_are_measured(
        self, rate: Rate, *, places: list[Namespace], budget: timedelta, duration: timedelta
    ) -> Measurement:
        """Join one namespace after the other, open loop; every answer must have all its pairs.

        Args:
            rate: joins a second.
            places: the namespaces, filled with `Entries And Patterns Are Inserted`, ten of each.
            budget: that the p99 is held against.
            duration: of the measured part.
        """
        names = _names(places)
        return measure_open_loop(
            "co-located join",
            lambda _: operations.Joins(names),
            rate.per_second,
            duration,
            workers=4,
            budget_p99_seconds=budget.total_seconds(),
        )

    @keyword(tags=["citus", "load"])
    def parallel_queries_are_measured(
        self, number: int, *, places: list[Namespace], rows: int, budget: timedelta
    ) -> Measurement:
        """Send a query with a known amount of work, a pause at each row, so many times, open loop.

        Args:
            number: of queries that are judged; others before them warm up.
            places: one namespace for each shard.
            rows: memory entries in all of them together.
            budget: that every query is held against (of fewer than 100 samples the p99 is the largest).
        """
        return measure_open_loop(
            "parallel query",
            lambda _: operations.PausingQueries(_names(places), rows),
            PARALLEL_RATE,
            number / PARALLEL_RATE,
            workers=1,
            budget_p99_seconds=budget.total_seconds(),
            warm_up=1.0,
            minimum_n=number,
        )

    @keyword(tags=["citus", "plans"])
    def shards_should_be_worked_on_at_once(self, *, at_least: int, places: list[Namespace], rows: int) -> None:
        """Fail unless a query of `Parallel Queries Are Measured` is worked on in so many shards at one instant.

        The nodes say when they read the first and the last row of each shard; the clocks of different machines must
        agree to a few milliseconds for that.

        Args:
            at_least: shards.
            places: one namespace for each shard.
            rows: memory entries in all of them together.
        """
        run = operations.parallel_run(_names(places), rows)
        facts = f"{run.work_seconds:.1f} s of work in {len(run.groups)} shards took {run.seconds:.3f} s"
        logger.info(f"{facts}, up to {run.at_once} shards at once")
        problems = [f"at most {run.at_once} shards were worked on at once, expected at least {at_least}"]
        require(problems if run.at_once < at_least else [], facts)


def _names(places: list[Namespace]) -> list[str]:
    return [place.name for place in places]


def _shown(plan: DistributedPlan) -> DistributedPlan:
    logger.info(str(plan))
    return plan
