"""One run: its directory, Robot Framework with the right options, and what is made of the results."""

from __future__ import annotations

import json
import random
import secrets
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import robot
import yaml
from robot.errors import DataError, Information
from robot.output import LOGGER
from robot.run import RobotFramework
from robot.running import TestSuite

from criteria import Criterion
from environments.config import EnvironmentFile
from reporting import closing_line, write_reports
from reporting.rundata import CONDITIONS, SELECTION, read_run
from reporting.screen import screen
from reporting.split import STATISTICS
from runner.arguments import Request
from runner.children import terminate_like_interrupt
from runner.console import Console
from runner.places import Places
from runner.usage import UsageProblem

STOPPED = 253  # Robot Framework's code for a run that its user stopped
INTERNAL_ERROR = 255
_OURS = ("outputdir", "output", "log", "report", "xunit", "console", "dotted", "quiet")
"""Robot Framework options that run.sh sets itself: with other values its reports would miss their files."""
_ADDED = ("variable", "variablefile", "listener")
"""Options of which Robot Framework takes several: those after `--` come after run.sh's own and win."""


class Run:
    """A run from its directory to its last line.

    Args:
        request: what was asked for.
        criteria: those to run.
        environment: validated, nothing of it started.
        places: where to read suites and write results.

    Raises:
        UsageProblem: a Robot Framework option is wrong, or the results cannot be written.
    """

    def __init__(
        self, request: Request, criteria: Sequence[Criterion], environment: EnvironmentFile, places: Places
    ) -> None:
        self.request, self.criteria, self.environment, self.places = request, criteria, environment, places
        self._options, self._sources = self._robot_options()
        self.directory = self._new_directory()
        self._write_inputs()

    def execute(self) -> int:
        """Run Robot Framework, write the reports, print one screen and the closing line.

        Returns:
            Robot Framework's exit code; 255 when all passed but the reports could not be written.
        """
        with terminate_like_interrupt():
            try:
                code = int(robot.run(*self._sources, **self._all_options()))
                return self._concluded(code)
            except KeyboardInterrupt:
                hint = self.places.shown(self.directory)
                print(f"\nstopped while writing reports; python -m reporting {hint} makes them", file=sys.stderr)
                return STOPPED

    def _concluded(self, code: int) -> int:
        if not (self.directory / "output.xml").exists():  # wrong options or data: Robot Framework has said what
            shutil.rmtree(self.directory, ignore_errors=True)
            return code
        self._point_latest()
        verdicts = None if self._options.get("dryrun") else self.places.results / "verdicts.json"
        try:
            run = write_reports(self.directory, self.criteria, verdicts, self.places.kills)
            print(screen(run, sys.stdout, self.places.root))
        except OSError as error:
            print(f"error: reports: {error.filename}: {error.strerror}", file=sys.stderr)
            run = read_run(self.directory, self.criteria)
            code = code or INTERNAL_ERROR
        print(closing_line(run), flush=True)
        return code

    # -- Robot Framework -----------------------------------------------------------------------------------

    def _robot_options(self) -> tuple[dict[str, Any], list[str]]:
        """Read what stands after `--`; data sources there take the place of the suites."""
        marker = str(self.places.suites)
        try:
            options, sources = RobotFramework().parse_arguments([*self.request.robot_options, marker])
        except Information as information:
            print(information.message)
            raise SystemExit(0) from None
        except DataError as error:
            raise UsageProblem(f"Robot Framework: {error.message.splitlines()[0]}; see robot --help") from None
        refused = [*_OURS, *(["include"] if self._is_selective else [])]
        if clash := next((name for name in refused if options.get(name)), None):
            raise UsageProblem(
                f"--{clash} cannot stand after --: run.sh sets it itself (criteria are chosen with --system, --phase "
                "or --criterion, results go to results/<run-id>); start robot itself for other values"
            )
        return options, sources[:-1] or sources

    @property
    def _is_selective(self) -> bool:
        return bool(self.request.systems or self.request.phases or self.request.criteria)

    def _all_options(self) -> dict[str, Any]:
        variables = {
            "ENVIRONMENT": self.directory / "environment.yaml",
            "PROFILE": self.request.profile,
            "SEED": random.randrange(1, 1_000_000),
            "RUN_ID": self.directory.name,
            **({"KEEP": True} if self.request.keep else {}),
        }
        options: dict[str, Any] = {
            "outputdir": str(self.directory),
            "xunit": "xunit.xml",
            "console": Console(),
            "listener": [_Plan(self.directory / SELECTION, self.criteria)],
            "variablefile": [str(self.places.variables / f"{self.request.profile}.yaml")],
            "variable": [f"{name}:{value}" for name, value in variables.items()],
            "name": "Acceptance",
            "logtitle": f"Log: run {self.directory.name}",
            "reporttitle": f"Report: run {self.directory.name}",
            **({"include": [criterion.id for criterion in self.criteria]} if self._is_selective else {}),
            **STATISTICS,
        }
        for name, value in self._options.items():
            options[name] = [*options[name], *value] if name in _ADDED and name in options else value
        return options

    # -- the run directory ---------------------------------------------------------------------------------

    def _new_directory(self) -> Path:
        for _ in range(10):
            name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
            directory = self.places.results.absolute() / name
            try:
                directory.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise self._unwritable(error) from None
            return directory
        raise UsageProblem(f"{self.places.results}: no free name for a run directory; try again")

    def _write_inputs(self) -> None:
        environment = self.environment.model_dump(mode="json", exclude_unset=True)
        try:
            text = yaml.safe_dump(environment, sort_keys=False, allow_unicode=True)
            (self.directory / "environment.yaml").write_text(text, encoding="utf-8")
            (self.directory / CONDITIONS).write_text(json.dumps(self.request.conditions), encoding="utf-8")
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> UsageProblem:
        return UsageProblem(
            f"results cannot be written to {self.places.results} ({error.strerror}); "
            "free some space, or run from a checkout you own"
        )

    def _point_latest(self) -> None:
        """Make `results/latest` lead to this run; a file system without links does without."""
        latest, new = self.places.results / "latest", self.places.results / f".latest-{self.directory.name}"
        try:
            new.symlink_to(self.directory.name, target_is_directory=True)
            new.replace(latest)
        except OSError as error:
            new.unlink(missing_ok=True)
            print(f"warning: {latest}: {error.strerror}; see {self.directory}", file=sys.stderr)


class _Plan:
    """Writes down which criteria are about to run, so that one that never did is missed.

    Robot Framework tells it only now: options after `--` may have chosen among them. It also makes sure that what is
    recorded reaches the disk criterion by criterion, for a run may be killed.
    """

    def __init__(self, path: Path, criteria: Sequence[Criterion]) -> None:
        self.path, self.criteria = path, criteria

    def start_suite(self, data: TestSuite, result: object) -> None:
        if data.parent is None:
            planned = {tag for test in data.all_tests for tag in test.tags}
            selection = [criterion.as_json() for criterion in self.criteria if criterion.id in planned]
            self.path.write_text(json.dumps(selection, indent=1), encoding="utf-8")
        self._flush()

    def start_test(self, data: object, result: object) -> None:
        self._flush()

    def _flush(self) -> None:
        """Robot Framework buffers its output file and has no call to flush it; without this a kill costs more."""
        with suppress(AttributeError, OSError, ValueError):
            LOGGER._output_file.real_logger._writer.output.flush()
