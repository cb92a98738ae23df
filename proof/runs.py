"""Runs criteria on a system with a defect, exactly as a user would run them on a system without one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import yaml
from robot.api import ExecutionResult, ResultVisitor
from robot.errors import DataError
from robot.result import TestCase

from criteria import ID
from environments.config import EnvironmentFile
from proof.judgement import Executed
from runner.children import child
from runner.places import Places

RUN_DEADLINE = 1200.0  # seconds for one run on one defect; the longest takes about two minutes


def execute(
    environment: EnvironmentFile, criteria: Iterable[str], directory: Path, places: Places
) -> dict[str, Executed]:
    """Run the tests of some criteria and return how each ended; one that is missing did not run.

    Args:
        environment: with the defect laid over it.
        criteria: ids to include.
        directory: artifacts of this run; made here.
        places: of the checkout.
    """
    directory.mkdir(parents=True)
    file = directory / "environment.yaml"
    file.write_text(yaml.safe_dump(environment.model_dump(mode="json", exclude_unset=True)), encoding="utf-8")
    variables = {"ENVIRONMENT": file, "PROFILE": "quick", "RUN_ID": directory.name}
    command = [sys.executable, "-m", "robot", "--outputdir", str(directory), "--report", "NONE", "--console", "none"]
    for name, value in variables.items():
        command += ["--variable", f"{name}:{value}"]
    command += ["--variablefile", str(places.variables / "quick.yaml")]
    for criterion in criteria:
        command += ["--include", criterion]
    output = directory / "output.xml"
    with (directory / "console.txt").open("w", encoding="utf-8") as console:
        try:
            with child([*command, str(places.suites)], stdout=console, stderr=subprocess.STDOUT) as run:
                run.wait(timeout=RUN_DEADLINE)
        except subprocess.TimeoutExpired:  # it was stopped then: what had not ended has failed, but not for the defect
            print(f"{directory.name}: stopped after {RUN_DEADLINE:.0f} s, see {output}", flush=True)
    return read_output(output) if output.exists() else {}


def read_output(output: Path) -> dict[str, Executed]:
    """Read how each criterion's test ended; a run that was killed has left nothing that can be read.

    Raises:
        ValueError: two tests carry the same criterion.
    """
    collector = _Collector()
    with suppress(DataError):
        ExecutionResult(str(output), include_keywords=False).visit(collector)
    return collector.executed


class _Collector(ResultVisitor):
    def __init__(self) -> None:
        self.executed: dict[str, Executed] = {}

    def visit_test(self, test: TestCase) -> None:
        for tag in test.tags:
            if not ID.match(tag):
                continue
            if tag in self.executed:
                raise ValueError(f"{tag}: two tests carry this criterion")
            seconds = test.elapsed_time.total_seconds()
            self.executed[tag] = Executed(test.status, test.message, seconds)
