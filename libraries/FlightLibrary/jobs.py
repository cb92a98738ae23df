"""Work that is done in a process of its own, since its memory is measured, or since it is to be killed.

A job goes to the program as one line of JSON on standard input, secrets included; answers come back the same way.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

LIBRARIES = Path(__file__).resolve().parents[1]


class JobFailed(AssertionError):
    """A process could not do its work; the message is its own."""


class JobTooSlow(JobFailed):
    """A process gave no answer in time."""


class Job:
    """One process."""

    def __init__(self, name: str, **arguments: Any) -> None:
        """Start it.

        Args:
            name: of the job, see `__main__`.
            arguments: of the job.
        """
        self.name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "FlightLibrary"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": str(LIBRARIES)},
            start_new_session=True,  # Ctrl-C is for the run, which then ends its processes in its turn
        )
        self._tell({"job": name, **arguments})

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def answer(self, within_seconds: float) -> Mapping[str, Any]:
        """Wait for its next answer.

        Raises:
            JobTooSlow: it gave none in time.
            JobFailed: it ended instead, or says that it failed.
        """
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], within_seconds)[0]:
            raise JobTooSlow(f"'{self.name}' in a process of its own was not done within {within_seconds:g} s")
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip()
            raise JobFailed(f"the process ended with {self._process.returncode}: {said[-500:]}")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise JobFailed(str(answer["failed"]))
        return answer

    def kill(self) -> None:
        """End it at once, as a machine does that loses its power."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def _tell(self, order: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
