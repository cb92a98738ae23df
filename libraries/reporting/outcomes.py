"""Reads Robot Framework's output, also one that broke off because the run was killed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.parsers import expat
from xml.sax.saxutils import escape

from robot.api import ExecutionResult
from robot.errors import DataError
from robot.result import Result, TestCase

from criteria.registry import ID
from reporting.verdicts import KILLED, Word, verdict_of

# Elements that carry a status; one that never got it is closed with "killed".
_WITH_STATUS = {
    "suite",
    "test",
    "kw",
    "for",
    "while",
    "iter",
    "if",
    "branch",
    "try",
    "group",
    "variable",
    "return",
    "error",
}
_REPAIRED = "output.repaired.xml"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test ended."""

    id: str  # of the criterion, "" for a test without one
    name: str
    long_name: str
    verdict: Word
    message: str
    started: float | None  # epoch seconds
    seconds: float
    phase: str
    system: str
    log_id: str  # anchor in log.html

    @property
    def ended(self) -> float | None:
        """Epoch seconds."""
        return None if self.started is None else self.started + self.seconds


@dataclass(frozen=True)
class Output:
    """What Robot Framework recorded of a run."""

    result: Result
    path: Path  # the output file, or its repaired copy
    complete: bool
    outcomes: tuple[Outcome, ...]


def read_output(path: Path) -> Output | None:
    """Read an output file; one that breaks off is read through a repaired copy beside it.

    Returns:
        None when there is nothing to be read: no file, or not even a suite had begun.
    """
    if not path.is_file():
        return None
    complete, source = True, path
    try:
        result = ExecutionResult(path)
    except DataError:
        repaired = _repaired(path.read_bytes())
        if repaired is None:
            return None
        complete, source = False, path.with_name(_REPAIRED)
        source.write_bytes(repaired)
        result = ExecutionResult(source)
    return Output(result, source, complete, tuple(_outcome(test) for test in result.suite.all_tests))


def _outcome(test: TestCase) -> Outcome:
    def tagged(prefix: str) -> str:
        return next((tag.removeprefix(prefix) for tag in test.tags if tag.startswith(prefix)), "")

    return Outcome(
        id=next((tag for tag in test.tags if ID.match(tag)), ""),
        name=test.name,
        long_name=test.full_name,
        verdict=verdict_of(test.status, test.message),
        message=test.message,
        started=test.start_time.timestamp() if test.start_time else None,
        seconds=test.elapsed_time.total_seconds(),
        phase=tagged("phase:"),
        system=tagged("system:"),
        log_id=test.id,
    )


def _repaired(data: bytes) -> bytes | None:
    """Close every element that was open when the writing stopped."""
    reader = _OpenElements(data)
    if not reader.has_suite:
        return None
    status = f'<status status="FAIL">{escape(KILLED)}</status>'
    closing = "".join(f"{status if name in _WITH_STATUS else ''}</{name}>" for name in reversed(reader.open))
    return data[: reader.whole] + closing.encode()


class _OpenElements:
    """Finds how far a broken file is whole, and which elements are open there."""

    def __init__(self, data: bytes) -> None:
        self.open: list[str] = []
        self.has_suite = False
        self.whole = 0  # bytes up to the end of the last whole tag
        self._data = data
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        try:
            self._parser.Parse(data, True)
        except (expat.ExpatError, _Misplaced):
            pass

    def _start(self, name: str, _: dict[str, str]) -> None:
        # A run that was stopped hard writes its last elements into whatever was open.
        if name in ("errors", "statistics") and self.open != ["robot"]:
            raise _Misplaced
        self.open.append(name)
        self.has_suite |= name == "suite"
        self._advance()

    def _end(self, _: str) -> None:
        self.open.pop()
        self._advance()

    def _advance(self) -> None:
        begin = self._parser.CurrentByteIndex
        tag = re.compile(rb"[^>]*>").match(self._data, begin)
        self.whole = tag.end() if tag else begin


class _Misplaced(Exception):
    """An element stands where it cannot be."""
