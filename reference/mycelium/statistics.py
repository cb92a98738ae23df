"""Counters of the whole broker, and the statistics a client may ask for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from reference.mycelium.topics import Topic


class Traffic:
    """Counters; all of them only grow, except `connections_active`."""

    __slots__ = (
        "bytes_in", "bytes_out", "clean_ups", "connections_active", "connections_rejected", "connections_total",
        "consumers_cleaned", "frames_in", "frames_malformed", "frames_out", "last_clean_up_seconds", "reloads_failed",
        "reloads_ok", "started", "started_at", "unknown_topic",
    )  # fmt: skip

    def __init__(self) -> None:
        self.started, self.started_at = time.monotonic(), time.time()
        self.bytes_in = self.bytes_out = self.frames_in = self.frames_out = self.frames_malformed = 0
        self.connections_active = self.connections_total = self.connections_rejected = 0
        self.unknown_topic = self.reloads_ok = self.reloads_failed = 0
        self.clean_ups = self.consumers_cleaned = 0
        self.last_clean_up_seconds = 0.0


TOPIC_COUNTERS = (
    "published", "copies", "delivered", "dropped_no_subscriber", "lagged", "dropped_disconnected",
    "rejected_too_large",
)  # fmt: skip


def snapshot(traffic: Traffic, topics: Iterable[Topic]) -> dict[str, Any]:
    """Return all statistics as they are now."""
    return {
        "uptime_ms": round((time.monotonic() - traffic.started) * 1000),
        "connections": {
            "active": traffic.connections_active,
            "total": traffic.connections_total,
            "rejected": traffic.connections_rejected,
        },
        "frames": {"in": traffic.frames_in, "out": traffic.frames_out, "malformed": traffic.frames_malformed},
        "bytes": {"in": traffic.bytes_in, "out": traffic.bytes_out},
        "unknown_topic": traffic.unknown_topic,
        "reloads": {"ok": traffic.reloads_ok, "failed": traffic.reloads_failed},
        "topics": {topic.settings.name: topic_snapshot(topic) for topic in topics},
    }


def topic_snapshot(topic: Topic) -> dict[str, Any]:
    """Return the statistics of one topic; copies = delivered + lagged + dropped_disconnected + depth."""
    return {
        "routing": topic.routing,
        "overflow": topic.settings.overflow,
        **{name: getattr(topic, name) for name in TOPIC_COUNTERS},
        "subscribers": len(topic.subscriptions),
        "depth": topic.depth,
        "high_water": topic.high_water,
    }
