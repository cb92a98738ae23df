"""The configuration of a mirror proxy in the dialect of the plan: pools that say what mirrors them."""

from __future__ import annotations

from environments import toml
from environments.pgdog.options import Mirrored, ProxyOptions
from environments.pgdog.written import APP, HOST, Written, blank


def written(options: ProxyOptions, settings: toml.Table) -> Written:
    """Write what is asked for.

    Args:
        options: of the proxy; in this dialect one login for the mirror serves all users, or none can be had.
        settings: keys of `[general]` beyond ours.

    Raises:
        ValueError: the dialect has no words for it.
    """
    if options.mirror_users is not None:
        raise ValueError("mirror_users: in the plan's dialect all users have the pool's login on the mirror")
    ready = options.readiness
    general: toml.Table = {
        "host": HOST,
        "port": blank("port"),
        "admin_port": blank("admin_port"),
        "metrics_port": blank("metrics_port"),
        "mirror_metrics_enabled": options.metrics,
        "mirror_max_error_rate": ready.max_error_rate,
        "mirror_max_latency_ms": ready.max_latency_ms,
        "mirror_min_runtime_hours": ready.min_runtime_hours,
        "mirror_min_requests": ready.min_requests,
        "connect_timeout": options.connect_timeout_ms,
        "query_timeout": options.query_timeout_ms,
    }
    pools = [pool for database in options.databases for pool in _pools(database)]
    return Written(toml.text({}, {"general": {**general, **settings}, "pools": pools}))


def _pools(database: Mirrored) -> tuple[toml.Table, toml.Table]:
    login = {"user": APP, "password": blank("app_password")}
    primary = {
        "name": database.name,
        "database": database.database,
        "host": HOST,
        "port": blank("primary_port"),
        **login,
        "mirror_of": database.mirror_name,
        "mirror_exposure": database.exposure,
        "mirror_queue": database.queue,
    }
    mirror = {
        "name": database.mirror_name,
        "database": database.mirror_database or database.database,
        "host": database.mirror.host if database.mirror else HOST,
        "port": database.mirror.port if database.mirror else blank("mirror_port"),
        **login,
    }
    return primary, mirror
