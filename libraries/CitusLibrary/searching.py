"""Keywords about vector search over all shards."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from robot.api import logger
from robot.api.deco import keyword

from CitusLibrary import operations, plans, search
from CitusLibrary.findings import require
from CitusLibrary.namespaces import one_for_each_shard
from CitusLibrary.nodes import coordinator, session
from CitusLibrary.plans import DistributedPlan
from CitusLibrary.search import COLLECTION, INDEX, Searching, ShardSettings, VectorSearch
from CitusLibrary.written import Written
from EnvironmentLibrary.context import record_value
from environments.schema import VECTOR_DIMENSIONS
from environments.system import cluster, running
from LoadLibrary import Measurement
from LoadLibrary.measure import measure_open_loop
from LoadLibrary.rate import Rate
from VectorLibrary import dataset, nearest
from VectorLibrary.nearest import Answer

SEARCHES = 50
NEIGHBOURS = 10


@dataclass(frozen=True)
class SearchEvidence:
    """What searches answered, how the coordinator ran them, and which settings their shards had."""

    searching: Searching
    answers: tuple[Answer, ...] = field(repr=False)
    exact: tuple[Answer, ...] = field(repr=False)  # of the same searches, with every row compared
    plan: DistributedPlan
    settings: tuple[ShardSettings, ...]
    expected_settings: dict[str, str]

    def __str__(self) -> str:
        return f"{len(self.answers)} searches for {self.searching.neighbours} neighbours, {self.plan}"


class SearchKeywords:
    """See `CitusLibrary`."""

    written: Written

    @keyword(tags=["citus", "vectors"])
    def vectors_in_every_shard(self, number: int, *, shards: int) -> Searching:
        """Load distinct seeded vectors into a distributed table like memory_entries, into every shard.

        Args:
            number: of vectors.
            shards: how many there are.

        Returns:
            what is searched for in them, with the exact distances computed here.
        """
        vector = cluster().vector
        vectors = dataset.embeddings(number + SEARCHES, VECTOR_DIMENSIONS, running().seed)
        stored, searched = vectors[:number], vectors[number:]
        namespaces = [place.name for place in one_for_each_shard("vectors", shards)]
        self.written.table(COLLECTION)
        search.create_collection(namespaces, dataset.texts(stored))
        truth = nearest.METRICS[vector.operator](searched, stored)
        return Searching(vector, tuple(dataset.texts(searched)), truth, NEIGHBOURS)

    @keyword(tags=["citus", "vectors"])
    def all_shards_are_searched(self, searching: Searching) -> SearchEvidence:
        """Search every vector once, and note the plan and the settings the shards had meanwhile."""
        with session(coordinator()) as opened:
            finder = VectorSearch(opened, searching)
            with finder.transaction():
                evidence = SearchEvidence(
                    searching,
                    tuple(finder.find(number) for number in range(len(searching.texts))),
                    tuple(finder.find_exactly(number) for number in range(len(searching.texts))),
                    finder.plan(0),
                    tuple(finder.settings_on_shards()),
                    finder.expected,
                )
        logger.info(str(evidence))
        return evidence

    @keyword(tags=["citus", "vectors"])
    def every_shard_should_have_used_its_index(self, evidence: SearchEvidence) -> None:
        """Fail unless each shard is searched by its own part of the vector index."""
        require(plans.index_problems(evidence.plan, COLLECTION, INDEX), str(evidence))

    @keyword(tags=["citus", "vectors"])
    def every_shard_should_have_had_the_settings(self, evidence: SearchEvidence) -> None:
        """Fail unless the settings of the search were in force in every shard."""
        different = [group for group in evidence.settings if group.values != evidence.expected_settings]
        problems = [f"{g.rows} rows saw {g.values}, expected {evidence.expected_settings}" for g in different]
        require(problems, f"{sum(group.rows for group in evidence.settings)} rows in all shards")

    @keyword(tags=["citus", "vectors"])
    def recall_over_all_shards_should_be_at_least(self, share: float, *, evidence: SearchEvidence) -> None:
        """Fail unless the searches found this share of the true nearest neighbours, in order and with right distances.

        The true ones come from distances computed here; the exact scan over all shards must find every one of them.

        Args:
            share: recall, from 0 to 1.
            evidence: of `All Shards Are Searched`.
        """
        searching, answers = evidence.searching, evidence.answers
        problems = [
            f"search {number}: {problem}"
            for number, answer in enumerate(answers)
            for problem in nearest.defects(answer, searching.truth[number], searching.neighbours)
        ]
        found, exact = (
            nearest.recall(some, searching.truth, searching.neighbours) for some in (answers, evidence.exact)
        )
        record_value(f"recall at {searching.neighbours}", 100 * found, "%")
        logger.info(f"recall@{searching.neighbours} is {found:.4f}, of the exact scan {exact:.4f}")
        if exact < 1:
            problems.append(f"the exact scan over all shards finds only {exact:.4f} of the true neighbours")
        if found < share:
            problems.append(f"recall@{searching.neighbours} is {found:.4f}, expected at least {share:g}")
        require(problems, str(evidence))

    @keyword(tags=["citus", "vectors", "load"])
    def searches_are_measured(
        self, searching: Searching, *, rate: Rate, budget: timedelta, duration: timedelta
    ) -> Measurement:
        """Search one vector after the other, open loop, each in a transaction that carries its settings.

        Args:
            searching: of `Vectors In Every Shard`.
            rate: searches a second.
            budget: that the p99 is held against.
            duration: of the measured part; the p99 is judged from 100 searches on.
        """
        return measure_open_loop(
            "vector search over all shards",
            lambda _: operations.Searches(searching),
            rate.per_second,
            duration,
            workers=4,
            budget_p99_seconds=budget.total_seconds(),
            minimum_n=100,
        )
