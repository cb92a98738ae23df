"""The configuration of a mirror proxy in the dialect that PgDog ships: databases, users, and who mirrors whom."""

from __future__ import annotations

from environments import toml
from environments.pgdog.options import Mirrored, ProxyOptions
from environments.pgdog.users import users_file
from environments.pgdog.written import HOST, Written, blank

ADMIN = "admin"
_POOL_SIZE = 100  # as many as clients: nobody waits for a connection, and so nobody is refused one
_SHUTDOWN_MS = 5000  # of a proxy that was asked to stop, until it leaves its clients


def written(options: ProxyOptions, settings: toml.Table) -> Written:
    """Write what is asked for; thresholds of readiness cannot be, and are left out.

    Args:
        options: of the proxy; without metrics there is no page at all.
        settings: keys of `[general]` beyond ours.
    """
    general = {
        "host": HOST,
        "port": blank("port"),
        "openmetrics_port": blank("metrics_port") if options.metrics else None,
        "default_pool_size": _POOL_SIZE,
        "connect_timeout": options.connect_timeout_ms,
        "checkout_timeout": options.connect_timeout_ms,
        "query_timeout": options.query_timeout_ms,
        "shutdown_timeout": _SHUTDOWN_MS,
        **settings,
    }
    content: toml.Sections = {
        "general": general,
        "admin": {"name": ADMIN, "user": ADMIN, "password": blank("admin_password")},
        "databases": [table for database in options.databases for table in _databases(database)],
        "mirroring": [_mirroring(database) for database in options.databases],
    }
    return Written(toml.text({}, content), users_file(options))


def _databases(database: Mirrored) -> tuple[toml.Table, toml.Table]:
    return {
        "name": database.name,
        "host": HOST,
        "port": blank("primary_port"),
        "database_name": database.database,
    }, {
        "name": database.mirror_name,
        "host": database.mirror.host if database.mirror else HOST,
        "port": database.mirror.port if database.mirror else blank("mirror_port"),
        "database_name": database.mirror_database or database.database,
    }


def _mirroring(database: Mirrored) -> toml.Table:
    return {
        "source_db": database.name,
        "destination_db": database.mirror_name,
        "queue_length": database.queue,
        "exposure": database.exposure,
    }
