"""What the proxies of PgDog are configured with, in both dialects, and the databases on both of its servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

from psycopg2 import sql
from psycopg2.extensions import connection, encrypt_password

from environments import toml
from environments.pgdog import plan, upstream
from environments.pgdog.options import Mirrored, ProxyOptions, Readiness
from environments.pgdog.users import APP, OTHER
from environments.pgdog.written import Written, filled
from environments.sections.pgdog import Dialect
from environments.system import Login

__all__ = ["APP", "DATABASES", "OTHER", "Mirrored", "ProxyOptions", "Readiness", "Written", "filled", "provision"]

DATABASES = ("app", "other", *(f"db_{number}" for number in range(10)))


def written(options: ProxyOptions, dialect: Dialect, settings: toml.Table) -> Written:
    """Write a proxy's configuration.

    Args:
        options: what is asked for.
        dialect: of the proxy.
        settings: keys of `[general]` beyond ours.
    """
    return plan.written(options, settings) if dialect == "plan" else upstream.written(options, settings)


def provision(connect: Callable[[str], connection], logins: Sequence[Login]) -> None:
    """Make the users and the databases, in which every user may make what it needs.

    Args:
        connect: opens a connection to the named database as superuser, in autocommit mode; closed here.
        logins: the users, the first of which owns the databases.

    Raises:
        psycopg2.Error: a statement failed.
    """
    with closing(connect("template1")) as session, session.cursor() as server:
        for login in logins:
            verifier = encrypt_password(login.password.value, login.user, session, "scram-sha-256")
            role = sql.Identifier(login.user)
            server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(verifier)))
            server.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(role))
    with closing(connect("postgres")) as session, session.cursor() as server:
        for name in DATABASES:
            names = (sql.Identifier(name), sql.Identifier(logins[0].user))
            server.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
