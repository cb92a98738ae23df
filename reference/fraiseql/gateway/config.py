"""The configuration file: what may stand in it, what the environment adds, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NoReturn

from reference.fraiseql.gateway import values
from reference.fraiseql.gateway.values import Address, Unfit
from reference.toml_file import ConfigError, content_of

DEFAULT_PAGE_SIZE = 1000
PAGE_SIZE_VARIABLE = "FRAISEQL_MAX_PAGE_SIZE"
SECRET_VARIABLE = "FLIGHT_SESSION_SECRET"  # the variable's name, no secret


def _read(by: Callable[[object], object]) -> dict[str, Any]:
    """Return what makes a field a key of the file: how its value is read."""
    return {"read": by}


@dataclass(frozen=True, slots=True)
class Limits:
    """Section [validation]: what a GraphQL document may ask for; `page_size` (None: any) is the environment's."""

    max_query_depth: int = field(default=10, metadata=_read(values.at_least(1)))
    max_query_complexity: int = field(default=100, metadata=_read(values.at_least(1)))
    max_query_aliases: int = field(default=30, metadata=_read(values.at_least(0)))
    page_size: int | None = DEFAULT_PAGE_SIZE


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Section [auth]: who issues the tokens that a handshake takes; keys come from `jwks_uri` or by discovery."""

    issuer: str = field(metadata=_read(values.url("https", "http")))
    audience: str = field(metadata=_read(values.text))
    jwks_uri: str | None = field(default=None, metadata=_read(values.url("https", "http")))


@dataclass(frozen=True, slots=True)
class FlightSettings:
    """Section [flight]; `stall_seconds` is how long the client of an answer may take nothing of it."""

    max_streams: int = field(default=256, metadata=_read(values.at_least(1)))
    stall_seconds: int = field(default=30, metadata=_read(values.at_least(1)))


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Section [cache]: a Redis that keeps answers."""

    redis_url: str = field(repr=False, metadata=_read(values.url("redis", "rediss")))
    ttl_seconds: int = field(default=60, metadata=_read(values.at_least(1)))


@dataclass(frozen=True, slots=True)
class EventsSettings:
    """Section [events]: the ClickHouse table that ObserverEvents are read from."""

    clickhouse_url: str = field(metadata=_read(values.url("http", "https")))
    user: str = field(default="default", metadata=_read(values.text))
    password: str = field(default="", repr=False, metadata=_read(values.any_text))
    database: str = field(default="default", metadata=_read(values.text))
    table: str = field(default="fraiseql_events", metadata=_read(values.text))


@dataclass(frozen=True, slots=True)
class BulkSettings:
    """Section [bulk]: the tables of BulkExport, and whether BatchedQueries are served."""

    tables: tuple[str, ...] = field(default=(), metadata=_read(values.names))
    batched_queries: bool = field(default=False, metadata=_read(values.flag))


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration, checked. `compat` is "" or "upstream": whose way it is where both differ."""

    database_url: str = field(repr=False, metadata=_read(values.url("postgres", "postgresql")))
    schema_path: Path = field(metadata=_read(values.path))
    bind_addr: Address = field(default=Address("127.0.0.1", 8000), metadata=_read(values.address))
    flight_bind_addr: Address = field(default=Address("127.0.0.1", 50051), metadata=_read(values.address))
    flight_views: tuple[str, ...] = field(default=(), metadata=_read(values.names))
    flight_upload_tables: tuple[str, ...] = field(default=(), metadata=_read(values.names))
    query_timeout_seconds: int = field(default=30, metadata=_read(values.at_least(1)))
    metrics_enabled: bool = field(default=False, metadata=_read(values.flag))
    metrics_token: str | None = field(default=None, repr=False, metadata=_read(values.token))
    compat: str = field(default="", metadata=_read(values.one_of("", "upstream")))
    validation: Limits = field(default_factory=Limits)
    auth: AuthSettings | None = None
    flight: FlightSettings = field(default_factory=FlightSettings)
    cache: CacheSettings | None = None
    events: EventsSettings | None = None
    bulk: BulkSettings = field(default_factory=BulkSettings)
    session_secret: str | None = field(default=None, repr=False)


_SECTIONS: Mapping[str, type[Any]] = {
    "validation": Limits,
    "auth": AuthSettings,
    "flight": FlightSettings,
    "cache": CacheSettings,
    "events": EventsSettings,
    "bulk": BulkSettings,
}


def load(file: Path, environment: Mapping[str, str]) -> Settings:
    """Read a configuration file, with what the environment adds.

    Raises:
        ConfigError: it cannot be used; one line that names the key.
    """
    return _Reader(file).settings(environment)


class _Reader:
    """Checks one file; every problem is raised at the first key that has it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def settings(self, environment: Mapping[str, str]) -> Settings:
        content = content_of(self._file)
        found: dict[str, Any] = {}
        for name, kind in _SECTIONS.items():
            if name in content:
                found[name] = kind(**self._keys(f"{name}.", kind, content.pop(name)))
        found |= self._keys("", Settings, content)
        found["schema_path"] = self._file.parent / found["schema_path"]
        limits: Limits = found.get("validation", Limits())
        found["validation"] = replace(limits, page_size=self._page_size(environment))
        found["session_secret"] = environment.get(SECRET_VARIABLE) or None
        if found.get("metrics_enabled") and not found.get("metrics_token"):
            self._refuse(
                "metrics_token", "is missing", "add one of 16 characters or more, or set metrics_enabled = false"
            )
        return Settings(**found)

    def _keys(self, place: str, kind: type[Any], content: object) -> dict[str, Any]:
        if not isinstance(content, dict):
            self._refuse(place.rstrip("."), "is not a section", f"write [{place.rstrip('.')}] and its keys below")
        known = {key.name: key for key in fields(kind) if "read" in key.metadata}
        for name in content:
            if name not in known:
                wanted = [*known, *(f"[{section}]" for section in _SECTIONS if not place)]
                self._refuse(f"{place}{name}", "is no key", f"remove it, or use one of {', '.join(wanted)}")
        found = {}
        for name, key in known.items():
            if name in content:
                try:
                    found[name] = key.metadata["read"](content[name])
                except Unfit as problem:
                    self._refuse(f"{place}{name}", problem.what, problem.cure)
            elif key.default is MISSING:
                self._refuse(f"{place}{name}", "is missing", "add it")
        return found

    def _page_size(self, environment: Mapping[str, str]) -> int | None:
        given = environment.get(PAGE_SIZE_VARIABLE, str(DEFAULT_PAGE_SIZE))
        if given in ("0", "none"):
            return None
        if not given.isdecimal():
            self._refuse(PAGE_SIZE_VARIABLE, f"'{given}' is not a number of rows", "set a number, or 0 for no limit")
        return int(given)

    def _refuse(self, key: str, what: str, cure: str) -> NoReturn:
        raise ConfigError(f"{self._file}: {key}: {what}; {cure}")
