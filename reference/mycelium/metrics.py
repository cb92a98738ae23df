"""The Prometheus page: the statistics, and the names that dashboards of the relay era know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reference.mycelium.statistics import TOPIC_COUNTERS, Traffic, snapshot
from reference.mycelium.topics import Topic

_TOPIC_HELP: Mapping[str, str] = {
    "published": "Messages accepted.",
    "copies": "Messages times the subscribers each had when it was published.",
    "delivered": "Copies handed completely to the kernel.",
    "dropped_no_subscriber": "Messages that had no subscriber.",
    "lagged": "Copies dropped because their subscriber was too slow.",
    "dropped_disconnected": "Copies dropped because their subscriber left.",
    "rejected_too_large": "Messages refused because of their size.",
    "subscribers": "Subscribers now.",
    "depth": "Copies that wait now.",
    "high_water": "Most copies that ever waited for one subscriber.",
}
_GAUGES = frozenset({"subscribers", "depth", "high_water", "connections_active"})


def page(traffic: Traffic, topics: Iterable[Topic]) -> str:
    """Return the page as text."""
    topics = list(topics)
    content = snapshot(traffic, topics)
    lines = [*_broker_lines(content), *_topic_lines(content["topics"])]
    for name, (kind, text, value) in legacy(traffic, topics).items():
        lines += _family(name, kind, text, [f"{name} {value:g}" if kind == "gauge" else f"{name} {value}"])
    return "\n".join(lines) + "\n"


def legacy(traffic: Traffic, topics: Iterable[Topic]) -> dict[str, tuple[str, str, float]]:
    """Return the metrics of the relay era: name -> (kind, help, value)."""
    topics = list(topics)
    refused = traffic.connections_rejected + traffic.frames_malformed
    return {
        "signals_received": ("counter", "Messages accepted.", sum(t.published for t in topics)),
        "signals_broadcasted": ("counter", "Copies delivered.", sum(t.delivered for t in topics)),
        "broadcast_errors": ("counter", "Copies lost.", sum(t.lagged + t.dropped_disconnected for t in topics)),
        "unknown_messages": ("counter", "Frames for a topic that is not there.", traffic.unknown_topic),
        "total_connections": ("counter", "Connections accepted.", traffic.connections_total),
        "active_connections": ("gauge", "Connections now.", traffic.connections_active),
        "registered_consumers": ("gauge", "Subscriptions now.", sum(len(t.subscriptions) for t in topics)),
        "connection_errors": ("counter", "Connections refused, or closed for a malformed frame.", refused),
        "cleanup_runs": ("counter", "Connections cleaned up after.", traffic.clean_ups),
        "consumers_cleaned": ("counter", "Those of them that had subscriptions.", traffic.consumers_cleaned),
        "last_cleanup_duration_ms": ("gauge", "How long the last took.", traffic.last_clean_up_seconds * 1000),
        "started_at": ("counter", "When the broker started, in seconds since 1970.", int(traffic.started_at)),
    }


def _broker_lines(content: Mapping[str, Any]) -> Iterator[str]:
    uptime = f"mycelium_uptime_seconds {content['uptime_ms'] / 1000}"
    yield from _family("mycelium_uptime_seconds", "gauge", "Time since the start.", [uptime])
    flat: dict[str, int] = {"unknown_topic": content["unknown_topic"]}
    for section in ("connections", "frames", "bytes", "reloads"):
        flat |= {f"{section}_{key}": value for key, value in content[section].items()}
    for key, value in flat.items():
        gauge = key in _GAUGES
        name = f"mycelium_{key}" if gauge or key.endswith("_total") else f"mycelium_{key}_total"
        text = f"{key.replace('_', ' ').capitalize()} {'now' if gauge else 'since the start'}."
        yield from _family(name, "gauge" if gauge else "counter", text, [f"{name} {value}"])


def _topic_lines(topics: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for key, text in _TOPIC_HELP.items():
        counter = key in TOPIC_COUNTERS
        name = f"mycelium_{key}_total" if counter else f"mycelium_{key}"
        values = [f'{name}{{topic="{_escaped(topic)}"}} {values[key]}' for topic, values in topics.items()]
        yield from _family(name, "counter" if counter else "gauge", text, values)


def _family(name: str, kind: str, text: str, values: list[str]) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *values]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
