"""Vector search over all shards: the collection, the settings that must reach every shard, and the search itself."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection

from CitusLibrary.catalog import ENTRIES
from CitusLibrary.entries import plan_in
from CitusLibrary.nodes import coordinator, session
from CitusLibrary.plans import DistributedPlan
from environments.schema import VECTOR_INDEX
from environments.sections.cluster import Vector
from PostgresLibrary.sessions import rows, value
from VectorLibrary.nearest import Answer, Distances
from VectorLibrary.search import index_definition_for, vector_index

COLLECTION = "acceptance_sharded_vectors"

TASKS_AT_ONCE = 2
"""Connections to each worker for one search. Its tasks are so short that more would cost more than they gain."""

EF_SEARCH = 60
"""Rows each shard keeps in view while it searches; not the default of 40, so that it shows who has got the setting."""


_NEAREST = """
    SELECT id, embedding {operator} %(query)s::{type} AS distance FROM {table} ORDER BY distance LIMIT %(number)s
"""

# No index serves the order of this expression, so every row of every shard is compared.
_EXACT = """
    SELECT id, embedding {operator} %(query)s::{type} AS distance FROM {table}
    ORDER BY (embedding {operator} %(query)s::{type}) + 0 LIMIT %(number)s
"""


@dataclass(frozen=True)
class Searching:
    """What is searched for in the collection, and what would be right."""

    vector: Vector
    texts: tuple[str, ...] = field(repr=False)  # the searched vectors
    truth: Distances = field(repr=False)  # for each (a row), the exact distance of every vector in the collection
    neighbours: int


@dataclass(frozen=True, slots=True)
class ShardSettings:
    """Settings as rows of the collection saw them in their shards, and how many rows saw the same."""

    values: dict[str, str]
    rows: int


def create_collection(namespaces: Sequence[str], texts: Sequence[str]) -> None:
    """Make a distributed table like `memory_entries`, and load vectors by COPY, one namespace after the other in turn.

    The table is one of its own, so that rows other criteria have deleted do not lie in its index. The id of each row
    is the number of its vector. Its vector index is the one `memory_entries` has, built when the rows are there.
    """
    table = sql.Identifier(COLLECTION)
    lines = "".join(f"{n}\t{namespaces[n % len(namespaces)]}\t{n}\t{text}\n" for n, text in enumerate(texts))
    with session(coordinator()) as opened:
        rows(opened, sql.SQL("DROP TABLE IF EXISTS {}").format(table))
        rows(opened, sql.SQL("CREATE TABLE {} (LIKE memory_entries INCLUDING DEFAULTS)").format(table))
        rows(opened, sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (namespace, id)").format(table))
        distribute = sql.SQL("SELECT create_distributed_table({}, 'namespace', colocate_with => {})")
        rows(opened, distribute.format(sql.Literal(COLLECTION), sql.Literal(ENTRIES)))
        with opened.cursor() as cursor:
            copy = sql.SQL("COPY {} (id, namespace, key, embedding) FROM STDIN").format(table)
            cursor.copy_expert(copy, io.StringIO(lines))
        definition = value(opened, "SELECT pg_get_indexdef(to_regclass(%s))", (VECTOR_INDEX,))
        if definition is not None:  # without it, the plans will say that there is no index
            rows(opened, index_definition_for(definition, COLLECTION))
        rows(opened, sql.SQL("ANALYZE {}").format(table))


class VectorSearch:
    """Searches in one session of the coordinator."""

    def __init__(self, opened: connection, searching: Searching) -> None:
        """Prepare a session in autocommit mode.

        Without the setting, Citus keeps SET LOCAL to the coordinator: no shard hears of it, and no error says so.
        """
        self._session, self._searching = opened, searching
        vector = searching.vector
        self._settings = {f"{vector.access_method}.ef_search": str(EF_SEARCH), "enable_seqscan": "off"}
        names = {
            "operator": sql.SQL(vector.operator.replace("%", "%%")),
            "type": sql.Identifier(vector.type),
            "table": sql.Identifier(COLLECTION),
        }
        self._statement = sql.SQL(_NEAREST).format(**names)
        self._exact = sql.SQL(_EXACT).format(**names)
        rows(opened, "SET citus.propagate_set_commands TO 'local'")
        rows(opened, f"SET citus.max_adaptive_executor_pool_size TO {TASKS_AT_ONCE}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin a transaction with the settings of the search, and end it."""
        rows(self._session, "BEGIN")
        try:
            for name, setting in self._settings.items():
                rows(self._session, sql.SQL("SET LOCAL {} TO {}").format(_dotted(name), sql.Literal(setting)))
            yield
        finally:
            rows(self._session, "ROLLBACK")

    def find(self, number: int) -> Answer:
        """Search one vector."""
        return self._answer(self._statement, number)

    def find_exactly(self, number: int) -> Answer:
        """Search one vector by comparing it with every row of every shard."""
        return self._answer(self._exact, number)

    def plan(self, number: int) -> DistributedPlan:
        """Explain the search of one vector."""
        return plan_in(self._session, self._statement, self._parameters(number))

    def settings_on_shards(self) -> list[ShardSettings]:
        """Read the settings in the sessions that work on the shards, at every row of the collection.

        The condition on a column keeps the coordinator from working the settings out by itself.
        """
        names = list(self._settings)
        each = sql.SQL("current_setting(CASE WHEN id IS NOT NULL THEN {} END)")
        columns = sql.SQL(", ").join(each.format(sql.Literal(name)) for name in names)
        groups = sql.SQL(", ").join(sql.SQL(str(place)) for place in range(1, len(names) + 1))
        statement = sql.SQL("SELECT {}, count(*) FROM {} GROUP BY {}")
        found = rows(self._session, statement.format(columns, sql.Identifier(COLLECTION), groups))
        return [ShardSettings(dict(zip(names, row[:-1], strict=True)), int(row[-1])) for row in found]

    @property
    def expected(self) -> dict[str, str]:
        """The settings that every shard must have."""
        return dict(self._settings)

    def _answer(self, statement: sql.Composable, number: int) -> Answer:
        found = rows(self._session, statement, self._parameters(number))
        return Answer(tuple(int(row[0]) for row in found), tuple(float(row[1]) for row in found))

    def _parameters(self, number: int) -> dict[str, Any]:
        return {"query": self._searching.texts[number], "number": self._searching.neighbours}


INDEX = vector_index(COLLECTION)


def _dotted(name: str) -> sql.Composable:
    return sql.SQL(".").join(sql.Identifier(part) for part in name.split("."))
