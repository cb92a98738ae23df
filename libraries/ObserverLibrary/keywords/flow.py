"""Keywords of loads: events begin to flow, go on whatever happens, and end."""

from __future__ import annotations

import time
from datetime import timedelta

from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary import context
from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say
from LoadLibrary.measure import Busy
from LoadLibrary.rate import Rate
from measurement.verdicts import Inconclusive
from ObserverLibrary.keywords.base import POLL_SECONDS, SINKS, EventLoad, acked, new_load, watch
from ObserverLibrary.publishing import State
from runner import progress
from TemporalLibrary.core import wait_until

DRAIN = timedelta(seconds=30)
FIRST_SECONDS = 20.0  # until the first second of a load is acknowledged, and the sinks show events of it
LONGEST = timedelta(hours=2)  # of a load that is to go on until it is ended


class FlowKeywords:
    """Events are published by intended times in a process of their own, with a ledger below `histories/`."""

    @keyword
    def events_are_published(self, number: int, rate: Rate, *sinks: str) -> EventLoad:
        """Publish so many events at a rate, and wait until each is acknowledged.

        Args:
            number: how many.
            rate: events a second, open loop.
            *sinks: to be watched meanwhile, such as clickhouse.

        Raises:
            Inconclusive: not all of them were acknowledged.
        """
        load = new_load(rate.per_second, number, scaled(DRAIN))
        self._carry_out(load, sinks, f"{number} events at {rate}")
        published = load.published
        if published.acknowledged < number:
            raise Inconclusive(f"not all {number} events were acknowledged: {published.summary()}")
        return load

    @keyword
    def events_flow_for(self, duration: timedelta, rate: Rate) -> EventLoad:
        """Publish events at a rate for a time, watch both sinks meanwhile, and wait for the acknowledgements."""
        load = new_load(rate.per_second, round(rate.per_second * duration.total_seconds()), scaled(DRAIN))
        self._carry_out(load, SINKS, f"events at {rate}")
        return load

    @keyword
    def events_flow(self, rate: Rate, through: str | None = None) -> EventLoad:
        """Begin to publish events at a rate, until `Events End`, and watch both sinks.

        It returns when a second's worth is acknowledged and both sinks show events, so that there is something that
        can be interrupted.

        Args:
            rate: events a second, open loop.
            through: the link by which the publisher reaches NATS; None: directly.
        """
        events = round(rate.per_second * LONGEST.total_seconds())
        load = new_load(rate.per_second, events, scaled(DRAIN), through)
        watch(load, SINKS)
        load.publishing.begin()
        load.publishing.await_state(acked(round(rate.per_second)), scaled(timedelta(seconds=FIRST_SECONDS)))

        def missing() -> str | None:
            empty = [sink for sink, one in load.watches.items() if one.seen == 0]
            return f"{' and '.join(empty)} show no event" if empty else None

        wait_until(missing, scaled(timedelta(seconds=FIRST_SECONDS)), "events in both sinks", interval=POLL_SECONDS)
        return load

    @keyword
    def more_events_are_acknowledged(self, load: EventLoad, number: int, within: timedelta) -> None:
        """Wait until so many more events are acknowledged than were at the beginning."""
        wanted = load.publishing.state.acked + number
        with progress.step("events to be acknowledged", scaled(within)):
            load.publishing.await_state(acked(wanted), scaled(within))

    @keyword
    def more_events_fall_due(self, load: EventLoad, number: int) -> None:
        """Wait until so many more events should have been published, acknowledged or not."""
        wanted, seconds = load.publishing.state.due + number, number / load.publishing.plan.rate

        def missing(state: State) -> str | None:
            return f"{state.due} of {wanted} events have fallen due" if state.due < wanted else None

        load.publishing.await_state(missing, seconds + scaled(timedelta(seconds=FIRST_SECONDS)))

    @keyword
    def publisher_should_have_lost_its_connection_within(self, load: EventLoad, limit: timedelta) -> None:
        """Wait until the publisher itself knows that NATS is away; names that instant `the publisher was cut off`.

        Raises:
            Inconclusive: it is connected all the time.
        """
        try:
            state = load.publishing.await_state(_connected, scaled(limit))
        except TimeoutError as error:
            raise Inconclusive(f"the publisher was not cut off: {error}") from None
        load.marks["the publisher was cut off"] = state.at

    @keyword
    def instant_is_noted(self, load: EventLoad, label: str) -> None:
        """Name this instant of a load, so that sentences and findings can refer to it."""
        load.marks[label] = time.time()
        state = load.publishing.state
        logger.info(f"{label}: {state.due} events due, {state.sent} sent, {state.acked} acknowledged")

    @keyword
    def events_end(self, load: EventLoad) -> None:
        """Let no more events fall due, send what has, and wait for the acknowledgements; watches go on."""
        with context.timed("events to be acknowledged", "waiting"), progress.step("acknowledgements", scaled(DRAIN)):
            load.end(load.publishing.stop())
        say(load.published.summary())

    def _carry_out(self, load: EventLoad, sinks: tuple[str, ...], name: str) -> None:
        watch(load, sinks)
        seconds = load.publishing.plan.seconds
        with context.timed(name, "measuring"), progress.step(name, seconds), Busy() as busy:
            load.end(load.publishing.begin().wait())
        load.busy_percent = busy.percent
        say(load.published.summary())


def _connected(state: State) -> str | None:
    return "it is still connected" if state.connected else None
