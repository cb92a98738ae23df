"""Service doubles as child processes of the run: started, told what to do, and what they say kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from TemporalLibrary.core import wait_until

LIBRARIES = Path(__file__).resolve().parents[1]
START_SECONDS = 15.0  # imports included, on a busy machine
END_SECONDS = 5.0
POLL_SECONDS = 0.01

Line = Mapping[str, Any]


class Double:
    """One service double. It ends with its input, so it cannot outlive this process.

    Args:
        name: of the service.
        arguments: of its command line.
        environment: variables beyond those of this process.
        module: another program of this library that speaks in lines of JSON.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        module: str = "BrokerLibrary.services",
    ) -> None:
        self.name = name
        self.lines: list[Line] = []
        self.noise: list[str] = []  # what was no JSON
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, name, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{LIBRARIES}{os.pathsep}{LIBRARIES.parent}", **(environment or {})},
        )
        self._reader = threading.Thread(target=self._read, name=f"reader of {name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def said(self, event: str) -> list[Line]:
        """Every line of one kind so far."""
        return [line for line in list(self.lines) if line["event"] == event]

    def tell(self, order: Mapping[str, Any]) -> None:
        """Give it one line.

        Raises:
            AssertionError: it has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise AssertionError(f"{self.name} has ended: {self._last_words()}") from None

    def await_lines(self, event: str, number: int, within: float) -> list[Line]:
        """Wait for so many lines of one kind; return all of them.

        Raises:
            AssertionError: they did not come, or it ended.
        """

        def missing() -> str | None:
            came = len(self.said(event))
            if came < number and self._process.poll() is not None:
                self._reader.join(1)
                if len(self.said(event)) < number:
                    raise AssertionError(f"{self.name} ended: {self._last_words()}")
            return None if came >= number else f"{came} of {number}"

        wait_until(missing, within, f"'{event}' of {self.name}", interval=POLL_SECONDS)
        return self.said(event)

    def report(self, within: float = END_SECONDS) -> Mapping[str, int]:
        """Ask for its metrics. Raises as `await_lines`."""
        before = len(self.said("report"))
        self.tell({"do": "report"})
        metrics: Mapping[str, int] = self.await_lines("report", before + 1, within)[-1]["metrics"]
        return metrics

    def stop(self) -> int:
        """Let it end and return its exit status; killed when it does not."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                pass
        try:
            status = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join(1)
        return status

    def kill(self) -> None:
        """SIGKILL it."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                self.noise.append(text.rstrip())
            else:
                self.lines.append(line)

    def _last_words(self) -> str:
        errors = [line["problem"] for line in self.said("error")]
        return "; ".join([*errors, *self.noise][-3:]) or f"status {self._process.poll()}, no word"
