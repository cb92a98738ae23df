"""Real systems that faults are tried on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import environments
from environments.config import EnvironmentFile
from environments.system import Running, use
from FaultLibrary.keywords import FaultKind, FaultLibrary, Part


@contextmanager
def in_use(name: str, environment: EnvironmentFile, results: Path) -> Iterator[FaultLibrary]:
    """Start a system and make it the one in use; nothing of it may be left in the end."""
    system = environments.start_system(name, environment, results)
    use(Running("embedded", "embedded", "quick", str(results), 2.0, 1, system=system, system_name=name))
    try:
        yield FaultLibrary()
    finally:
        use(None)
        assert system.stop() == []


def whole_life(
    library: FaultLibrary, results: Path, kind: FaultKind, target: str, part: Part = "all", **condition: Any
) -> str:
    """Take a fault through its six steps, and return who saw it and what of it."""
    try:
        fault = library.inject_fault(kind, target, part, **condition)
        library.fault_should_be_in_effect()
        assert all(hit.pids or hit.link for hit in fault.hit)
        library.heal_fault()
        library.system_should_be_steady_again()
    finally:
        library.heal_all_faults()
    record = json.loads((results / "faults.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert record["target"] == target
    assert None not in record["events"].values()
    return str(record["observer"])
