"""Keywords of rows that are read over HTTP while SQL changes them, whatever happens to the cache in between."""

from __future__ import annotations

import secrets
from contextlib import closing
from datetime import timedelta
from functools import partial

import requests
from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary.context import criterion, record_value, results, scaled, timed
from EnvironmentLibrary.telling import say, settle
from environments.system import running
from FlightLibrary.keywords.base import addresses, http_connection, on_test_end
from GatewayLibrary.changing import Plan, SampleType, Traffic, judge_slowest
from GatewayLibrary.counters import counters
from GatewayLibrary.rows import OverHttp, Users
from LoadLibrary.measure import leave_record
from LoadLibrary.rate import Rate
from measurement.budgets import milliseconds
from measurement.records import Target
from measurement.verdicts import Inconclusive
from PostgresLibrary.sessions import Target as Session
from PostgresLibrary.sessions import connect
from runner import progress
from TemporalLibrary.core import wait_until

ROWS = 6
ANSWERS, CHANGES, HITS = 100, 20, 20  # without which a window says nothing; the last where the cache is to be used
ANSWER_SECONDS = 10.0  # a client that has waited so long has no answer
FIRST_SECONDS = 20.0  # until enough has been answered before anything is done


class ReadingKeywords:
    """Clients that go on reading until the end of the test, in windows that bear names."""

    @keyword
    def rows_are_read_while_they_are_changed(self, rate: Rate) -> Traffic:
        """Let clients read six rows over HTTP at a rate while ten changes a second are committed by SQL.

        They go on until they are judged or the test ends; it returns when enough was answered in the window `before`.

        Args:
            rate: answers a second, open loop.
        """
        where = addresses()
        session = connect(Session(where.database, where.database_name, where.owner))
        on_test_end(session.close)
        session.autocommit = True
        users = Users(session, ROWS, f"{criterion()}-{secrets.token_hex(6)}")
        on_test_end(users.delete)
        traffic = Traffic(
            users.ids,
            lambda: OverHttp(http_connection(deadline_seconds=ANSWER_SECONDS)),
            users.change,
            Plan(reads=rate.per_second),
        )
        on_test_end(traffic.stop)
        traffic.start("before")
        self.enough_should_be_answered(traffic, timedelta(seconds=FIRST_SECONDS))
        return traffic

    @keyword
    def window_begins(self, readers: Traffic, window: str, sample_type: SampleType = "normal") -> None:
        """Name what happens from now on; while it is a `fault` all rows are changed, else every other one."""
        readers.begin(window, sample_type)

    @keyword
    def enough_should_be_answered(self, readers: Traffic, within: timedelta) -> None:
        """Wait until a hundred answers and twenty changes have come that were begun from now on.

        Raises:
            AssertionError: an answer did not come, or is none.
            Inconclusive: fewer came by then.
        """
        _await(readers, within, cached=False)

    @keyword
    def answers_should_come_from_the_cache(self, readers: Traffic, within: timedelta) -> None:
        """The same, and twenty of the answers came from the cache, by the gateway's own count.

        Raises:
            AssertionError: an answer did not come, or is none.
            Inconclusive: the cache is not used, so that nothing is known about what it does.
        """
        _await(readers, within, cached=True)

    @keyword
    def every_answer_should_have_been_the_newest(self, readers: Traffic) -> None:
        """End the clients and judge: each answer is at least as new as what was committed before it was asked for.

        Raises:
            AssertionError: an answer was older, went back behind another, holds what nobody wrote, is none, or did
                not come; with the first.
            Inconclusive: a window has too few answers or changes.
        """
        readers.stop()
        report = readers.report(criterion(), running().seed)
        windows = report.windows()
        path = report.write(results() / "histories" / f"{criterion() or 'none'}-answers.jsonl")
        logger.info(f"{len(report.history.operations)} operations in {path.name}: {windows}")
        report.check_all_answered()
        evidence = report.check_right()
        report.require_windows({window: {"reads": ANSWERS, "acked": CHANGES} for window in windows})
        logger.info(evidence)
        answers, changes = (sum(window[what] for window in windows.values()) for what in ("reads", "acked"))
        say(
            f"{answers} answers over HTTP held what was committed before they were asked for, through {changes} changes"
        )

    @keyword
    def every_answer_should_have_come_within(self, readers: Traffic, limit: timedelta) -> None:
        """Hold the slowest answer, from its intended start, against a limit; tell latency window by window.

        The record of the load has the same windows.
        """
        readers.stop()
        result, seconds = readers.result(), scaled(limit)
        judgement = judge_slowest(result, seconds)
        slowest = 0.0
        for window in result.windows_unchecked():
            latency = window.latency
            if latency.n:
                slowest = max(slowest, latency.max)
                at = ", ".join(f"p{p:g} {milliseconds(latency.percentile(p))}" for p in (50, 99))
                say(f"{window.label}: {at}, slowest {milliseconds(latency.max)} (n = {latency.n})")
        record_value("slowest answer", slowest, "s")
        target = Target("slowest answer", seconds * 1000, "ms")
        settle(leave_record("answers over HTTP around faults of Redis", result, judgement, target).judgement)


def _await(readers: Traffic, within: timedelta, *, cached: bool) -> None:
    since = readers.now()
    wanted = {"reads": ANSWERS, "acked": CHANGES}
    hits = partial(_hits_more_than, _hits()) if cached else lambda: None

    def missing() -> str | None:
        seen = readers.seen(since)
        if seen["failed"]:
            return None  # it is told below
        less = [f"{seen[what]} of {number} '{what}'" for what, number in wanted.items() if seen[what] < number]
        return ", ".join(less) or hits()

    with timed("answers to come", "measuring"), progress.step("answers to come", scaled(within)):
        try:
            wait_until(missing, scaled(within), "enough answers", interval=0.1)
        except Inconclusive:
            raise
        except AssertionError as error:
            raise Inconclusive(str(error)) from None
    readers.report(criterion(), running().seed).check_all_answered()


def _hits_more_than(before: float) -> str | None:
    more = _hits() - before
    return None if more >= HITS else f"the gateway counts {more:g} answers from its cache, {HITS} wanted"


def _hits() -> float:
    """Answers that came from the cache, by the gateway's metrics."""
    where = addresses()
    token = where.metrics_token
    headers = {} if token is None else {"Authorization": f"Bearer {token.value}"}
    with closing(requests.get(f"{where.http}/metrics", headers=headers, timeout=scaled(ANSWER_SECONDS))) as answer:
        answer.raise_for_status()
        return counters(answer.text).get("fraiseql_cache_hits", 0.0)
