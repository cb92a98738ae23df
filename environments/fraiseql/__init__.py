"""The data under test of FraiseQL, and how a driver that owns the servers puts it there. All of it may run again."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import requests
from psycopg2 import sql
from psycopg2.extensions import connection, encrypt_password

from environments.system import ClickHouseAddress, Login, SearchAddress

VIEWS = ("va_users", "va_orders", "ta_users", "ta_orders")
UPLOAD_TABLE = "tb_import"
STREAM = "fraiseql_events"
SUBJECT = "fraiseql.mutation"
EVENTS_TABLE = "fraiseql_events"
INDEX_PREFIX = "fraiseql-events"

_HERE = Path(__file__).parent
_SECONDS = 30


def provision_database(connect: Callable[[str], connection], database: str, owner: Login) -> None:
    """Make the owner, its database, the tables and their rows.

    Args:
        connect: opens a connection to the named database as superuser; closed here.
        database: to make.
        owner: role that owns it, with the password it gets; the gateway connects as this role.

    Raises:
        psycopg2.Error: a statement failed.
    """
    with closing(connect("postgres")) as server:
        server.autocommit = True
        with server.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (owner.user,))
            if cursor.fetchone() is None:
                verifier = encrypt_password(owner.password.value, owner.user, server, "scram-sha-256")
                role, password = sql.Identifier(owner.user), sql.Literal(verifier)
                cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password))
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
            if cursor.fetchone() is None:
                names = (sql.Identifier(database), sql.Identifier(owner.user))
                cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
            # texts of instants must not depend on the machine's time zone
            cursor.execute(sql.SQL("ALTER DATABASE {} SET timezone = 'UTC'").format(sql.Identifier(database)))
    with closing(connect(database)) as server, server, server.cursor() as cursor:
        cursor.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner.user)))
        for file in ("tables.sql", "rows.sql"):
            cursor.execute((_HERE / file).read_text(encoding="utf-8"))


def provision_clickhouse(where: ClickHouseAddress) -> None:
    """Make the table of events.

    Raises:
        requests.RequestException: ClickHouse refused it or is away.
    """
    statement = (_HERE / "events.sql").read_text(encoding="utf-8").replace(EVENTS_TABLE, where.table)
    requests.post(
        where.url,
        params={"database": where.database},
        data=statement.encode(),
        headers={"X-ClickHouse-User": where.login.user, "X-ClickHouse-Key": where.login.password.value},
        timeout=_SECONDS,
    ).raise_for_status()


def provision_search(where: SearchAddress) -> None:
    """Make the template of the indexes of events.

    Raises:
        requests.RequestException: the search engine refused it or is away.
    """
    template = json.loads((_HERE / "events_index.json").read_text(encoding="utf-8"))
    template["index_patterns"] = [f"{where.index_prefix}-*"]
    answer = requests.get(where.url, timeout=_SECONDS)
    answer.raise_for_status()
    if answer.json()["version"].get("distribution") == "opensearch":
        _suit_opensearch(template["template"])
    path = f"{where.url}/_index_template/{where.index_prefix}"
    requests.put(path, json=template, timeout=_SECONDS).raise_for_status()


def _suit_opensearch(template: dict[str, Any]) -> None:
    """Add what Elasticsearch does not know."""
    # else every tenth refresh waits until what it shows is merged, and a second's events are seen seconds late
    template["settings"]["index.merge_on_flush.enabled"] = False
    # every time of RFC 3339, for an eighth less of all work that an event makes
    template["mappings"]["properties"]["timestamp"]["format"] = "rfc3339_lenient"
