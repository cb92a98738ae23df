"""Families that both dialects have and no switch takes away: clients, what the replay holds, the process."""

from __future__ import annotations

import os
import time
from pathlib import Path

from reference.pgdog.metrics.text import Family
from reference.pgdog.state import Held

_PAGE = os.sysconf("SC_PAGE_SIZE")
_STARTED = time.time()


def families(held: Held) -> list[Family]:
    """Return them. No name has `mirror` in it: these stay where the mirror's are switched off."""
    processor = time.process_time()
    return [
        _gauge("clients", "Connected clients", len(held.clients)),
        _gauge("replay_sessions", "Sessions open for the replay", held.mirror_sessions),
        _gauge("replay_held_bytes", "Bytes held by transactions that are open or wait", held.bytes_held),
        _gauge("process_resident_memory_bytes", "Resident memory size in bytes", resident()),
        _gauge("process_open_fds", "Number of open file descriptors", len(os.listdir("/proc/self/fd")) - 1),
        _gauge("process_start_time_seconds", "Start time of the process since the epoch in seconds", _STARTED),
        Family("process_cpu_seconds_total", "counter", "Processor time spent in seconds", (({}, processor),)),
    ]


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE


def _gauge(name: str, text: str, value: float) -> Family:
    return Family(name, "gauge", text, (({}, value),))
