"""The library itself: the extension, and searches in a collection that is loaded once a run."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import psycopg2
from psycopg2 import sql
from robot.api import logger
from robot.api.deco import keyword, library

from EnvironmentLibrary.context import record_value, scaled
from environments.schema import VECTOR_DIMENSIONS
from environments.system import cluster, running
from LoadLibrary.measure import Measurement, measure_open_loop
from LoadLibrary.rate import Rate
from PostgresLibrary import base, operations
from PostgresLibrary.base import as_owner, number_of_replicas, on_test_end, primary, replicas
from PostgresLibrary.sessions import POLL_SECONDS, Target, close, connect, replica_sessions, rows, value
from TemporalLibrary.core import eventually
from VectorLibrary import nearest, probe, search
from VectorLibrary.dataset import Vectors, embeddings, texts
from VectorLibrary.nearest import METRICS, Answer, Distances
from VectorLibrary.requests import searches
from VectorLibrary.search import COLLECTION, Plan

QUERIES = 100  # held out of the collection: a stored vector as query would find itself and flatter the recall
SETTLING = timedelta(seconds=10)
SHOWN = 3  # examples in a message


@dataclass(frozen=True, slots=True)
class Collection:
    """Vectors that are stored in the cluster, and queries of the same kind that are not."""

    target: Target
    vectors: Vectors
    queries: Vectors


@dataclass(frozen=True, slots=True)
class Searches:
    """What the searches of one criterion found, and what is true."""

    neighbours: int
    answers: tuple[Answer, ...]  # with the plan the server chooses
    plans: tuple[Plan, ...]
    exact: tuple[Answer, ...]  # of the same searches with all index scans off
    truth: Distances  # of each query (a row) to every vector, computed here


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN", listener="SELF", converters={Rate: Rate.parse})
class VectorLibrary:
    """Searches for nearest neighbours, judged by what the nearest neighbours really are.

    The extension's names come from the environment file, so that another extension can stand in pgvector's place.
    No keyword sets a search parameter such as `hnsw.ef_search`: a client gets the server's defaults.
    """

    def __init__(self) -> None:
        self._collection: Collection | None = None

    # -- the extension -------------------------------------------------------------------------------------

    @keyword
    def vector_extension_should_be_installed(self) -> str:
        """Demand the extension with its type, access method and operator class, and return its version."""
        version = search.installed_version(base.session(), cluster().vector)
        logger.info(f"extension '{cluster().vector.extension}' {version}")
        return version

    @keyword
    def an_indexed_vector_table_is_made(self) -> str:
        """Make a table of three known vectors with a vector index; it is removed when the test ends."""
        name = f"vector_probe_{secrets.token_hex(4)}"
        probe.create_probe(base.session(), name, cluster().vector)
        on_test_end(_drop_table, name)
        return name

    @keyword
    def vector_index_should_answer_on_the_primary(self, table: str) -> None:
        """Demand that the table's index finds the known neighbours in their order, at their distances."""
        probe.check_probe(base.session(), table, cluster().vector, "primary")

    @keyword
    def vector_index_should_answer_on_every_replica(self, table: str, within: timedelta) -> None:
        """Demand the same of each standby, as soon as the table is there and before a deadline."""
        sessions = replica_sessions(replicas(), number_of_replicas())
        on_test_end(close, *sessions.values())

        def complete() -> None:
            for server, session in sessions.items():
                if value(session, "SELECT to_regclass(%s)", (search.vector_index(table),)) is None:
                    raise AssertionError(f"expected the index on every replica, {server} has none")

        eventually(complete, scaled(within), interval=POLL_SECONDS)
        for server, session in sessions.items():
            probe.check_probe(session, table, cluster().vector, f"replica {server}")

    # -- vectors -------------------------------------------------------------------------------------------

    @keyword
    def seeded_vectors(self, number: int, dimensions: int = VECTOR_DIMENSIONS) -> list[list[float]]:
        """Return distinct vectors of the run's seed, each number with the digits that the server gives back."""
        return [json.loads(text) for text in texts(embeddings(number, dimensions, running().seed))]

    # -- the collection ------------------------------------------------------------------------------------

    @keyword
    def a_vector_collection_is_loaded(self, number: int) -> None:
        """Load that many distinct vectors of the run's seed, unless they are there already.

        They stay until the run ends, because loading is the slow part.
        """
        target = primary()
        collection = self._collection
        if collection is not None and collection.target == target and len(collection.vectors) == number:
            return
        begin = time.monotonic()
        vectors = embeddings(number + QUERIES, VECTOR_DIMENSIONS, running().seed)
        session = base.session()
        search.create_collection(session, COLLECTION, texts(vectors[:number]))
        try:
            eventually(lambda: search.replicas_have_replayed(session), scaled(SETTLING))
        except AssertionError as late:
            logger.info(f"the load of the collection is not over: {late}")
        self._collection = Collection(target, vectors[:number], vectors[number:])
        logger.info(f"{number} vectors loaded and indexed in {time.monotonic() - begin:.1f} s")

    @keyword
    def the_collection_is_searched(self, queries: int, neighbours: int) -> Searches:
        """Ask so many queries for their nearest neighbours: with the plan the server chooses, then exactly.

        Args:
            queries: at most 100; none of them is in the collection.
            neighbours: asked for by each.
        """
        collection, vector = self._prepared(), cluster().vector
        asked = collection.queries[:queries]
        if len(asked) != queries:
            raise ValueError(f"{queries} queries are more than the {len(asked)} there are")
        session, statement = base.session(), search.search(COLLECTION, vector)
        plans = tuple(search.plan_of(session, statement, query, neighbours) for query in texts(asked))
        answers = tuple(search.find(session, statement, query, neighbours) for query in texts(asked))
        search.without_indexes(session)
        exact = tuple(search.find(session, statement, query, neighbours) for query in texts(asked))
        truth = METRICS[vector.operator](asked, collection.vectors)
        return Searches(neighbours, answers, plans, exact, truth)

    @keyword
    def every_search_should_use_the_vector_index(self, searches: Searches) -> None:
        """Demand that EXPLAIN names the vector index for each search.

        Raises:
            AssertionError: with the number of searches that do not, and the first plan.
        """
        _check_plans(searches.plans)

    @keyword
    def search_should_use_the_vector_index(self) -> None:
        """Demand that EXPLAIN names the vector index for a search in the collection."""
        plan = search.plan_of(
            base.session(), search.search(COLLECTION, cluster().vector), texts(self._prepared().queries[:1])[0], 10
        )
        _check_plans([plan])

    @keyword
    def every_answer_should_be_complete_and_in_order(self, searches: Searches) -> None:
        """Demand all neighbours, each once, in the order of their distances, and the distances right.

        Raises:
            AssertionError: with the number of wrong answers and the first problems.
        """
        wrong = [
            f"search {number}: {'; '.join(found)}"
            for number, (answer, truth) in enumerate(zip(searches.answers, searches.truth, strict=True))
            if (found := nearest.defects(answer, truth, searches.neighbours))
        ]
        if wrong:
            shown = " | ".join(wrong[:SHOWN])
            raise AssertionError(f"expected {len(searches.answers)} right answers, {len(wrong)} are wrong: {shown}")

    @keyword
    def recall_should_be_at_least(self, searches: Searches, limit: float) -> float:
        """Demand a recall of the searches, and that the server's own exact scan finds every true neighbour.

        Raises:
            AssertionError: either is too low; with both and the number of searches.
        """
        exact = nearest.recall(searches.exact, searches.truth, searches.neighbours)
        actual = nearest.recall(searches.answers, searches.truth, searches.neighbours)
        record_value(f"recall at {searches.neighbours}", 100 * actual, "%")
        measured = (
            f"recall at {searches.neighbours} of {len(searches.answers)} searches: {actual:.4f}, exact {exact:.4f}"
        )
        if exact < 1:
            raise AssertionError(f"the server's exact scan does not find the true neighbours: {measured}")
        if actual < limit:
            raise AssertionError(f"expected a recall of at least {limit:g}, was {actual:.4f}; {measured}")
        logger.info(measured)
        return actual

    @keyword(tags=["load"])
    def searches_are_offered(
        self, rate: Rate, duration: timedelta, p99: timedelta, neighbours: int = 10
    ) -> Measurement:
        """Offer searches in the collection through HAProxy, open loop, each answer checked against the truth.

        Args:
            rate: offered, evenly spaced.
            duration: of the measured part.
            p99: the budget.
            neighbours: asked for by each search.
        """
        collection, vector = self._prepared(), cluster().vector
        statement = search.search(COLLECTION, vector).as_string(base.session())
        requests = searches(collection.vectors, collection.queries, vector, neighbours)
        factory = operations.repeated(primary(), statement, requests)
        return measure_open_loop(
            "vector search", factory, rate.per_second, duration, operations.WORKERS, p99.total_seconds()
        )

    def close(self) -> None:
        """Remove the collection from a server that outlives the run; called when the run ends."""
        if self._collection is None or running().driver != "external":
            return
        try:
            session = connect(self._collection.target)
        except psycopg2.OperationalError as error:
            logger.warn(f"the table {COLLECTION} could not be removed: {error}")
            return
        rows(session, sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(COLLECTION)))
        session.commit()
        session.close()

    def _prepared(self) -> Collection:
        assert self._collection is not None, "A Vector Collection Is Loaded comes first"
        return self._collection


def _drop_table(name: str) -> None:
    with as_owner() as owner:
        rows(owner, sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(name)))


def _check_plans(plans: Sequence[Plan]) -> None:
    index = search.vector_index(COLLECTION)
    other = [plan.text for plan in plans if index not in plan.indexes]
    if other:
        raise AssertionError(f"expected {len(plans)} plans with {index}, {len(other)} have none: {other[0]}")
