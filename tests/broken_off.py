"""A program on a real cluster with a state directory of its own, to be broken off."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from environments.config import ROOT
from runner.children import start
from tests.waiting import until

RESULTS = ROOT / "results"


class Started:
    """One module of this project, run as a program.

    Args:
        directory: for its environment file, its console and, in `state`, its services.
        module: with the arguments it gets beyond the environment.
    """

    def __init__(self, directory: Path, *module: str) -> None:
        self.state = directory / "state"
        self.output = directory / "console.txt"
        environment = directory / "here.yaml"
        environment.write_text(f"extends: embedded\nname: here\nrun_directory: {self.state}\n", encoding="utf-8")
        self.before = set(RESULTS.iterdir())
        command = [sys.executable, "-P", "-m", *module, "--environment", str(environment)]
        with self.output.open("w", encoding="utf-8") as output:
            self.process = start(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until it has come to some place, or until it has ended before.

        What was seen counts, even if it has passed since: a service's own helpers come and go while it starts.
        """
        seen = until(lambda: (condition() and "there") or (self.process.poll() is not None and "ended"), what, 40)
        assert seen == "there", f"it ended before it was {what}: {self.text()}"

    def services(self) -> list[int]:
        """Processes that name the state directory."""
        return [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if process.pid != self.process.pid and str(self.state) in " ".join(process.info["cmdline"] or [])
        ]

    def is_starting(self) -> bool:
        """Some service has been started, and the cluster is not up."""
        return len(self.services()) > 2

    def results(self) -> Path | None:
        """Its artifacts, None before they are there."""
        new = {path for path in RESULTS.iterdir() if not path.is_symlink()} - self.before
        return next((path for path in new if self._is_of_here(path)), None)

    def text(self) -> str:
        """What it has said so far."""
        return self.output.read_text(encoding="utf-8")

    def is_gone(self) -> bool:
        """Neither a process nor a file of the services is left."""
        return self.services() == [] and list(self.state.iterdir()) == []

    def _is_of_here(self, results: Path) -> bool:
        files = results.rglob("environment.yaml")
        return any(f"run_directory: {self.state}" in file.read_text(encoding="utf-8") for file in files)


@contextmanager
def started(directory: Path, *module: str) -> Iterator[Started]:
    """Start it, and leave nothing of it, not even its artifacts."""
    one = Started(directory, *module)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()
        for pid in one.services():
            with suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()
        if (results := one.results()) is not None:
            shutil.rmtree(results)
