"""What a configuration says, whichever dialect it was written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Dialect = Literal["plan", "upstream"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the work of one source is replayed, how much of it, and how much of it may wait."""

    name: str
    host: str
    port: int
    database: str
    exposure: float  # the share of transactions, 0 to 1
    queue: int  # transactions of one client that may wait
    user: str | None = None  # whom every client is on this mirror; None: itself
    password: str | None = None  # of all of them; None: each has its own, see `Settings.logins`


@dataclass(frozen=True, slots=True)
class Source:
    """A database that clients reach through the proxy, and the mirrors that see its work."""

    name: str
    host: str
    port: int
    database: str
    mirrors: tuple[Destination, ...] = ()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What a mirror must have shown before work is moved to it."""

    max_error_rate: float = 0.01  # a share, 0 to 1
    max_latency_ms: float = 1000
    min_runtime_hours: float = 24
    min_requests: int = 100_000


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration, checked. `notes` are lines for the log."""

    dialect: Dialect
    host: str
    port: int
    admin_port: int | None = None  # None: the console is a database on the clients' port
    admin_user: str = "admin"
    admin_database: str = "pgdog"
    admin_password: str | None = None  # None: none is asked for
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None  # None: no page
    metrics_enabled: bool = True
    thresholds: Thresholds = field(default_factory=Thresholds)
    connect_timeout: float = 0.5  # seconds until a mirror counts as unreachable
    query_timeout: float = 5.0  # seconds one replay may take; 0: as long as it likes
    queue_bytes: int = 128 << 20  # what all recordings together may hold
    drain: float = 5.0  # seconds that what waits has when the proxy ends
    sources: Mapping[str, Source] = field(default_factory=dict)  # by name
    logins: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (user, destination name) -> password there
    server_users: Mapping[tuple[str, str], str] = field(default_factory=dict)  # the same -> its name there, if another
    notes: tuple[str, ...] = ()

    def source(self, database: str) -> Source | None:
        """Return what a client means that asks for a database: the source of that name, else the one that has it."""
        if database in self.sources:
            return self.sources[database]
        having = [source for source in self.sources.values() if source.database == database]
        return having[0] if len(having) == 1 else None

    def login(self, user: str, destination: Destination) -> tuple[str, str] | None:
        """Return the name and password with which a client's work is replayed; None: there is none for this user."""
        if destination.password is not None:
            return destination.user or user, destination.password
        key = (user, destination.name)
        if key not in self.logins:
            return None
        return self.server_users.get(key, user), self.logins[key]
