"""Starts and stops the systems under test, and skips the criteria an environment does not provide for."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import yaml
from robot import result as robot_result
from robot import running as robot_running
from robot.api import logger
from robot.api.deco import keyword, library
from robot.libraries.BuiltIn import BuiltIn

import environments
from EnvironmentLibrary import context, gate
from EnvironmentLibrary.fingerprint import write_fingerprint
from environments.config import ROOT, VARIABLES, EnvironmentFile
from environments.errors import EnvironmentProblem
from environments.system import Running, running, use
from environments.system import system as current_system
from measurement.sampler import Sampler
from runner import progress

SAMPLE_SECONDS = 0.5
BUG = "please report it as a BUG"  # what Patroni writes when it meets a state it holds for impossible


class UnusableEnvironment(EnvironmentProblem):
    """Ends the whole run: no criterion can say anything about a system that is not there."""

    ROBOT_EXIT_ON_FAILURE = True


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN", listener="SELF")
class EnvironmentLibrary:
    """Keywords for the `__init__.robot` of `suites/` and of each system folder.

    As a listener it skips each criterion whose needs the environment does not declare, naming the seed it comes
    from, and tags an inconclusive verdict.
    """

    def __init__(self) -> None:
        self._file: EnvironmentFile | None = None
        self._sampler: Sampler | None = None
        self._run_id = ""
        self._kept = False

    @keyword
    def validate_environment(self) -> None:
        """Check the environment before anything starts.

        Reads the variables `ENVIRONMENT` (name or file, default `embedded`), `PROFILE` (default `quick`), `SEED`
        and `RUN_ID`. Every mistake is one line that names the key and the cure, and ends the run.
        """
        variable = BuiltIn().get_variable_value
        profile = str(variable("${PROFILE}", "quick"))
        try:
            self._file = environments.load_environment(str(variable("${ENVIRONMENT}", "embedded")))
            problems = environments.preflight(self._file)
        except EnvironmentProblem as problem:
            problems = list(problem.problems)
        if problems:
            raise UnusableEnvironment(*problems)
        assert self._file is not None
        self._run_id = str(variable("${RUN_ID}", "")) or time.strftime("%Y%m%d-%H%M%S")
        started_by_runner = variable("${RUN_ID}") is not None
        results = Path(str(variable("${OUTPUT DIR}"))) if started_by_runner else ROOT / "results" / self._run_id
        results.mkdir(parents=True, exist_ok=True)
        if not started_by_runner:
            _set_profile_variables(profile)
        seed = int(variable("${SEED}", 0) or time.time_ns() % 1_000_000)
        use(
            Running(
                name=self._file.name,
                driver=self._file.driver,
                profile=profile,
                results=str(results),
                timeout_multiplier=self._file.timeout_multiplier,
                seed=seed,
                defect=self._file.defects.name if self._file.defects else None,
                codec_defect=self._file.defects.codec if self._file.defects else None,
            )
        )
        write_fingerprint(running(), self._run_id)
        logger.info(f"environment '{self._file.name}', profile '{profile}', seed {seed}, results in {results}")

    @keyword
    def start_system(self, system: str) -> None:
        """Start a system's services in parallel and wait until every probe answers.

        Args:
            system: such as `cluster` or `broker`.
        """
        assert self._file is not None, "Validate Environment comes first"
        run = running()
        if system not in self._file.systems.provided:
            logger.info(f"environment '{run.name}' does not provide '{system}'; its criteria are skipped")
            return
        with context.timed(f"start {system}", "startup"):
            try:
                run.system = environments.start_system(system, self._file, Path(run.results))
            except EnvironmentProblem as problem:
                raise UnusableEnvironment(*problem.problems) from None
        run.system_name = system
        run.seen[system] = run.system.facts
        write_fingerprint(run, self._run_id)
        for facts in run.system.facts:
            BuiltIn().set_suite_metadata(facts.name, f"{facts.version} ({facts.kind}, {facts.provider})")
        services = run.system.services
        self._sampler = Sampler(
            lambda: {name: service.roots() for name, service in services.items()},
            Path(run.results) / "samples.jsonl",
            SAMPLE_SECONDS,
        )
        self._sampler.start()

    @keyword
    def stop_system(self, system: str) -> None:
        """Stop a system and prove that nothing of it is left: no process, port or directory.

        A service that called something a bug of its own in its log fails this too, whatever the criteria said.

        With the variable `KEEP` it stays up, and the log says how to reach and how to end it.
        """
        run = running()
        if self._sampler is not None:
            self._sampler.stop()
            self._sampler = None
        if run.system is None:
            return
        with context.timed(f"stop {system}", "teardown"):
            if BuiltIn().get_variable_value("${KEEP}", False):
                self._kept = True
                _tell(run.system.keep(Path(run.results)))
                left = []
            else:
                left = run.system.stop()
        run.system, run.system_name = None, ""
        left += bugs_told_of(Path(run.results) / "sut")
        if left:
            raise AssertionError(f"{system} left something behind: {'; '.join(left)}")

    @keyword
    def addresses_of_the_system(self) -> object:
        """Return how clients reach the system that runs, for libraries that are not of this project.

        Its attributes are those of `ClusterAddresses`, `BrokerAddresses`, `FraiseqlAddresses` or `PgdogAddresses` in
        `environments/addresses.py`; passwords are `Secret`.
        """
        return current_system().addresses

    # -- listener ------------------------------------------------------------------------------------------

    def start_test(self, data: robot_running.TestCase, result: robot_result.TestCase) -> None:
        """Note the criterion, and replace the body of a test the environment has no means for by a skip."""
        identifier = gate.criterion_of(result.tags)
        context.set_criterion(identifier)
        reason = gate.skip_reason(identifier, self._capabilities())
        if reason is not None:
            data.setup.config(name=None)
            data.teardown.config(name=None)
            data.body.clear()
            data.body.create_keyword(name="Skip", args=[reason])

    def end_test(self, data: robot_running.TestCase, result: robot_result.TestCase) -> None:
        """Tag an inconclusive verdict, so that reports can tell it from a failure of the system."""
        context.set_criterion("")
        if result.failed and "INCONCLUSIVE:" in result.message:
            result.tags.add("verdict:inconclusive")

    def close(self) -> None:
        """Stop what a broken-off run left running."""
        try:
            run = running()
        except RuntimeError:
            return
        if run.system is not None and not self._kept:
            run.system.stop()

    def _capabilities(self) -> frozenset[str]:
        try:
            now = running().system
        except RuntimeError:
            return frozenset()
        return now.capabilities if now is not None else frozenset()


def bugs_told_of(logs: Path) -> list[str]:
    """Find the log lines in which Patroni asks for a bug report: no run with one of them was all right."""
    return [
        f"{path.parent.name} logged: {line.strip()}"
        for path in sorted(logs.glob("*/*.log"))
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if BUG in line
    ]


def _tell(text: str) -> None:
    """Put text on the console, also on one of Robot Framework's own, which shows no progress."""
    if not progress.note(text):
        logger.console(text)


def _set_profile_variables(profile: str) -> None:
    """Give a hand-started `robot suites/` the variables that the runner passes as a variable file."""
    path = VARIABLES / f"{profile}.yaml"
    if not path.is_file():
        raise UnusableEnvironment(f"profile '{profile}': no such profile; use quick or full")
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for name, value in content.items():
        BuiltIn().set_global_variable(f"${{{name}}}", value)
