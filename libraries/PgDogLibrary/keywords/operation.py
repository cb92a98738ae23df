"""Keywords of running a proxy: wrong files, users without a mirror, and RELOAD while clients work."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import timedelta

from robot.api.deco import keyword

from EnvironmentLibrary.context import record_value, scaled, timed
from EnvironmentLibrary.telling import say
from environments.pgdog.options import ProxyOptions
from environments.system import PgdogInstance, pgdog
from measurement.openloop import Offering
from measurement.schedule import constant_rate
from PgDogLibrary import scenarios
from PgDogLibrary.admin import ConsoleError
from PgDogLibrary.keywords.base import logged, own_proxy
from PgDogLibrary.load import LONGEST_SECONDS, Writer
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.rest import asked, at_rest
from PgDogLibrary.scenarios import number_of
from PgDogLibrary.wrong_files import OPTIONS, WrongFile, wrong_files
from TemporalLibrary.core import wait_until

POLL_SECONDS = 0.05
RELOAD_CLIENTS = 3
RELOAD_RATE = 200.0  # transactions a second of all of them
ANSWER_SECONDS = 10.0


class OperationKeywords:
    """What an operator does, right and wrong."""

    @keyword(tags=["robot:continue-on-failure"])
    def each_wrong_file_is_refused_by_its_key_within(self, duration: timedelta) -> None:
        """Start a proxy with each of many files that have one mistake; none may serve, each must name the key.

        Args:
            duration: of one start; the environment's `timeout_multiplier` lengthens it.
        """
        files = wrong_files(pgdog().configuration(OPTIONS), pgdog().addresses.dialect)
        problems, slowest = [], 0.0
        with timed("start proxies with wrong files", "startup"):
            for file in files:
                began = time.monotonic()
                if (problem := _served(file, scaled(duration))) is not None:
                    problems.append(problem)
                slowest = max(slowest, time.monotonic() - began)
        record_value("refused", slowest, "s")
        if problems:
            raise AssertionError(f"{len(problems)} of {len(files)} wrong files; {'; '.join(problems)}")
        say(f"{len(files)} wrong files, each refused by the name of its key")

    @keyword(tags=["robot:continue-on-failure"])
    def a_user_without_a_mirror_is_counted(self) -> None:
        """Let a user who has no login on the mirror write; what is missing there must have been counted."""
        proxy = own_proxy(ProxyOptions(mirror_users=("app",)))
        with proxy.client(user="other") as client:
            for _ in range(20):
                client.write()
        with proxy.client() as client:
            for _ in range(5):
                client.write()
        if errors := proxy.account.errors:
            raise AssertionError(f"{len(errors)} of 25 rows could not be written; first: {errors[0]}")
        now = at_rest(proxy).total
        there = scenarios.rows_by_transaction(proxy)
        missing = sum((entry.client, entry.seq) not in there for entry in proxy.account.written())
        told = now.announced() or 0
        if missing > told:
            raise AssertionError(
                f"a user without a login on the mirror wrote 20 rows: {missing} are missing there, counted was {now}"
            )
        say(f"{missing} rows of a user without a mirror are missing there, {told} were counted")

    @keyword
    def clients_work_while_it_is_reloaded(self, proxy: Proxied, good_files: int, bad_files: int) -> None:
        """Let clients write while the proxy reads changed files, good and bad in turns.

        Raises:
            AssertionError: a client was told an error or got no answer, a good file was refused, or a bad one was not.
        """
        with Offering(lambda _: Writer(proxy), constant_rate(RELOAD_RATE, LONGEST_SECONDS), RELOAD_CLIENTS) as load:
            for number in range(max(good_files, bad_files)):
                if number < good_files:
                    self._reload(proxy, replace(proxy.options, query_timeout_ms=6000 + number), good=True)
                    _await_more(proxy)
                if number < bad_files:
                    self._reload(proxy, None, good=False)
                    _await_more(proxy)
        proxy.instance.reconfigure(proxy.options)
        if failed := load.result().normal.failed:
            raise AssertionError(f"{failed} transactions failed meanwhile; first: {proxy.account.errors[0]}")
        say(f"{proxy.account.committed} transactions while {good_files} good and {bad_files} bad files were read")

    @keyword
    def a_new_exposure_should_hold_after_reload(self, proxy: Proxied) -> None:
        """Set the exposure to 0 by RELOAD; what a client writes then must be counted as left out, and not mirrored."""
        (database,) = proxy.options.databases
        self._reload(proxy, replace(proxy.options, databases=(replace(database, exposure=0.0),)), good=True)
        before = at_rest(proxy).total
        with proxy.client() as client:
            for _ in range(20):
                client.write()
            number = client.number
        now = at_rest(proxy).total
        there = [key for key in scenarios.rows_by_transaction(proxy) if key[0] == number]
        left_out = number_of(now, "sampled_out") - number_of(before, "sampled_out")
        if there or left_out != 20:
            raise AssertionError(
                f"with exposure 0, {len(there)} of 20 were mirrored and {left_out} counted as left out"
            )
        say("exposure 0 held after RELOAD")

    def _reload(self, proxy: Proxied, options: ProxyOptions | None, *, good: bool) -> None:
        """Write a file and let the proxy read it; None: one with a key that nobody knows."""
        if options is not None:
            proxy.instance.reconfigure(options)
        else:
            text = proxy.instance.configuration.read_text(encoding="utf-8")
            proxy.instance.configuration.write_text(
                text.replace("[general]", "[general]\nno_such_key = 1"), encoding="utf-8"
            )
        try:
            asked(proxy.instance, "RELOAD")
        except ConsoleError as error:
            if good:
                raise AssertionError(f"RELOAD refused a good file: {error}") from None
            if "no_such_key" not in str(error):
                raise AssertionError(f"RELOAD refused a bad file without its key 'no_such_key': {error}") from None
            return
        if not good:
            raise AssertionError("RELOAD took a file with the unknown key 'no_such_key'")


def _served(file: WrongFile, within: float) -> str | None:
    """What is wrong with how a proxy met a wrong file; None: it ended and named the key."""
    instance = pgdog().launch_raw(file.text, file.users)
    try:
        wait_until(lambda: _still_there(instance), within, "the proxy to end", interval=POLL_SECONDS)
    except AssertionError:
        return f"{file.what}: it serves"
    finally:
        pgdog().end(instance)
    if instance.exit_status() == 0:
        return f"{file.what}: it ended with status 0"
    if re.search(rf"\b{file.key}\b", logged(instance)) is None:  # "port" is not named by "unsupported"
        return f"{file.what}: '{file.key}' is not named in '{logged(instance)[-300:]}'"
    return None


def _await_more(proxy: Proxied) -> None:
    """Wait until clients have been answered some more, with what was just read."""
    before = proxy.account.committed

    def missing() -> str | None:
        if proxy.account.errors:
            return None  # told by the load's result
        more = proxy.account.committed - before
        return None if more > 2 * RELOAD_CLIENTS else f"{more} transactions were committed"

    wait_until(missing, scaled(ANSWER_SECONDS), "clients to go on", interval=POLL_SECONDS)


def _still_there(instance: PgdogInstance) -> str | None:
    return "it still runs" if instance.exit_status() is None else None
