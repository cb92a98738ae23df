"""Faults of Citus' nodes on the real cluster: injected, seen by others, healed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import environments
from environments.config import load_environment
from environments.sections.cluster import citus_overlay
from environments.system import Running, use
from FaultLibrary.keywords import FaultKind, FaultLibrary

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def results(installation: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("citus-faults")
    base = load_environment("embedded").systems.cluster
    assert base is not None
    environment = load_environment("embedded", citus_overlay(base, installation))
    system = environments.start_system("cluster", environment, path)
    use(Running("embedded", "embedded", "quick", str(path), 2.0, 1, system=system, system_name="cluster"))
    yield path
    use(None)
    assert system.stop() == []


@pytest.mark.parametrize("target", ["citus-worker1", "citus-coordinator"])
@pytest.mark.parametrize("kind", [FaultKind.STOP, FaultKind.KILL_NODE, FaultKind.FREEZE])
def test_a_fault_of_a_node_is_seen_and_healed(results: Path, kind: FaultKind, target: str) -> None:
    library = FaultLibrary()
    try:
        library.inject_fault(kind, target)
        library.fault_should_be_in_effect()
        library.heal_fault()
        library.system_should_be_steady_again()
    finally:
        library.heal_all_faults()
    record = json.loads((results / "faults.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert None not in record["events"].values()
    assert f"of {target}; client: " in record["observer"]
