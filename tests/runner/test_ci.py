""".ci/run: both commands run whatever the first one says, and a command without a result is a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from environments.config import ROOT


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "a checkout"
    (root / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", root / ".ci" / "run")
    return root


def command(root: Path, name: str, text: str) -> None:
    (root / name).write_text(f"#!/bin/bash\n{text}\n")
    (root / name).chmod(0o755)


def run(root: Path) -> tuple[int, list[str]]:
    answer = subprocess.run(
        [str(root / ".ci" / "run")],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": os.environ["PATH"]},
    )
    return answer.returncode, answer.stdout.splitlines()


def test_both_pass(checkout):
    command(checkout, "test.sh", 'echo "CI=$CI"; echo "5 passed, 0 failed, 1 skipped"')
    command(checkout, "run.sh", 'echo "$@"; echo "50 passed, 0 failed, 17 skipped"')
    code, lines = run(checkout)
    assert code == 0
    assert lines[0] == "CI=true"
    assert "--environment shared-machine --profile quick" in lines
    assert lines[-3:] == [
        "checks    5 passed, 0 failed, 1 skipped (exit code 0)",
        "criteria  50 passed, 0 failed, 17 skipped (exit code 0)",
        "55 passed, 0 failed, 18 skipped",
    ]


def test_a_failing_check_does_not_keep_the_criteria_from_running(checkout):
    command(checkout, "test.sh", 'echo "5 passed, 2 failed, 0 skipped"; exit 1')
    command(checkout, "run.sh", 'echo "50 passed, 0 failed, 17 skipped"')
    code, lines = run(checkout)
    assert (code, lines[-1]) == (1, "55 passed, 2 failed, 17 skipped")


def test_failed_criteria_are_a_failure(checkout):
    command(checkout, "test.sh", 'echo "5 passed, 0 failed, 0 skipped"')
    command(checkout, "run.sh", 'echo "49 passed, 1 failed, 17 skipped"; exit 1')
    code, lines = run(checkout)
    assert (code, lines[-1]) == (1, "54 passed, 1 failed, 17 skipped")


@pytest.mark.parametrize("text", ["exit 252", "echo Killed; exit 137", "true"])
def test_a_command_without_a_result_has_failed(checkout, text):
    command(checkout, "test.sh", 'echo "5 passed, 0 failed, 0 skipped"')
    command(checkout, "run.sh", text)
    code, lines = run(checkout)
    assert lines[-1] == "5 passed, 1 failed, 0 skipped"
    assert any("criteria  ended without a result" in line for line in lines)
    assert code == 1


def test_nothing_is_read_from_the_terminal(checkout):
    command(checkout, "test.sh", 'read -r line && echo "read $line"; echo "1 passed, 0 failed, 0 skipped"')
    command(checkout, "run.sh", 'echo "1 passed, 0 failed, 0 skipped"')
    code, lines = run(checkout)
    assert code == 0
    assert not any(line.startswith("read") for line in lines)
