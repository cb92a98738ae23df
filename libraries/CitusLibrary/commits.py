"""Transactions over several namespaces: committed, rolled back or refused, and what they leave on every node."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from psycopg2.extensions import connection

from CitusLibrary.namespaces import Namespace
from CitusLibrary.nodes import ask, coordinator, session, target
from CitusLibrary.transactions import Commit, parse_notices
from PostgresLibrary.refusals import Refusal, refusal_of
from PostgresLibrary.sessions import connect, rows

KEY = "written-in-one-transaction"

_INSERT = "INSERT INTO memory_entries (namespace, key, value) VALUES (%s, %s, 'distributed')"
_COUNT = "SELECT count(*) FROM memory_entries WHERE namespace = ANY(%s) AND key = %s"


@dataclass(frozen=True, slots=True)
class Rollback:
    """How a transaction that was not committed looked from outside."""

    seen_meanwhile: int  # its rows as another session saw them before the end
    written: int  # its rows as it saw them itself


def commit_rows(places: Sequence[Namespace], key: str = KEY) -> Commit:
    """Write a row to each namespace in one transaction and commit it, listening to what the coordinator sends."""
    with session(coordinator()) as opened:
        rows(opened, "SET citus.log_remote_commands TO on")
        rows(opened, "SET client_min_messages TO notice")
        _write(opened, places, key)
        opened.notices.clear()
        rows(opened, "COMMIT")
        commands = tuple(parse_notices(opened.notices))
    names = [command.transaction for command in commands if command.transaction]
    recorded = ask(coordinator(), "SELECT gid FROM pg_dist_transaction WHERE gid = ANY(%s)", (names,))
    written = tuple((place.name, key) for place in places)
    return Commit(written, commands, frozenset(row[0] for row in recorded))


def roll_back_rows(places: Sequence[Namespace]) -> Rollback:
    """Write a row to each namespace in one transaction, look at it from another session, and roll it back."""
    mine = ([place.name for place in places], KEY)
    with session(coordinator()) as opened, session(coordinator()) as other:
        _write(opened, places, KEY)
        written = rows(opened, _COUNT, mine)
        seen = rows(other, _COUNT, mine)
        rows(opened, "ROLLBACK")
    return Rollback(int(seen[0][0]), int(written[0][0]))


def write_with_duplicate(fresh: Namespace, taken: Namespace) -> Refusal:
    """Write a new row to one namespace and an existing one to another, in one transaction.

    Raises:
        AssertionError: the second row was accepted.
    """
    existing = (taken.name, KEY)
    with session(coordinator()) as opened:
        rows(opened, _INSERT, existing)

    def transaction() -> None:
        with closing(connect(target(coordinator()))) as opened, opened:
            rows(opened, _INSERT, (fresh.name, KEY))
            rows(opened, _INSERT, existing)

    return refusal_of(f"a second row {taken.name}/{KEY}", transaction)


def _write(opened: connection, places: Sequence[Namespace], key: str) -> None:
    rows(opened, "BEGIN")
    for place in places:
        rows(opened, _INSERT, (place.name, key))
