"""What the checks start ends with them, however they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from environments.config import ROOT
from tests.waiting import until

CHECKS = """
import sys
from pathlib import Path
from runner import checks
from runner.places import Places
checks.CHECKS = (*checks.CHECKS, checks.Check("tool", "", checks._tool("hold")))
sys.exit(checks.main(["--only", sys.argv[1]], Places.below(Path.cwd())))
"""

HOLD = """
import os, subprocess, sys
from contextlib import contextmanager
from pathlib import Path
from runner.children import start, terminate_like_interrupt

@contextmanager
def service():
    program = [sys.executable, "-c", "import threading; threading.Event().wait(60)"]
    with terminate_like_interrupt(), start(program) as one:
        try:
            draft = Path("draft")
            draft.write_text(f"{os.getpid()} {one.pid}")
            draft.rename("started")
            yield one
        finally:
            one.kill()
            Path("torn-down").touch()

if __name__ == "__main__":
    with service() as one:
        one.wait()
"""
"""A program with a service of its own that it stops when it is told to end, not when it is killed."""

TEST = """
import pytest
from hold import service

@pytest.fixture
def one():
    with service() as started:
        yield started

def test_that_takes_long(one):
    one.wait()
"""


class Started:
    """The checks of a toy checkout, of which one runs a program that holds."""

    def __init__(self, root: Path, check: str) -> None:
        self.root = root
        (root / "hold.py").write_text(HOLD, encoding="utf-8")
        (root / "test_toy.py").write_text(TEST, encoding="utf-8")
        (root / "conftest.py").write_text("from tests.conftest import pytest_runtestloop\n", encoding="utf-8")
        (root / "proof").mkdir()
        (root / "proof" / "__init__.py").touch()
        (root / "proof" / "__main__.py").write_text(HOLD, encoding="utf-8")
        paths = os.pathsep.join(map(str, (root, ROOT, ROOT / "libraries")))
        with (root / "console.txt").open("w") as console:
            self.process = subprocess.Popen(
                [sys.executable, "-c", CHECKS, check],
                cwd=root,
                env={**os.environ, "PYTHONPATH": paths},
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pids: list[int] = []

    def wait(self) -> None:
        """Wait until the program and its service run."""
        until((self.root / "started").exists, "the program to start", 20)
        self.pids = [int(pid) for pid in (self.root / "started").read_text().split()]
        assert self.left() == self.pids

    def left(self) -> list[int]:
        """Processes of the check that still are."""
        return [pid for pid in self.pids if alive(pid)]

    def console(self) -> str:
        return (self.root / "console.txt").read_text(encoding="utf-8")

    def torn_down(self) -> bool:
        return (self.root / "torn-down").exists()

    def close(self) -> None:
        for pid in [self.process.pid, *self.pids]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("check", ["tool", "pytest", "proof"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_check_and_what_it_started_end_with_the_checks(tmp_path, check, number):
    checks = Started(tmp_path, check)
    try:
        checks.wait()
        checks.process.send_signal(number)
        code = checks.process.wait(timeout=20)
        until(lambda: not checks.left(), "the check to end", 20)
        assert checks.torn_down(), "the program was killed before it could stop its service"
        if number is signal.SIGKILL:
            assert code == -signal.SIGKILL
        else:
            assert code == 130
            assert checks.console().rstrip().splitlines()[-1] == "0 passed, 1 failed, 0 skipped"
            assert "Traceback" not in checks.console().partition("== tool")[2]
    finally:
        checks.close()
