"""Ways of getting the same rows, in turns: what disturbs the machine disturbs all, and each round gives one ratio.

A way is timed from its call to rows that a program can use: an Arrow table, or JSON decoded. All answers of a round are
compared with each other outside the time that counts.
"""

from __future__ import annotations

import gc
import statistics as plain
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from FlightLibrary.accounting import Reading, clock
from FlightLibrary.comparing import difference, table_of
from FlightLibrary.graphql_http import JsonReading
from measurement.counted import CountedResult, CountedSet
from measurement.histogram import LatencyHistogram
from measurement.records import Comparison
from measurement.results import NORMAL
from measurement.statistics import paired_ratio

Answer = Reading | JsonReading


@dataclass
class Way:
    """One way of getting the rows.

    Attributes:
        name: in reports.
        read: gets them.
        columns: new names of its columns, by old; those of a view are written in another way than those of a query.
        seconds: of each round, the median of its reads.
        first_seconds: to the first bytes or batch, likewise.
        client_cpu: CPU seconds of this process a read, over all rounds.
        server_cpu: those of the system.
        reads: number of them.
    """

    name: str
    read: Callable[[], Answer]
    columns: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    first_seconds: list[float] = field(default_factory=list)
    client_cpu: float = 0.0
    server_cpu: float = 0.0
    reads: int = 0

    @property
    def median_seconds(self) -> float:
        """Of all rounds."""
        return plain.median(self.seconds)


@dataclass(frozen=True)
class Turns:
    """What came of all rounds.

    Attributes:
        ways: in the order in which they were named.
        rows: of each answer.
        started_at: epoch seconds.
        ended_at: likewise.
    """

    ways: Sequence[Way]
    rows: int
    started_at: float
    ended_at: float

    def way(self, name: str) -> Way:
        """Return the way of this name."""
        return next(way for way in self.ways if way.name == name)

    def compare(self, a: str, b: str) -> Comparison:
        """Compare the time of one way with that of another, round by round.

        Raises:
            ValueError: fewer rounds than an interval needs.
        """
        first, second = self.way(a).seconds, self.way(b).seconds
        return Comparison(a, b, tuple(first), tuple(second), paired_ratio(first, second))

    def result(self, name: str) -> CountedResult:
        """Return the rounds of one way as a closed loop, for a record."""
        way = self.way(name)
        seconds = sum(way.seconds)
        measured = CountedSet(
            NORMAL,
            NORMAL,
            0.0,
            seconds,
            offered=len(way.seconds),
            ok=len(way.seconds),
            service_time=LatencyHistogram.of(way.seconds),
            closed=True,
        )
        return CountedResult(
            mode="closed",
            workers=1,
            started_at=self.started_at,
            schedule_seconds=seconds,
            ended_at=self.ended_at,
            measured=measured,
            client_cpu_percent=100 * way.client_cpu / max(seconds * way.reads / len(way.seconds), 1e-9),
        )


def take_turns(ways: Sequence[Way], rows: int, rounds: int, reads: int, server_cpu: Callable[[], float]) -> Turns:
    """Let ways take turns, each first in another round; one round before them is thrown away.

    Args:
        ways: of getting the same rows.
        rows: that each answer must have.
        rounds: of each.
        reads: of each way in a round.
        server_cpu: asks what the system has used so far, in CPU seconds.

    Raises:
        AssertionError: answers differ, or do not have so many rows.
    """
    gc.collect()
    gc.freeze()  # what is there already need not be walked again before each read
    try:
        schema = _schema(ways)
        _round(ways, rows, 1, server_cpu, schema)
        for way in ways:
            way.seconds.clear()
            way.first_seconds.clear()
            way.client_cpu = way.server_cpu = way.reads = 0
        started_at = time.time()
        for number in range(rounds):
            turn = number % len(ways)
            _round([*ways[turn:], *ways[:turn]], rows, reads, server_cpu, schema)
        return Turns(ways, rows, started_at, time.time())
    finally:
        gc.unfreeze()


def _schema(ways: Sequence[Way]) -> pa.Schema:
    """Return the types of the columns, which Arrow tells and JSON does not, under the names of the query."""
    for way in ways:
        answer = way.read()
        if isinstance(answer, Reading):
            return _renamed(answer.kept(), way).schema
    raise ValueError("none of the ways gives rows as Arrow")


def _round(ways: Sequence[Way], rows: int, reads: int, server_cpu: Callable[[], float], schema: pa.Schema) -> None:
    tables = []
    for way in ways:
        answer = _timed(way, reads, server_cpu)
        tables.append(_renamed(answer.kept(), way) if isinstance(answer, Reading) else table_of(answer.rows, schema))
        del answer  # a million decoded objects would burden whatever comes next
    first = ways[0].name
    if tables[0].num_rows != rows:
        raise AssertionError(f"expected {rows} rows, came {tables[0].num_rows} by {first}")
    for way, table in zip(ways[1:], tables[1:], strict=True):
        if (found := difference(table, tables[0], (way.name, first))) is not None:
            raise AssertionError(f"{way.name} and {first} do not give the same rows: {found}")


def _renamed(table: pa.Table, way: Way) -> pa.Table:
    return table.rename_columns([way.columns.get(name, name) for name in table.column_names])


def _timed(way: Way, reads: int, server_cpu: Callable[[], float]) -> Answer:
    """Read some times; the collector of garbage, which objects of JSON would set going, does not run meanwhile."""
    gc.collect()
    gc.disable()
    try:
        before, used, took, first = server_cpu(), time.process_time(), [], []
        for _ in range(reads):
            begin = clock()
            answer = way.read()
            took.append(clock() - begin)
            first.append(answer.first_seconds or took[-1])
        way.client_cpu += time.process_time() - used
        way.server_cpu += server_cpu() - before
    finally:
        gc.enable()
    way.reads += reads
    way.seconds.append(plain.median(took))
    way.first_seconds.append(plain.median(first))
    return answer
