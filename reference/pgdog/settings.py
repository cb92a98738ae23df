"""What the proxy was told to do; how it is written in a file is a matter of `config/`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Destination:
    """A mirror: where it is, and how much of the traffic it gets."""

    name: str
    host: str
    port: int
    database: str
    exposure: float
    queue: int


@dataclass(frozen=True)
class Source:
    """A primary, under the name clients connect with."""

    name: str
    host: str
    port: int
    database: str
    mirrors: tuple[Destination, ...]


@dataclass(frozen=True)
class Thresholds:
    """What makes a mirror ready to be cut over to."""

    max_error_rate: float = 0.01
    max_latency_ms: float = 1000
    min_runtime_hours: float = 24
    min_requests: int = 100_000


@dataclass(frozen=True)
class Settings:
    """A whole configuration."""

    dialect: Literal["plan", "upstream"]
    host: str
    port: int
    admin_port: int | None = None
    admin_user: str = "admin"
    admin_database: str = "pgdog"
    admin_password: str | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    metrics_enabled: bool = True
    thresholds: Thresholds = field(default_factory=Thresholds)
    connect_timeout: float = 0.5
    query_timeout: float = 5.0
    queue_bytes: int = 128 * 1024 * 1024
    sources: Mapping[str, Source] = field(default_factory=dict)
    logins: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def source(self, database: str) -> Source | None:
        """Return the source a client means: by its name, else the only one with that database."""
        if found := self.sources.get(database):
            return found
        same = [source for source in self.sources.values() if source.database == database]
        return same[0] if len(same) == 1 else None

    def login(self, user: str, destination: Destination) -> tuple[str, str] | None:
        """Return user and password for a client's sessions on a mirror, or None where there are none."""
        password = self.logins.get((user, destination.name))
        return None if password is None else (user, password)
