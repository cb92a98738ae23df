"""Counters of the program, as Prometheus text."""

from __future__ import annotations

import threading
from collections.abc import Mapping

COUNTERS: Mapping[str, str] = {
    "cache_hits_total": "Reads answered from Redis.",
    "cache_misses_total": "Reads that asked Redis, found nothing there and went to the database.",
    "cache_bypassed_reads_total": "Reads that went to the database because Redis could not be used or was not wanted.",
    "cache_fills_total": "Entries stored in Redis by a reader after its miss.",
    "cache_fills_rejected_total": "Entries not stored because the row was written since the miss.",
    "cache_writes_stored_total": "Entries stored in Redis by a write-through.",
    "cache_invalidations_total": "Keys whose entry was removed from Redis because the row was written.",
    "cache_redis_errors_total": "Commands that Redis did not answer, or answered with an error.",
    "cache_generations_total": "Generations of entries begun; each after the first follows one that was abandoned.",
    "cache_database_reads_total": "Rows asked of the database.",
    "cache_database_writes_total": "Rows written to or deleted from the database.",
    "cache_database_errors_total": "Statements the database did not answer, or answered with an error.",
}


class Metrics:
    """Counters that threads may share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values = dict.fromkeys(COUNTERS, 0)

    def add(self, name: str, amount: int = 1) -> None:
        """Count."""
        with self._lock:
            self._values[name] += amount

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """Render all counters, and gauges given as name -> (help, value)."""
        with self._lock:
            values = dict(self._values)
        lines = []
        for name, help_text in COUNTERS.items():
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} counter", f"{name} {values[name]}"]
        for name, (help_text, value) in gauges.items():
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"
