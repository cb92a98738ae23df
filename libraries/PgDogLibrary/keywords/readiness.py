"""Keywords of migration readiness: the report of the console, the own computation, and that both agree."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from robot.api.deco import keyword

from EnvironmentLibrary.telling import say
from environments.pgdog.options import Readiness
from PgDogLibrary import scenarios
from PgDogLibrary.counts import MirrorCounts, Moved
from PgDogLibrary.keywords.base import declares, own_proxy
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.readiness import Assessment, Observed, Thresholds, assess
from PgDogLibrary.report import Report, difference, parse
from PgDogLibrary.rest import LONG_REST_SECONDS, asked, at_rest, counted

Status = Literal["READY", "NOT READY"]

_TRAFFIC = re.compile(r"(\d+) queries and (\d+) failures")
SLOW_SECONDS = 0.1


class ReadinessKeywords:
    """Whether a migration may go ahead, by the plan's rule."""

    @keyword(tags=["robot:continue-on-failure"])
    def readiness_report_is(self, status: Status, score: float, after: str, most_errors: float, least: int) -> None:
        """Let a proxy of its own mirror so much; see its report, and that each line is what the numbers give.

        Args:
            status: `READY` or `NOT READY`.
            score: out of 100.
            after: such as `95 queries and 5 failures`; failures are statements that the mirror refuses.
            most_errors: the greatest share of errors that is ready.
            least: the smallest number of transactions that is ready.
        """
        readiness = Readiness(max_error_rate=most_errors, min_requests=least)
        proxy = own_proxy(replace(scenarios.exposed(1.0), readiness=readiness))
        queries, failures = _traffic(after)
        _ask(proxy, queries, failures)
        report, assessment = _both(proxy)
        if report is None:
            raise AssertionError("the console has no SHOW MIRROR READINESS")
        if (total := report.metrics["total"]) != queries + failures:
            raise AssertionError(
                f"after {after} the report has {total:.0f} requests in total, expected {queries + failures}"
            )
        if (assessment.status, assessment.score) != (status, score):
            raise AssertionError(
                f"after {after} the numbers give {assessment.status} {assessment.score:.1f}, "
                f"expected {status} {score:.1f}"
            )
        say(f"after {after}: {status} {score:.1f}")

    @keyword(tags=["robot:continue-on-failure"])
    def migration_readiness_is_found(self, status: Status, of: str, because: str) -> None:
        """Let a proxy of its own meet one condition; see that readiness is as told, with the reason named.

        It is computed from the scraped numbers, as the plan has it; where the console tells it, both must agree.

        Args:
            status: `READY` or `NOT READY`.
            of: `too few requests`, `many errors`, `slow statements`, `a short runtime` or `healthy traffic`.
            because: how the reason begins.
        """
        if of not in CONDITIONS:
            raise ValueError(f"there is no condition '{of}'; there are {', '.join(CONDITIONS)}")
        readiness, work = CONDITIONS[of]
        proxy = own_proxy(replace(scenarios.exposed(1.0), readiness=readiness))
        work(proxy)
        self.migration_readiness_should_be(proxy, status, because)

    @keyword
    def migration_readiness_should_be(self, proxy: Proxied, status: Status, because: str = "") -> None:
        """Compute readiness from the scraped numbers, as the plan has it; where the console tells it, both must agree.

        Args:
            proxy: whose own thresholds hold; it has mirrored since the test began with it.
            status: `READY` or `NOT READY`.
            because: how one of the reasons begins; left out: any.
        """
        _, assessment = _both(proxy)
        if assessment.status != status:
            raise AssertionError(
                f"expected {status}, was {assessment.status} ({assessment.score:.1f}): {'; '.join(assessment.reasons)}"
            )
        if not any(reason.startswith(because) for reason in assessment.reasons):
            raise AssertionError(f"expected a reason '{because}', there is {'; '.join(assessment.reasons)}")
        say(f"{status}: {'; '.join(assessment.reasons)}")


def assessed(proxy: Proxied, counted_so_far: Moved) -> Assessment:
    """Judge readiness by what was counted since the test began with a proxy, and its own thresholds."""
    return assess(_observed(proxy, counted_so_far.counts), _thresholds(proxy.options.readiness))


def _both(proxy: Proxied) -> tuple[Report | None, Assessment]:
    """The console's report, where it has one, and what the numbers give; they must be the same.

    Raises:
        AssertionError: a line differs, or is not of its form.
    """
    at_rest(proxy, LONG_REST_SECONDS)
    wanted = _thresholds(proxy.options.readiness)
    before = _observed(proxy, counted(proxy))
    if not declares("readiness"):
        return None, assess(before, wanted)
    report = parse(asked(proxy.instance, "SHOW MIRROR READINESS").lines())
    if (problem := difference(report, wanted, before, _observed(proxy, counted(proxy)))) is not None:
        raise AssertionError(problem)
    return report, assess(before, wanted)


def _observed(proxy: Proxied, counts: MirrorCounts) -> Observed:
    return Observed.of(counts.total, (time.time() - proxy.began) / 3600)


def _thresholds(readiness: Readiness) -> Thresholds:
    return Thresholds(
        readiness.max_error_rate, readiness.max_latency_ms, readiness.min_runtime_hours, readiness.min_requests
    )


def _traffic(text: str) -> tuple[int, int]:
    match = _TRAFFIC.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is no traffic; write such as '95 queries and 5 failures'")
    return int(match[1]), int(match[2])


def _ask(proxy: Proxied, queries: int, failures: int = 0) -> None:
    """Failures come first, so that errors in a row do not last."""
    table = proxy.place.table("uniques")
    if failures:
        proxy.place.mirror.do("app", f"DROP TABLE {table}")
    with proxy.client() as client:
        for number in range(failures):
            client.checked(f"INSERT INTO {table} VALUES ({number}, 'fails there') RETURNING id", [(number,)])
        for _ in range(queries):
            client.ask()


def _sleep(proxy: Proxied) -> None:
    with proxy.client() as client:
        for _ in range(20):
            client.checked(f"SELECT true FROM pg_sleep({SLOW_SECONDS})", [(True,)])


_EASY = Readiness(max_error_rate=0.05, max_latency_ms=1000, min_runtime_hours=0.0, min_requests=10)

CONDITIONS: dict[str, tuple[Readiness, Callable[[Proxied], None]]] = {
    "too few requests": (replace(_EASY, min_requests=100), lambda proxy: _ask(proxy, 20)),
    "many errors": (_EASY, lambda proxy: _ask(proxy, 150, 50)),
    "slow statements": (replace(_EASY, max_latency_ms=50), _sleep),
    "a short runtime": (replace(_EASY, min_runtime_hours=24.0), lambda proxy: _ask(proxy, 50)),
    "healthy traffic": (_EASY, lambda proxy: _ask(proxy, 100)),
}
"""What is demanded, and what clients do."""
