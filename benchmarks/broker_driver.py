"""What the load driver of the broker can do when no broker is there: alone, and through the raw relay.

Kernels are timed in memory. Then a producer writes to a consumer over a Unix socket with nothing between them, and
through the raw relay, in turns; every byte of every message is checked, as always.

    python -m benchmarks.broker_driver
    python -m benchmarks.broker_driver --rounds 7 --write docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics as plain
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil

from benchmarks.sections import replace_section
from BrokerLibrary import wire
from BrokerLibrary.load import kernels
from BrokerLibrary.load.checking import Book, Checker, label_of, prefix_of
from BrokerLibrary.load.crew import Crew
from BrokerLibrary.load.outcome import StageOutcome
from BrokerLibrary.load.plans import Direct, Paced, RawRelay, Way, as_fast_as_taken, by_intended_starts
from measurement.punctual import processors_awake

TOPIC, RUN = "perf_test", 1
BUFFER_BYTES = 256 * 1024
KERNEL_SECONDS = 0.5
PAYLOADS = (64, 512, 1024, 4096)
BYTES_A_ROUND = 1 << 30
MOST_MESSAGES = 2_000_000
TIMED = Paced(1000, 2.0, 0.2)
SUSTAINED = Paced(500_000, 3.0, 0.5)


def kernel_rates(payload: int) -> tuple[float, float]:
    """Return how many messages a second the kernels build and check, on one core, in memory."""
    prefix = prefix_of(wire.Opcode.DELIVER, TOPIC, payload)
    number = BUFFER_BYTES // (len(prefix) + payload)
    buffer = np.zeros(number * (len(prefix) + payload), dtype=np.uint8)
    label = label_of(0, RUN)

    def build(sequence: int) -> None:
        kernels.build(buffer, prefix, payload, label, sequence, 1000, 2000, number)

    def check(_: int) -> None:
        checker = Checker(prefix, payload, RUN, [number], book)
        checker.check(buffer, len(buffer), 3000)
        if checker.accounted != number or checker.failed:
            raise RuntimeError(f"{number - checker.accounted} of {number} messages of {payload} B are not intact")

    book = Book.new(1, 1_000_000_000)
    built = _repetitions(build) * number
    build(0)
    return built, _repetitions(check) * number


def _repetitions(work: Callable[[int], None]) -> float:
    """How often a second something is done."""
    begin, done = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begin) < KERNEL_SECONDS:
        work(done)
        done += 1
    return done / elapsed


def in_turns(crew: Crew, ways: Sequence[Way], rounds: int, payload: int) -> list[list[StageOutcome]]:
    """Send messages of a size as fast as they are taken, on each way in every round."""
    messages = min(BYTES_A_ROUND // payload, MOST_MESSAGES)
    found: list[list[StageOutcome]] = [[] for _ in ways]
    for number in range(rounds):
        for index in range(len(ways)) if number % 2 == 0 else reversed(range(len(ways))):
            found[index].append(_sound(crew.perform(as_fast_as_taken(ways[index], TOPIC, messages, payload))))
        print(f"{payload} B: round {number + 1} of {rounds} done", file=sys.stderr)
    return found


def _sound(outcome: StageOutcome) -> StageOutcome:
    if problems := outcome.problems():
        raise RuntimeError(f"messages are not as they were sent: {problems[0]}")
    return outcome


def throughput(crew: Crew, ways: Sequence[Way], rounds: int) -> list[str]:
    """Return the table of rates."""
    lines = [
        "| message | built | checked | producer to consumer | through the raw relay | CPU: producer, consumer, relay |",
        "|---:|---:|---:|---:|---:|---|",
    ]
    for payload in PAYLOADS:
        built, checked = kernel_rates(payload)
        direct, relayed = in_turns(crew, ways, rounds, payload)
        cells = [
            f"{payload} B",
            _millions(built),
            _millions(checked),
            _millions(_median(direct, lambda o: o.rate)),
            _millions(_median(relayed, lambda o: o.rate)),
            ", ".join(
                f"{1e6 * _median(relayed, of):.2f} s"
                for of in (
                    lambda o: o.producers[0].cpu_seconds / o.sent,
                    lambda o: o.consumers[0].cpu_seconds / o.sent,
                    lambda o: (o.relay_cpu_seconds or 0.0) / o.sent,
                )
            ),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def latencies(crew: Crew, ways: Sequence[Way], rounds: int) -> list[str]:
    """Return the table of latencies from intended starts."""
    lines = [
        "| load | processors | way | p50 | p95 | p99 | generator lag p99 | longest burst |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for name, plan, payload, awake in (
        ("1 000/s of 1 024 B", TIMED, 1024, True),
        ("1 000/s of 1 024 B", TIMED, 1024, False),
        ("500 000/s of 512 B", SUSTAINED, 512, False),
    ):
        for way in ways:
            with processors_awake() if awake else nullcontext():
                outcomes = [_sound(crew.perform(by_intended_starts(way, TOPIC, plan, payload))) for _ in range(rounds)]
            first = [name, "kept awake" if awake else "as they like", "direct" if isinstance(way, Direct) else "relay"]
            lines.append("| " + " | ".join([*first, *_times(outcomes, plan)]) + " |")
    return lines


def _times(outcomes: Sequence[StageOutcome], plan: Paced) -> list[str]:
    def percentile(percent: float) -> float:
        return plain.median(outcome.latency.percentile(percent, plan.warm_up_rows) for outcome in outcomes)

    lag = plain.median(o.producers[0].lag.percentile(99) for o in outcomes if o.producers[0].lag is not None)
    burst = max(outcome.producers[0].longest_burst for outcome in outcomes)
    return [*(f"{1e6 * percentile(percent):.0f} us" for percent in (50, 95, 99)), f"{1e6 * lag:.0f} us", str(burst)]


def _median(outcomes: Sequence[StageOutcome], of: Callable[[StageOutcome], float]) -> float:
    return float(plain.median(of(outcome) for outcome in outcomes))


def _millions(rate: float) -> str:
    return f"{rate / 1e6:.2f} M/s"


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.broker_driver", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each way")
    parser.add_argument("--write", type=Path, help="replace the section of this Markdown file")
    given = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory, Crew() as crew:
        ways = (Direct(Path(directory)), RawRelay(Path(directory)))
        for way in ways:  # workers start, kernels are loaded
            crew.perform(as_fast_as_taken(way, TOPIC, 100_000, 1024))
        rates, times = throughput(crew, ways, given.rounds), latencies(crew, ways, given.rounds)
    facts = (
        f"{datetime.now(UTC):%Y-%m-%d}: medians of {given.rounds} rounds; {psutil.cpu_count()} cores, load average "
        f"{load:.1f} at the start, Linux {platform.release()}, Python {platform.python_version()}."
    )
    text = "\n".join([facts, "", *rates, "", *times]) + "\n"
    print(text)
    if given.write:
        replace_section(given.write, "broker_driver", text)


if __name__ == "__main__":
    main()
