"""A run that is broken off leaves nothing of the real cluster behind, whichever step it was in."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from environments.config import ROOT
from environments.embedded.processes import wait_until

pytestmark = pytest.mark.servers


class Started:
    """A run of one criterion that takes five seconds, on a cluster with a state directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "state"
        self.output = directory / "console.txt"
        environment = directory / "here.yaml"
        environment.write_text(f"extends: embedded\nname: here\nrun_directory: {self.state}\n", encoding="utf-8")
        command = [sys.executable, "-P", "-m", "runner", "--environment", str(environment), "--criterion", "HA-02"]
        with self.output.open("w", encoding="utf-8") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        self.before = set((ROOT / "results").iterdir())

    def services(self) -> list[int]:
        """Processes that name the state directory."""
        return [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if process.pid != self.process.pid and str(self.state) in " ".join(process.info["cmdline"] or [])
        ]

    def results(self) -> Path | None:
        """The run's artifacts, None before they are there."""
        new = [path for path in set((ROOT / "results").iterdir()) - self.before if (path / "environment.yaml").exists()]
        return next((path for path in new if str(self.state) in (path / "environment.yaml").read_text()), None)

    def is_starting(self) -> bool:
        """Some service has been started, and the cluster is not up."""
        return len(self.services()) > 2

    def is_running_the_criterion(self) -> bool:
        """The sampler begins when the cluster is up."""
        results = self.results()
        return results is not None and (results / "samples.jsonl").exists()

    def has_judged(self) -> bool:
        """The verdict is printed; teardown is next."""
        return "pass " in self.output.read_text(encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Started]:
    started = Started(tmp_path)
    yield started
    results = started.results()
    if results is not None:
        shutil.rmtree(results)


def until(condition: Callable[[], bool], what: str) -> None:
    wait_until(lambda: None if condition() else f"not {what}", 40, what)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("step", ["is_starting", "is_running_the_criterion", "has_judged"])
def test_a_signal_stops_everything_in_each_step(run: Started, step: str, number: signal.Signals) -> None:
    until(getattr(run, step), step)
    run.process.send_signal(number)
    code = run.process.wait(timeout=40)
    assert code == 1 or (code == 0 and step == "has_judged"), "the criterion did not end, so it counts as failed"
    assert run.services() == []
    assert list(run.state.iterdir()) == []
    text = run.output.read_text(encoding="utf-8")
    assert text.rstrip().endswith("skipped"), "no closing line"
    assert "Traceback" not in text


def test_sigkill_leaves_nothing_of_the_cluster(run: Started) -> None:
    until(run.is_running_the_criterion, "running")
    run.process.kill()
    run.process.wait(timeout=10)
    until(lambda: run.services() == [], "gone")
    until(lambda: list(run.state.iterdir()) == [], "removed")
