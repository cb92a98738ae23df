"""Upstream's dialect: [general], [[databases]], [[mirroring]], [admin], and users.toml beside it."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from reference.pgdog.config import common
from reference.pgdog.config.mirroring import Block, Database, check_own_ports, joined, named
from reference.pgdog.config.section import Section
from reference.pgdog.config.users import read_users
from reference.pgdog.settings import Settings, Thresholds

_TOP = ("general", "databases", "mirroring", "admin")
_POOLING = ("default_pool_size", "min_pool_size")  # without effect: each client has sessions of its own
_GENERAL = (
    "host", "port", "openmetrics_host", "openmetrics_port", "mirror_queue", "mirror_exposure", "checkout_timeout",
    "query_parser", "pooler_mode", "shutdown_timeout", *_POOLING, *common.OWN,
)  # fmt: skip
_DATABASE = (
    "name", "host", "port", "role", "shard", "database_name", "user", "password", "pool_size", "min_pool_size",
    "pooler_mode",
)  # fmt: skip
_MIRRORING = ("source_db", "destination_db", "queue_length", "exposure", "level")
_ADMIN = ("name", "user", "password")
_SHUTDOWN_MS = 5000
_SESSION = ("session",), 'write "session": each client has a session of its own here'


def settings_of(file: Path, content: dict[str, Any], users_file: Path | None, section: type[Section]) -> Settings:
    """Return what a file of this dialect says.

    Args:
        file: for messages.
        content: what it holds.
        users_file: users.toml; None: the one beside the file.
        section: how tables are read.

    Raises:
        ConfigError: one of the two cannot be used.
    """
    top = section(file, "", content, _TOP)
    general = section(file, "general", content.get("general", {}), _GENERAL)
    host = general.text("host", "0.0.0.0")  # noqa: S104  (upstream's own default)
    ports = {"port": general.port("port", common.PORTS["port"])}
    if "openmetrics_port" in general:
        ports["openmetrics_port"] = general.port("openmetrics_port", 1)
    check_own_ports(general, ports)
    _check_what_has_no_effect(general)
    databases = named(
        [
            _database(section(file, f"databases[{i}]", entry, _DATABASE))
            for i, entry in enumerate(top.tables("databases"))
        ],
        ports,
        host,
    )
    blocks = [
        _block(section(file, f"mirroring[{i}]", entry, _MIRRORING), general)
        for i, entry in enumerate(top.tables("mirroring"))
    ]
    sources = joined(databases, blocks)
    users = read_users(users_file or file.with_name("users.toml"), databases, section)
    admin = section(file, "admin", content.get("admin", {}), _ADMIN)
    if admin.text("name", "admin") in databases:
        admin.refuse("name", "is the name of a database of clients as well", "give the console another")
    notes = users.notes(sources)
    if "password" not in admin:
        notes.append(f'{file}: admin.password: is missing, nobody can use the console; add password = "..."')
    return Settings(
        dialect="upstream",
        host=host,
        port=ports["port"],
        admin_port=None,
        admin_user=admin.text("user", "admin"),
        admin_database=admin.text("name", "admin"),
        admin_password=admin.text("password", secrets.token_hex()),
        metrics_host=general.text("openmetrics_host", host),
        metrics_port=ports.get("openmetrics_port"),
        metrics_enabled=True,
        thresholds=Thresholds(),
        **common.limits(general),
        sources=sources,
        logins=users.logins,
        drain=general.whole("shutdown_timeout", _SHUTDOWN_MS) / 1000,
        server_users=users.server_users,
        notes=tuple(notes),
    )


def _check_what_has_no_effect(section: Section) -> None:
    for key in (*_POOLING, "pool_size", "checkout_timeout"):
        section.whole(key, 0)
    section.one_of("pooler_mode", *_SESSION)
    section.one_of("query_parser", ("auto", "on", "off"), 'write "auto", "on" or "off"')


def _database(entry: Section) -> Database:
    entry.required("name", '"app"')
    entry.required("host", '"127.0.0.1"')
    name = entry.text("name")
    _check_what_has_no_effect(entry)
    entry.one_of("role", ("primary",), 'write "primary": there are no replicas here')
    entry.whole("shard", 0, 0, 0)
    user = entry.text("user") if "user" in entry else None
    password = entry.secret("password") if "password" in entry or user else None
    return Database(
        entry, name, entry.text("host"), entry.port("port", 5432), entry.text("database_name", name), user, password
    )


def _block(entry: Section, general: Section) -> Block:
    entry.required("source_db", '"app"')
    entry.required("destination_db", '"app_mirror"')
    entry.one_of("level", ("all",), 'write "all": everything is mirrored here')
    exposure = entry.number("exposure", general.number("mirror_exposure", 1.0, 0, 1), 0, 1)
    queue = entry.whole("queue_length", general.whole("mirror_queue", 128, 1), 1)
    return Block(
        entry, "source_db", entry.text("source_db"), "destination_db", entry.text("destination_db"), exposure, queue
    )
