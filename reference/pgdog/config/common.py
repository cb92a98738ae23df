"""Keys of [general] that both dialects have."""

from __future__ import annotations

from typing import TypedDict

from reference.pgdog.config.section import Section

PORTS = {"port": 6432, "admin_port": 6433, "metrics_port": 9090}
OWN = ("connect_timeout", "query_timeout", "mirror_queue_bytes")  # neither plan nor upstream have all three
_CONNECT_MS, _QUERY_MS, _QUEUE_BYTES = 500, 5000, 128 << 20


class Limits(TypedDict):
    """What bounds a replay, in the words of `Settings`."""

    connect_timeout: float
    query_timeout: float
    queue_bytes: int


def limits(general: Section) -> Limits:
    """Return what bounds a replay.

    Raises:
        ConfigError: one of the keys is wrong.
    """
    return {
        "connect_timeout": general.whole("connect_timeout", _CONNECT_MS, 1) / 1000,
        "query_timeout": general.whole("query_timeout", _QUERY_MS) / 1000,
        "queue_bytes": general.whole("mirror_queue_bytes", _QUEUE_BYTES, 1),
    }
