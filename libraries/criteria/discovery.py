"""Reads the suites without running them: which tests state which criterion, and how they are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from robot.api import TestSuite
from robot.errors import DataError
from robot.running import TestCase

from criteria.registry import ID, CriteriaProblem
from environments.config import ROOT

SUITES = ROOT / "suites"
PHASES = ("integration", "regression", "compatibility", "performance", "stress", "chaos")
"""In the order in which they run."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a test: the type of the body item (KEYWORD, FOR, IF ...) and, for a keyword, what it calls."""

    type: str
    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatedTest:
    """A test as it stands in a suite file."""

    name: str
    long_name: str
    file: str  # relative to the suites
    line: int
    tags: tuple[str, ...]
    steps: tuple[Step, ...]
    template: str | None

    @property
    def ids(self) -> tuple[str, ...]:
        """The tags that are criterion ids."""
        return tuple(tag for tag in self.tags if ID.match(tag))

    @property
    def phases(self) -> tuple[str, ...]:
        """The values of its `phase:` tags."""
        return self._valued("phase:")

    @property
    def systems(self) -> tuple[str, ...]:
        """The values of its `system:` tags."""
        return self._valued("system:")

    @property
    def place(self) -> str:
        """`file:line`, for messages."""
        return f"{self.file}:{self.line}"

    def _valued(self, prefix: str) -> tuple[str, ...]:
        return tuple(tag.removeprefix(prefix) for tag in self.tags if tag.startswith(prefix))


def discover(suites: Path = SUITES) -> list[StatedTest]:
    """Find every test below a directory of suites, in the order in which they run.

    Raises:
        CriteriaProblem: the directory is missing or a file cannot be parsed.
    """
    if not suites.exists():
        raise CriteriaProblem(f"{suites}: no such directory; the suites are part of the project")
    try:
        suite = TestSuite.from_file_system(suites, allow_empty_suite=True)
    except DataError as error:
        raise CriteriaProblem(str(error)) from None
    return [_stated(test, suites) for test in _tests(suite)]


def _tests(suite: TestSuite) -> Iterator[TestCase]:
    yield from suite.tests
    for child in suite.suites:
        yield from _tests(child)


def _stated(test: TestCase, suites: Path) -> StatedTest:
    source = Path(test.source) if test.source else suites
    file = source.relative_to(suites) if source.is_relative_to(suites) else source
    steps = tuple(
        Step(str(item.type), getattr(item, "name", None) or "", tuple(str(a) for a in getattr(item, "args", ())))
        for item in test.body
    )
    template = getattr(test, "template", None)
    return StatedTest(test.name, test.full_name, str(file), test.lineno or 0, tuple(test.tags), steps, template)
