"""Rounds through broker and raw relay in turns: made once in a suite, and what they came to."""

from __future__ import annotations

from dataclasses import dataclass

from BrokerLibrary.keywords import load_session
from BrokerLibrary.load import results
from BrokerLibrary.load.plans import as_fast_as_taken
from BrokerLibrary.load.turns import Turns, take_turns
from EnvironmentLibrary import context
from LoadLibrary.measure import Busy, leave_record
from measurement.counted import CountedResult
from measurement.records import Target
from measurement.verdicts import Judgement
from runner import progress

THROUGHPUT = "perf_test"  # a topic of the environment
SIZE = 1024  # bytes of a message, where a criterion does not say

WARM_UP_MESSAGES = 200_000  # of one round before those that count
ROUND_SECONDS = 1.0  # about what a round of both takes


@dataclass(frozen=True)
class Taken:
    """Rounds through broker and raw relay in turns, as results."""

    turns: Turns
    broker: CountedResult
    relay: CountedResult
    size: int
    busy_percent: float | None
    awake: bool | None = None

    @property
    def messages(self) -> int:
        """That were sent through the broker."""
        return self.turns.messages

    def problems(self) -> list[str]:
        """Say what is wrong with any message, on either way."""
        return self.turns.problems()

    @property
    def cpu_percent(self) -> float:
        """CPU of the driver's processes, the raw relay among them, 100 being one core."""
        outcomes = (*self.turns.broker, *self.turns.relay)
        used = sum(outcome.cpu_seconds for outcome in outcomes)
        return 100 * used / sum(outcome.wall_seconds for outcome in outcomes)


_passed: dict[tuple[str, int, int, int], Taken] = {}  # by broker and load, see decision 0011


def passed_on(messages: int, size: int, rounds: int) -> Taken:
    """Return what broker and raw relay passed on in turns, as fast as they could; the run is made when none is there.

    Args:
        messages: of each round.
        size: bytes of a message.
        rounds: of each.
    """
    ways = load_session.ways()
    key = (ways[0].way_in, messages, size, rounds)
    if key not in _passed:
        name = f"{messages} messages of {size} B by broker and raw relay, {rounds} rounds"
        with context.timed(name, "measuring"), progress.step(name, ROUND_SECONDS * rounds), Busy() as busy:
            for way in ways:
                load_session.crew().perform(as_fast_as_taken(way, THROUGHPUT, WARM_UP_MESSAGES, size))
            turns = take_turns(
                load_session.crew(),
                ways,
                lambda way: as_fast_as_taken(way, THROUGHPUT, messages, size),
                rounds,
                load_session.broker_cpu_seconds,
            )
        broker, relay = results.maximum(turns.broker), results.maximum(turns.relay)
        _passed[key] = Taken(turns, broker, relay, size, busy.percent)
    return _passed[key]


def maximum_rate() -> float:
    """Return the messages a second that the broker passes on at most: what has been found, or one run to find it."""
    broker, _ = load_session.ways()
    for (way_in, *_), taken in _passed.items():
        if way_in == broker.way_in:
            return taken.broker.achieved_rate
    with context.timed("the broker's maximum rate", "measuring"):
        load_session.crew().perform(as_fast_as_taken(broker, THROUGHPUT, WARM_UP_MESSAGES, SIZE))
        outcome = load_session.crew().perform(as_fast_as_taken(broker, THROUGHPUT, 10 * WARM_UP_MESSAGES, SIZE))
    return outcome.rate


def forget() -> None:
    """Let the next criterion make its run anew."""
    _passed.clear()


def record(
    name: str,
    taken: Taken,
    result: CountedResult,
    judgement: Judgement | None = None,
    target: Target | None = None,
) -> Judgement | None:
    """Leave the record of one side, with what was true of both; return the judgement as it stands there."""
    return leave_record(
        name,
        result,
        judgement,
        target,
        busy_percent=taken.busy_percent,
        clients_cpu_percent=taken.cpu_percent,
        processors_awake=taken.awake,
    ).judgement
