"""The toy project that the runner is tested with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner import selection
from runner.children import start
from runner.places import Places

TOY = Path(__file__).parent / "toy"


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Toy suites with a results directory of their own; nothing of this machine is asked for."""
    monkeypatch.setattr(selection, "preflight", lambda environment: [])
    return Places(tmp_path, TOY / "suites", TOY / "variables", tmp_path / "results")


class ToyRuns:
    """Starts the runner on the toy suites in a process of its own."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("ROBOT_")}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return start(
            [sys.executable, str(TOY / "run.py"), str(self.results), *arguments],
            env=self._environment,
            cwd=self.results.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def finish(self, *arguments: str) -> tuple[int, list[str], str]:
        """Run to the end; return exit code, lines of the standard output, text of the standard error."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out.rstrip("\n").split("\n"), err

    @property
    def latest(self) -> Path:
        return (self.results / "latest").resolve()


@pytest.fixture
def toy(tmp_path):
    return ToyRuns(tmp_path / "results")
