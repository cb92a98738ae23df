"""Three keywords about time: what must come to hold, what must keep holding, what must never happen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from robot.api import logger
from robot.api.deco import keyword, library
from robot.api.types import KeywordArgument, KeywordName
from robot.errors import ExecutionFailed
from robot.libraries.BuiltIn import BuiltIn
from robot.running import RUN_KW_REGISTER

from environments.system import running
from measurement.verdicts import PREFIX, Inconclusive
from runner import progress
from TemporalLibrary import core
from TemporalLibrary.core import Attempts, Mistake, always, eventually, never, wait_until

__all__ = ["TemporalLibrary", "always", "eventually", "never", "wait_until"]

_WRONG_TYPE = re.compile(r"ValueError: Argument '[^']+' got value .* that cannot be converted to ", re.DOTALL)
FLATTENED = ("robot:flatten",)  # what a polled keyword does is told by the record of its attempts


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN")
class TemporalLibrary:
    """Run another keyword again and again, and judge by when it passes and when it fails.

    The log gets one line on all attempts: how many, when the first held and the first failed, and what the last
    failure said. The steps of the polled keyword are in the log only at level DEBUG or TRACE.

    A keyword that does not exist, a wrong number of arguments or a missing variable ends the wait at once: these
    do not mend themselves. Arguments are resolved anew for each attempt.

    Args:
        interval: time between the beginnings of two attempts.
    """

    def __init__(self, interval: timedelta = timedelta(seconds=core.INTERVAL)) -> None:
        self._interval = interval.total_seconds()

    @keyword(tags=FLATTENED)
    def eventually_within(self, duration: timedelta, name: KeywordName, /, *args: KeywordArgument) -> object:
        """Pass as soon as the keyword passes; fail when it has not by the deadline.

        Args:
            duration: the deadline; the environment's `timeout_multiplier` lengthens it on slow machines.
            name: the keyword.
            *args: its arguments.

        Returns:
            What the keyword returned.

        Raises:
            AssertionError: it did not pass in time; with the number of attempts, the time and its last message.
        """
        within = duration.total_seconds() * _multiplier()
        with self._recorded(f"eventually {name}", within, "waiting") as attempts:
            return eventually(_probe(name, args), within, interval=self._interval, attempts=attempts)

    @keyword(tags=FLATTENED)
    def always_for(self, duration: timedelta, name: KeywordName, /, *args: KeywordArgument) -> object:
        """Pass when the keyword passes each time it is run during the window; fail as soon as it fails.

        Args:
            duration: the window; it is never lengthened.
            name: the keyword.
            *args: its arguments.

        Returns:
            What the keyword returned the last time.

        Raises:
            AssertionError: it failed; with how long it had passed before, and its message.
            Inconclusive: it could hardly be run during the window.
        """
        window = duration.total_seconds()
        with self._recorded(f"always {name}", window, "measuring") as attempts:
            return always(_probe(name, args), window, interval=self._interval, attempts=attempts)

    @keyword(tags=FLATTENED)
    def never_within(self, duration: timedelta, name: KeywordName, /, *args: KeywordArgument) -> None:
        """Pass when the keyword fails each time it is run during the window; fail as soon as it passes.

        Args:
            duration: the window; it is never lengthened.
            name: the keyword.
            *args: its arguments.

        Raises:
            AssertionError: it passed; with when.
            Inconclusive: it could hardly be run during the window, or could not tell.
        """
        window = duration.total_seconds()
        with self._recorded(f"never {name}", window, "measuring") as attempts:
            never(_probe(name, args), window, interval=self._interval, attempts=attempts)

    @contextmanager
    def _recorded(self, what: str, seconds: float, kind: str) -> Iterator[Attempts]:
        """Show the wait on the console, keep its attempts out of the log and put their record there instead."""
        attempts = Attempts()
        before = BuiltIn().set_log_level("NONE")
        if before in ("TRACE", "DEBUG"):
            BuiltIn().set_log_level(before)
        try:
            with progress.step(what, seconds):
                yield attempts
        finally:
            BuiltIn().set_log_level(before)
            last = f"; the last failure said: {attempts.last_message}" if attempts.last_message else ""
            logger.info(f"{what}: {attempts}{last}")
            _record_time(what, kind, attempts.elapsed)


def _probe(name: str, args: tuple[object, ...]) -> Callable[[], object]:
    def run() -> object:
        try:
            return BuiltIn().run_keyword(name, *args)
        except ExecutionFailed as error:
            if error.dont_continue or error.skip or _is_mistake(error):
                raise Mistake from error
            if error.message.startswith(PREFIX):
                raise Inconclusive(error.message) from error
            raise AssertionError(error.message) from error

    return run


def _is_mistake(error: ExecutionFailed) -> bool:
    """Whether the framework, not a keyword, raised it: no such keyword or variable, wrong arguments.

    What a keyword raises arrives as a subclass; only what the framework finds wrong has this very class. An
    argument of the wrong type is the exception: the framework raises it as if the keyword had.
    """
    return any(type(part) is ExecutionFailed or _WRONG_TYPE.match(part.message) for part in error.get_errors())


def _multiplier() -> float:
    try:
        return running().timeout_multiplier
    except RuntimeError:  # no environment in use: the keywords are as good without one
        return 1.0


def _record_time(what: str, kind: str, seconds: float) -> None:
    try:
        running()
    except RuntimeError:
        return
    from EnvironmentLibrary.context import record_time

    record_time(what, kind, seconds)


for _name in ("eventually_within", "always_for", "never_within"):
    RUN_KW_REGISTER.register_run_keyword("TemporalLibrary", _name, 1, deprecation_warning=False, dry_run=True)
