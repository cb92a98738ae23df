"""Sessions on the cluster's ports, as a client opens them, and what can be asked of several at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection

from environments.system import Endpoint, Login
from PostgresLibrary.refusals import one_line

CONNECT_SECONDS = 5.0
POLL_SECONDS = 0.01  # between two looks at what is expected to happen soon
APPLICATION = "acceptance"

_UNKNOWN_SERVERS_LIKELY_ENDED = 8  # sessions in a row that reached a standby already known

_SERVER = (
    "SELECT pg_is_in_recovery(), concat_ws(':', inet_server_addr(), inet_server_port()), pg_postmaster_start_time()"
)

Query = str | sql.Composable
Parameters = Sequence[Any] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a session goes and as whom."""

    endpoint: Endpoint
    database: str
    login: Login

    def as_role(self, login: Login) -> Target:
        """Return the same target for another user."""
        return replace(self, login=login)

    def at(self, endpoint: Endpoint) -> Target:
        """Return the same database and user at another address."""
        return replace(self, endpoint=endpoint)


def connect(
    target: Target, *, seconds: float = CONNECT_SECONDS, settings: Mapping[str, str] | None = None
) -> connection:
    """Open a session.

    Args:
        target: where and as whom.
        seconds: bound on connecting; libpq counts whole seconds and at least 2.
        settings: run-time settings of the session, such as `statement_timeout` in milliseconds.

    Raises:
        psycopg2.OperationalError: not reachable, or turned away.
    """
    return psycopg2.connect(
        host=target.endpoint.host,
        port=target.endpoint.port,
        dbname=target.database,
        user=target.login.user,
        password=target.login.password.value,
        connect_timeout=max(2, math.ceil(seconds)),
        application_name=APPLICATION,
        options=" ".join(f"-c {name}={value}" for name, value in (settings or {}).items()),
    )


def opened(target: Target, settings: Mapping[str, str] | None = None) -> connection:
    """Open a session that a criterion cannot do without.

    Raises:
        AssertionError: the server or the proxy turned it away.
    """
    try:
        return connect(target, settings=settings)
    except psycopg2.OperationalError as error:
        raise AssertionError(f"no session on {target.endpoint} as '{target.login.user}': {one_line(error)}") from None


def rows(session: connection, query: Query, parameters: Parameters = ()) -> list[tuple[Any, ...]]:
    """Run one statement and return its rows, none when it has no result."""
    with session.cursor() as cursor:
        cursor.execute(query, parameters or None)
        return cursor.fetchall() if cursor.description else []


def value(session: connection, query: Query, parameters: Parameters = ()) -> Any:
    """Run one statement and return the first column of its first row."""
    return rows(session, query, parameters)[0][0]


def changed(session: connection, statement: Query, parameters: Parameters = ()) -> int:
    """Run one statement and return how many rows it touched."""
    with session.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.rowcount


def backend(session: connection) -> int:
    """Return the server's process id of this session, asked of the server itself."""
    return int(value(session, "SELECT pg_backend_pid()"))


def replica_sessions(target: Target, expected: int | None) -> dict[str, connection]:
    """Open one autocommit session to every standby behind a port that spreads its clients over them.

    Args:
        target: the replica port.
        expected: how many standbys there are; None: until new sessions only reach known ones.

    Returns:
        sessions by the address the server itself gives.

    Raises:
        AssertionError: the port led to a server that is not a standby, or to fewer standbys than expected.
    """
    found: dict[str, connection] = {}
    repeated = 0
    while (expected is None or len(found) < expected) and repeated < _UNKNOWN_SERVERS_LIKELY_ENDED:
        session = opened(target)
        session.autocommit = True
        in_recovery, address, started = rows(session, _SERVER)[0]
        server = f"{address} (started {started:%H:%M:%S.%f})"
        if not in_recovery:
            close(session, *found.values())
            raise AssertionError(f"the replica port {target.endpoint} led to {server}, which is not a standby")
        if server in found:
            session.close()
            repeated += 1
        else:
            found[server] = session
            repeated = 0
    if not found or (expected is not None and len(found) < expected):
        close(*found.values())
        raise AssertionError(f"expected {expected} standbys behind {target.endpoint}, reached {len(found)}")
    return found


def close(*sessions: connection) -> None:
    """Close sessions, also those that are broken or already closed."""
    for session in sessions:
        if not session.closed:
            session.close()
