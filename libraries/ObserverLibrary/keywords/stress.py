"""Keywords of long loads: the rate that was held, how far the sinks were behind, and memory that must not rise."""

from __future__ import annotations

from datetime import timedelta

from robot.api.deco import keyword

from EnvironmentLibrary import context
from EnvironmentLibrary.telling import say, settle
from LoadLibrary.measure import leave_record
from measurement.budgets import failure_of, judge_latency, milliseconds
from measurement.counted import NORMAL, CountedResult, CountedSet
from measurement.drawing import label_of
from measurement.histogram import LatencyHistogram
from measurement.memory import MEGABYTE, SETTLED, Memory, held_between, memory_curve
from measurement.records import Target
from measurement.results import LoadResult
from measurement.sampler import read_samples
from measurement.verdicts import Inconclusive, Judgement, Verdict
from ObserverLibrary.keywords.base import EventLoad
from ObserverLibrary.lag import Lag

LATE_SECONDS = 0.050  # ten ticks: a generator that is later at p99 has not offered the load it says
LEAK_BYTES_AN_EVENT = 100.0  # a third of an event: what keeps events keeps all of each
SETTLING_SECONDS = {"nats": 60.0, "search": 300.0}
"""How long memory that is bounded rises at first: NATS keeps ids for its window of 20 s, and its collector frees them
later; a Java heap grows to its size by being touched for the first time."""


class StressKeywords:
    """What a load of a minute or an hour does to the pipeline."""

    @keyword
    def rate_of_events_should_have_been_held(self, load: EventLoad, percent: float) -> None:
        """Hold the rate of acknowledged events against a share of the offered one; leave the records of the load.

        Raises:
            AssertionError: too little of it was achieved, or an event was not acknowledged.
            Inconclusive: the publisher did not offer it as it was to: it was late though nothing held it up.
        """
        published = load.published
        result = published.result(load.bands())
        wanted = result.offered_rate * percent / 100
        judgement = failure_of(result, 0)
        if judgement is None:
            judgement = _held(result, wanted)
        _draw_rises(load)
        measurement = leave_record(
            "events acknowledged by NATS",
            result,
            judgement,
            Target("rate", wanted, "/s", "at least"),
            busy_percent=load.busy_percent,
            clients_cpu_percent=result.client_cpu_percent,
        )
        settle(measurement.judgement)

    @keyword
    def lag_should_be_below(self, load: EventLoad, limit: timedelta, *sinks: str) -> None:
        """Hold the p99 of the time from an event's intended publication to its being seen in a sink against a limit.

        A watch sees an event a tenth of a second and a question late at most; that is part of the lag, and told.

        Args:
            load: whose sinks have been watched and are done with it.
            limit: the budget for each sink.
            *sinks: which.

        Raises:
            AssertionError: it is above.
            Inconclusive: too few events were seen, or the load was not what it should be.
        """
        result = load.published.result()
        for sink in sinks:
            lag = load.lag(sink)
            seen = _as_result(lag, result)
            judgement = judge_latency(seen, limit.total_seconds())
            resolution = f"seen by a watch, at most {milliseconds(lag.resolution)} late"
            judgement = Judgement(
                judgement.verdict, f"lag of {sink}: {judgement.reason}; {resolution}", judgement.unfit
            )
            target = Target("p99 latency", limit.total_seconds() * 1000, "ms")
            measurement = leave_record(f"lag of {sink}", seen, judgement, target, busy_percent=load.busy_percent)
            settle(measurement.judgement)

    @keyword
    def memory_should_not_rise(self, load: EventLoad) -> None:
        """Demand of every service that its memory did not rise with the events after a third of the load, beyond doubt.

        NATS is looked at after its first minute and the search engine after five, since until then they take what they
        were told to; where the load is shorter their rise is not judged, and that is told.

        Raises:
            AssertionError: the whole 95 % interval of a rise is above 100 bytes an event.
            Inconclusive: nobody sampled the services, or too few samples were taken.
        """
        rate, told = load.published.plan.rate, []
        for memory in _memories(load):
            settling = SETTLING_SECONDS.get(memory.service, 0.0)
            rise = memory.rise(settling)
            if rise is None or rise.low is None or rise.high is None:
                if settling < load.published.seconds:
                    few = f"{memory.service}: {len(memory.at)} samples are too few to tell a rise from noise"
                    raise Inconclusive(few)
                told.append(f"{memory.service} not judged, it settles for {settling:g} s")
                continue
            value, low, high = (bound / rate for bound in (rise.value, rise.low, rise.high))
            facts = f"{value:+.1f} B [{low:+.1f}, {high:+.1f}]"
            told.append(f"{memory.service} {facts}")
            if low > LEAK_BYTES_AN_EVENT:
                raise AssertionError(
                    f"memory of {memory.service} rose by {facts} an event (95 % interval, n = {rise.n}), "
                    f"no more than {LEAK_BYTES_AN_EVENT:g} B wanted; it held {memory.most / MEGABYTE:.0f} MB at most"
                )
        say(f"memory for each event: {', '.join(told)}")

    @keyword
    def memory_should_have_grown_by_less_than(self, limit: float, load: EventLoad) -> None:
        """Hold the growth of every service's memory during a load against a limit in MB (10^6 bytes)."""
        memories = _memories(load)
        worst = max(memories, key=lambda memory: memory.growth)
        context.record_value("growth", round(worst.growth / MEGABYTE, 1), "MB")
        grown = ", ".join(f"{memory.service} {memory.growth / MEGABYTE:.0f}" for memory in memories)
        most = f"{worst.growth / MEGABYTE:.0f} MB at most ({worst.service})"
        curve = memory_curve(
            f"Growth of memory over {label_of(load.published.acknowledged)} events: {most}",
            {memory.service: memory.looks for memory in memories},
            [(at, limit * MEGABYTE) for at in (worst.at[0], worst.at[-1])],
            f"less than {limit:g} MB wanted of each",
            origin=worst.at[0],
            bases={memory.service: memory.bytes[0] for memory in memories},
        )
        context.record_curve("memory", curve)
        facts = f"memory grew by at most {worst.growth / MEGABYTE:.1f} MB ({worst.service}); in MB: {grown}"
        verdict = Verdict.PASS if worst.growth / MEGABYTE < limit else Verdict.FAIL
        settle(Judgement(verdict, f"{facts}; less than {limit:g} MB wanted"))


def _memories(load: EventLoad) -> list[Memory]:
    memories = _sampled(load)
    if not memories:
        raise Inconclusive("nobody sampled the memory of the services during the load")
    return memories


def _sampled(load: EventLoad) -> list[Memory]:
    begin = load.published.outcome.started_us / 1e6
    end = begin + load.published.seconds
    return [one for one in held_between(read_samples(context.results() / "samples.jsonl"), begin, end) if one.at]


def _draw_rises(load: EventLoad) -> None:
    """Leave the growth of each service since a third of the load, against the line of what would be a leak."""
    memories = _sampled(load)
    begin, rate = load.published.outcome.started_us / 1e6, load.published.plan.rate
    settled, end = begin + SETTLED * load.published.seconds, begin + load.published.seconds
    rises = {one.service: one.rise(SETTLING_SECONDS.get(one.service, 0.0)) for one in memories}
    known = {name: rise.value / rate for name, rise in rises.items() if rise is not None}
    if not known:
        return
    worst = max(known, key=lambda name: known[name])
    unjudged = [name for name, rise in rises.items() if rise is None]
    found = f"{known[worst]:+.0f} B an event at most ({worst})"
    title = f"Growth of memory after a third of the load: {found}"
    curve = memory_curve(
        f"{title}; {', '.join(unjudged)} still settle" if unjudged else title,
        {memory.service: memory.looks for memory in memories},
        [(settled, 0.0), (end, LEAK_BYTES_AN_EVENT * rate * (end - settled))],
        f"a leak: {LEAK_BYTES_AN_EVENT:g} B an event",
        origin=begin,
        bases={memory.service: memory.held_at(settled) for memory in memories},
    )
    context.record_curve("memory", curve)


def _held(result: LoadResult, wanted: float) -> Judgement:
    lag = result.generator_lag.percentile(99) if result.generator_lag.n else 0.0
    latency = result.latency
    facts = (
        f"{result.achieved_rate:.0f} events a second acknowledged of {result.offered_rate:.0f} offered, at least "
        f"{wanted:.0f} wanted (n = {result.ok}, generator lag p99 {milliseconds(lag)}, acknowledgement p50 "
        f"{milliseconds(latency.percentile(50))}, p99 {milliseconds(latency.percentile(99))}, "
        f"publisher's CPU {result.client_cpu_percent:.0f} %)"
    )
    if result.achieved_rate >= wanted:
        return Judgement(Verdict.PASS, facts)
    if lag > LATE_SECONDS:
        late = f"the publisher was late by {milliseconds(lag)} at p99, at most {milliseconds(LATE_SECONDS)} is a load"
        return Judgement(Verdict.INCONCLUSIVE, f"{late}: {facts}")
    return Judgement(Verdict.FAIL, facts)


def _as_result(lag: Lag, load: LoadResult) -> CountedResult:
    """The lag of a sink as a measured load, whose responses are events seen."""
    histogram = lag.histogram() if lag.seen else LatencyHistogram()
    if not histogram.n:
        raise Inconclusive(f"no event was seen in {lag.sink} while it was watched")
    measured = CountedSet(
        NORMAL,
        NORMAL,
        0.0,
        load.schedule_seconds,
        offered=len(lag.intended),
        ok=lag.seen,
        dropped=len(lag.intended) - lag.seen,
        latency=histogram,
        service_time=histogram,
        generator_lag=load.generator_lag,
    )
    return CountedResult(
        mode="open",
        workers=1,
        started_at=load.started_at,
        schedule_seconds=load.schedule_seconds,
        ended_at=max(load.ended_at, lag.looks[-1].answered),
        measured=measured,
        client_cpu_percent=load.client_cpu_percent,
    )
