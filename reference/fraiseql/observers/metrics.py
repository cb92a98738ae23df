"""Numbers of an observer, as Prometheus reads them, and whether it is healthy."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, generate_latest

from reference.fraiseql.observers.config import SinkName

_PREFIX = "fraiseql_observer"
_COUNTERS = {
    "received": "Messages taken from the stream.",
    "written": "Events that the sink did not have before.",
    "redelivered": "Messages that an observer had been given before.",
    "already_there": "Events that the sink had already.",
    "retries": "Attempts to write that failed and were repeated.",
    "dead_letters": "Messages kept as dead letters.",
}
_GAUGES = {
    "pending": "Messages of the stream that are not acknowledged yet.",
    "lag_seconds": "From the oldest event of the last batch to when it was written.",
}


class Metrics:
    """Counters and gauges by the last part of their names, and what the observer waits for."""

    def __init__(self, sink: SinkName) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.sink = sink
        self.registry = CollectorRegistry()
        self._counters = {name: self._made(Counter, name, text) for name, text in _COUNTERS.items()}
        self._gauges = {name: self._made(Gauge, name, text) for name, text in _GAUGES.items()}
        self.begun = False  # whether it has read the stream once
        self._waits_for: dict[str, str] = {}

    def add(self, name: str, amount: int = 1) -> None:
        """Count."""
        self._counters[name].inc(amount)

    def show(self, name: str, value: float) -> None:
        """Set a gauge."""
        self._gauges[name].set(value)

    def page(self) -> bytes:
        """Return the Prometheus page."""
        return generate_latest(self.registry)

    def wait_for(self, service: str, why: str) -> bool:
        """Note that a service is away; return whether that is news."""
        news = service not in self._waits_for
        self._waits_for = {**self._waits_for, service: why}
        return news

    def has(self, service: str) -> bool:
        """Note that a service is there; return whether that is news."""
        news = service in self._waits_for
        self._waits_for = {name: why for name, why in self._waits_for.items() if name != service}
        return news

    def health(self) -> dict[str, Any]:
        """Return what there is to say: `status` is `ok`, `starting`, or `waiting` with what it waits for and why."""
        waits_for = self._waits_for
        status = "waiting" if waits_for else "ok" if self.begun else "starting"
        return {"status": status, "sink": self.sink.value, "waits_for": waits_for}

    def _made(self, kind: Any, name: str, text: str) -> Any:
        return kind(f"{_PREFIX}_{name}", text, ["sink"], registry=self.registry).labels(self.sink.value)
