"""Configuration files for brokers of a test's own: right ones, and wrong ones with the key that is wrong in each."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Value = str | int | list[Any]


@dataclass(frozen=True, slots=True)
class Topic:
    """One `[[topics]]` table."""

    name: str
    routing: str = "Fanout"
    buffer_size: int = 1000  # messages
    max_message_size: int = 1024  # bytes of payload
    overflow: str | None = None  # None: left to the broker


@dataclass(frozen=True, slots=True)
class WrongConfiguration:
    """A file that no broker may start with, and the word by which its message must name the mistake."""

    what: str
    text: str
    key: str


def configuration(topics: Sequence[Topic], **server: Value) -> str:
    """Return a configuration file; `@socket_path@` and `@metrics_port@` in it are filled in by the environment.

    Args:
        topics: its topics.
        **server: keys of `[server]` that differ from the usual ones.
    """
    return written(_content(topics, server))


def written(content: Mapping[str, Any]) -> str:
    """Write sections and lists of sections as TOML, in which a number may be the text `@metrics_port@`."""
    lines: list[str] = []
    for name, section in content.items():
        if isinstance(section, list) and section:
            for table in section:
                lines += [f"[[{name}]]", *_pairs(table)]
        elif isinstance(section, list):
            lines = [f"{name} = []", *lines]  # a key of no section stands before the first one
        else:
            lines += [f"[{name}]", *_pairs(section)]
    return "\n".join(lines) + "\n"


def wrong_configurations() -> list[WrongConfiguration]:
    """Return files that are right but for one thing each.

    The first three are the ticket's own (MYC-003), then come keys it has no default for, then what section 2.6 of the
    contract rejects as fatal or nonsensical.
    """
    return [
        _changed("no connection allowed", "max_connections", "server", max_connections=0),
        _changed("no worker", "worker_threads", "performance", worker_threads=0),
        _twice("signals"),
        _changed("no address", "bind_address", "server", bind_address=None),
        _changed("no socket", "socket_path", "server", socket_path=None),
        _changed("no flush interval", "flush_interval_ms", "performance", flush_interval_ms=None),
        _topic("a topic without routing", "routing", routing=None),
        _topic("a topic without a limit", "max_message_size", max_message_size=None),
        _topic("a buffer for nothing", "buffer_size", buffer_size=0),
        _topic("a negative buffer", "buffer_size", buffer_size=-1),
        _topic("no message allowed", "max_message_size", max_message_size=0),
        _topic("a routing in lower case", "routing", routing="fanout"),
        _topic("a topic without a name", "name", name=""),
        _topic("a name of 256 bytes", "name", name="t" * 256),
        _changed("a channel for nothing", "channel_capacity", "performance", channel_capacity=0),
        _changed("a number in words", "max_connections", "server", max_connections="many"),
        _changed("a path too long for a socket", "socket_path", "server", socket_path="@socket_path@" + "p" * 108),
        _without_topics(),
        WrongConfiguration("no TOML", "[server\nmax_connections = 5\n", "broker.toml"),
    ]


def _content(topics: Sequence[Topic], server: Mapping[str, Value]) -> dict[str, Any]:
    return {
        "server": {
            "bind_address": "127.0.0.1",
            "socket_path": "@socket_path@",
            "max_connections": 100,
            "connection_timeout_ms": 5000,
            "metrics_port": "@metrics_port@",
            **server,
        },
        "performance": {"worker_threads": 2, "channel_capacity": 1000, "batch_size": 100, "flush_interval_ms": 1},
        "topics": [{k: v for k, v in asdict(topic).items() if v is not None} for topic in topics],
    }


def _pairs(table: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in table.items() if value is not None]


def _value(value: Value) -> str:
    if value == "@metrics_port@" or isinstance(value, int):
        return str(value)
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _right() -> dict[str, Any]:
    return _content([Topic("market_data"), Topic("signals"), Topic("execution", "Queue")], {})


def _changed(what: str, key: str, section: str, **change: Value | None) -> WrongConfiguration:
    content = copy.deepcopy(_right())
    content[section].update(change)
    return WrongConfiguration(what, written(content), key)


def _topic(what: str, key: str, **change: Value | None) -> WrongConfiguration:
    content = copy.deepcopy(_right())
    content["topics"][1].update(change)
    return WrongConfiguration(what, written(content), key)


def _twice(name: str) -> WrongConfiguration:
    content = copy.deepcopy(_right())
    content["topics"].append(dict(next(topic for topic in content["topics"] if topic["name"] == name)))
    return WrongConfiguration("a topic that stands twice", written(content), name)


def _without_topics() -> WrongConfiguration:
    return WrongConfiguration("no topics", written({**_right(), "topics": []}), "topics")
