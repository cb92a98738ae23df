"""Keywords of the account: what was acknowledged against what the sinks hold, and how they got through a fault."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary import context
from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say
from LoadLibrary.measure import leave_record
from measurement.verdicts import Inconclusive
from ObserverLibrary.keywords.base import SINKS, EventLoad, await_settled, publish_marker, reader_of
from ObserverLibrary.readers import comparable
from oracles.events import Held, Ledger, changed, judge, unacknowledged_there
from runner import progress

ENOUGH = 1000  # acknowledged events without which nothing is settled
COMPARED = 10_000  # events of a load that are compared field by field, evenly taken from all of it
BEHIND = {"clickhouse": timedelta(seconds=1), "search": timedelta(seconds=3)}
"""A sink has caught up when its oldest event not seen yet is younger: a batch's linger, and an index's refresh."""


class AccountKeywords:
    """Nothing lost, nothing doubled, nothing invented, nothing changed; and nobody stopped who need not."""

    @keyword
    def both_sinks_should_hold_exactly_what_was_acknowledged(self, load: EventLoad, within: timedelta) -> None:
        """Demand of each sink that the ids of its entries are those acknowledged, each once, with their fields.

        An event whose acknowledgement never came may be there; an event that nobody published must not.

        Args:
            load: ended.
            within: deadline for each sink to be done with it.
        """
        for sink in SINKS:
            self.sink_should_hold_exactly_what_was_acknowledged(sink, load, within)

    @keyword
    def sink_should_hold_exactly_what_was_acknowledged(self, sink: str, load: EventLoad, within: timedelta) -> None:
        """Demand it of one sink; see `Both Sinks Should Hold Exactly What Was Acknowledged`."""
        published, reader = load.published, reader_of(sink)
        sent = published.rows["sent"] > 0
        ledger = Ledger(published.ids[sent], published.acked[sent], published.intended_us[sent])
        enough = min(ENOUGH, published.plan.events)
        with context.timed(f"{sink} to be done", "waiting"), progress.step(f"{sink} to be done", scaled(within)):
            await_settled(reader, published.tenant, published.acknowledged, publish_marker(), within)
        held = Held.of(sink, reader.ids(published.tenant))
        account = judge(ledger, held, enough, load.instants)
        for findings in account:
            logger.info("\n".join([findings.reason, *(item.text for item in findings.items)]))
        for findings in account:
            findings.require()
        unasked = unacknowledged_there(ledger, held)
        also = f", and {unasked} whose acknowledgement never came" if unasked else ""
        say(f"{sink} holds all {published.acknowledged} acknowledged events once{also}")

    @keyword
    def every_field_should_be_as_published(self, load: EventLoad) -> None:
        """Demand of both sinks that events have the fields with which they were published.

        Of loads of more than 10 000 events that many are compared, evenly taken.
        """
        published = load.published
        numbers = np.unique(np.linspace(0, len(published.rows) - 1, COMPARED).astype(int))
        expected = [comparable(event) for event in published.events(numbers.tolist())]
        for sink in SINKS:
            findings = changed(sink, expected, reader_of(sink).events(published.tenant))
            logger.info(findings.reason)
            findings.require()

    @keyword
    def sink_should_have_caught_up_within(self, sink: str, load: EventLoad, limit: timedelta, since: str) -> None:
        """Demand that a sink was so soon not behind any more.

        That is when its oldest event not seen yet was younger than 1 s (search engine: 3 s, it refreshes each second).

        Args:
            sink: that had been interrupted.
            load: ended, and its sinks done with it.
            limit: the budget; longer where the environment's machine is slow.
            since: a noted instant.

        Raises:
            AssertionError: it took longer.
            Inconclusive: it was not behind at that instant, so that nothing had been interrupted.
        """
        lag, begin = load.lag(sink), load.at(since)
        behind = scaled(BEHIND[sink])
        worst = max((age for at, age in lag.ages() if at >= begin), default=0.0)
        if worst <= behind:
            raise Inconclusive(f"{sink} was at most {worst:.2f} s behind after {since}: nothing had been interrupted")
        caught_up = lag.caught_up_at(begin, behind)
        if caught_up is None:
            raise AssertionError(f"{sink} was still more than {behind:g} s behind when the watch ended")
        seconds = caught_up - begin
        context.record_value(f"recovery of {sink}", seconds, "s")
        if seconds > scaled(limit):
            raise AssertionError(
                f"{sink} had caught up {seconds:.2f} s after {since}, expected within {scaled(limit):g} s "
                f"(it had been {worst:.1f} s behind)"
            )
        say(f"{sink} had caught up {seconds:.2f} s after {since}, having been {worst:.1f} s behind")

    @keyword
    def sink_should_never_have_stopped(
        self, sink: str, load: EventLoad, longest: timedelta, since: str, until: str
    ) -> None:
        """Demand that new events were to be seen in a sink again and again between two noted instants.

        Args:
            sink: that had nothing to do with the fault.
            load: with its noted instants.
            longest: the longest time allowed without a new event; longer where the machine is slow.
            since: the beginning, such as the injection of a fault.
            until: the end.
        """
        begin, end = load.at(since), load.at(until)
        lag = load.lag(sink)
        pause = lag.longest_pause(begin, end)
        context.record_value(f"pause of {sink}", pause, "s")
        if pause > scaled(longest):
            raise AssertionError(
                f"{sink} showed no new event for {pause:.2f} s of the {end - begin:.1f} s from {since} to {until}, "
                f"expected at most {scaled(longest):g} s"
            )
        say(f"{sink} never went without a new event for more than {pause:.2f} s from {since} to {until}")

    @keyword
    def publisher_should_have_buffered_and_resumed(self, load: EventLoad) -> None:
        """Demand that events fell due while NATS was away, and that each of them was acknowledged afterwards.

        Raises:
            AssertionError: some never were, though their publisher was connected again.
            Inconclusive: none fell due meanwhile, or the connection was never lost.
        """
        published = load.published
        begin = load.at("the publisher was cut off")
        waited = published.intended_us / 1e6 >= begin
        waited &= published.rows["free"] > published.intended_us
        number, never = int(waited.sum()), int((waited & ~published.acked).sum())
        if not number or not published.outcome.reconnects:
            raise Inconclusive(f"no event had to wait for NATS: {published.summary()}")
        if never:
            raise AssertionError(f"{never} of {number} events that had to wait for NATS were never acknowledged")
        longest = float((published.rows["acked"] - published.intended_us)[waited].max()) / 1e6
        context.record_value("buffered", number, "events")
        say(f"{number} events waited for NATS, the longest for {longest:.2f} s; all were acknowledged")

    @keyword
    def load_is_recorded(self, load: EventLoad, name: str) -> None:
        """Leave the record of a load, cut into windows at its noted instants."""
        published = load.published
        result = published.result(load.bands())
        leave_record(name, result, busy_percent=load.busy_percent, clients_cpu_percent=result.client_cpu_percent)
