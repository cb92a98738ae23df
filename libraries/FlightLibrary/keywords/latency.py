"""Keywords of latency: a small query at shares of the rate that the gateway can do, from intended starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
from robot.api.deco import keyword

from EnvironmentLibrary import context
from EnvironmentLibrary.telling import say, settle
from FlightLibrary.client import FlightConnection
from FlightLibrary.comparing import difference
from FlightLibrary.keywords.base import flight_connection
from FlightLibrary.tickets import GraphQLQuery, Ticket
from LoadLibrary.measure import Measurement, measure_closed_loop, measure_open_loop
from measurement.budgets import judge_latency, milliseconds
from measurement.results import Outcome

OPERATION_SECONDS = 10.0  # deadline of one query


@dataclass(frozen=True)
class Latencies:
    """The rate that was found to be the most, and what was measured at shares of it (percent)."""

    maximum: Measurement
    shares: Mapping[int, Measurement]


class Asking:
    """One client that asks the same again and again and checks each answer."""

    def __init__(self, ticket: Ticket, expected: pa.Table) -> None:
        self._ticket, self._expected = ticket, expected
        self._client: FlightConnection = flight_connection(deadline_seconds=OPERATION_SECONDS)

    def __call__(self, number: int) -> Outcome | None:
        """Ask once."""
        table = self._client.read(self._ticket).kept()
        if table.equals(self._expected):
            return None
        return Outcome.wrong(difference(table, self._expected, ("this answer", "the first")) or "another schema")

    def close(self) -> None:
        """End the connection."""
        self._client.close()


class LatencyKeywords:
    """How long small queries take."""

    @keyword
    def latency_is_measured_at_shares_of_the_maximum(
        self, query: str, *shares: int, duration: timedelta, budget: timedelta, workers: int = 8
    ) -> Latencies:
        """Find the maximum rate by a closed loop, then offer shares of it by intended starts; each answer is checked.

        Args:
            query: a small one.
            shares: in percent, such as 10, 50 and 90.
            duration: of each.
            budget: of the p99 at 50 %, in whose light its windows are judged.
            workers: clients with a connection of their own.
        """
        ticket = GraphQLQuery(query)
        with flight_connection() as client:
            expected = client.read(ticket).kept()
        maximum = measure_closed_loop("query over Flight", lambda _: Asking(ticket, expected), duration, workers)
        if maximum.result.failed:
            raise AssertionError(f"{maximum.result.failed} queries failed: {maximum.result.errors}")
        rate = maximum.result.achieved_rate
        context.record_value("most queries a second", round(rate), "/s")
        measured = {}
        for share in shares:
            measured[share] = measure_open_loop(
                f"query over Flight at {share} % of its maximum",
                lambda _: Asking(ticket, expected),
                rate * share / 100,
                duration,
                workers,
                budget.total_seconds() if share == 50 else None,
                ratio_of_max=share / 100,
            )
            latency = measured[share].result.latency
            if latency.n:
                at = ", ".join(f"p{p:g} {milliseconds(latency.percentile(p))}" for p in (50, 95, 99))
                say(f"at {share} %, {rate * share / 100:.0f}/s: {at}")
        return Latencies(maximum, measured)

    @keyword
    def latency_should_be_below(
        self, latencies: Latencies, limit: timedelta, *percents: float, share: int = 50
    ) -> None:
        """Hold percentiles at a share of the maximum rate against a limit.

        Args:
            latencies: what measuring at shares returned.
            limit: such as `100 ms`.
            percents: such as 95 and 99.
            share: of the maximum, in percent.

        Raises:
            AssertionError: one is above, or answers were wrong.
            Inconclusive: the load was not as it was to be, or has too few samples.
        """
        for percent in percents:
            result = latencies.shares[share].result
            context.record_value(f"p{percent:g} at {share} %", result.latency.percentile(percent) * 1000, "ms")
            settle(judge_latency(result, limit.total_seconds(), percent=percent))
