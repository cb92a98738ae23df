"""How our open-loop generator compares with `pgbench --rate` at the same rate on the same server.

Both send the same statement (one row of `pgbench_accounts` by its key, simple protocol) over the same number of
connections, with independent (Poisson) arrivals, and count latency from the intended start. They take turns, each
first in every second round; the ratios are over paired rounds.

    python -m benchmarks.openloop_vs_pgbench
    python -m benchmarks.openloop_vs_pgbench --rates 200,1000,2000 --rounds 10 --seconds 3 --write docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import re
import resource
import statistics as plain
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import psycopg2

from benchmarks.postgresql_server import Server, postgresql
from benchmarks.sections import replace_section
from environments.embedded.ports import HOST
from measurement.openloop import offer_each
from measurement.results import Outcome
from measurement.schedule import poisson
from measurement.statistics import Interval, paired_ratio
from measurement.workers import Operation

SCALE = 1  # pgbench's: 100 000 accounts
CONNECTIONS = 8
STATEMENT = "SELECT abalance FROM pgbench_accounts WHERE aid = {}"


@dataclass(frozen=True, slots=True)
class Round:
    """What one generator achieved in one round: a rate (1/s), CPU in percent of a core, latencies in seconds."""

    offered: float
    achieved: float
    cpu_percent: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Row:
    """One rate: paired rounds of both generators."""

    rate: float
    ours: tuple[Round, ...]
    pgbench: tuple[Round, ...]

    def ratio(self, of: Callable[[Round], float]) -> Interval:
        """Ours to pgbench's, with its interval over the rounds."""
        return paired_ratio([of(r) for r in self.ours], [of(r) for r in self.pgbench])


def run_ours(server: Server, rate: float, seconds: float, seed: int, *, punctual: bool) -> tuple[Round, str]:
    """Offer the load with `measurement.openloop`; returns also how the kernel ran its threads."""

    def factory(worker: int) -> Operation:
        session = psycopg2.connect(server.dsn)
        session.autocommit = True
        cursor = session.cursor()
        accounts = random.Random(seed + worker)

        def look_up(_: int) -> Outcome | None:
            cursor.execute(STATEMENT.format(accounts.randint(1, 100_000 * SCALE)))
            return None if cursor.fetchone() == (0,) else Outcome.wrong("not the balance of a new account")

        look_up(0)
        return look_up

    schedule = poisson(rate, seconds, seed)
    result = offer_each(factory, schedule, CONNECTIONS, punctual=punctual)
    if result.failed:
        raise RuntimeError(f"our generator had errors: {result.error_details}")
    latency = result.latency
    return (
        Round(
            len(schedule) / seconds,
            result.ok / max(seconds, float(np.nanmax(result.samples.sent))),
            result.client_cpu_percent,
            latency.percentile(50),
            latency.percentile(99),
        ),
        result.client_scheduling,
    )


def run_pgbench(server: Server, rate: float, seconds: float, seed: int) -> Round:
    """Offer the load with pgbench, whose log has one line a transaction."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        script = Path(directory) / "look_up.sql"
        script.write_text(f"\\set aid random(1, {100_000 * SCALE})\n{STATEMENT.format(':aid')};\n", encoding="utf-8")
        command = [str(server.programs / "pgbench"), "-h", HOST, "-p", str(server.port), "-U", "postgres", "-n"]
        command += ["-f", str(script), "-c", str(CONNECTIONS), "-j", "1", "-T", f"{seconds:.0f}", "--rate", f"{rate:g}"]
        command += ["--random-seed", str(seed), "--log", "--log-prefix", f"{directory}/log", "postgres"]
        before, begin = _cpu_of_children(), time.perf_counter()
        answer = subprocess.run(command, capture_output=True, text=True, cwd=directory)
        elapsed, cpu = time.perf_counter() - begin, _cpu_of_children() - before
        if answer.returncode != 0:
            raise RuntimeError(f"pgbench failed: {answer.stderr.strip()}")
        # client, number, latency from the scheduled start (us), script, epoch s, epoch us, schedule lag (us)
        lines = [line.split() for log in Path(directory).glob("log*") for line in log.read_text().splitlines()]
    latencies = np.array([int(line[2]) for line in lines]) / 1e6
    return Round(
        rate,
        _own_rate(answer.stdout),
        100 * cpu / elapsed,
        float(np.quantile(latencies, 0.5, method="inverted_cdf")),
        float(np.quantile(latencies, 0.99, method="inverted_cdf")),
    )


def _own_rate(output: str) -> float:
    """What pgbench says of its rate, without the time it took to connect."""
    match = re.search(r"tps = ([\d.]+) \(without initial connection time\)", output)
    if match is None:
        raise RuntimeError(f"pgbench did not tell its rate: {output}")
    return float(match.group(1))


def measure(
    server: Server, rates: list[float], rounds: int, seconds: float, *, punctual: bool
) -> tuple[list[Row], str]:
    """Run all rounds, the rates in turns too, so that a disturbance does not hit one of them alone."""
    ours: dict[float, list[Round]] = {rate: [] for rate in rates}
    theirs: dict[float, list[Round]] = {rate: [] for rate in rates}
    scheduling = ""
    for number in range(rounds):
        for rate in rates:
            seed = 1000 * number + int(rate)
            for first in (True, False):
                if first == (number % 2 == 0):
                    one, scheduling = run_ours(server, rate, seconds, seed, punctual=punctual)
                    ours[rate].append(one)
                else:
                    theirs[rate].append(run_pgbench(server, rate, seconds, seed))
        print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    return [Row(rate, tuple(ours[rate]), tuple(theirs[rate])) for rate in rates], scheduling


def report(rows: list[Row], facts: list[str]) -> str:
    """Return the tables as Markdown."""
    lines = [*facts, "", *_head("offered", "achieved", "CPU of a core", "CPU an operation")]
    lines += [
        _cells(
            row,
            [
                *(f"{_median(side, 'achieved'):.1f}/s" for side in (row.ours, row.pgbench)),
                _shown(row.ratio(lambda r: r.achieved / r.offered)),
                *(f"{_median(side, 'cpu_percent'):.1f} %" for side in (row.ours, row.pgbench)),
                _shown(row.ratio(lambda r: r.cpu_percent / r.achieved)),
            ],
        )
        for row in rows
    ]
    lines += ["", *_head("offered", "p50", "p99", "")]
    lines += [
        _cells(
            row,
            [
                *(f"{_median(side, 'p50') * 1000:.3f} ms" for side in (row.ours, row.pgbench)),
                _shown(row.ratio(lambda r: r.p50)),
                *(f"{_median(side, 'p99') * 1000:.3f} ms" for side in (row.ours, row.pgbench)),
                _shown(row.ratio(lambda r: r.p99)),
            ],
        )
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _head(offered: str, first: str, second: str, of_ratio: str) -> list[str]:
    columns = [offered, f"{first}, ours", f"{first}, pgbench", "ratio", f"{second}, ours", f"{second}, pgbench"]
    columns.append(f"ratio of {of_ratio}" if of_ratio else "ratio")
    return ["| " + " | ".join(columns) + " |", "|---:|---:|---:|---|---:|---:|---|"]


def _cells(row: Row, cells: list[str]) -> str:
    return f"| {row.rate:g}/s | " + " | ".join(cells) + " |"


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.openloop_vs_pgbench", description=__doc__)
    parser.add_argument("--rates", default="200,1000,2000", help="operations a second, separated by commas")
    parser.add_argument("--rounds", type=int, default=10, help="pairs, at least 5")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each run")
    parser.add_argument("--ordinary", action="store_true", help="do not ask the kernel for punctual threads")
    parser.add_argument("--write", type=Path, help="replace the section of this Markdown file")
    given = parser.parse_args(arguments)
    rates = [float(rate) for rate in given.rates.split(",")]
    load = os.getloadavg()[0]
    with postgresql() as server:
        initialise = [str(server.programs / "pgbench"), "-h", HOST, "-p", str(server.port), "-U", "postgres"]
        subprocess.run([*initialise, "-i", "-q", "-s", str(SCALE), "postgres"], check=True, capture_output=True)
        for rate in rates:  # warm caches, and both programs
            run_ours(server, rate, 1, 1, punctual=not given.ordinary)
            run_pgbench(server, rate, 1, 1)
        rows, scheduling = measure(server, rates, given.rounds, given.seconds, punctual=not given.ordinary)
        version = server.version
    machine = f"{psutil.cpu_count()} cores, load average {load:.1f} at the start, Linux {platform.release()}"
    programs = f"Python {platform.python_version()}, PostgreSQL {version}; our threads: {scheduling}"
    effort = f"{given.rounds} paired rounds of {given.seconds:g} s, {CONNECTIONS} connections"
    facts = [
        f"{datetime.now(UTC):%Y-%m-%d}: {effort}; {machine}, {programs}.",
        "Medians of the rounds; ratios are ours / pgbench with 95 % intervals.",
    ]
    text = report(rows, facts)
    print(text)
    if given.write:
        replace_section(given.write, "openloop_vs_pgbench" + (" --ordinary" if given.ordinary else ""), text)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return float(usage.ru_utime + usage.ru_stime)


def _median(rounds: tuple[Round, ...], name: str) -> float:
    return float(plain.median(getattr(r, name) for r in rounds))


def _shown(interval: Interval) -> str:
    return f"{interval.ratio:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


if __name__ == "__main__":
    main()
