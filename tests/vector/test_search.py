"""Searches in a collection: what the index finds, and what is noticed when there is none or a poor one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from psycopg2.extensions import connection

from environments.sections.cluster import Vector
from PostgresLibrary.sessions import rows, value
from tests.one_server import OneServer
from VectorLibrary import VectorLibrary, nearest, probe, search
from VectorLibrary.dataset import embeddings, texts
from VectorLibrary.nearest import METRICS
from VectorLibrary.requests import searches
from VectorLibrary.search import COLLECTION

NUMBER = 500
DEFINITION = (
    "CREATE INDEX memory_entries_embedding_index ON public.memory_entries USING hnsw (embedding vector_cosine_ops)"
)


@pytest.mark.parametrize("schema", ["public.", ""])
def test_an_index_definition_is_carried_over(schema: str) -> None:
    given = DEFINITION.replace("public.", schema) + " WITH (m='4')"
    assert search.index_definition_for(given, "other") == (
        "CREATE INDEX other_embedding_index ON other USING hnsw (embedding vector_cosine_ops) WITH (m='4')"
    )


def test_an_index_of_another_table_is_refused() -> None:
    with pytest.raises(ValueError, match="not an index of memory_entries"):
        search.index_definition_for(DEFINITION.replace("memory_entries", "patterns"), "other")


def test_a_wrong_response_to_a_request_is_told() -> None:
    vectors = embeddings(30, 8, 7)
    parameters, wrong = searches(vectors[:20], vectors[20:], Vector(), 3)(12)
    assert isinstance(parameters, dict)
    assert parameters["query"] == texts(vectors[22:23])[0]
    truth = METRICS["<=>"](vectors[22:23], vectors[:20])[0]
    right = [(int(row), float(truth[row])) for row in np.argsort(truth)[:3]]
    assert wrong(right) is None
    assert wrong(right[:2]) == "2 rows instead of 3"
    assert "comes after" in str(wrong(right[::-1]))


@pytest.mark.servers
class TestOnAServer:
    @pytest.fixture
    def collection(self, owner: connection) -> Iterator[np.ndarray]:
        vectors = embeddings(NUMBER, 384, 7)
        search.create_collection(owner, COLLECTION, texts(vectors))
        yield vectors
        owner.rollback()
        rows(owner, f"DROP TABLE IF EXISTS {COLLECTION}")
        owner.commit()

    def test_the_collection_has_every_vector_and_the_index(self, owner: connection, collection: np.ndarray) -> None:
        assert value(owner, f"SELECT count(DISTINCT embedding::text) FROM {COLLECTION}") == NUMBER
        definition = value(owner, "SELECT pg_get_indexdef(%s::regclass)", (search.vector_index(COLLECTION),))
        assert definition.endswith("USING hnsw (embedding vector_cosine_ops)")

    def test_an_index_finds_the_nearest_and_says_so_in_its_plan(
        self, owner: connection, collection: np.ndarray
    ) -> None:
        rows(owner, "SET enable_seqscan = off")
        rows(owner, "SET enable_sort = off")
        statement, query = search.search(COLLECTION, Vector()), texts(collection[:1])[0]
        assert search.vector_index(COLLECTION) in search.plan_of(owner, statement, query, 5).indexes
        answer = search.find(owner, statement, query, 5)
        truth = METRICS["<=>"](collection[:1], collection)
        assert nearest.defects(answer, truth[0], 5) == []
        assert nearest.recall([answer], truth, 5) >= 0.8

    def test_an_exact_search_uses_no_index(self, owner: connection, collection: np.ndarray) -> None:
        search.without_indexes(owner)
        statement = search.search(COLLECTION, Vector())
        plan = search.plan_of(owner, statement, texts(collection[:1])[0], 5)
        assert search.vector_index(COLLECTION) not in plan.indexes
        assert "Seq Scan" in plan.text

    def test_without_the_schemas_index_there_is_none(self, owner: connection) -> None:
        definition = value(owner, "SELECT pg_get_indexdef('memory_entries_embedding_index'::regclass)")
        rows(owner, "DROP INDEX memory_entries_embedding_index")
        vectors = embeddings(50, 384, 7)
        search.create_collection(owner, COLLECTION, texts(vectors))
        plan = search.plan_of(owner, search.search(COLLECTION, Vector()), texts(vectors[:1])[0], 5)
        rows(owner, f"DROP TABLE {COLLECTION}")
        rows(owner, definition)
        owner.commit()
        assert search.vector_index(COLLECTION) not in plan.indexes

    def test_the_extension_is_found_by_its_names(self, owner: connection) -> None:
        assert search.installed_version(owner, Vector()).startswith("0.8")

    @pytest.mark.parametrize(
        ("names", "says"),
        [
            ({"extension": "ruvector"}, "the extension 'ruvector' is not installed"),
            ({"type": "ruvector"}, r"'vector' 0\.8\.\d has no type 'ruvector'$"),
            ({"access_method": "ruhnsw"}, "has no access method 'ruhnsw', operator class 'vector_cosine_ops'$"),
            ({"operator_class": "ruvector_cosine_ops"}, "has no operator class 'ruvector_cosine_ops'$"),
        ],
    )
    def test_what_the_extension_lacks_is_named(self, owner: connection, names: dict[str, str], says: str) -> None:
        with pytest.raises(AssertionError, match=says):
            search.installed_version(owner, Vector(**names))

    def test_the_probe_tells_an_index_from_none(self, owner: connection) -> None:
        probe.create_probe(owner, "known", Vector())
        probe.check_probe(owner, "known", Vector(), "here")
        rows(owner, "DROP INDEX known_embedding_index")
        with pytest.raises(
            AssertionError, match=r"here: expected a scan of known_embedding_index, the plan is Limit > "
        ):
            probe.check_probe(owner, "known", Vector(), "here")
        owner.rollback()
        rows(owner, "DROP TABLE known")
        owner.commit()

    @pytest.mark.parametrize(
        "change", ["embedding = '[0,0,1]' WHERE key = '1'", "key = (3 - key::int) WHERE key <> '0'"]
    )
    def test_the_probe_tells_wrong_answers(self, owner: connection, change: str) -> None:
        probe.create_probe(owner, "known", Vector())
        rows(owner, f"UPDATE known SET {change}")
        with pytest.raises(
            AssertionError, match=r"here: expected rows \[1, 2, 0\] at distances \[0.0, 0.2, 1.0\], were \["
        ):
            probe.check_probe(owner, "known", Vector(), "here")
        owner.rollback()
        rows(owner, "DROP TABLE known")
        owner.commit()

    def test_a_poor_index_has_a_poor_recall(self, server: OneServer, owner: connection) -> None:
        library = VectorLibrary()
        rows(owner, "ALTER INDEX memory_entries_embedding_index SET (m = 2, ef_construction = 4)")
        owner.commit()
        library.a_vector_collection_is_loaded(3000)
        rows(owner, "ALTER INDEX memory_entries_embedding_index RESET (m, ef_construction)")
        owner.commit()
        found = library.the_collection_is_searched(100, 10)
        library.every_search_should_use_the_vector_index(found)
        with pytest.raises(
            AssertionError, match=r"expected a recall of at least 0\.95, was 0\.\d+; recall at 10 of 100"
        ):
            library.recall_should_be_at_least(found, 0.95)
