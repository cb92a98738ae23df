"""Faults on a real broker behind its Unix socket, every kind: about 6 s."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.config import load_environment
from FaultLibrary.keywords import FaultKind, FaultLibrary
from tests.faults.real import in_use, whole_life

pytestmark = pytest.mark.servers

CASES: list[tuple[FaultKind, str, dict[str, float | bool | str], str]] = [
    (FaultKind.STOP, "broker", {}, "process table: gone are 1 of broker; client: refuses"),
    (FaultKind.KILL, "broker", {}, "process table: gone are 1 of broker; client: refuses"),
    (FaultKind.KILL_NODE, "broker", {}, "process table: gone are 1 of broker; client: refuses"),
    (FaultKind.FREEZE, "broker", {}, "process table: stopped are 1 of broker; client: is silent"),
    (FaultKind.LINK, "client-broker", {"cut": True}, "client through client-broker refuses"),
    (FaultKind.LINK, "client-broker", {"reset": True}, "client through client-broker resets"),
    (FaultKind.LINK, "client-broker", {"hang": True}, "client through client-broker is silent, nothing passed"),
    (FaultKind.LINK, "client-broker", {"hang": True, "direction": "to-client"}, "client through client-broker is sil"),
    (FaultKind.LINK, "client-broker", {"latency_ms": 50.0}, "client through client-broker answers after 0.1"),
    (FaultKind.LINK, "client-broker", {"latency_ms": 60.0, "jitter_ms": 30.0}, "client through client-broker answers"),
    (FaultKind.LINK, "client-broker", {"bandwidth_bytes_per_second": 30_000.0}, "client through client-broker answers"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def library(results: Path) -> Iterator[FaultLibrary]:
    with in_use("broker", load_environment("embedded"), results) as one:
        yield one


@pytest.mark.parametrize(("kind", "target", "condition", "seen"), CASES)
def test_a_fault_is_injected_seen_and_healed(
    library: FaultLibrary,
    results: Path,
    kind: FaultKind,
    target: str,
    condition: dict[str, float | bool | str],
    seen: str,
) -> None:
    assert whole_life(library, results, kind, target, "all", **condition).startswith(seen)
