"""Keywords of throughput and scaling: how fast the broker is, beside a raw relay in its place."""

from __future__ import annotations

from datetime import timedelta

from robot.api.deco import keyword

from BrokerLibrary.keywords import load_session
from BrokerLibrary.keywords.latency import Loaded
from BrokerLibrary.keywords.load_taken import Taken, forget, passed_on, record
from BrokerLibrary.load import results
from BrokerLibrary.load.outcome import StageOutcome
from BrokerLibrary.load.plans import as_fast_as_taken
from BrokerLibrary.load.turns import MICROSECONDS
from EnvironmentLibrary import context
from EnvironmentLibrary.telling import say, settle
from LoadLibrary.measure import Busy, leave_record
from LoadLibrary.rate import Rate
from measurement.baseline import beside_baseline
from measurement.budgets import failure_of, judge_rate
from measurement.records import Target
from measurement.statistics import Interval
from measurement.verdicts import Inconclusive, Judgement, Verdict
from runner import progress

SCALING = "scaling_test"  # a topic of the environment


class LoadKeywords:
    """Measured phases of the broker.

    No message passes through Robot Framework: processes of the driver send and check them, and every byte of every
    message is compared with what must stand there.
    """

    @keyword
    def dismiss_the_load_driver(self) -> None:
        """End the driver's processes. For the teardown of suites with loads."""
        forget()
        load_session.dismiss()

    @keyword
    def messages_are_passed_on_by_broker_and_raw_relay_in_turns(self, messages: int, size: int, rounds: int) -> Taken:
        """Send messages as fast as they are taken, round by round through the broker and through a raw relay.

        A run that this suite has made already is not made again (decision 0011).

        Args:
            messages: of each round.
            size: bytes of a message.
            rounds: of each; at least five.
        """
        return passed_on(messages, size, rounds)

    @keyword
    def every_message_should_have_come_through_intact(self, *loads: Taken | Loaded) -> None:
        """Demand that every message of all rounds came once, in order, with every byte as it was sent."""
        for load in loads:
            problems = load.problems()
            if problems:
                more = f"; and {len(problems) - 3} more" if problems[3:] else ""
                raise AssertionError("; ".join(problems[:3]) + more)
            if not load.messages:
                raise Inconclusive("nothing was sent")
            say(f"{load.messages} messages of {load.size} B came once, in order and unchanged")

    @keyword
    def rate_of_the_broker_should_be_above(self, taken: Taken, limit: Rate, share: float = 100) -> None:
        """Hold the broker's rate against an absolute limit.

        Args:
            taken: what passing messages in turns returned.
            limit: such as `1 000 000/s`.
            share: percent of the raw relay's rate that a broker must reach. Where so much of it is below the limit,
                this machine cannot settle the limit.

        Raises:
            AssertionError: it is below, and that share of the raw relay's is above.
            UnfitMachine: it is below, and so is that share: not met on this machine, the criterion is skipped.
        """
        baseline = taken.relay.achieved_rate
        judgement = judge_rate(taken.broker, limit.per_second)
        if not taken.broker.failed:
            attainable = baseline * share / 100 >= limit.per_second
            beside = f"a raw relay over the same sockets, in turns with it, passed on {baseline:.0f}"
            judgement = beside_baseline(judgement, attainable=attainable, baseline=beside)
        target = Target("rate", limit.per_second, "/s", "at least")
        recorded = record(f"broker, messages of {taken.size} B", taken, taken.broker, judgement, target)
        record(f"raw relay, messages of {taken.size} B", taken, taken.relay)
        settle(recorded)

    @keyword(name="Share Of The Raw Relay's Rate Should Be At Least")
    def share_of_the_raw_relays_rate_should_be_at_least(self, taken: Taken, percent: float) -> None:
        """Hold the broker's rate against that of the raw relay in the same rounds.

        Args:
            taken: what passing messages in turns returned.
            percent: such as 60.

        Raises:
            AssertionError: it is below, or messages were lost or spoilt.
            Inconclusive: the interval of the ratio reaches below.
        """
        comparison = taken.turns.compare_speed()
        judgement = failure_of(taken.broker, 0)
        if judgement is None:
            judgement = _at_least(comparison.interval, percent / 100)
        measurement = leave_record(
            "broker against raw relay, time of a round",
            taken.broker,
            judgement,
            Target("rate of the raw relay", percent, "%", "at least"),
            comparison=comparison,
            busy_percent=taken.busy_percent,
            clients_cpu_percent=taken.cpu_percent,
        )
        settle(measurement.judgement)

    @keyword
    def routing_should_cost_less_than(self, taken: Taken, limit: timedelta) -> None:
        """Hold the CPU time for a message, beyond that of copying it, against a limit; tell what all of them used.

        Raises:
            AssertionError: it is above.
            Inconclusive: the environment does not tell which processes the broker has.
        """
        turns = taken.turns
        if turns.broker_cpu_seconds is None:
            raise Inconclusive("the environment does not tell which processes the broker has, so its CPU is unknown")
        overhead = turns.routing_microseconds()
        for name, seconds, number in (
            ("broker", turns.broker_cpu_seconds, turns.messages),
            ("raw relay", turns.relay_cpu_seconds, sum(outcome.sent for outcome in turns.relay)),
            ("producer", sum(p.cpu_seconds for o in turns.broker for p in o.producers), turns.messages),
            ("consumer", sum(c.cpu_seconds for o in turns.broker for c in o.consumers), turns.messages),
        ):
            context.record_value(f"CPU of the {name} for a million messages", round(1e6 * seconds / number, 3), "s")
        context.record_value("routing overhead", round(overhead, 3), "us")
        facts = (
            f"routing costs {overhead:.3f} us of CPU for each message beyond copying it "
            f"(broker {1e6 * turns.broker_cpu_seconds / turns.messages:.3f} us; n = {turns.messages})"
        )
        most = limit.total_seconds() * MICROSECONDS
        settle(Judgement(Verdict.PASS if overhead < most else Verdict.FAIL, f"{facts}, below {most:g} us wanted"))

    @keyword
    def consumers_read_the_same_messages(self, consumers: int, messages: int, size: int) -> StageOutcome:
        """Publish messages to a topic of so many connections, all of them subscribed before the first message."""
        broker, _ = load_session.ways()
        name = f"{consumers} consumers of {messages} messages"
        with context.timed(name, "measuring"), progress.step(name, 3.0), Busy() as busy:
            stage = as_fast_as_taken(broker, SCALING, messages, size, connections=consumers)
            outcome = load_session.crew().perform(stage)
        result, used = results.maximum([outcome]), outcome.cpu_percent
        leave_record(name, result, busy_percent=busy.percent, clients_cpu_percent=used)
        return outcome

    @keyword
    def every_consumer_should_have_everything(self, outcome: StageOutcome) -> None:
        """Demand that every connection got every message once, in order and unchanged; none may be dropped either."""
        whole = sum(connection.expected for connection in outcome.connections)
        context.record_value("delivered", round(100 * outcome.delivered / max(whole, 1), 3), "%")
        problems = outcome.problems() + [
            f"connection {number}: {connection.lagged} of {connection.expected} messages were dropped, and announced"
            for number, connection in enumerate(outcome.connections)
            if connection.lagged
        ]
        if problems:
            shown = "; ".join(problems[:3])
            raise AssertionError(f"{len(problems)} of {len(outcome.connections)} consumers: {shown}")
        if not whole:
            raise Inconclusive("nothing was sent")
        say(f"{outcome.delivered} of {whole} messages delivered")

    @keyword
    def slowest_consumer_should_read_faster_than(self, outcome: StageOutcome, limit: Rate) -> None:
        """Hold the rate of the slowest connection against a limit; it counts from the first message sent."""
        begin = min(producer.started_ns for producer in outcome.producers)
        slowest = min(c.intact / max((c.last_ns - begin) / 1e9, 1e-9) for c in outcome.connections)
        context.record_value("slowest consumer", round(slowest), "/s")
        facts = f"the slowest of {len(outcome.connections)} consumers read {slowest:.0f} messages a second"
        verdict = Verdict.PASS if slowest > limit.per_second else Verdict.FAIL
        settle(Judgement(verdict, f"{facts}, more than {limit.per_second:g} wanted"))


def _at_least(found: Interval, share: float) -> Judgement:
    """Judge a ratio of which more is better: a pass needs its whole interval."""
    facts = f"rate of the broker / rate of the raw relay is {found}, at least {share:g} wanted"
    if found.ratio < share:
        return Judgement(Verdict.FAIL, facts)
    if found.low < share:
        return Judgement(Verdict.INCONCLUSIVE, f"the interval reaches below: {facts}")
    return Judgement(Verdict.PASS, facts)
