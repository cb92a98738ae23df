"""The configuration file: what may stand in it, what the environment may override, and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, NoReturn

from reference.toml_file import ConfigError, content_of

LONGEST_SOCKET_PATH = 107  # bytes; what Linux takes
LONGEST_TOPIC = 255  # bytes
LARGEST_MESSAGE = 1 << 30  # bytes; a frame must fit its length prefix
OVERRIDE_PREFIX = "MYCELIUM"
ROUTINGS = ("Fanout", "Queue")
OVERFLOWS = ("block", "drop_oldest")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Section [server]."""

    bind_address: str = field(metadata={"example": '"127.0.0.1"'})
    socket_path: str = field(metadata={"example": '"/run/mycelium.sock"'})
    max_connections: int = field(metadata={"least": 1, "example": "1000"})
    connection_timeout_ms: int = field(metadata={"least": 1, "example": "5000"})
    metrics_port: int | None = field(default=None, metadata={"least": 1, "most": 65535})
    drain_timeout_ms: int = field(default=5000, metadata={"least": 0})


@dataclass(frozen=True, slots=True)
class PerformanceSettings:
    """Section [performance]."""

    worker_threads: int = field(metadata={"least": 1, "example": "4"})
    channel_capacity: int = field(metadata={"least": 1, "example": "1000"})
    batch_size: int = field(metadata={"least": 1, "example": "1000"})
    flush_interval_ms: int = field(metadata={"least": 0, "example": "1"})


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """One [[topics]] entry."""

    name: str = field(metadata={"example": '"market_data"'})
    routing: str = field(metadata={"words": ROUTINGS})
    buffer_size: int = field(metadata={"least": 1, "example": "100000"})
    max_message_size: int = field(metadata={"least": 1, "most": LARGEST_MESSAGE, "example": "65536"})
    overflow: str = field(default="", metadata={"words": OVERFLOWS})  # "": what suits the routing


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration, checked. `notes` are lines for the log."""

    server: ServerSettings
    topics: tuple[TopicSettings, ...]
    performance: PerformanceSettings
    notes: tuple[str, ...] = ()


def load(file: Path, environment: Mapping[str, str]) -> Settings:
    """Read a configuration file, with what the environment overrides.

    Raises:
        ConfigError: it cannot be used; one line that names the key.
    """
    return _Reader(file, environment).settings()


class _Reader:
    """Checks one file; every problem is raised at the first key that has it."""

    def __init__(self, file: Path, environment: Mapping[str, str]) -> None:
        self._file, self._environment = file, environment
        self._notes: list[str] = []

    def settings(self) -> Settings:
        content = content_of(self._file)
        known = [f.name for f in fields(Settings) if f.name != "notes"]
        for name in known:
            if name not in content:
                self._refuse(name, "is missing", f"add the section [{name}]" if name != "topics" else "add [[topics]]")
        self._note_unknown("", content, known)
        server = self._section("server", ServerSettings, content["server"])
        performance = self._section("performance", PerformanceSettings, content["performance"])
        self._check_socket_path(server.socket_path)
        topics = self._topics(content["topics"])
        for name in sorted(self._environment):
            if name.startswith((f"{OVERRIDE_PREFIX}_SERVER_", f"{OVERRIDE_PREFIX}_PERFORMANCE_")):
                section, _, key = name.removeprefix(f"{OVERRIDE_PREFIX}_").lower().partition("_")
                kind = ServerSettings if section == "server" else PerformanceSettings
                if key not in {f.name for f in fields(kind)}:
                    self._notes.append(f"environment variable {name} names no key and is ignored")
        return Settings(server, topics, performance, tuple(self._notes))

    def _section(self, place: str, kind: type[Any], content: object) -> Any:
        if not isinstance(content, dict):
            self._refuse(place, "is not a section", f"write [{place}] and its keys below")
        self._note_unknown(f"{place}.", content, [f.name for f in fields(kind)])
        values = {}
        for key in fields(kind):
            name, value = f"{place}.{key.name}", content.get(key.name)
            variable = f"{OVERRIDE_PREFIX}_{place}_{key.name}".upper()
            if place in ("server", "performance") and variable in self._environment:
                value, name = self._overriding(variable, name, key.type), f"{name} (from {variable})"
            if value is not None:
                values[key.name] = self._value(name, value, str(key.type), key.metadata)
            elif key.default is MISSING:
                example = key.metadata.get("example") or f'"{key.metadata["words"][0]}"'
                self._refuse(name, "is missing", f"add it, such as {key.name} = {example}")
        return kind(**values)

    def _overriding(self, variable: str, name: str, kind: object) -> object:
        text = self._environment[variable]
        if "int" not in str(kind):
            return text
        try:
            return int(text)
        except ValueError:
            self._refuse(f"{name} (from {variable})", f"'{text}' is not a whole number", "set a number or unset it")

    def _value(self, name: str, value: object, kind: str, bounds: Mapping[str, Any]) -> object:
        if "int" in kind:
            if not isinstance(value, int) or isinstance(value, bool):
                self._refuse(name, f"{value!r} is not a whole number", "write a number without quotes")
            least, most = bounds["least"], bounds.get("most", 2**53)
            if not least <= value <= most:
                cure = f"use at least {least}" if value < least else f"use at most {most}"
                self._refuse(name, f"{value} is out of range", cure)
        elif not isinstance(value, str):
            self._refuse(name, f"{value!r} is not text", "write it in quotes")
        elif "words" in bounds and value not in bounds["words"]:
            self._refuse(name, f"'{value}' is not known", f"use {' or '.join(bounds['words'])} (case matters)")
        return value

    def _topics(self, content: object) -> tuple[TopicSettings, ...]:
        if not isinstance(content, list) or not content:
            self._refuse("topics", "there is none", "add at least one [[topics]] entry")
        topics: list[TopicSettings] = []
        for number, entry in enumerate(content):
            place = f"topics[{number}]"
            topic: TopicSettings = self._section(place, TopicSettings, entry)
            size = len(topic.name.encode())
            if not 1 <= size <= LONGEST_TOPIC or "\0" in topic.name:
                self._refuse(f"{place}.name", f"has {size} bytes", f"use 1 to {LONGEST_TOPIC} bytes and no NUL")
            if topic.name in {other.name for other in topics}:
                self._refuse(f"{place}.name", f"'{topic.name}' is a duplicate", "give every topic a name of its own")
            if not topic.overflow:
                overflow = "drop_oldest" if topic.routing == "Fanout" else "block"
                topic = TopicSettings(topic.name, topic.routing, topic.buffer_size, topic.max_message_size, overflow)
            topics.append(topic)
        return tuple(topics)

    def _check_socket_path(self, path: str) -> None:
        name = "server.socket_path"
        size = len(os.fsencode(path))
        if not 1 <= size <= LONGEST_SOCKET_PATH or "\0" in path:
            self._refuse(name, f"has {size} bytes", f"use a path of 1 to {LONGEST_SOCKET_PATH} bytes")

    def _note_unknown(self, place: str, content: Mapping[str, Any], known: list[str]) -> None:
        self._notes += [f"{self._file}: {place}{key}: unknown key, ignored" for key in content if key not in known]

    def _refuse(self, key: str, what: str, cure: str) -> NoReturn:
        raise ConfigError(f"{self._file}: {key}: {what}; {cure}")
