"""The console on a terminal: a status line that is redrawn and never left behind."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest

from runner import progress
from runner.console import Console


@pytest.fixture(autouse=True)
def clean():
    progress.clear()
    yield
    progress.clear()
    progress.observe(None)


def test_the_status_line_tells_step_time_left_and_fault():
    console = Console(live="off", stdout=io.StringIO())
    console._now("HA-10 Writes stop for at most 10 seconds")
    began = console._began
    assert console.status_line(began + 12) == "  HA-10 Writes stop for at most 10 seconds · 12 s"
    progress.fault("leader killed")
    progress._step = progress.Step("waiting for a new leader", began, began + 25)
    assert (
        console.status_line(began + 12) == "  HA-10 · 12 s · waiting for a new leader, 13 s left · fault: leader killed"
    )


def test_nothing_is_said_when_nothing_runs():
    assert Console(live="off", stdout=io.StringIO()).status_line(time.monotonic()) == ""


def on_a_terminal(toy, *arguments: str, columns: int = 90) -> str:
    """Run the toy suites on a pseudo terminal and return all that was written to it."""
    leader, follower = pty.openpty()
    toy_process = [sys.executable, str(__import__("pathlib").Path(__file__).parent / "toy" / "run.py")]
    process = subprocess.Popen(
        [*toy_process, str(toy.results), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        env={**toy._environment, "TERM": "xterm", "COLUMNS": str(columns), "LINES": "40"},
        cwd=toy.results.parent,
    )
    os.close(follower)
    data = b""
    while True:
        ready, _, _ = select.select([leader], [], [], 30)
        assert ready, "the toy run wrote nothing for 30 s"
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        data += chunk
    os.close(leader)
    process.wait(timeout=20)
    return data.decode()


def screen_of(written: str) -> list[str]:
    """Return the lines as they stand on the screen in the end."""
    lines = []
    for line in written.replace("\r\n", "\n").split("\n"):
        text = line.rpartition("\r\033[K")[2]
        lines.append(re.sub(r"\033\[\d*m", "", text))
    return lines


def test_a_terminal_sees_the_status_line_live_and_keeps_only_results(toy):
    written = on_a_terminal(toy, "--", "--variable", "HOLD:1.2")
    assert "waiting for a new leader, 2" in written
    assert "fault: leader killed" in written
    kept = screen_of(written)
    assert not any("waiting for" in line or "setting up" in line for line in kept)
    assert sum(line.startswith(("1/7", "2/7", "3/7", "4/7", "5/7", "6/7", "7/7")) for line in kept) == 7
    assert "\033[31mfail" in written
    assert "\033[32mpass" in written


def test_no_line_is_wider_than_the_terminal(toy):
    written = on_a_terminal(toy, "--criterion", "HA-10,HA-11", columns=50)
    heading = next(i for i, line in enumerate(screen_of(written)) if "chaos" in line)
    verdicts = [line for line in screen_of(written)[heading:] if re.match(r"\d/2", line)]
    assert len(verdicts) == 2
    assert all(len(line) < 50 for line in verdicts)


def test_colours_can_be_switched_off(toy):
    toy._environment["NO_COLOR"] = "1"
    assert "\033[31m" not in on_a_terminal(toy, "--criterion", "HA-10")
