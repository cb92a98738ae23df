"""What the Flight client of the keywords costs beside `pyarrow.flight` alone: the same rows, in turns.

A bare Flight server in a process of its own holds the rows in memory. Both clients read the whole answer on one
connection each; the one counts rows, batches, bytes and instants as it reads, the other does nothing but read.

    python -m benchmarks.flight_client
    python -m benchmarks.flight_client --rounds 15 --write docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pyarrow as pa
from pyarrow import flight

from benchmarks.sections import replace_section
from FlightLibrary.accounting import clock
from FlightLibrary.client import FlightConnection
from FlightLibrary.keywords.speed import bare_server
from measurement.statistics import Interval, paired_ratio

ROWS = (100, 1_000, 10_000, 100_000, 1_000_000)
ROWS_A_ROUND = 2_000_000
MOST_READS = 300


def rows_of(number: int) -> pa.Table:
    """Return so many rows of an order: two numbers, an instant, a text."""
    keys = pa.array(range(number), pa.int64())
    names = pa.array([f"Customer {key % 500}" for key in range(number)], pa.string())
    columns = [keys, keys.cast(pa.float64()), keys.cast(pa.timestamp("us", "UTC")), names]
    return pa.table(columns, names=["id", "total", "createdAt", "customerName"])


def overhead(number: int, rounds: int) -> tuple[Interval, Interval, float]:
    """Return how many times as long the keyword's client takes, keeping rows and not, and the other's median seconds.

    Both read so many rows, some times a round.
    """
    reads = max(1, min(MOST_READS, ROWS_A_ROUND // number))
    with bare_server(rows_of(number)) as address, FlightConnection(address, None, deadline_seconds=60) as ours:
        alone = flight.connect(address)
        options = flight.FlightCallOptions(timeout=60)

        def read_alone() -> None:
            _demand(number, alone.do_get(flight.Ticket(b""), options).read_all().num_rows)

        def pass_alone() -> None:
            reader, rows = alone.do_get(flight.Ticket(b""), options), 0
            for chunk in reader:
                rows += chunk.data.num_rows
            _demand(number, rows)

        def read_ours() -> None:
            _demand(number, ours.read(b"").rows)

        def pass_ours() -> None:
            _demand(number, ours.read(b"", keep=False).rows)

        kept, plain = _in_turns(read_ours, read_alone, rounds, reads)
        passed, plain_passed = _in_turns(pass_ours, pass_alone, rounds, reads)
        alone.close()
    return paired_ratio(kept, plain), paired_ratio(passed, plain_passed), sorted(plain)[len(plain) // 2]


def _in_turns(a: Callable[[], None], b: Callable[[], None], rounds: int, reads: int) -> tuple[list[float], list[float]]:
    """Let both read in turns, read by read; return the median seconds of each in every round."""
    medians: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + 1):
        took: tuple[list[float], list[float]] = ([], [])
        for read in range(reads):
            for side in (0, 1) if read % 2 == 0 else (1, 0):
                begin = clock()
                (a, b)[side]()
                took[side].append(clock() - begin)
        if number:  # the first one warms up
            for side in (0, 1):
                medians[side].append(sorted(took[side])[reads // 2])
    return medians


def _demand(expected: int, came: int) -> None:
    if came != expected:
        raise RuntimeError(f"{came} rows came, {expected} expected")


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flight_client", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="of each size")
    parser.add_argument("--write", type=Path, help="replace the section of this Markdown file")
    given = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    lines = [
        "| rows | pyarrow.flight alone | rows/s | this client / alone, kept | this client / alone, not kept |",
        "|---:|---:|---:|---|---|",
    ]
    for number in ROWS:
        kept, passed, seconds = overhead(number, given.rounds)
        rate = number / seconds / 1e6
        lines.append(f"| {number:,} | {1000 * seconds:.3f} ms | {rate:.2f} M | {kept} | {passed} |")
    facts = (
        f"{datetime.now(UTC):%Y-%m-%d}: medians of {given.rounds} rounds; {psutil.cpu_count()} cores, load average "
        f"{load:.1f} at the start, Linux {platform.release()}, Python {platform.python_version()}, pyarrow "
        f"{pa.__version__}."
    )
    text = "\n".join([facts, "", *lines]) + "\n"
    print(text)
    if given.write:
        replace_section(given.write, "flight_client", text)


if __name__ == "__main__":
    main()
