"""A proof that is broken off leaves nothing of the real cluster behind, and no run that goes on without it."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from tests.broken_off import started
from tests.waiting import until

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_proof_takes_its_run_and_the_cluster_with_it(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path, "proof", "--only", "RC-03") as proof:
        proof.until(proof.is_starting, "starting")
        (run,) = (child for child in psutil.Process(proof.process.pid).children() if "robot" in child.cmdline())
        proof.process.send_signal(number)
        code = proof.process.wait(timeout=40)
        until(lambda: not run.is_running(), "the run gone", 40)
        until(proof.is_gone, "gone", 40)
        assert code == (-signal.SIGKILL if number is signal.SIGKILL else 253)
        assert "Traceback" not in proof.text()
        results = proof.results()
        assert results is not None
        console = (results / "canary" / "console.txt").read_text(encoding="utf-8")
        assert "Second signal" in console, "the run was killed before it could stop its cluster"
