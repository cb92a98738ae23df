"""Keywords of latency: how long a message takes through the broker, beside a raw relay in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from robot.api.deco import keyword

from BrokerLibrary.keywords import load_session
from BrokerLibrary.keywords.load_taken import SIZE, Taken, maximum_rate, record
from BrokerLibrary.load import results
from BrokerLibrary.load.outcome import StageOutcome
from BrokerLibrary.load.plans import Paced, by_intended_starts
from BrokerLibrary.load.turns import MICROSECONDS, take_turns
from EnvironmentLibrary import context
from EnvironmentLibrary.telling import say, settle
from LoadLibrary.measure import Busy, leave_record
from LoadLibrary.rate import Rate
from measurement.baseline import beside_baseline
from measurement.budgets import judge_latency, milliseconds
from measurement.paired import judge_comparison
from measurement.punctual import processors_awake
from measurement.records import Target
from measurement.verdicts import Judgement
from runner import progress

LATENCY = "latency_test"  # a topic of the environment

ROUND_WARM_UP_SECONDS = 0.2  # of each round that is timed
QUANTUM_SECONDS = 0.0001  # between two intended starts under load


@dataclass(frozen=True)
class Loaded:
    """What came of each share of the maximum rate."""

    outcomes: Sequence[StageOutcome]
    size: int

    @property
    def messages(self) -> int:
        """That were sent, at all shares."""
        return sum(outcome.sent for outcome in self.outcomes)

    def problems(self) -> list[str]:
        """Say what is wrong with any of them."""
        return [problem for outcome in self.outcomes for problem in outcome.problems()]


class LatencyKeywords:
    """How long messages take, counted from the instants at which they were to be sent."""

    @keyword
    def messages_are_timed_through_broker_and_raw_relay_in_turns(
        self, rate: Rate, duration: timedelta, size: int, rounds: int
    ) -> Taken:
        """Offer messages by intended starts, round by round through the broker and through a raw relay.

        Processors are kept awake meanwhile, where that is allowed.

        Args:
            rate: of each round.
            duration: of all rounds of one of them.
            size: bytes of a message.
            rounds: of each; at least five.
        """
        plan = Paced(rate.per_second, duration.total_seconds() / rounds, ROUND_WARM_UP_SECONDS)
        seconds = 2 * rounds * plan.seconds
        name = f"messages at {rate} through broker and raw relay"
        with (
            context.timed(name, "measuring"),
            progress.step(name, seconds),
            processors_awake() as awake,
            Busy() as busy,
        ):
            turns = take_turns(
                load_session.crew(),
                load_session.ways(),
                lambda way: by_intended_starts(way, LATENCY, plan, size),
                rounds,
                load_session.broker_cpu_seconds,
            )
        broker, relay = results.paced(turns.broker, plan), results.paced(turns.relay, plan)
        return Taken(turns, broker, relay, size, busy.percent, awake)

    @keyword
    def messages_are_timed_at_shares_of_the_maximum_rate(
        self, *shares: int, duration: timedelta, warm_up: timedelta
    ) -> Loaded:
        """Offer shares of the broker's maximum rate, and record and tell the latency at each.

        The maximum is the one that this suite has found already; when it has not, it is looked for.

        Args:
            shares: in percent.
            duration: of each.
            warm_up: before it, recorded and not counted.
        """
        maximum = maximum_rate()
        return Loaded([_at(share, maximum, duration, warm_up) for share in shares], SIZE)

    @keyword
    def latency_should_be_below(self, taken: Taken, limit: timedelta, *percents: float, times: float = 1) -> None:
        """Hold percentiles of the latency through the broker against a limit.

        Args:
            taken: what timing messages in turns returned.
            limit: such as `100 us`.
            percents: such as 50 and 95.
            times: how many times the raw relay's a broker may need. Where so many of it are above the limit, this
                machine cannot settle the limit.

        Raises:
            AssertionError: one is above, and so many times the raw relay's are below; or messages were lost or spoilt.
            UnfitMachine: both are above: not met on this machine, the criterion is skipped.
            Inconclusive: the load was not as it was to be.
        """
        judgements = [_judged(taken, limit.total_seconds(), percent, times) for percent in percents]
        for judgement in judgements:
            settle(judgement)

    @keyword
    def median_should_be_below_that_of_the_raw_relay_times(self, taken: Taken, times: float) -> None:
        """Hold the median latency through the broker against that through the raw relay.

        Args:
            taken: what timing messages in turns returned.
            times: such as 3, of the raw relay's.
        """
        warm_up = round(ROUND_WARM_UP_SECONDS / taken.broker.stretch_seconds)
        comparison = taken.turns.compare(lambda outcome: outcome.latency.percentile(50, warm_up))
        judgement = judge_comparison(comparison, times)
        target = Target("median of the raw relay", times, "ratio")
        name = f"broker against raw relay at {taken.broker.offered_rate:.0f}/s"
        result = results.maximum(taken.turns.broker)  # a comparison is of times, its record has no latency
        measurement = leave_record(
            name,
            result,
            judgement,
            target,
            comparison=comparison,
            busy_percent=taken.busy_percent,
            clients_cpu_percent=taken.cpu_percent,
            processors_awake=taken.awake,
        )
        record(f"raw relay at {taken.relay.offered_rate:.0f}/s", taken, taken.relay)
        settle(measurement.judgement)


def _burst_facts(outcome: StageOutcome) -> str:
    producer = outcome.producers[0]
    lag = producer.lag.percentile(99) if producer.lag and producer.lag.number() else 0.0
    return f"bursts of at most {producer.longest_burst} messages, generator lag p99 {milliseconds(lag)}"


def _judged(taken: Taken, seconds: float, percent: float, times: float) -> Judgement | None:
    """Judge a percentile, and leave its record."""
    judgement = judge_latency(taken.broker, seconds, percent=percent)
    baseline = taken.relay.latency.percentile(percent)
    if not taken.broker.failed:
        beside = f"a raw relay in turns with it took {milliseconds(baseline)} at p{percent:g}"
        judgement = beside_baseline(judgement, attainable=times * baseline <= seconds, baseline=beside)
    target = Target(f"p{percent:g} latency", seconds * MICROSECONDS, "us")
    return record(f"broker at {taken.broker.offered_rate:.0f}/s", taken, taken.broker, judgement, target)


def _at(share: int, maximum: float, duration: timedelta, warm_up: timedelta) -> StageOutcome:
    """Offer a share of a rate, and leave its record."""
    rate = maximum * share / 100
    plan = Paced(rate, duration.total_seconds(), warm_up.total_seconds(), QUANTUM_SECONDS)
    name = f"broker at {share} % of its maximum"
    broker, _ = load_session.ways()
    with context.timed(name, "measuring"), progress.step(f"{name}: {rate:.0f}/s", plan.seconds), Busy() as busy:
        outcome = load_session.crew().perform(by_intended_starts(broker, LATENCY, plan, SIZE))
    result = results.paced([outcome], plan)
    if result.latency.n:
        p50, p99 = (milliseconds(result.latency.percentile(percent)) for percent in (50, 99))
        most = milliseconds(result.latency.max)
        say(f"at {share} %, {rate:.0f}/s: p50 {p50}, p99 {p99}, max {most}, {_burst_facts(outcome)}")
    used = outcome.cpu_percent
    leave_record(name, result, busy_percent=busy.percent, ratio_of_max=share / 100, clients_cpu_percent=used)
    return outcome
