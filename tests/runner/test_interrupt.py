"""Ctrl-C and SIGTERM: teardown runs, the numbers are told, and a second one ends at once."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from tests.waiting import until


def wait_for(results: Path, name: str) -> None:
    """Wait until the toy run has reached a place it marks by a file."""
    until(lambda: list(results.glob(f"*/{name}")), f"the toy run to reach '{name}'", 20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_teardown_run_and_tells_what_is_known(toy, number):
    with toy.start("--", "--variable", "HOLD:30") as process:
        wait_for(toy.results, "in-fault")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 4  # as Robot Framework counts: what failed, what was stopped and what never ran
    assert out.rstrip().splitlines()[-1] == "1 passed, 4 failed, 2 skipped"
    assert "Second signal will force exit." in err
    assert (toy.latest / "teardown-ran").exists()
    assert "- HA-13 What comes last runs too" in out
    assert "1 not run" in out
    assert (toy.latest / "index.html").exists()


def test_a_stopped_run_leaves_no_verdict_on_what_never_ran(toy):
    with toy.start("--", "--variable", "HOLD:30") as process:
        wait_for(toy.results, "in-fault")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert "HA-13" not in json.loads((toy.results / "verdicts.json").read_text())


def test_the_second_signal_ends_at_once(toy):
    with toy.start("--", "--variable", "HOLD:30", "--variable", "TEARDOWN_HOLD:30") as process:
        wait_for(toy.results, "in-fault")
        process.send_signal(signal.SIGINT)
        wait_for(toy.results, "in-teardown")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert time.monotonic() - began < 10
    assert process.returncode == 253
    assert "Execution forcefully stopped." in err
    assert not list(toy.results.glob("*/teardown-ran"))
    assert out.rstrip().splitlines()[-1].endswith("skipped")


def test_a_killed_run_can_still_be_reported(toy, tmp_path):
    from reporting import closing_line, write_reports

    with toy.start("--", "--variable", "HOLD:30") as process:
        wait_for(toy.results, "in-fault")
        process.kill()
        process.communicate(timeout=20)
    (directory,) = (path for path in toy.results.iterdir() if path.is_dir() and not path.is_symlink())
    run = write_reports(directory)
    assert run.verdict == "FAIL"
    assert not run.complete
    assert closing_line(run) == "1 passed, 4 failed, 2 skipped"
    assert {row.id: row.verdict for row in run.rows}["HA-13"] == "not run"
    assert (directory / "log.html").exists()
    assert "the run was killed" in (directory / "index.html").read_text()
