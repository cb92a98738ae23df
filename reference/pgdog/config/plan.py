"""The plan's dialect: [general] and [[pools]]; the primary's pool names its mirror."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reference.pgdog.config import common
from reference.pgdog.config.mirroring import Block, Database, check_own_ports, joined, named
from reference.pgdog.config.section import Section
from reference.pgdog.config.users import read_users
from reference.pgdog.settings import Settings, Thresholds

_TOP = ("general", "pools")
_WITHOUT_EFFECT = (  # the plan names them, and no use of them
    "mirror_error_threshold", "mirror_latency_threshold_ms", "mirror_metrics_reset_interval",
    "mirror_consecutive_success", "mirror_failure_threshold",
)  # fmt: skip
_GENERAL = (
    "host", "port", "admin_port", "metrics_port", "mirror_metrics_enabled", "mirror_max_error_rate",
    "mirror_max_latency_ms", "mirror_min_runtime_hours", "mirror_min_requests", *_WITHOUT_EFFECT, *common.OWN,
)  # fmt: skip
_POOL = ("name", "database", "host", "port", "user", "password", "mirror_of", "mirror_exposure", "mirror_queue")
_QUEUE = 128


def settings_of(file: Path, content: dict[str, Any], users_file: Path | None, section: type[Section]) -> Settings:
    """Return what a file of this dialect says.

    Args:
        file: for messages.
        content: what it holds.
        users_file: users.toml, which this dialect needs only where users have logins of their own on a mirror.
        section: how tables are read.

    Raises:
        ConfigError: it cannot be used.
    """
    top = section(file, "", content, _TOP)
    general = section(file, "general", content.get("general", {}), _GENERAL)
    for key in _WITHOUT_EFFECT:
        general.whole(key, 0)
    host = general.text("host", "0.0.0.0")  # noqa: S104  (the plan's own default)
    ports = {key: general.port(key, common.PORTS[key]) for key in ("port", "admin_port", "metrics_port")}
    check_own_ports(general, ports)
    pools = [section(file, f"pools[{number}]", entry, _POOL) for number, entry in enumerate(top.tables("pools"))]
    databases = named([_database(pool, own_logins=users_file is not None) for pool in pools], ports, host)
    sources = joined(databases, [block for block in map(_block, pools) if block])
    users = read_users(users_file, databases, section) if users_file else None
    return Settings(
        dialect="plan",
        host=host,
        port=ports["port"],
        admin_port=ports["admin_port"],
        admin_user="admin",
        admin_database="pgdog",
        admin_password=None,
        metrics_host=host,
        metrics_port=ports["metrics_port"],
        metrics_enabled=general.switch("mirror_metrics_enabled", default=True),
        thresholds=Thresholds(
            max_error_rate=general.number("mirror_max_error_rate", 0.01, 0, 1),
            max_latency_ms=general.number("mirror_max_latency_ms", 1000),
            min_runtime_hours=general.number("mirror_min_runtime_hours", 24),
            min_requests=general.whole("mirror_min_requests", 100_000),
        ),
        **common.limits(general),
        sources=sources,
        logins=users.logins if users else {},
        server_users=users.server_users if users else {},
        notes=tuple(users.notes(sources)) if users else (),
    )


def _database(pool: Section, *, own_logins: bool) -> Database:
    pool.required("name", '"primary"')
    name = pool.text("name")
    user = pool.text("user") if "user" in pool else None
    # Whoever names a user means it for everybody; without one, and without a file of logins, each is itself there.
    password = None if user is None and own_logins else pool.secret("password")
    return Database(
        pool, name, pool.text("host", "127.0.0.1"), pool.port("port", 5432), pool.text("database", name), user, password
    )


def _block(pool: Section) -> Block | None:
    exposure = pool.number("mirror_exposure", 1.0, 0, 1)
    queue = pool.whole("mirror_queue", _QUEUE, 1)
    if "mirror_of" not in pool:
        return None
    return Block(pool, "name", pool.text("name"), "mirror_of", pool.text("mirror_of"), exposure, queue)
