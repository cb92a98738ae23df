"""Reads what Citus and PostgreSQL say of the layout, on the coordinator and on every other node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from psycopg2 import sql

from CitusLibrary.nodes import Node, ask, by_address, coordinator, nodes, session
from CitusLibrary.storage import Relation, StoredRow, TableSize
from CitusLibrary.topology import Check, NodeVersion, Placement, Shard, TableEntry
from environments.system import Endpoint
from measurement.verdicts import Inconclusive
from PostgresLibrary.sessions import rows, value

ENTRIES = "memory_entries"
TABLES = (ENTRIES, "patterns", "metadata", "sessions")
"""Tables of the schema that Citus spreads over the nodes."""

SIZE_READINGS = 20
"""Sizes are read again this often when something (such as autovacuum) changed them in between."""

_LIBRARY = "SELECT substring(citus_version() from 'Citus ([0-9.]+)')"

_HEALTH = "SELECT from_nodename, from_nodeport, to_nodename, to_nodeport, result FROM citus_check_cluster_node_health()"

_TABLES = """
    SELECT t.table_name::text, t.citus_table_type, t.distribution_column, t.colocation_id, t.shard_count,
           p.partmethod::text, p.repmodel::text
    FROM citus_tables AS t JOIN pg_dist_partition AS p ON p.logicalrelid = t.table_name
"""

_SHARDS = """
    SELECT logicalrelid::text, shardid, shardminvalue::bigint, shardmaxvalue::bigint FROM pg_dist_shard ORDER BY 1, 2
"""

# The view citus_shards repeats a shard for each standby registered for its node; this does not.
_PLACEMENTS = """
    SELECT s.logicalrelid::text, s.shardid, n.nodename, n.nodeport, p.shardstate
    FROM pg_dist_shard AS s
    JOIN pg_dist_placement AS p USING (shardid)
    JOIN pg_dist_node AS n ON n.groupid = p.groupid AND n.noderole = 'primary'
    ORDER BY 1, 2, 3, 4
"""

# Citus hides the shards' tables from clients unless told otherwise.
_SHOW_SHARDS = "SET citus.override_table_visibility TO off"

_RELATIONS = """
    SELECT relname, pg_total_relation_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname ~ %s
    ORDER BY 1
"""

_LISTED = """
    SELECT sum(shard_size)::bigint FROM (
        SELECT DISTINCT shardid, nodename, nodeport, shard_size
        FROM citus_shards JOIN pg_dist_node USING (nodename, nodeport)
        WHERE table_name = %s::regclass AND noderole = 'primary'
    ) AS shards
"""

_HOMES = """
    SELECT namespace, shardid, nodename, nodeport
    FROM (
        SELECT namespace, get_shard_id_for_distribution_column(%s, namespace) AS shardid FROM unnest(%s) AS namespace
    ) AS hashed
    JOIN pg_dist_placement USING (shardid)
    JOIN pg_dist_node USING (groupid)
    WHERE noderole = 'primary'
"""


def versions() -> list[NodeVersion]:
    """Read extension and library version of every node."""
    found = []
    for node in nodes():
        extension = ask(node, "SELECT extversion FROM pg_extension WHERE extname = 'citus'")
        library = ask(node, _LIBRARY) if extension else []
        found.append(NodeVersion(node.name, *(answer[0][0] if answer else None for answer in (extension, library))))
    return found


def active_workers() -> list[str]:
    """Return the workers that the coordinator counts as active."""
    name = naming()
    listed = ask(coordinator(), "SELECT node_name, node_port FROM citus_get_active_worker_nodes()")
    return [name(host, port) for host, port in listed]


def health() -> list[Check]:
    """Let every node try to reach every node."""
    name = naming()
    return [Check(name(*row[0:2]), name(*row[2:4]), row[4]) for row in ask(coordinator(), _HEALTH)]


def tables() -> list[TableEntry]:
    """Read on every node what it knows of every table."""
    return [TableEntry(node.name, *row) for node in nodes() for row in ask(node, _TABLES)]


def shards() -> list[Shard]:
    """Read every shard and its part of the hash range."""
    return [Shard(*row) for row in ask(coordinator(), _SHARDS)]


def placements() -> list[Placement]:
    """Read where the coordinator believes every shard to be."""
    name = naming()
    known = ask(coordinator(), _PLACEMENTS)
    return [Placement(table, shard, name(host, port), state) for table, shard, host, port, state in known]


def relations(tables: Sequence[str] = TABLES) -> list[Relation]:
    """Find the shards' tables that really are on each node, with their sizes."""
    found = []
    for node in nodes():
        with session(node) as opened:
            rows(opened, _SHOW_SHARDS)
            found += [Relation(node.name, *row) for row in rows(opened, _RELATIONS, (_shards_of(tables),))]
    return found


def table_size(table: str) -> TableSize:
    """Measure a table's size in three ways at one time.

    Raises:
        Inconclusive: it changed during every reading.
    """
    total = sql.SQL("SELECT citus_total_relation_size({})").format(sql.Literal(table))
    for _ in range(SIZE_READINGS):
        before = ask(coordinator(), total), relations((table,))
        listed = ask(coordinator(), _LISTED, (table,))
        if before == (ask(coordinator(), total), relations((table,))):
            return TableSize(table, int(before[0][0][0]), int(listed[0][0] or 0), tuple(before[1]))
    raise Inconclusive(f"the size of {table} changed during each of {SIZE_READINGS} readings")


def stored_entries(namespaces: Sequence[str]) -> list[StoredRow]:
    """Look for memory entries of some namespaces in every shard's table on every node, each read on the node itself."""
    one = sql.SQL("SELECT {}, namespace, key FROM {} WHERE namespace = ANY(%(namespaces)s)")
    found = []
    for node in nodes():
        with session(node) as opened:
            rows(opened, _SHOW_SHARDS)
            names = [row[0] for row in rows(opened, _RELATIONS, (_shards_of((ENTRIES,)),))]
            parts = [one.format(sql.Literal(name), sql.Identifier(name)) for name in names]
            if parts:
                query = sql.SQL(" UNION ALL ").join(parts)
                found += [StoredRow(node.name, *row) for row in rows(opened, query, {"namespaces": list(namespaces)})]
    return found


def reference_copies(table: str, column: str, key_column: str, key: str) -> dict[str, Any]:
    """Read one row of a reference table in the copy that each node holds, on the node itself.

    Returns:
        the value by node; None where the copy has no such row.

    Raises:
        AssertionError: a node has no copy.
    """
    found: dict[str, Any] = {}
    query = sql.SQL("SELECT min({}) FROM {} WHERE {} = %s")
    for node in nodes():
        with session(node) as opened:
            rows(opened, _SHOW_SHARDS)
            names = [row[0] for row in rows(opened, _RELATIONS, (_shards_of((table,)),))]
            if len(names) != 1:
                raise AssertionError(f"{node} has {len(names)} copies of {table}, expected 1")
            statement = query.format(*map(sql.Identifier, (column, names[0], key_column)))
            found[node.name] = value(opened, statement, (key,))
    return found


def homes(namespaces: Sequence[str]) -> dict[str, tuple[Node, str]]:
    """Return the node and the shard's table that each namespace belongs to.

    Raises:
        AssertionError: memory entries are not distributed.
    """
    known = by_address()
    found = {}
    for namespace, shard, host, port in ask(coordinator(), _HOMES, (ENTRIES, list(namespaces))):
        endpoint = Endpoint(host, port)
        found[namespace] = (known.get(endpoint, Node(str(endpoint), endpoint)), f"{ENTRIES}_{shard}")
    return found


def prepared_transactions() -> dict[str, tuple[str, ...]]:
    """Return the prepared transactions of Citus that wait on each node."""
    query = "SELECT gid FROM pg_prepared_xacts WHERE starts_with(gid, 'citus_') AND database = current_database()"
    return {node.name: tuple(sorted(row[0] for row in ask(node, query))) for node in nodes()}


def naming() -> Callable[[str, int], str]:
    """Return a function that names the node at an address; an unknown one is named by its address."""
    known = by_address()

    def name(host: str, port: int) -> str:
        endpoint = Endpoint(host, port)
        return known[endpoint].name if endpoint in known else str(endpoint)

    return name


def _shards_of(tables: Sequence[str]) -> str:
    return f"^({'|'.join(tables)})_[0-9]+$"
