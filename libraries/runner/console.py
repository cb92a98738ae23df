"""Robot Framework's console while criteria run: one line a criterion, and below it what is going on right now.

On a terminal the last line is redrawn four times a second: elapsed time, the current step with the time it has
left, the fault in force. Elsewhere (CI, a pipe) only plain lines are written, each once.

    robot --console runner.console.Console suites
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Literal, TextIO

from robot import result as robot_result
from robot import running as robot_running
from robot.output import Message
from robot.output.console import BaseConsole

from criteria.registry import ID
from reporting.texts import duration, indented
from reporting.verdicts import Word, verdict_of
from runner import progress

REFRESH = 0.25  # seconds
LONG_STEP = 5.0  # seconds of deadline from which a step is worth a line where nothing can be redrawn
MESSAGE_LINES = 4
_COLOUR: dict[Word, Literal["PASS", "FAIL", "SKIP"]] = {
    "pass": "PASS",
    "fail": "FAIL",
    "inconclusive": "SKIP",
    "skip": "SKIP",
    "not run": "SKIP",
}


class Console(BaseConsole):
    """See the module.

    Args:
        live: "auto" redraws a status line on a terminal, "on" always, "off" never.
        stdout: where to write; the process's standard output by default.
    """

    def __init__(self, live: str = "auto", stdout: TextIO | None = None) -> None:
        stream = stdout or sys.__stdout__
        terminal = bool(stream and stream.isatty())
        colours = "OFF" if os.environ.get("NO_COLOR") or not terminal else "ON"
        super().__init__(colors=colours, stdout=stream)
        self._live = live == "on" or (live == "auto" and terminal and os.environ.get("TERM") != "dumb")
        self._lock = threading.RLock()
        self._total = self._done = 0
        self._name = ""  # of the criterion or set-up now running
        self._began = time.monotonic()
        self._shown = False  # a status line is on the screen
        self._ended = threading.Event()
        self._ticker: threading.Thread | None = None

    # -- what Robot Framework tells ------------------------------------------------------------------------

    def start_suite(self, data: robot_running.TestSuite, result: robot_result.TestSuite) -> None:
        """Print a heading for a suite that holds criteria itself; start the status line with the first suite."""
        if result.parent is None:
            self._total = data.test_count
            progress.observe(self._changed)
            self._start_ticker()
        if data.tests:
            self._print(f"\n{_heading(data)} ({len(data.tests)})\n")
        self._now(f"setting up {str(data.name).lower()}")

    def end_suite(self, data: robot_running.TestSuite, result: robot_result.TestSuite) -> None:
        """Say why a suite's set-up or teardown failed; a failed test has said so itself."""
        if (result.has_setup and result.setup.failed) or (result.has_teardown and result.teardown.failed):
            with self._line():
                self.highlight("FAIL", "FAIL", flush=False)
                self.write(f"  {result.name}\n{indented(result.message, MESSAGE_LINES)}\n")
        self._now(f"tearing down {result.parent.name}".lower() if result.parent else "writing log and report")
        if result.parent is None:
            self._stop_ticker()

    def start_test(self, data: robot_running.TestCase, result: robot_result.TestCase) -> None:
        """Put the criterion into the status line."""
        identifier = next((tag for tag in data.tags if ID.match(tag)), "")
        self._now(f"{identifier} {data.name}".strip())

    def end_test(self, data: robot_running.TestCase, result: robot_result.TestCase) -> None:
        """Print the criterion's verdict, its time, its statement and, when it failed, why."""
        progress.clear()
        self._done += 1
        word = verdict_of(result.status, result.message)
        identifier = next((tag for tag in result.tags if ID.match(tag)), "-")
        counter = f"{self._done:>{len(str(self._total))}}/{self._total}"
        seconds = result.elapsed_time.total_seconds()
        with self._line():
            self.write(f"{counter}  ", flush=False)
            self.highlight(_COLOUR[word], f"{word:<12}", flush=False)
            self.write(f"{duration(seconds):>7}  ", flush=False)
            self.write(self._fitted(f"{identifier:<6} {result.name}", len(counter) + 23) + "\n")
            if word in ("fail", "inconclusive"):
                self.write(indented(result.message, MESSAGE_LINES) + "\n")
        self._now("")

    def message(self, msg: Message) -> None:
        """Print warnings and errors above the status line."""
        with self._line():
            super().message(msg)

    def result_file(self, kind: str, path: Path | None) -> None:
        """Print nothing: the screen at the end names the files."""

    def close(self) -> None:
        """Stop redrawing."""
        progress.observe(None)
        self._stop_ticker()

    # -- what libraries tell -------------------------------------------------------------------------------

    def _changed(self, kind: str, text: str) -> None:
        if kind == "note":
            self._print(f"{text}\n")
        elif self._live:
            self._draw()
        elif kind == "fault":
            self._print(f"        fault: {text}\n")
        elif text and self._is_long(progress.current_step()):
            self._print(f"        {text}\n")

    def _is_long(self, step: progress.Step | None) -> bool:
        return step is not None and step.deadline is not None and step.deadline - step.began >= LONG_STEP

    # -- the status line -----------------------------------------------------------------------------------

    def _now(self, name: str) -> None:
        with self._lock:
            self._name, self._began = name, time.monotonic()
        if self._live:
            self._draw()

    def status_line(self, now: float) -> str:
        """Return what is going on: elapsed time, step with its time left, fault in force, criterion."""
        if not self._name:
            return ""
        parts = [duration(now - self._began)]
        step = progress.current_step()
        if step is not None:
            left = step.time_left(now)
            parts.append(step.name if left is None else f"{step.name}, {duration(left)} left")
        if faults := progress.faults_in_force():
            parts.append(f"fault: {', '.join(faults)}")
        return f"  {self._name.split(' ')[0] if step or faults else self._name} · " + " · ".join(parts)

    def _draw(self) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            text = self._fitted(self.status_line(time.monotonic()), 0)
            self.write(f"\r\033[K{text}" if text or self._shown else "")
            self._shown = bool(text)

    def _line(self) -> _AboveStatus:
        return _AboveStatus(self)

    def _print(self, text: str) -> None:
        with self._line():
            self.write(text)

    def _fitted(self, text: str, taken: int) -> str:
        if not self._live:
            return text
        room = max(20, shutil.get_terminal_size((120, 24)).columns - 1 - taken)
        return text if len(text) <= room else text[: room - 1] + "…"

    def _start_ticker(self) -> None:
        if self._live and self._ticker is None:
            self._ticker = threading.Thread(target=self._tick, name="console", daemon=True)
            self._ticker.start()

    def _stop_ticker(self) -> None:
        with self._line():
            self._ended.set()

    def _tick(self) -> None:
        while not self._ended.wait(REFRESH):
            self._draw()


def _heading(suite: robot_running.TestSuite) -> str:
    """Return system, phase and name of a suite, such as `cluster · chaos · failover`."""
    tags = [tag for test in suite.tests for tag in test.tags]
    tagged = [tag.partition(":")[2] for kind in ("system:", "phase:") for tag in tags if tag.startswith(kind)]
    return " · ".join(dict.fromkeys([*tagged, str(suite.name).lower()]))


class _AboveStatus:
    """Clears the status line, lets whole lines be written, and leaves redrawing to the next tick."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __enter__(self) -> None:
        self._console._lock.acquire()
        if self._console._shown:
            self._console.write("\r\033[K", flush=False)
            self._console._shown = False

    def __exit__(self, *_: object) -> None:
        self._console._lock.release()
