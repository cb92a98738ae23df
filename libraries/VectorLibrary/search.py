"""The vector extension over SQL: what is installed, a collection like `memory_entries`, and searches in it."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection

from environments.schema import VECTOR_INDEX
from environments.sections.cluster import Vector
from PostgresLibrary.sessions import rows, value
from VectorLibrary.nearest import Answer

COLLECTION = "acceptance_vectors"
NAMESPACE = "collection"

_CATALOGUE = """
    SELECT e.extversion,
           EXISTS (SELECT FROM pg_type WHERE typname = %(type)s),
           EXISTS (SELECT FROM pg_am WHERE amname = %(access_method)s AND amtype = 'i'),
           EXISTS (SELECT FROM pg_opclass AS c JOIN pg_am AS m ON m.oid = c.opcmethod
                   WHERE c.opcname = %(operator_class)s AND m.amname = %(access_method)s)
    FROM pg_extension AS e WHERE e.extname = %(extension)s
"""

_BEHIND = "SELECT count(*) FROM pg_stat_replication WHERE replay_lsn < pg_current_wal_flush_lsn()"

# The index is built after the rows are there: it takes a third of the time that row by row takes.
_DEFINITION = "SELECT pg_get_indexdef(to_regclass(%s))"


@dataclass(frozen=True, slots=True)
class Plan:
    """What EXPLAIN says of a search."""

    indexes: frozenset[str]  # that it scans
    text: str


def installed_version(session: connection, vector: Vector) -> str:
    """Return the installed version of the extension.

    Raises:
        AssertionError: the extension, its type, access method or operator class is not there.
    """
    found = rows(session, _CATALOGUE, vector.model_dump())
    if not found:
        raise AssertionError(f"the extension '{vector.extension}' is not installed in this database")
    version, *present = found[0]
    parts = (
        f"type '{vector.type}'",
        f"access method '{vector.access_method}'",
        f"operator class '{vector.operator_class}'",
    )
    missing = [part for part, is_there in zip(parts, present, strict=True) if not is_there]
    if missing:
        raise AssertionError(f"the extension '{vector.extension}' {version} has no {', '.join(missing)}")
    return str(version)


def create_collection(session: connection, name: str, texts: Sequence[str]) -> None:
    """Make a table like `memory_entries`, load vectors by COPY, and give it the vector index that table has.

    The table is one of its own, so that rows other criteria have deleted do not lie in its index. The key of each
    row is the number of its vector. Committed when done; a table of that name is replaced.
    """
    table = sql.Identifier(name)
    rows(session, sql.SQL("DROP TABLE IF EXISTS {}").format(table))
    rows(session, sql.SQL("CREATE TABLE {} (LIKE memory_entries INCLUDING IDENTITY INCLUDING DEFAULTS)").format(table))
    lines = "".join(f"{NAMESPACE}\t{number}\t{text}\n" for number, text in enumerate(texts))
    with session.cursor() as cursor:
        copy = sql.SQL("COPY {} (namespace, key, embedding) FROM STDIN").format(table)
        cursor.copy_expert(copy, io.StringIO(lines))
    rows(session, sql.SQL("ALTER TABLE {} ADD PRIMARY KEY (namespace, id), ADD UNIQUE (namespace, key)").format(table))
    definition = value(session, _DEFINITION, (VECTOR_INDEX,))
    if definition is not None:  # without it, searches will say in their plans that there is no index
        rows(session, index_definition_for(definition, name))
    rows(session, sql.SQL("ANALYZE {}").format(table))
    session.commit()


def replicas_have_replayed(session: connection) -> None:
    """Make sure that no standby still applies what was written before, which would take time from what is measured.

    Raises:
        AssertionError: so many do.
    """
    behind = value(session, _BEHIND)
    session.rollback()
    if behind:
        raise AssertionError(f"{behind} standbys still apply changes")


def index_definition_for(definition: str, table: str) -> str:
    """Return the definition of an index of `memory_entries` for another table.

    Raises:
        ValueError: the definition has not the form PostgreSQL gives it.
    """
    changed, number = re.subn(
        r"^CREATE INDEX \S+ ON (\w+\.)?memory_entries USING",
        f"CREATE INDEX {vector_index(table)} ON {table} USING",
        definition,
    )
    if number != 1:
        raise ValueError(f"not an index of memory_entries: {definition}")
    return changed


def vector_index(table: str) -> str:
    """Return the name of a collection's vector index."""
    return f"{table}_embedding_index"


def search(name: str, vector: Vector) -> sql.Composed:
    """Return the search a client sends: parameters `query` (text), `namespace` and `number`."""
    return sql.SQL(
        "SELECT key::int, embedding {operator} %(query)s::{type} AS distance FROM {table} "
        "WHERE namespace = %(namespace)s ORDER BY distance LIMIT %(number)s"
    ).format(
        operator=sql.SQL(vector.operator.replace("%", "%%")),
        type=sql.Identifier(vector.type),
        table=sql.Identifier(name),
    )


def find(session: connection, statement: sql.Composable, query: str, number: int) -> Answer:
    """Send one search and return what it found."""
    found = rows(session, statement, parameters(query, number))
    return Answer(tuple(int(key) for key, _ in found), tuple(float(distance) for _, distance in found))


def parameters(query: str, number: int) -> dict[str, Any]:
    """Return the parameters of a search."""
    return {"query": query, "namespace": NAMESPACE, "number": number}


def plan_of(session: connection, statement: sql.Composable, query: str, number: int) -> Plan:
    """Ask the server how it would run a search."""
    explained = value(session, sql.SQL("EXPLAIN (FORMAT JSON) {}").format(statement), parameters(query, number))
    root = explained[0]["Plan"]
    return Plan(frozenset(_indexes(root)), _shape(root))


def without_indexes(session: connection) -> None:
    """Make the searches of this session exact: every row is compared."""
    for setting in ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"):
        rows(session, sql.SQL("SET {} = off").format(sql.Identifier(setting)))


def _indexes(node: Mapping[str, Any]) -> list[str]:
    below = [name for child in node.get("Plans", []) for name in _indexes(child)]
    return [node["Index Name"], *below] if "Index Name" in node else below


def _shape(node: Mapping[str, Any]) -> str:
    own = node["Node Type"] + (f" using {node['Index Name']}" if "Index Name" in node else "")
    return " > ".join([own, *(_shape(child) for child in node.get("Plans", []))])
