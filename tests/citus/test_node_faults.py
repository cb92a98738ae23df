"""Faults of Citus' nodes on the real cluster: injected, seen by others, healed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from environments.config import load_environment
from environments.sections.cluster import citus_overlay
from FaultLibrary.keywords import FaultKind, FaultLibrary
from tests.faults.real import in_use, whole_life

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("citus-faults")


@pytest.fixture(scope="module")
def library(installation: Path, results: Path) -> Iterator[FaultLibrary]:
    base = load_environment("embedded").systems.cluster
    assert base is not None
    with in_use("cluster", load_environment("embedded", citus_overlay(base, installation)), results) as one:
        yield one


@pytest.mark.parametrize("target", ["citus-worker1", "citus-coordinator"])
@pytest.mark.parametrize("kind", [FaultKind.STOP, FaultKind.KILL_NODE, FaultKind.FREEZE])
def test_a_fault_of_a_node_is_seen_and_healed(
    library: FaultLibrary, results: Path, kind: FaultKind, target: str
) -> None:
    assert f" of {target}; client: " in whole_life(library, results, kind, target)
