"""Faults on the real cluster, every kind, on every kind of service: about a minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from environments.config import load_environment
from FaultLibrary.keywords import FaultKind, FaultLibrary, Part
from tests.faults.real import in_use, whole_life
from tests.waiting import until

pytestmark = pytest.mark.servers

Case = tuple[FaultKind, str, Part, dict[str, float | bool | str]]

SERVICES: list[Case] = [
    *((FaultKind.STOP, name, "all", {}) for name in ("redis", "cache", "haproxy", "etcd", "any replica", "leader")),
    *((FaultKind.KILL, name, "all", {}) for name in ("redis", "cache", "haproxy", "etcd", "any replica")),
    *((FaultKind.KILL, name, "postmaster", {}) for name in ("leader", "any replica")),
    *((FaultKind.KILL_NODE, name, "all", {}) for name in ("redis", "cache", "haproxy", "etcd", "any replica")),
    *((FaultKind.FREEZE, name, "all", {}) for name in ("redis", "cache", "haproxy", "etcd", "any replica", "leader")),
    (FaultKind.FREEZE, "leader", "walsenders", {}),
]
CONDITIONS: list[dict[str, float | bool | str]] = [
    {"cut": True},
    {"reset": True},
    {"hang": True},
    {"hang": True, "direction": "to-client"},
    {"latency_ms": 50.0},
    {"latency_ms": 60.0, "jitter_ms": 30.0},
    {"bandwidth_bytes_per_second": 30_000.0},
]
LINKS = ("client-primary", "client-replicas", "client-redis", "cache-redis", "cache-database", "leader-etcd")
CASES: list[Case] = [
    *SERVICES,
    *((FaultKind.LINK, link, "all", condition) for link in LINKS for condition in CONDITIONS),
]
"""A leader node that is killed is not among them: it costs its lease of 20 s, and criteria do it."""


def told(value: object) -> str:
    return value.value if isinstance(value, FaultKind) else " ".join(value) if isinstance(value, dict) else str(value)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def library(results: Path) -> Iterator[FaultLibrary]:
    with in_use("cluster", load_environment("embedded"), results) as one:
        yield one


@pytest.mark.parametrize(("kind", "target", "part", "condition"), CASES, ids=told)
def test_a_fault_is_injected_seen_and_healed(
    library: FaultLibrary,
    results: Path,
    kind: FaultKind,
    target: str,
    part: Part,
    condition: dict[str, float | bool | str],
) -> None:
    library.system_should_be_steady_again()
    observer = whole_life(library, results, kind, target, part, **condition)
    assert observer.startswith(("process table: ", "client through "))


def farewells(results: Path) -> int:
    return (results / "sut" / "redis" / "redis.log").read_text(encoding="utf-8").count("now ready to exit, bye bye")


def test_who_is_stopped_can_finish_and_who_is_killed_cannot(results: Path, library: FaultLibrary) -> None:
    for kind, said in ((FaultKind.STOP, 1), (FaultKind.KILL, 0), (FaultKind.KILL_NODE, 0)):
        before = farewells(results)
        library.inject_fault(kind, "redis")
        library.fault_should_be_in_effect()
        assert farewells(results) - before == said, kind
        library.heal_all_faults()


def test_a_leader_that_is_stopped_hands_over_before_its_lease_ends(library: FaultLibrary) -> None:
    library.system_should_be_steady_again()
    before = library._view().leader.name
    try:
        library.inject_fault(FaultKind.STOP, "leader")
        until(lambda: library._view().leader.name != before, "a new leader", 10, not_yet=(LookupError, OSError))
        library.fault_should_be_in_effect()
    finally:
        library.heal_all_faults()


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
