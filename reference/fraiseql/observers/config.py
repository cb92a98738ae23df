"""The configuration file: what may stand in it, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from reference.toml_file import ConfigError, content_of


class SinkName(StrEnum):
    """Where events go; each has a process of its own."""

    CLICKHOUSE = "clickhouse"
    SEARCH = "search"


@dataclass(frozen=True, slots=True)
class NatsSettings:
    """Section [nats]."""

    url: str = field(metadata={"schemes": ("nats",), "example": '"nats://127.0.0.1:4222"'})
    stream: str = "fraiseql_events"
    subject: str = "fraiseql.mutation"
    duplicate_window_seconds: int = field(default=20, metadata={"least": 1, "most": 3600})


@dataclass(frozen=True, slots=True)
class ClickHouseSettings:
    """Section [clickhouse]."""

    url: str = field(metadata={"schemes": ("http", "https"), "example": '"http://127.0.0.1:8123"'})
    user: str = "default"
    password: str = ""
    database: str = "default"
    table: str = "fraiseql_events"


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Section [search]."""

    url: str = field(metadata={"schemes": ("http", "https"), "example": '"http://127.0.0.1:9200"'})
    index_prefix: str = "fraiseql-events"


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """Section [batch]: how many events go to the sink at once, and how long the first may wait for the others."""

    size: int = field(default=2000, metadata={"least": 1, "most": 5000})
    linger_ms: int = field(default=100, metadata={"least": 0, "most": 10_000})


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """Section [retry]: the pause after a failure, doubled up to the longest."""

    first_ms: int = field(default=100, metadata={"least": 1, "most": 60_000})
    most_ms: int = field(default=5000, metadata={"least": 1, "most": 600_000})


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration, checked; the section of a sink may be missing for the other's observer."""

    nats: NatsSettings
    clickhouse: ClickHouseSettings | None
    search: SearchSettings | None
    batch: BatchSettings
    retry: RetrySettings


def load(file: Path, sink: SinkName) -> Settings:
    """Read a configuration file for the observer of one sink.

    Raises:
        ConfigError: it cannot be used; one line that names the key.
    """
    return _Reader(file).settings(sink)


class _Reader:
    """Checks one file; every problem is raised at the first key that has it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def settings(self, sink: SinkName) -> Settings:
        content = content_of(self._file)
        self._check_names("", content, Settings)
        for needed in ("nats", sink.value):
            if needed not in content:
                self._refuse(needed, "is missing", f"add the section [{needed}]")
        clickhouse, search = content.get("clickhouse"), content.get("search")
        return Settings(
            self._section("nats", NatsSettings, content["nats"]),
            None if clickhouse is None else self._section("clickhouse", ClickHouseSettings, clickhouse),
            None if search is None else self._section("search", SearchSettings, search),
            self._section("batch", BatchSettings, content.get("batch", {})),
            self._section("retry", RetrySettings, content.get("retry", {})),
        )

    def _section(self, place: str, kind: type[Any], content: object) -> Any:
        if not isinstance(content, dict):
            self._refuse(place, "is not a section", f"write [{place}] and its keys below")
        self._check_names(f"{place}.", content, kind)
        values = {}
        for key in fields(kind):
            name = f"{place}.{key.name}"
            if key.name in content:
                values[key.name] = self._value(name, content[key.name], str(key.type), key.metadata)
            elif key.default is MISSING:
                self._refuse(name, "is missing", f"add it, such as {key.name} = {key.metadata['example']}")
        return kind(**values)

    def _value(self, name: str, value: object, kind: str, bounds: Mapping[str, Any]) -> object:
        if kind == "int":
            if not isinstance(value, int) or isinstance(value, bool):
                self._refuse(name, f"{value!r} is not a whole number", "write a number without quotes")
            if not bounds["least"] <= value <= bounds["most"]:
                self._refuse(name, f"{value} is out of range", f"use {bounds['least']} to {bounds['most']}")
        elif not isinstance(value, str):
            self._refuse(name, f"{value!r} is not text", "write it in quotes")
        elif "schemes" in bounds:
            self._check_url(name, value, bounds["schemes"], bounds["example"])
        return value

    def _check_url(self, name: str, url: str, schemes: tuple[str, ...], example: str) -> None:
        try:
            parts = urlsplit(url)
            right = parts.scheme in schemes and bool(parts.hostname) and parts.port is not None
        except ValueError:
            right = False
        if not right:
            self._refuse(name, "is no address", f"write one with a port, such as {example}")

    def _check_names(self, place: str, content: Mapping[str, Any], kind: type[Any]) -> None:
        known = [key.name for key in fields(kind)]
        for key in content:
            if key not in known:
                self._refuse(f"{place}{key}", "is not known", f"use one of {', '.join(known)}, or remove it")

    def _refuse(self, key: str, what: str, cure: str) -> NoReturn:
        raise ConfigError(f"{self._file}: {key}: {what}; {cure}")
