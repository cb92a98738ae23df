"""Roles that are bound to one namespace, made and removed by the owner."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from psycopg2 import Error, sql
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import connection, encrypt_password
from robot.api.types import Secret

from environments.schema import tenant_role
from environments.system import Login
from PostgresLibrary import entries
from PostgresLibrary.entries import Entry
from PostgresLibrary.refusals import one_line
from PostgresLibrary.sessions import changed, rows, value


@dataclass(frozen=True, slots=True)
class Tenant:
    """A role with a password, bound to the namespace of one entry."""

    login: Login
    entry: Entry

    @property
    def namespace(self) -> str:
        """The namespace the role is bound to."""
        return self.entry.namespace


def new_login(prefix: str) -> Login:
    """Return a user name no other run has, with a random password."""
    return Login(f"{prefix}_{secrets.token_hex(4)}", Secret(secrets.token_urlsafe(18)))


def create_role(owner: connection, login: Login, connections: int = -1) -> None:
    """Create a role that may log in, with at most so many connections (-1: as many as the server has)."""
    # A verifier, because a server may log the statement.
    verifier = encrypt_password(login.password.value, login.user, owner, "scram-sha-256")
    rows(
        owner,
        sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT {} PASSWORD {}").format(
            sql.Identifier(login.user), sql.Literal(connections), sql.Literal(verifier)
        ),
    )
    owner.commit()


def drop_role(owner: connection, user: str) -> None:
    """Remove a role and what binds it."""
    rows(owner, "DELETE FROM namespace_access WHERE role_name = %s", (user,))
    rows(owner, sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(user)))
    owner.commit()


def bind(owner: connection, owner_name: str, tenant: Tenant) -> None:
    """Let a role use one namespace and nothing else."""
    group, user = sql.Identifier(tenant_role(owner_name)), sql.Identifier(tenant.login.user)
    rows(owner, sql.SQL("GRANT {} TO {}").format(group, user))
    rows(
        owner,
        "INSERT INTO namespace_access (role_name, namespace) VALUES (%s, %s)",
        (tenant.login.user, tenant.namespace),
    )
    owner.commit()


_READS = {
    "its rows by namespace": "SELECT count(*) FROM memory_entries WHERE namespace = %(other)s",
    "its row by key": "SELECT count(*) FROM memory_entries WHERE key = %(key)s AND namespace <> %(own)s",
    "any row that is not its own": "SELECT count(*) FROM memory_entries WHERE namespace IS DISTINCT FROM %(own)s",
}

_CHANGES = {
    "an update": "UPDATE memory_entries SET value = 'taken' WHERE namespace = %(other)s",
    "a delete": "DELETE FROM memory_entries WHERE namespace = %(other)s",
}

_REFUSED = {
    "an insert": "INSERT INTO memory_entries (namespace, key) VALUES (%(other)s, 'intruder')",
    "moving a row there": "UPDATE memory_entries SET namespace = %(other)s, key = 'moved' WHERE namespace = %(own)s",
    "binding itself": "INSERT INTO namespace_access (role_name, namespace) VALUES (CURRENT_USER, %(other)s)",
    "becoming the owner": "SET ROLE {owner}",
}


def check_reads(session: connection, tenant: Tenant, other: Tenant) -> None:
    """Demand that a tenant sees its own entry and nothing of another namespace.

    Raises:
        AssertionError: its own entry is not there, or naming each way of asking that showed another's rows.
    """
    own = tenant.entry
    read = entries.read(session, own.namespace, own.key)
    if read is None or own.differences(read):
        raise AssertionError(f"the tenant of '{own.namespace}' expected its own entry, was {read}")
    names = {"own": own.namespace, "other": other.namespace, "key": other.entry.key}
    leaks = [
        f"{what}: expected 0 rows, saw {seen}" for what, ask in _READS.items() if (seen := value(session, ask, names))
    ]
    session.rollback()
    if leaks:
        raise AssertionError(f"the tenant of '{own.namespace}' sees '{other.namespace}': {'; '.join(leaks)}")


def check_writes(session: connection, tenant: Tenant, other: Tenant, owner: str) -> None:
    """Demand that a tenant changes its own namespace and no other.

    Raises:
        AssertionError: naming each way that was not stopped as it should be.
    """
    names = {"own": tenant.namespace, "other": other.namespace}
    leaks = []
    for what, statement in _CHANGES.items():
        touched = changed(session, statement, names)
        session.rollback()
        if touched:
            leaks.append(f"{what}: expected 0 rows, touched {touched}")
    for what, text in _REFUSED.items():
        answer = _answer(session, sql.SQL(text).format(owner=sql.Identifier(owner)), names)
        if answer is not None:
            leaks.append(f"{what}: expected SQLSTATE 42501, {answer}")
    if leaks:
        raise AssertionError(f"the tenant of '{tenant.namespace}' changes '{other.namespace}': {'; '.join(leaks)}")
    if changed(session, "UPDATE memory_entries SET value = 'its own' WHERE namespace = %(own)s", names) != 1:
        raise AssertionError(f"the tenant of '{tenant.namespace}' cannot change its own entry")
    session.rollback()


def _answer(session: connection, statement: sql.Composed, names: dict[str, str]) -> str | None:
    try:
        rows(session, statement, names)
    except InsufficientPrivilege:
        return None
    except Error as error:
        return f"was {error.pgcode}: {one_line(error)}"
    finally:
        session.rollback()
    return "was allowed"
