"""A run directory as a real run leaves it, made in a second: real log, real records, invented numbers."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from robot import run as run_robot

from measurement.records import Origin, Recorder, Target, record_of
from measurement.results import LoadResult, Samples
from measurement.verdicts import Judgement, Verdict
from oracles.history import HistoryWriter, Kind, Operation, Result

START = 1_795_256_600.0
LOST = "lost 14 of 1200 acknowledged writes (first: 88, 41 ms after the kill) | <b>not bold</b>"
WEAK = "INCONCLUSIVE: 3 acknowledged writes before the fault, at least 50 needed"
NEEDS = "needs citus, which this environment does not declare"
CRITERIA: tuple[tuple[str, str, str, str], ...] = (
    ("CL-01", "integration", "The primary port leads to PostgreSQL", "Log    fine"),
    ("CT-01", "integration", "Every node has Citus", f"Skip    CT-01 (004 TestCitus) {NEEDS}"),
    ("CT-02", "integration", "All workers are active|ready", f"Skip    CT-02 (004 TestCitus) {NEEDS}"),
    ("CL-16", "performance", "A look-up by key has a p99 below 100 ms at 200 requests per second", "Log    fine"),
    ("HA-10", "chaos", "A switchover stops writes for less than 10 seconds", "Log    fine"),
    ("HA-11", "chaos", "No acknowledged write is lost when the leader is killed", f"Fail    {LOST}"),
    ("HA-12", "chaos", "PostgreSQL killed alone is restarted in place", f"Fail    {WEAK}"),
)
BUDGETS: Mapping[str, list[dict[str, Any]]] = {
    "CL-16": [{"limit": 100, "unit": "ms", "of": "p99 latency"}],
    "HA-10": [{"limit": 10, "unit": "s", "of": "write gap"}],
    "HA-11": [{"limit": 25, "unit": "s", "of": "takeover"}],
}


KILLS = {
    "CL-16": {"defect": "key-index-missing", "date": "2026-11-20", "sha": "a", "seconds": 1.0, "message": "p99 is 9 s"},
    "HA-10": {"defect": "admits-late", "date": "2026-11-19", "sha": "a", "seconds": 1.0, "message": "stopped | <b>"},
    "XX-01": {"defect": "of-another-run", "date": "2026-11-21", "sha": "a", "seconds": 1.0, "message": ""},
}


class FakeRun:
    """Writes the files of a run; tests leave some out or damage them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def everything(self) -> Path:
        self.directory.mkdir(parents=True)
        self.robot()
        self.selection()
        self.fingerprint()
        self.measurement()
        self.histories()
        self.samples()
        self.lines("faults", [self.fault("kill-node", "leader", "HA-11", 2.0)])
        self.lines("timings", self.timings())
        self.lines("values", [{"criterion": "HA-10", "of": "write gap", "value": 1.4, "unit": "s"}])
        (self.directory / "sut" / "etcd").mkdir(parents=True)
        (self.directory / "sut" / "etcd" / "etcd.log").write_text("ready\n")
        return self.directory

    def robot(self) -> None:
        suites = self.directory / "suites"
        suites.mkdir()
        for number, phase in enumerate(("integration", "performance", "chaos")):
            tests = [
                f"{statement}\n    [Tags]    {identifier}\n    {body}\n"
                for identifier, of, statement, body in CRITERIA
                if of == phase
            ]
            head = f"*** Settings ***\nTest Tags    phase:{phase}    system:cluster\n\n*** Test Cases ***\n"
            (suites / f"0{number}__{phase}.robot").write_text(head + "\n".join(tests))
        options = {"outputdir": str(self.directory), "xunit": "xunit.xml", "name": "Acceptance", "console": "none"}
        run_robot(str(suites), stdout=io.StringIO(), stderr=io.StringIO(), **options)

    def selection(self) -> None:
        content = [
            {
                "id": identifier,
                "statement": statement,
                "phase": phase,
                "system": "cluster",
                "source": f"004 Test{identifier}",
                "needs": ["patroni"],
                "budgets": BUDGETS.get(identifier, []),
            }
            for identifier, phase, statement, _ in CRITERIA
        ]
        (self.directory / "criteria.json").write_text(json.dumps(content))

    def fingerprint(self, **changes: Any) -> None:
        member = {"kind": "real", "version": "Patroni 4.1.5", "address": "127.0.0.1:1", "provider": "Python package"}
        content = {
            "run_id": self.directory.name,
            "environment": "embedded",
            "driver": "embedded",
            "profile": "quick",
            "seed": 8731,
            "started_at": "2026-11-21T10:23:20+00:00",
            "git": "abc1234",
            "defect": None,
            "host": {"cpu": "A processor", "cores": 2, "memory_mib": 24000, "kernel": "6.18"},
            "services": [
                *({"name": f"member{n}", **member} for n in (1, 2, 3)),
                {**member, "name": "cache", "kind": "reference", "version": "1.0"},
            ],
            **changes,
        }
        (self.directory / "environment.json").write_text(json.dumps(content))

    def measurement(self, p99: float = 0.0125) -> None:
        generator = np.random.default_rng(7)
        intended = np.arange(0, 5.5, 0.005)
        took = generator.gamma(2.0, p99 / 7, size=len(intended))
        samples = Samples(intended, intended, intended, intended + took, np.zeros(len(intended), dtype=np.int16))
        load = LoadResult("open", 8, START, 5.5, 0.5, samples, client_cpu_percent=12.0)
        record = record_of(
            "look-up by key",
            load,
            judgement=Judgement(Verdict.PASS, "p99 is 12.5 ms, budget 100 ms (n = 1000)"),
            target=Target("p99 latency", 100, "ms"),
            origin=Origin(criterion="CL-16", phase="performance"),
        )
        Recorder(self.directory / "measurements.jsonl").write(record)

    def histories(self, criterion: str = "HA-11") -> None:
        """A leader is killed 2 s into the writes; 3 s later another one takes over."""
        directory = self.directory / "histories"
        with HistoryWriter(directory / f"{criterion}-ledger.jsonl", "ledger", criterion) as ledger:
            for number in range(1000):
                at = START + number / 100
                outcome = Result.FAILED if 2.0 <= at - START < 5.0 else Result.ACKED
                ledger.append(Operation(number, Kind.WRITE, at, at + 0.004, outcome, node="member1"))
        with HistoryWriter(directory / f"{criterion}-primaries.jsonl", "primaries", criterion) as primaries:
            for number in range(100):
                at = START + number / 10
                for node, leads in (("member1", at < START + 2), ("member2", at >= START + 5), ("member3", False)):
                    primaries.append(Operation("primary", Kind.OBSERVE, at, at + 0.01, Result.OBSERVED, leads, node))

    def samples(self) -> None:
        self.lines(
            "samples",
            [
                {"t": START + t / 2, "service": service, "cpu_percent": 1.0, "rss_bytes": size << 20, "fds": 20}
                for t in range(40)
                for service, size in (("member1", 180), ("member2", 140), ("etcd", 30))
            ],
        )

    def fault(self, kind: str, target: str, criterion: str, after: float) -> dict[str, Any]:
        instants = {"prepared": -0.1, "injected": 0.0, "in_effect": 0.05, "healed": 3.5, "steady": 6.0, "cleaned": 6.1}
        return {
            "criterion": criterion,
            "fault": kind,
            "target": target,
            "observer": "process table: gone are 25",
            "hit": [{"service": "member1", "role": "leader", "part": "all", "pids": [1, 2, 3]}],
            "events": {name: START + after + offset for name, offset in instants.items()},
        }

    def timings(self) -> list[dict[str, Any]]:
        return [
            {"what": "start cluster", "kind": "startup", "seconds": 4.0, "ended": START + 4, "criterion": None},
            {"what": "steady", "kind": "waiting", "seconds": 6.0, "ended": START + 20, "criterion": "HA-11"},
            {"what": "member1 to stream", "kind": "waiting", "seconds": 2.0, "ended": START + 18, "criterion": "HA-11"},
            {"what": "writes", "kind": "measuring", "seconds": 3.0, "ended": START + 16, "criterion": "HA-11"},
            {"what": "stop cluster", "kind": "teardown", "seconds": 1.0, "ended": START + 21, "criterion": None},
        ]

    def lines(self, name: str, records: list[dict[str, Any]]) -> None:
        (self.directory / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture(scope="session")
def made_once(tmp_path_factory) -> Path:
    """A whole run, read only."""
    return FakeRun(tmp_path_factory.mktemp("results") / "20261121-102320-ab12").everything()


@pytest.fixture(scope="session")
def kills(tmp_path_factory) -> Path:
    """A record of what has been proven able to fail."""
    path: Path = tmp_path_factory.mktemp("proof") / "kills.json"
    path.write_text(json.dumps(KILLS))
    return path


@pytest.fixture
def fake(tmp_path) -> FakeRun:
    """A run directory to be filled."""
    return FakeRun(tmp_path / "20261121-102320-ab12")
