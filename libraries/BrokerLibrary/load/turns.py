"""Broker and raw relay in turns: what disturbs the machine disturbs both, and each round gives one ratio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from BrokerLibrary.load.crew import Crew, Stage
from BrokerLibrary.load.outcome import StageOutcome
from BrokerLibrary.load.plans import Way
from measurement.records import Comparison
from measurement.statistics import paired_ratio

MICROSECONDS = 1e6


@dataclass(frozen=True)
class Turns:
    """Rounds of the same load through both, in the order in which they were run; warm-up rounds are not among them.

    `broker_cpu_seconds` is what the broker's processes used in all its rounds; None: they cannot be looked at.
    """

    broker: Sequence[StageOutcome]
    relay: Sequence[StageOutcome]
    broker_cpu_seconds: float | None

    @property
    def messages(self) -> int:
        """That were sent through the broker in all rounds."""
        return sum(outcome.sent for outcome in self.broker)

    @property
    def relay_cpu_seconds(self) -> float:
        """CPU time of the raw relay in all its rounds."""
        return sum(outcome.relay_cpu_seconds or 0.0 for outcome in self.relay)

    def problems(self) -> list[str]:
        """Say what is wrong with the messages of any round."""
        named = [*(("broker", o) for o in self.broker), *(("raw relay", o) for o in self.relay)]
        return [f"{name}: {problem}" for name, outcome in named for problem in outcome.problems()]

    def compare(self, value: Callable[[StageOutcome], float]) -> Comparison:
        """Compare a value of each round, a time in seconds: the broker's over the relay's.

        Raises:
            ValueError: fewer rounds than an interval needs.
        """
        ours, theirs = tuple(map(value, self.broker)), tuple(map(value, self.relay))
        return Comparison("broker", "raw relay", ours, theirs, paired_ratio(ours, theirs))

    def compare_speed(self) -> Comparison:
        """Compare how fast a round's messages came through: the relay's time over the broker's, so more is better."""
        ours, theirs = tuple(o.seconds for o in self.broker), tuple(o.seconds for o in self.relay)
        return Comparison("raw relay", "broker", theirs, ours, paired_ratio(theirs, ours))

    def routing_microseconds(self) -> float:
        """CPU time that the broker uses for a message beyond what copying it takes, in us.

        Raises:
            ValueError: the broker's processes cannot be looked at.
        """
        if self.broker_cpu_seconds is None:
            raise ValueError("the environment does not tell which processes the broker has")
        copied = sum(outcome.sent for outcome in self.relay)
        return MICROSECONDS * (self.broker_cpu_seconds / self.messages - self.relay_cpu_seconds / copied)


def take_turns(
    crew: Crew,
    ways: tuple[Way, Way],
    stage: Callable[[Way], Stage],
    rounds: int,
    cpu_seconds: Callable[[], float | None],
) -> Turns:
    """Run a load through broker and raw relay in turns, each first in every second round.

    A round in which messages were lost or spoilt is the last.

    Args:
        crew: of workers.
        ways: through the broker, through the raw relay.
        stage: makes the load of one round.
        rounds: of each.
        cpu_seconds: asks what the broker's processes have used so far.
    """
    outcomes: tuple[list[StageOutcome], list[StageOutcome]] = ([], [])
    used: float | None = 0.0
    for number in range(rounds):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            before = cpu_seconds()
            outcomes[side].append(crew.perform(stage(ways[side])))
            after = cpu_seconds()
            if side == 0:
                used = None if used is None or before is None or after is None else used + after - before
        if any(outcomes[side][-1].problems() for side in (0, 1)):
            break
    return Turns(*outcomes, used)
