"""Keywords of crowds: clients that come at once, streams that are cut, readers that are slow or vanish."""

from __future__ import annotations

import statistics as plain
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary import context
from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say, settle
from FlightLibrary.accounting import clock
from FlightLibrary.comparing import difference
from FlightLibrary.crowd import Crowd, gather
from FlightLibrary.jobs import Job, JobTooSlow
from FlightLibrary.keywords.base import (
    addresses,
    flight_connection,
    http_connection,
    on_test_end,
    processes,
    right_token,
)
from FlightLibrary.streams import Stream, Streams, recovered_after, statuses
from FlightLibrary.tickets import GraphQLQuery
from measurement.budgets import milliseconds
from measurement.memory import MEGABYTE, Look, memory_curve
from measurement.usage import ResidentMemory
from measurement.verdicts import Inconclusive, Judgement, Verdict
from TemporalLibrary.core import wait_until

PATIENCE = timedelta(seconds=30)
STREAM_SECONDS = 30.0  # deadline of one stream in a crowd
MOST_SHOWN = 3
HELD_SECONDS = 600.0  # deadline of a stream that is read slowly


@dataclass(frozen=True)
class BesideSlow:
    """What prompt clients met while others read slowly, and what the gateway's memory did.

    Attributes:
        streams: that were held open by slow readers.
        seconds: of each prompt answer meanwhile.
        alone: of each before there were slow readers.
        before: what the gateway held at most until then, in bytes.
        growth: by how much it held more afterwards, at most.
        looks: (epoch seconds, bytes) at its memory all the time.
        held: from when until when there were slow readers, epoch seconds.
    """

    streams: int
    seconds: Sequence[float]
    alone: Sequence[float]
    growth: int
    before: int = 0
    looks: Sequence[Look] = ()
    held: tuple[float, float] = (0.0, 0.0)


class CrowdKeywords:
    """Many clients, broken streams, bad readers."""

    @keyword
    def clients_ask_at_once(self, query: str, flight: int, http: int) -> Crowd:
        """Let so many clients ask at the same instant; those over Flight hold their streams open until all have begun.

        Args:
            query: with one root field; large enough not to fit into the buffers on the way.
            flight: clients over Flight.
            http: clients over HTTP.
        """
        ticket = GraphQLQuery(query)
        with flight_connection() as first, ExitStack() as open_:
            expected = first.read(ticket).kept()
            over_flight = [open_.enter_context(flight_connection()) for _ in range(flight)]
            over_http = [open_.enter_context(http_connection()) for _ in range(http)]
            with context.timed(f"{flight} + {http} clients at once", "measuring"):
                return gather(over_flight, over_http, ticket, query, expected, scaled(PATIENCE))

    @keyword
    def all_should_have_been_answered_rightly(self, crowd: Crowd) -> None:
        """Demand that no client was refused, each answer is right, and all Flight streams were open at once."""
        wrong = [guest for guest in crowd.guests if guest.problem is not None]
        if wrong:
            shown = "; ".join(f"{guest.over}: {guest.problem}" for guest in wrong[:MOST_SHOWN])
            raise AssertionError(f"{len(wrong)} of {len(crowd.guests)} clients had no right answer; {shown}")
        flight = [guest.seconds for guest in crowd.guests if guest.over == "Flight" and guest.seconds is not None]
        if crowd.open_at_once < len(flight):
            raise Inconclusive(f"only {crowd.open_at_once} of {len(flight)} Flight streams were open at once")
        for over in ("Flight", "HTTP"):
            took = sorted(g.seconds for g in crowd.guests if g.over == over and g.seconds is not None)
            if took:
                context.record_value(f"slowest of {len(took)} over {over}", took[-1] * 1000, "ms")
                middle, last = milliseconds(took[len(took) // 2]), milliseconds(took[-1])
                say(f"{len(took)} clients over {over}: median {middle}, slowest {last}")

    # -- streams that are cut ------------------------------------------------------------------------------

    @keyword
    def streams_are_kept_going(self, query: str, clients: int) -> Streams:
        """Let clients read the same answer again and again in the background; go on when all of them have rows.

        Args:
            query: with one root field; large enough to be on its way for a while.
            clients: each with one stream at a time.
        """
        ticket = GraphQLQuery(query)
        with flight_connection(deadline_seconds=STREAM_SECONDS) as first:
            expected = first.read(ticket).kept()
        streams = Streams(lambda: flight_connection(deadline_seconds=STREAM_SECONDS), ticket, expected, clients)
        on_test_end(streams.stop)
        self.streams_should_be_open(streams, 1)
        return streams

    @keyword
    def streams_should_be_open(self, streams: Streams, at_least: int) -> None:
        """Wait until so many streams have rows and no end at the same time.

        Raises:
            Inconclusive: there were never so many; nothing can be said of what an outage does to them.
        """

        def missing() -> str | None:
            return None if streams.open >= at_least else f"{streams.open} streams are open, {at_least} wanted"

        try:
            wait_until(missing, scaled(PATIENCE), "open streams", interval=0.001)
        except AssertionError as error:
            whole = sum(stream.whole for stream in streams.seen)
            raise Inconclusive(
                f"{error}; so far {whole} were whole, {statuses(streams.seen) or 'none refused'}"
            ) from None

    @keyword
    def streams_should_be_whole_again_within(self, streams: Streams, within: timedelta) -> None:
        """Wait until a stream that began after the last break is whole."""
        before = len(streams.seen)

        def missing() -> str | None:
            later = [stream for stream in streams.seen[before:] if stream.whole]
            return None if later else f"no stream has been whole since, {statuses(streams.seen) or 'none broke off'}"

        wait_until(missing, scaled(within), "a whole stream")

    @keyword
    def each_stream_should_have_been_whole_or_an_error(self, streams: Streams, cut: int) -> None:
        """End the streams, and demand that none ended well with other rows than it should have.

        Args:
            streams: that were kept going.
            cut: so many must have broken off after rows had come, at least.

        Raises:
            AssertionError: a part was taken for a whole, or an error had no message.
            Inconclusive: fewer were cut, or none was whole.
        """
        streams.stop()
        seen: list[Stream] = streams.seen
        if wrong := [stream for stream in seen if stream.problem is not None]:
            raise AssertionError(
                f"{len(wrong)} of {len(seen)} streams ended well and were not right: {wrong[0].problem}"
            )
        if mute := [stream for stream in seen if stream.status != "OK" and not stream.message.strip()]:
            raise AssertionError(f"{len(mute)} streams broke off with {mute[0].status} and without a message")
        number, whole = sum(stream.cut for stream in seen), sum(stream.whole for stream in seen)
        facts = f"{whole} streams whole, {number} cut, {statuses(seen) or 'no error'}"
        if number < cut or not whole:
            raise Inconclusive(f"{facts}; at least {cut} must be cut")
        if (seconds := recovered_after(seen)) is not None:
            context.record_value("whole again after", round(seconds, 3), "s")
            facts += f", whole again {seconds:.2f} s after the first break"
        say(facts)

    # -- bad readers ---------------------------------------------------------------------------------------

    @keyword
    def readers_are_slow_and_vanish(self, query: str, readers: int, duration: timedelta, prompt: str) -> BesideSlow:
        """Hold streams open that nobody reads on or only now and then, kill their clients, and ask meanwhile.

        Half of the slow readers stall after their first batch, half take one now and then. They are killed in the
        middle of the duration; a prompt client asks before, beside and after them.

        Args:
            query: of the slow readers; large.
            readers: number of slow streams.
            duration: of the time with and after slow readers.
            prompt: query of the prompt client; small.
        """
        with flight_connection() as client, ResidentMemory(processes("gateway")) as memory:
            ticket = GraphQLQuery(prompt)
            expected = client.read(ticket).kept()

            def asked_for(seconds: float) -> list[float]:
                took, end = [], clock() + seconds
                while clock() < end:
                    reading = client.read(ticket)
                    if (found := difference(reading.kept(), expected, ("beside slow readers", "alone"))) is not None:
                        raise AssertionError(f"an answer beside slow readers is wrong: {found}")
                    took.append(reading.seconds)
                return took

            half = duration.total_seconds() / 2
            alone = asked_for(half)
            before, since = memory.most, time.time()
            with ExitStack() as slow, context.timed("slow readers", "measuring"):
                opened = _opened([slow.enter_context(job) for job in _slow_readers(query, readers)])
                beside = asked_for(half)
            until = time.time()  # leaving the block has killed them
            beside += asked_for(half)
        return BesideSlow(opened, beside, alone, memory.most - before, before, memory.looks, (since, until))

    @keyword
    def others_should_not_have_been_slowed_to(self, beside: BesideSlow, limit: timedelta) -> None:
        """Hold the slowest prompt answer beside slow and vanished readers against a limit."""
        most = max(beside.seconds)
        context.record_value("slowest answer beside slow readers", most * 1000, "ms")
        facts = (
            f"beside {beside.streams} slow readers the slowest of {len(beside.seconds)} answers took "
            f"{milliseconds(most)}, the median {milliseconds(plain.median(beside.seconds))} (alone "
            f"{milliseconds(plain.median(beside.alone))}); less than {milliseconds(limit.total_seconds())} wanted"
        )
        verdict = Verdict.PASS if most < scaled(limit) else Verdict.FAIL
        settle(Judgement(verdict, facts))

    @keyword
    def gateway_should_have_grown_by_less_than(self, limit: float, beside: BesideSlow) -> None:
        """Hold the growth of the gateway's memory beside slow readers against a limit in MB (10^6 bytes)."""
        growth = beside.growth / MEGABYTE
        context.record_value("growth beside slow readers", round(growth, 1), "MB")
        facts = f"the gateway's memory grew by {growth:.1f} MB beside {beside.streams} slow readers"
        if beside.before:
            curve = memory_curve(
                f"Growth of the gateway's memory beside {beside.streams} slow readers: {growth:.1f} MB at most",
                {"gateway": beside.looks},
                [(at, limit * MEGABYTE) for at in (beside.held[0], beside.looks[-1][0])],
                f"less than {limit:g} MB wanted",
                origin=beside.held[0],
                bases={"gateway": beside.before},
                bands=[(f"{beside.streams} slow readers", *beside.held)],
            )
            context.record_curve("memory", curve)
        verdict = Verdict.PASS if growth < limit else Verdict.FAIL
        settle(Judgement(verdict, f"{facts}, less than {limit:g} MB wanted"))

    @keyword
    def as_many_streams_should_be_served_as_before(self, query: str, readers: int) -> None:
        """Demand that the places of readers who have vanished are free: as many streams at once are served again."""
        crowd = self.clients_ask_at_once(query, readers, 0)
        wrong = [guest.problem for guest in crowd.guests if guest.problem is not None]
        if wrong:
            raise AssertionError(f"{len(wrong)} of {readers} streams are refused after others vanished: {wrong[0]}")
        logger.info(f"{crowd.open_at_once} streams at once were served after as many had vanished")


def _opened(held: Sequence[Job]) -> int:
    """Wait until all slow readers have the beginning of their answer.

    Raises:
        Inconclusive: the gateway had not begun to answer all of them in time; nothing can be asked beside them.
    """
    try:
        return sum(int(job.answer(scaled(PATIENCE))["open"]) for job in held)
    except JobTooSlow:
        raise Inconclusive(f"not all slow readers had a first batch within {PATIENCE.seconds} s") from None


def _slow_readers(query: str, readers: int) -> list[Job]:
    """Start two processes that hold streams open: one that stalls, and one that trickles."""
    stalled = readers // 2
    return [
        Job(
            "hold",
            address=addresses().flight,
            token=right_token(),
            ticket={"query": query},
            streams=streams,
            trickle=trickle,
            deadline_seconds=HELD_SECONDS,
        )
        for streams, trickle in ((stalled, False), (readers - stalled, True))
        if streams
    ]
