"""Assertions on measured phases; the libraries of the systems offer the load, see `LoadLibrary.measure`."""

from __future__ import annotations

from datetime import timedelta

from robot.api import logger
from robot.api.deco import keyword, library

from LoadLibrary.measure import Measurement
from LoadLibrary.rate import Rate
from measurement.budgets import judge_latency, judge_rate
from measurement.paired import judge_ratio
from measurement.verdicts import Inconclusive

__all__ = ["LoadLibrary", "Measurement", "Rate"]


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN", converters={Rate: Rate.parse})
class LoadLibrary:
    """Holds measurements against their budgets.

    Each keyword passes, fails with expected and actual value, unit, sample size and load, or fails with
    `INCONCLUSIVE:` in front when the measurement cannot tell: the generator was late, the offered load was not
    achieved, or there were too few samples.
    """

    @keyword(name="P99 Should Be Below", tags=["load"])
    def p99_should_be_below(self, measurement: Measurement, limit: timedelta) -> None:
        """Hold the p99 latency of an open-loop measurement against a limit.

        Args:
            measurement: what a keyword that offers load returned.
            limit: such as `100 ms`; the same as the measurement's own budget, when it has one.

        Raises:
            AssertionError: the p99 is above the limit, or operations failed.
            Inconclusive: the measurement cannot tell.
        """
        seconds = limit.total_seconds()
        _same(measurement, "p99 latency", seconds * 1000)
        judgement = measurement.judgement if measurement.target else judge_latency(measurement.result, seconds)
        assert judgement is not None
        logger.info(str(measurement))
        judgement.require()

    @keyword(tags=["load"])
    def rate_should_be_above(self, measurement: Measurement, limit: Rate) -> None:
        """Hold the achieved rate of correct responses against a limit.

        Args:
            measurement: what a keyword that finds the maximum rate returned.
            limit: such as `1000/s`.

        Raises:
            AssertionError: the rate is below the limit, or operations failed.
            Inconclusive: the client, not the system, was at its end.
        """
        _same(measurement, "rate", limit.per_second)
        judgement = measurement.judgement if measurement.target else judge_rate(measurement.result, limit.per_second)
        assert judgement is not None
        logger.info(str(measurement))
        judgement.require()

    @keyword(tags=["load"])
    def ratio_should_be_below(self, measurement: Measurement, limit: float) -> None:
        """Hold the ratio of a paired measurement, with its whole confidence interval, against a limit.

        Args:
            measurement: what a keyword that compares two ways returned.
            limit: such as `1.0`.

        Raises:
            AssertionError: the ratio is at or above the limit, or operations failed.
            Inconclusive: the interval reaches the limit.
        """
        if measurement.paired is None:
            raise ValueError(f"'{measurement.name}' is not a paired measurement, it has no ratio")
        logger.info(str(measurement))
        judge_ratio(measurement.paired, limit).require()

    @keyword(tags=["load"])
    def every_window_should_have_successes(self, measurement: Measurement, at_least: int) -> None:
        """Make sure that each labelled window (before, during and after a fault) had enough successful operations.

        Args:
            measurement: of a load with windows.
            at_least: successful operations in each.

        Raises:
            Inconclusive: there are no windows, or one has too few.
        """
        windows = tuple(measurement.result.windows_unchecked())
        if not windows:
            raise Inconclusive(f"'{measurement.name}' has no windows, so nothing is known about any of them")
        for window in windows:
            logger.info(f"{window.label}: {window.ok} ok, {window.failed} failed in {window.seconds:.1f} s")
            window.require(at_least)


def _same(measurement: Measurement, of: str, limit: float) -> None:
    """Make sure that the sentence and the record name the same budget.

    Raises:
        ValueError: they do not, or it is another kind of measurement.
    """
    target = measurement.target
    if target is None:
        return
    if target.of != of:
        raise ValueError(f"'{measurement.name}' was measured for its {target.of}, not for its {of}")
    if abs(target.limit - limit) > 1e-6 * limit:
        raise ValueError(
            f"'{measurement.name}' was recorded against {target.limit:g} {target.unit}, the test says {limit:g}: "
            "let both use the same budget"
        )
