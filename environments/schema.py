"""The database under test: role, database, vector extension, tables, index and namespace policies.

Every driver that owns its servers provisions with this module; an external system is expected to look the
same to its owner role. All of it may run again on a database that already has it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection, encrypt_password
from robot.api.types import Secret

from environments.sections.cluster import Vector

VECTOR_DIMENSIONS = 384
"""Size of every embedding, from the seed's table definitions."""

VECTOR_INDEX = "memory_entries_embedding_index"

TABLES = ("memory_entries", "patterns", "metadata", "sessions", "acknowledged_writes")

_MEMORY_ENTRIES = """
    CREATE TABLE IF NOT EXISTS memory_entries (
        id bigint GENERATED ALWAYS AS IDENTITY,
        namespace text NOT NULL,
        key text NOT NULL,
        value text,
        embedding {embedding},
        metadata jsonb NOT NULL DEFAULT '{{}}',
        tags text[],
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        expires_at timestamptz,
        PRIMARY KEY (namespace, id),
        UNIQUE (namespace, key)
    )
"""

_PATTERNS = """
    CREATE TABLE IF NOT EXISTS patterns (
        id bigint GENERATED ALWAYS AS IDENTITY,
        namespace text NOT NULL,
        pattern_type text NOT NULL,
        pattern_data jsonb NOT NULL,
        embedding {embedding},
        confidence double precision NOT NULL DEFAULT 0.5,
        success_count bigint NOT NULL DEFAULT 0,
        failure_count bigint NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (namespace, id)
    )
"""

_METADATA = """
    CREATE TABLE IF NOT EXISTS metadata (
        key text PRIMARY KEY,
        value text,
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
"""

_SESSIONS = """
    CREATE TABLE IF NOT EXISTS sessions (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        session_id text NOT NULL UNIQUE,
        data jsonb NOT NULL DEFAULT '{{}}',
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
"""

_ACKNOWLEDGED_WRITES = """
    CREATE TABLE IF NOT EXISTS acknowledged_writes (
        id bigint PRIMARY KEY,
        writer text NOT NULL,
        written_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
"""

_VECTOR_INDEX = "CREATE INDEX IF NOT EXISTS {index} ON memory_entries USING {access_method} (embedding {operators})"

# A table and not a setting of the role: a session can change its settings, but not this table.
_NAMESPACE_ACCESS = """
    CREATE TABLE IF NOT EXISTS namespace_access (
        role_name name NOT NULL,
        namespace text NOT NULL,
        PRIMARY KEY (role_name, namespace)
    )
"""

_BOUND = "namespace IN (SELECT a.namespace FROM namespace_access AS a WHERE a.role_name = CURRENT_USER)"


def tenant_role(owner: str) -> str:
    """Return the group role whose members see only the namespaces `namespace_access` binds them to."""
    return f"{owner}_tenant"


def provision(
    connect_superuser: Callable[[str], connection], database: str, owner: str, owner_password: Secret, vector: Vector
) -> None:
    """Make the database the criteria need, or complete the one that is there.

    Args:
        connect_superuser: opens a connection to the named database of the primary as superuser; closed here.
        database: name of the database to make; its owner is `owner`.
        owner: role that owns the schema, may create roles and read all statistics.
        owner_password: sent as a SCRAM verifier, never in clear.
        vector: names of the vector extension, its type, access method and operator class.

    Raises:
        psycopg2.Error: a statement failed, for example because the extension is not installed.
    """
    with closing(connect_superuser("postgres")) as server:
        server.autocommit = True
        _roles(server, owner, owner_password)
        _database(server, database, owner)
    with closing(connect_superuser(database)) as server, server:
        _run(server, _named("CREATE EXTENSION IF NOT EXISTS {extension}", extension=vector.extension))
        _run(server, _named("SET ROLE {owner}", owner=owner))
        for statement in (*table_statements(vector), *_policy_statements(owner)):
            _run(server, statement)


def table_statements(vector: Vector, dimensions: int = VECTOR_DIMENSIONS) -> Sequence[sql.Composable]:
    """Return what creates the tables and the vector index, in order; each statement may be repeated."""
    embedding = sql.SQL("{}({})").format(sql.Identifier(vector.type), sql.Literal(dimensions))
    tables = (_MEMORY_ENTRIES, _PATTERNS, _METADATA, _SESSIONS, _ACKNOWLEDGED_WRITES)
    return (
        *(sql.SQL(table).format(embedding=embedding) for table in tables),
        _named(
            _VECTOR_INDEX,
            index=VECTOR_INDEX,
            access_method=vector.access_method,
            operators=vector.operator_class,
        ),
    )


def _policy_statements(owner: str) -> Sequence[sql.Composable]:
    tenant = tenant_role(owner)
    statements = [
        sql.SQL(_NAMESPACE_ACCESS),
        _named("GRANT SELECT ON namespace_access TO {tenant}", tenant=tenant),
    ]
    for table in ("memory_entries", "patterns"):
        names = {"table": table, "tenant": tenant}
        statements += [
            _named("GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {tenant}", **names),
            _named("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY", **names),
            _named("DROP POLICY IF EXISTS namespace_isolation ON {table}", **names),
            _named(
                f"CREATE POLICY namespace_isolation ON {{table}} TO {{tenant}} USING ({_BOUND}) WITH CHECK ({_BOUND})",
                **names,
            ),
        ]
    return statements


def _roles(server: connection, owner: str, password: Secret) -> None:
    tenant = tenant_role(owner)
    for role in (owner, tenant):
        if not _exists(server, "SELECT 1 FROM pg_roles WHERE rolname = %s", role):
            _run(server, _named("CREATE ROLE {role}", role=role))
    verifier = encrypt_password(password.value, owner, server, "scram-sha-256")
    _run(
        server,
        sql.SQL("ALTER ROLE {} LOGIN CREATEROLE PASSWORD {}").format(sql.Identifier(owner), sql.Literal(verifier)),
    )
    _run(server, _named("GRANT pg_monitor TO {owner}", owner=owner))
    _run(server, _named("GRANT {tenant} TO {owner} WITH ADMIN OPTION", tenant=tenant, owner=owner))


def _database(server: connection, database: str, owner: str) -> None:
    if not _exists(server, "SELECT 1 FROM pg_database WHERE datname = %s", database):
        _run(server, _named("CREATE DATABASE {database} OWNER {owner}", database=database, owner=owner))


def _named(statement: str, **names: str) -> sql.Composed:
    return sql.SQL(statement).format(**{key: sql.Identifier(name) for key, name in names.items()})


def _exists(server: connection, query: str, *parameters: Any) -> bool:
    with server.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone() is not None


def _run(server: connection, statement: sql.Composable) -> None:
    with server.cursor() as cursor:
        cursor.execute(statement)
