"""Keywords of the toy suites: they end as they are told, and know what the runner handed over."""

from __future__ import annotations

import threading
from pathlib import Path

from robot.api import SkipExecution
from robot.api.deco import keyword, library
from robot.libraries.BuiltIn import BuiltIn

from runner import progress


class Failure(AssertionError):
    ROBOT_SUPPRESS_NAME = True


@library(scope="GLOBAL", auto_keywords=False)
class toylibrary:  # noqa: N801, Robot Framework wants the module's name
    @keyword("a toy system")
    def a_toy_system(self):
        pass

    @keyword("nothing happens")
    def nothing_happens(self):
        pass

    @keyword("all is well")
    def all_is_well(self):
        pass

    @keyword('it is skipped because "${reason}"')
    def skipped(self, reason):
        raise SkipExecution(reason)

    @keyword('it fails with "${message}"')
    def fails(self, message):
        raise Failure(message)

    @keyword('the fault "${name}" is in force for ${seconds} seconds')
    def fault(self, name, seconds: float):
        progress.fault(name)
        with progress.step("waiting for a new leader", 25):
            self._results().joinpath("in-fault").touch()
            threading.Event().wait(seconds)
        progress.fault(None)

    @keyword("Leave A Trace")
    def leave_a_trace(self):
        variables = ["ENVIRONMENT", "PROFILE", "SEED", "RUN_ID", "KEEP", "WRITE_RATE"]
        told = [f"{name}={BuiltIn().get_variable_value('${' + name + '}', '-')}" for name in variables]
        self._results().joinpath("in-teardown").touch()
        threading.Event().wait(float(BuiltIn().get_variable_value("${TEARDOWN_HOLD}", 0)))
        self._results().joinpath("teardown-ran").write_text("\n".join(told), encoding="utf-8")

    def _results(self):
        return Path(BuiltIn().get_variable_value("${OUTPUT DIR}"))
