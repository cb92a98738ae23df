"""The configuration of a mirror proxy in the dialect of the plan: pools that say what mirrors them.

A pool of the plan has one login, with which the work of all its users would be repeated. The reference proxy takes a
file with users as well, as upstream has it, so that each user is itself on the mirror, too.
"""

from __future__ import annotations

from environments import toml
from environments.pgdog.options import Mirrored, ProxyOptions
from environments.pgdog.users import users_file
from environments.pgdog.written import HOST, Written, blank


def written(options: ProxyOptions, settings: toml.Table) -> Written:
    """Write what is asked for; `settings` are keys of `[general]` beyond ours."""
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
    return Written(toml.text({}, {"general": {**general, **settings}, "pools": pools}), users_file(options))


def _pools(database: Mirrored) -> tuple[toml.Table, toml.Table]:
    primary: toml.Table = {
        "name": database.name,
        "database": database.database,
        "host": HOST,
        "port": blank("primary_port"),
        "mirror_of": database.mirror_name,
        "mirror_exposure": database.exposure,
        "mirror_queue": database.queue,
    }
    mirror: toml.Table = {
        "name": database.mirror_name,
        "database": database.mirror_database or database.database,
        "host": database.mirror.host if database.mirror else HOST,
        "port": database.mirror.port if database.mirror else blank("mirror_port"),
    }
    return primary, mirror
