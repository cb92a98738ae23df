"""Rows that the criteria write, the queries they ask of them, and the plans of those queries."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence

from psycopg2 import sql
from psycopg2.extensions import connection
from psycopg2.extras import execute_values

from CitusLibrary.nodes import coordinator, session
from CitusLibrary.plans import DistributedPlan, parse_plan
from PostgresLibrary.sessions import Parameters, Query, rows

ROWS_A_SIDE = 10
"""Memory entries and patterns in each namespace of a join, so that it has 100 pairs."""

PAUSE_SECONDS = 0.01
"""How long the parallel query stays with each row: a known amount of work, whatever the CPU."""

ROW_OF_ONE_NAMESPACE = "SELECT value FROM memory_entries WHERE namespace = %s AND key = %s"

COUNT_BY_NAMESPACE = "SELECT namespace, count(*) FROM memory_entries WHERE namespace = ANY(%s) GROUP BY namespace"

PAIRS_OF_ONE_NAMESPACE = """
    SELECT m.key, p.pattern_type FROM memory_entries AS m JOIN patterns AS p USING (namespace) WHERE m.namespace = %s
"""

WITH_REFERENCE = """
    SELECT m.namespace, m.key, r.value FROM memory_entries AS m JOIN metadata AS r ON r.key = m.value
    WHERE m.namespace = ANY(%s)
"""

WITH_PAUSES = sql.SQL("""
    SELECT namespace, count(*), min(clock_timestamp()), max(clock_timestamp()) FROM memory_entries
    WHERE namespace = ANY(%s) AND pg_sleep({}) IS NOT NULL GROUP BY namespace
""").format(sql.Literal(PAUSE_SECONDS))


def insert_entries(entries: Sequence[tuple[str, str, str]]) -> None:
    """Insert memory entries (namespace, key, value) with one statement."""
    with session(coordinator()) as opened, opened.cursor() as cursor:
        statement = "INSERT INTO memory_entries (namespace, key, value) VALUES %s"
        execute_values(cursor, statement, entries, page_size=len(entries))


def insert_patterns(namespaces: Iterable[str], each: int) -> None:
    """Insert some patterns into each namespace with one statement."""
    patterns = [(namespace, f"type-{number}", "{}") for namespace in namespaces for number in range(each)]
    with session(coordinator()) as opened, opened.cursor() as cursor:
        statement = "INSERT INTO patterns (namespace, pattern_type, pattern_data) VALUES %s"
        execute_values(cursor, statement, patterns, page_size=len(patterns))


def insert_metadata(key: str, value: str) -> None:
    """Insert a row of the reference table metadata."""
    with session(coordinator()) as opened:
        rows(opened, "INSERT INTO metadata (key, value) VALUES (%s, %s)", (key, value))


def update_metadata(key: str, value: str) -> None:
    """Change the value of a row of the reference table metadata."""
    with session(coordinator()) as opened:
        rows(opened, "UPDATE metadata SET value = %s WHERE key = %s", (value, key))


def noise(length: int) -> str:
    """Return a random text that no server can store in fewer bytes than it has characters, or nearly so."""
    return secrets.token_urlsafe(length)[:length]


def remove(namespaces: Sequence[str], keys: Sequence[str], tables: Sequence[str]) -> None:
    """Remove what a criterion wrote: everything of its namespaces, its keys of metadata, its own tables."""
    with session(coordinator()) as opened:
        for table in tables:
            rows(opened, sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table)))
        for table in ("memory_entries", "patterns"):
            statement = sql.SQL("DELETE FROM {} WHERE namespace = ANY(%s)").format(sql.Identifier(table))
            rows(opened, statement, (list(namespaces),))
        rows(opened, "DELETE FROM metadata WHERE key = ANY(%s)", (list(keys),))


def query(statement: Query, parameters: Parameters) -> list[tuple[object, ...]]:
    """Ask the coordinator."""
    with session(coordinator()) as opened:
        return rows(opened, statement, parameters)


def plan(statement: Query, parameters: Parameters) -> DistributedPlan:
    """Ask the coordinator how it runs a query.

    Raises:
        NotDistributed: it runs it alone.
    """
    with session(coordinator()) as opened:
        return plan_in(opened, statement, parameters)


def plan_in(opened: connection, statement: Query, parameters: Parameters) -> DistributedPlan:
    """Ask the coordinator how it runs a query in this session, with every task shown.

    Raises:
        NotDistributed: it runs it alone.
    """
    composed = sql.SQL(statement) if isinstance(statement, str) else statement
    rows(opened, "SET citus.explain_all_tasks TO on")
    explained = rows(opened, sql.SQL("EXPLAIN (FORMAT JSON, COSTS OFF) {}").format(composed), parameters)
    return parse_plan(explained[0][0])
