"""Keywords of stress: a rate held for minutes, memory over many rounds, and readers that are too slow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from robot.api.deco import keyword

from BrokerLibrary.configuration import Topic, configuration
from BrokerLibrary.keywords import load_session
from BrokerLibrary.keywords.base import own_broker
from BrokerLibrary.load import results, slow
from BrokerLibrary.load.crew import Stage
from BrokerLibrary.load.outcome import StageOutcome
from BrokerLibrary.load.plans import Broker, Paced, as_fast_as_taken, by_intended_starts
from BrokerLibrary.load.slow import Beside
from EnvironmentLibrary import context
from EnvironmentLibrary.telling import say, settle
from environments.system import BrokerInstance
from LoadLibrary.measure import Busy, leave_record
from LoadLibrary.rate import Rate
from measurement.budgets import failure_of, milliseconds
from measurement.counted import CountedResult
from measurement.records import Target
from measurement.statistics import slope
from measurement.usage import ResidentMemory, resident_bytes
from measurement.verdicts import Inconclusive, Judgement, Verdict
from runner import progress

SUSTAINED, MEMORY, CROWDED, NEIGHBOUR = "stress_test", "memory_test", "crowded", "neighbour"

MEGABYTE = 1_000_000
LATE_SECONDS = 0.010  # ten quanta: a generator that is later has not offered the load it says
SETTLED_ROUND = 2  # memory is compared with that of this round: caches and allocators have what they need by then
LEAK_BYTES_A_MESSAGE = 4.0  # a leak keeps a pointer (8) at least; settling allocators were seen to take up to 1.8
SLOW_RATE, SLOW_SIZE = 20_000.0, 1024  # messages a second beside slow readers, bytes of each
FULL_SPEED = 0.95  # share of the offered rate that others must have
SLOW_BUFFER = 5_000  # messages that a topic may buffer for a reader
FLOOD = 30_000  # messages to a topic that blocks: six times what it may buffer


@dataclass(frozen=True)
class Sustained:
    """A rate that was held, or not."""

    outcome: StageOutcome
    result: CountedResult
    busy_percent: float | None


@dataclass(frozen=True)
class Rounds:
    """Rounds of the same load, and the memory of the broker after each, in bytes."""

    outcomes: Sequence[StageOutcome]
    messages: int  # of a round
    resident: Sequence[int]


@dataclass(frozen=True)
class Slow:
    """A load with slow readers, and how much the broker's memory grew meanwhile, in bytes."""

    beside: Beside
    growth: int


class StressKeywords:
    """What the broker does when it is used hard: for long, again and again, or by readers that do not keep up."""

    @keyword
    def messages_are_offered_for(self, duration: timedelta, rate: Rate, size: int) -> Sustained:
        """Offer messages by intended starts, a millisecond apart, and read all of them (C-05)."""
        broker, _ = load_session.ways()
        plan = Paced(rate.per_second, duration.total_seconds())
        name = f"messages of {size} B at {rate}"
        with context.timed(name, "measuring"), progress.step(name, plan.seconds), Busy() as busy:
            outcome = load_session.crew().perform(by_intended_starts(broker, SUSTAINED, plan, size, punctual=False))
        return Sustained(outcome, results.paced([outcome], plan), busy.percent)

    @keyword
    def every_message_that_was_sent_should_have_come(self, load: Sustained) -> None:
        """Demand that all that was sent arrived once, in order and unchanged, the drain included."""
        if problems := load.outcome.problems():
            raise AssertionError("; ".join(problems))
        context.record_value("delivered", 100 * load.outcome.delivered / max(load.outcome.sent, 1), "%")
        say(f"{load.outcome.delivered} of {load.outcome.sent} messages sent were delivered")

    @keyword
    def rate_should_have_been_held(self, load: Sustained, percent: float) -> None:
        """Hold the achieved rate against a share of the offered one; leave the record of the load.

        Raises:
            AssertionError: too little of it was achieved.
            Inconclusive: the generator did not offer it as it was to: it was late although it was free to send.
        """
        result = load.result
        wanted = result.offered_rate * percent / 100
        judgement = failure_of(result, 0)
        if judgement is None:
            judgement = _held(load, wanted)
        context.record_value("achieved", round(100 * result.achieved_rate / result.offered_rate, 2), "%")
        target = Target("rate", wanted, "/s", "at least")
        measurement = leave_record(
            "sustained load",
            result,
            judgement,
            target,
            busy_percent=load.busy_percent,
            clients_cpu_percent=load.outcome.cpu_percent,
        )
        settle(measurement.judgement)

    @keyword
    def messages_are_passed_on_in_rounds(self, rounds: int, messages: int, size: int) -> Rounds:
        """Send messages through a broker of the test's own as fast as they go; look at its memory after each round."""
        instance = own_broker(configuration([Topic(MEMORY, buffer_size=messages // 10, overflow="block")]))
        broker, outcomes, resident = Broker(instance.socket), [], []
        name = f"{rounds} rounds of {messages} messages"
        with context.timed(name, "measuring"), progress.step(name, 0.5 * rounds), Busy() as busy:
            for _ in range(rounds):
                outcomes.append(load_session.crew().perform(as_fast_as_taken(broker, MEMORY, messages, size)))
                resident.append(resident_bytes(instance.control.processes))
        used = max(outcome.cpu_percent for outcome in outcomes)
        leave_record(name, results.maximum(outcomes), busy_percent=busy.percent, clients_cpu_percent=used)
        say("memory after each round: " + ", ".join(f"{held / MEGABYTE:.1f}" for held in resident) + " MB")
        return Rounds(outcomes, messages, resident)

    @keyword
    def every_round_should_have_been_complete(self, rounds: Rounds) -> None:
        """Demand that all messages of all rounds arrived once, in order and unchanged."""
        for number, outcome in enumerate(rounds.outcomes, start=1):
            if problems := outcome.problems():
                raise AssertionError(f"round {number}: {'; '.join(problems)}")

    @keyword
    def memory_should_have_grown_by_less_than(self, limit: float, rounds: Rounds) -> None:
        """Hold the memory of each round against that of round 2.

        Args:
            limit: in MB (10^6 bytes).
            rounds: what passing messages in rounds returned.
        """
        settled = rounds.resident[SETTLED_ROUND - 1]
        growth = (max(rounds.resident[SETTLED_ROUND:]) - settled) / MEGABYTE
        context.record_value("growth after round 2", round(growth, 2), "MB")
        facts = f"memory grew by {growth:.1f} MB after round {SETTLED_ROUND} ({settled / MEGABYTE:.1f} MB then)"
        verdict = Verdict.PASS if growth < limit else Verdict.FAIL
        settle(Judgement(verdict, f"{facts}, less than {limit:g} MB wanted"))

    @keyword
    def memory_should_not_rise_from_round_to_round(self, rounds: Rounds) -> None:
        """Demand that nothing is left of each message: no upward slope after round 2, beyond doubt.

        Raises:
            AssertionError: the whole 95 % interval of the slope is above 4 bytes for each message.
            Inconclusive: there are too few rounds for an interval.
        """
        resident = rounds.resident[SETTLED_ROUND - 1 :]
        found = slope(range(len(resident)), resident)
        if found.low is None or found.high is None:
            raise Inconclusive(f"{len(rounds.resident)} rounds are too few to tell a slope from noise")
        low, value, high = (bound / rounds.messages for bound in (found.low, found.value, found.high))
        facts = f"memory rises by {value:.2f} B for each message [{low:.2f}, {high:.2f}] (95 % interval, n = {found.n})"
        verdict = Verdict.FAIL if low > LEAK_BYTES_A_MESSAGE else Verdict.PASS
        settle(Judgement(verdict, f"{facts}, no more than {LEAK_BYTES_A_MESSAGE:g} B wanted"))

    @keyword
    def readers_stall_and_trickle_where_the_oldest_is_dropped(self, duration: timedelta) -> Slow:
        """Offer messages to a topic that drops the oldest, while one reader reads nothing and one very little."""
        plan = Paced(SLOW_RATE, duration.total_seconds())
        instance = own_broker(_with_slow_readers("drop_oldest"))
        stage = slow.dropping(Broker(instance.socket), CROWDED, NEIGHBOUR, plan, SLOW_SIZE)
        outcome, growth = _watched("slow readers of a topic that drops", stage, plan.seconds, instance)
        return Slow(slow.beside_dropping(outcome, plan.seconds), growth)

    @keyword
    def a_reader_stalls_where_the_publisher_has_to_wait(self, duration: timedelta) -> Slow:
        """Send more to a topic that blocks than it may buffer, while one reader reads nothing for a time."""
        plan = Paced(SLOW_RATE, duration.total_seconds())
        instance = own_broker(_with_slow_readers("block"))
        stage = slow.blocking(Broker(instance.socket), CROWDED, NEIGHBOUR, plan, FLOOD, SLOW_SIZE)
        outcome, growth = _watched("a slow reader of a topic that blocks", stage, plan.seconds, instance)
        return Slow(slow.beside_blocking(outcome, plan.seconds), growth)

    @keyword
    def slow_readers_should_know_exactly_what_they_missed(self, load: Slow) -> None:
        """Demand that for each slow reader received + announced as dropped = sent, each gap announced before it."""
        if wrong := load.beside.wrong():
            raise AssertionError("; ".join(wrong))
        for name, reader in load.beside.slow.items():
            facts = f"{name} got {reader.intact} of {reader.expected}, {reader.lagged} announced as dropped"
            if not reader.lagged:
                raise AssertionError(f"{facts}: more was kept for it than the {SLOW_BUFFER} the topic may buffer")
            if reader.unannounced:
                raise AssertionError(f"{facts}: {reader.unannounced} were missing before any notice said so")
            say(f"{facts} in {reader.notices} notices")

    @keyword
    def publisher_should_have_waited_and_nothing_been_lost(self, load: Slow) -> None:
        """Demand that the publisher could not go on before the stalled reader did, and that all readers got all."""
        beside = load.beside
        wrong = beside.wrong() + [f"{n}: {r.lagged} were dropped" for n, r in beside.slow.items() if r.lagged]
        if wrong:
            raise AssertionError("; ".join(wrong))
        taken, stalled = beside.waited_seconds(), beside.stalled_seconds
        facts = f"the publisher took {taken:.2f} s, the reader stalled for {stalled:g} s"
        if taken < stalled:
            raise AssertionError(f"{facts}: it did not wait, so more is buffered than the topic may hold")
        say(facts)

    @keyword
    def others_should_have_had_full_speed(self, *loads: Slow) -> None:
        """Demand that prompt readers beside the slow ones got all, at the rate it was offered.

        The prompt reader of a topic that blocks is bound to its publisher, which waits: its speed is not asked for.
        """
        for load in loads:
            for name, reader in load.beside.free.items():
                rate = load.beside.rate_of(reader)
                facts = f"{name} got {reader.intact} of {reader.expected} messages at {rate:.0f}/s"
                if reader.intact < reader.expected or rate < FULL_SPEED * SLOW_RATE:
                    raise AssertionError(f"{facts}, {SLOW_RATE:.0f}/s were offered")
                say(f"{facts} of {SLOW_RATE:.0f}/s offered")

    @keyword
    def slow_readers_should_have_cost_less_than(self, limit: float, *loads: Slow) -> None:
        """Hold the growth of the broker's memory against a limit in MB (10^6 bytes)."""
        growth = max(load.growth for load in loads) / MEGABYTE
        context.record_value("growth beside slow readers", round(growth, 1), "MB")
        verdict = Verdict.PASS if growth < limit else Verdict.FAIL
        facts = f"memory grew by {growth:.1f} MB beside slow readers"
        settle(Judgement(verdict, f"{facts}, less than {limit:g} MB wanted"))


def _with_slow_readers(overflow: str) -> str:
    crowded = Topic(CROWDED, buffer_size=SLOW_BUFFER, overflow=overflow)
    return configuration([crowded, Topic(NEIGHBOUR, buffer_size=SLOW_BUFFER, overflow="block")])


def _watched(name: str, stage: Stage, seconds: float, instance: BrokerInstance) -> tuple[StageOutcome, int]:
    """Perform a stage; return also by how many bytes the broker's memory grew meanwhile."""
    with (
        context.timed(name, "measuring"),
        progress.step(name, seconds),
        ResidentMemory(instance.control.processes) as memory,
    ):
        outcome = load_session.crew().perform(stage)
    return outcome, memory.growth


def _held(load: Sustained, wanted: float) -> Judgement:
    result, producer = load.result, load.outcome.producers[0]
    lag = result.generator_lag.percentile(99) if result.generator_lag.n else 0.0
    facts = (
        f"{result.achieved_rate:.0f} messages a second of {result.offered_rate:.0f} offered, at least {wanted:.0f} "
        f"wanted (n = {result.ok}, {result.dropped} dropped, generator lag p99 {milliseconds(lag)}, "
        f"bursts of at most {producer.longest_burst}, latency p50 {milliseconds(result.latency.percentile(50))}, "
        f"p99 {milliseconds(result.latency.percentile(99))})"
    )
    if lag > LATE_SECONDS:
        late = f"the generator was late by {milliseconds(lag)} at p99, at most {milliseconds(LATE_SECONDS)} is a load"
        return Judgement(Verdict.INCONCLUSIVE, f"{late}: {facts}")
    return Judgement(Verdict.PASS if result.achieved_rate >= wanted else Verdict.FAIL, facts)
