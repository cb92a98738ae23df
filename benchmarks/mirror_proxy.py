"""What the reference mirror proxy costs: `pgbench -S` directly, through PgBouncer, and through the proxy, in turns.

The proxy runs twice, once with exposure 0 and once with all of the work mirrored; both lead to the same primary. In
each round every way has one run as fast as it goes and one at a fixed rate; the order turns round by round.

    python -m benchmarks.mirror_proxy
    python -m benchmarks.mirror_proxy --rounds 12 --seconds 5 --write docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics as plain
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil

from benchmarks.sections import replace_section
from environments import start_system
from environments.config import load_environment
from environments.embedded.pgdog import EmbeddedPgdog
from environments.embedded.processes import wait_until
from environments.pgdog import Mirrored, ProxyOptions
from environments.system import Endpoint, Login
from measurement.statistics import paired_ratio
from PgDogLibrary.counts import Tally
from PgDogLibrary.dialect import counts
from PgDogLibrary.scrape import scrape

CLIENTS = 4
RATE = 1000  # transactions a second, of the runs at a fixed rate
QUEUE = 1_000_000  # transactions of one client: what the mirror is behind must not be left out
PATIENCE_SECONDS = 120.0
DIRECT, PGBOUNCER, UNMIRRORED, MIRRORED = "directly", "PgBouncer", "the proxy, exposure 0", "the proxy, mirrored"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the primary: where it leads, the processes on it, and the page of a proxy."""

    endpoint: Endpoint
    processes: tuple[int, ...] = ()
    metrics: str | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """What one way achieved in one round: a rate (1/s), and latencies at the fixed rate in seconds.

    Attributes:
        cores: of the processes on the way, while it went as fast as it could.
        behind: share of that run's transactions that the mirror had not done when it ended.
    """

    rate: float
    cores: float
    behind: float
    p50: float
    p99: float


@dataclass(frozen=True, slots=True)
class Pgbench:
    """The program, and the user it is."""

    program: Path
    login: Login

    def __call__(self, endpoint: Endpoint, *options: str, directory: str | None = None) -> str:
        """Run it.

        Raises:
            RuntimeError: it failed.
        """
        environment = {
            **os.environ,
            "PGHOST": endpoint.host,
            "PGPORT": str(endpoint.port),
            "PGDATABASE": "app",
            "PGUSER": self.login.user,
            "PGPASSWORD": self.login.password.value,
            "PGSSLMODE": "disable",
        }
        done = subprocess.run(
            [str(self.program), *options], env=environment, cwd=directory, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"pgbench failed: {done.stderr.strip()}")
        return done.stdout

    def rows_by_key(self, endpoint: Endpoint, seconds: float, *options: str, directory: str | None = None) -> str:
        """Ask for single rows over four sessions for so many seconds."""
        common = ["-n", "-S", "-c", str(CLIENTS), "-j", "1", "-T", f"{seconds:.0f}"]
        return self(endpoint, *common, *options, directory=directory)


@contextmanager
def ways() -> Iterator[tuple[dict[str, Way], Pgbench, str]]:
    """Start everything; yields the ways, pgbench, and what is there in which version."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        system = start_system("pgdog", load_environment("embedded"), Path(directory))
        assert isinstance(system, EmbeddedPgdog)
        try:
            where, facts = system.addresses, {one.name: one for one in system.facts}
            found = {DIRECT: Way(where.primary)}
            if where.pgbouncer:
                found[PGBOUNCER] = Way(where.pgbouncer, tuple(system.services["pgbouncer"].processes()))
            for name, exposure in ((UNMIRRORED, 0.0), (MIRRORED, 1.0)):
                # straight to the mirror: the link that criteria cut is a program of its own
                database = Mirrored(exposure=exposure, queue=QUEUE, mirror=where.mirror)
                proxy = system.launch(ProxyOptions(databases=(database,), query_timeout_ms=0))
                found[name] = Way(proxy.client, tuple(proxy.control.processes()), proxy.metrics)
            pgbench = Pgbench(Path(facts["primary"].program).parent / "pgbench", where.users[0])
            for server in (where.primary, where.mirror):
                pgbench(server, "-i", "-q", "-s", "1")
            versions = [f"PostgreSQL {facts['primary'].version}"]
            versions += [f"PgBouncer {facts['pgbouncer'].version}"] if where.pgbouncer else []
            yield found, pgbench, ", ".join(versions)
        finally:
            system.stop()


def run(way: Way, pgbench: Pgbench, seconds: float) -> Round:
    """Let pgbench go one way as fast as it can, then at the fixed rate; each run begins with nothing waiting."""
    before, spent = _counted(way), _cpu(way)
    said = pgbench.rows_by_key(way.endpoint, seconds)
    cores, after = (_cpu(way) - spent) / seconds, _counted(way)
    behind = after.backlog / max(_done(said), 1) if after and after.backlog else 0.0
    _settle(way, before)
    p50, p99 = _latencies(way, pgbench, seconds)
    _settle(way, before)
    return Round(_rate(said), cores, behind, p50, p99)


def _latencies(way: Way, pgbench: Pgbench, seconds: float) -> tuple[float, float]:
    """Median and p99 from the scheduled starts, in seconds."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
        options = ("--rate", str(RATE), "--log", "--log-prefix", f"{directory}/log")
        pgbench.rows_by_key(way.endpoint, seconds, *options, directory=directory)
        # client, number, latency from the scheduled start (us), script, epoch s, epoch us, schedule lag (us)
        lines = [line.split() for log in Path(directory).glob("log*") for line in log.read_text().splitlines()]
    latencies = np.array([int(line[2]) for line in lines]) / 1e6
    p50, p99 = np.quantile(latencies, [0.5, 0.99], method="inverted_cdf")
    return float(p50), float(p99)


def _settle(way: Way, before: Tally | None) -> None:
    """Wait until the mirror has done what waits for it.

    Raises:
        RuntimeError: something was not mirrored that should have been.
    """
    if before is None:
        return

    def waiting() -> str | None:
        now = _counted(way)
        return f"{now.backlog} transactions wait" if now and now.backlog else None

    wait_until(waiting, PATIENCE_SECONDS, "the mirror to have done its part")
    now = _counted(way)
    if now is None or now.errors != before.errors:
        raise RuntimeError(f"not everything was mirrored: {now}")


def _counted(way: Way) -> Tally | None:
    return counts(scrape(way.metrics), "plan").total if way.metrics else None


def _cpu(way: Way) -> float:
    times = [psutil.Process(pid).cpu_times() for pid in way.processes]
    return sum(one.user + one.system for one in times)


def _done(said: str) -> int:
    return int(_told(r"actually processed: (\d+)", said))


def _rate(said: str) -> float:
    """Without the time it took to connect."""
    return _told(r"tps = ([\d.]+) \(without initial connection time\)", said)


def _told(pattern: str, said: str) -> float:
    match = re.search(pattern, said)
    if match is None:
        raise RuntimeError(f"pgbench did not tell what it did: {said}")
    return float(match[1])


def measure(found: Mapping[str, Way], pgbench: Pgbench, rounds: int, seconds: float) -> dict[str, list[Round]]:
    """Run all rounds; in each of them another way is first."""
    rows: dict[str, list[Round]] = {name: [] for name in found}
    names = list(found)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            rows[name].append(run(found[name], pgbench, seconds))
        print(f"round {number + 1} of {rounds} done", file=sys.stderr)
    return rows


def report(rows: Mapping[str, Sequence[Round]]) -> str:
    """Return the tables as Markdown."""
    beside = [PGBOUNCER] if PGBOUNCER in rows else []
    heads = [f"rate / {name}" for name in (DIRECT, *beside)]
    lines = [
        "| way | transactions/s | cores of its own | " + " | ".join(heads) + " | still to be mirrored |",
        "|---|---:|---:|" + "---|" * len(heads) + "---:|",
    ]
    for name, own in rows.items():
        ratios = [_ratio(rows, name, other, "rate") for other in (DIRECT, *beside)]
        behind = f"{100 * _median(own, 'behind'):.0f} %" if name == MIRRORED else ""
        cores = "" if name == DIRECT else f"{_median(own, 'cores'):.2f}"
        cells = [name, f"{_median(own, 'rate'):,.0f}", cores, *ratios, behind]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        f"| way, at {RATE}/s | p50 | added | p50 / directly | p99 |",
        "|---|---:|---:|---|---:|",
    ]
    for name, own in rows.items():
        added = plain.median(mine.p50 - direct.p50 for mine, direct in zip(own, rows[DIRECT], strict=True))
        shown = [f"{1000 * _median(own, 'p50'):.3f} ms", "" if name == DIRECT else f"{1000 * added:.3f} ms"]
        cells = [name, *shown, _ratio(rows, name, DIRECT, "p50"), f"{1000 * _median(own, 'p99'):.3f} ms"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _ratio(rows: Mapping[str, Sequence[Round]], name: str, other: str, what: str) -> str:
    if name == other:
        return "1"
    interval = paired_ratio([getattr(one, what) for one in rows[name]], [getattr(one, what) for one in rows[other]])
    return f"{interval.ratio:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _median(rounds: Sequence[Round], name: str) -> float:
    return float(plain.median(getattr(one, name) for one in rounds))


def main(arguments: list[str] | None = None) -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mirror_proxy", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8, help="at least 5")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each run, in whole seconds")
    parser.add_argument("--write", type=Path, help="replace the section of this Markdown file")
    given = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    with ways() as (found, pgbench, versions):
        for way in found.values():
            run(way, pgbench, 1)
        rows = measure(found, pgbench, given.rounds, given.seconds)
    effort = f"{given.rounds} rounds, runs of {given.seconds:g} s, {CLIENTS} sessions"
    machine = f"{psutil.cpu_count()} cores, load average {load:.1f} at the start, Linux {platform.release()}"
    facts = [
        f"{datetime.now(UTC):%Y-%m-%d}: {effort}; {machine}, Python {platform.python_version()}, {versions}.",
        "Medians of the rounds; ratios are of paired rounds, with 95 % intervals.",
    ]
    text = "\n".join([*facts, "", report(rows)])
    print(text)
    if given.write:
        replace_section(given.write, "mirror_proxy", text)


if __name__ == "__main__":
    main()
