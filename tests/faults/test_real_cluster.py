"""Faults on the real cluster, one of each family: about 25 s."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import environments
from environments.config import load_environment
from environments.system import Running, use
from FaultLibrary.keywords import FaultKind, FaultLibrary

pytestmark = pytest.mark.servers

CASES: list[tuple[FaultKind, str, str, dict[str, float | bool | str]]] = [
    (FaultKind.LINK, "client-primary", "all", {"latency_ms": 40.0}),
    (FaultKind.LINK, "leader-etcd", "all", {"cut": True}),
    (FaultKind.LINK, "client-redis", "all", {"hang": True}),
    (FaultKind.FREEZE, "redis", "all", {}),
    (FaultKind.FREEZE, "leader", "walsenders", {}),
    (FaultKind.FREEZE, "leader", "all", {}),
    (FaultKind.KILL, "etcd", "all", {}),
    (FaultKind.KILL, "leader", "postmaster", {}),
    (FaultKind.KILL_NODE, "any replica", "all", {}),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("faults")
    system = environments.start_system("cluster", load_environment("embedded"), path)
    use(Running("embedded", "embedded", "quick", str(path), 2.0, 1, system=system, system_name="cluster"))
    yield path
    use(None)
    assert system.stop() == []


@pytest.fixture(scope="module")
def library(results: Path) -> FaultLibrary:
    return FaultLibrary()


@pytest.mark.parametrize(("kind", "target", "part", "condition"), CASES)
def test_a_fault_is_injected_seen_and_healed(
    results: Path,
    library: FaultLibrary,
    kind: FaultKind,
    target: str,
    part: str,
    condition: dict[str, float | bool | str],
) -> None:
    library.system_should_be_steady_again()
    try:
        fault = library.inject_fault(kind, target, part, **condition)
        library.fault_should_be_in_effect()
        assert all(hit.pids or hit.link for hit in fault.hit)
        library.heal_fault()
        library.system_should_be_steady_again()
    finally:
        library.heal_all_faults()
    record = json.loads((results / "faults.jsonl").read_text().splitlines()[-1])
    assert record["target"] == target
    assert all(record["events"].values())
    assert record["observer"].startswith(("process table: ", "client through "))


def test_two_faults_can_be_in_force_and_are_healed_together(library: FaultLibrary) -> None:
    library.system_should_be_steady_again()
    try:
        frozen = library.inject_fault(FaultKind.FREEZE, "leader", "walsenders")
        library.fault_should_be_in_effect()
        library.fault_should_stay_in_effect_for(timedelta(seconds=0.5))
        killed = library.inject_fault(FaultKind.KILL_NODE, "leader")
        library.fault_should_be_in_effect()
        assert frozen.hit[0].service == killed.hit[0].service
        assert set(frozen.hit[0].pids) < set(killed.hit[0].pids), "the frozen ones died with their node"
        library.heal_fault()
    finally:
        library.heal_all_faults()
