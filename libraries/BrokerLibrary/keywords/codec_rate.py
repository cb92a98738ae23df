"""Keywords of the codec's speed: trades built and parsed in memory, with no socket anywhere (C-01)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import numpy as np
from robot.api.deco import keyword

from BrokerLibrary.protocol_v2 import batched, workload
from BrokerLibrary.protocol_v2.layouts import Trade
from EnvironmentLibrary import context
from EnvironmentLibrary.telling import say, settle
from environments.system import running
from LoadLibrary.measure import Busy, leave_record
from LoadLibrary.rate import Rate
from measurement.budgets import judge_rate
from measurement.counted import NORMAL, CountedResult, CountedSet
from measurement.histogram import LatencyHistogram
from measurement.records import Target
from runner import progress

BATCH = 50_000  # trades: a buffer of 3.7 MB, as a producer would fill between two writes at most
SINGLE = 5_000  # trades that are also built and parsed one after the other
DIFFERENT = 4  # batches, so that no result can be that of the batch before


@dataclass(frozen=True)
class CodecRates:
    """What was built and parsed, how fast, and what was wrong with it."""

    construction: CountedResult
    parsing: CountedResult
    wrong: Sequence[str]
    busy_percent: float | None


class CodecRateKeywords:
    """How fast Protocol V2 messages are built and parsed, batch by batch."""

    @keyword
    def trades_are_built_and_parsed_in_batches(self, duration: timedelta) -> CodecRates:
        """Build and parse batches of trades in turns, with every checksum, and compare each result with its source.

        Args:
            duration: of construction and parsing together, without the comparisons.
        """
        batches = [workload.trades(BATCH, running().seed + number) for number in range(DIFFERENT)]
        buffers = [batch.buffer() for batch in batches]
        construct, parse = _codec()
        seconds = duration.total_seconds()
        built, parsed, wrong = _Clock(), _Clock(), list(_single(batches[0]))
        with (
            context.timed("codec rates", "measuring"),
            progress.step("codec: trades in batches", 2 * seconds),
            Busy() as busy,
        ):
            number = 0
            while built.seconds + parsed.seconds < seconds:
                batch, buffer = batches[number % DIFFERENT], buffers[number % DIFFERENT]
                buffer[:] = 0
                built.time(partial(construct, batch, buffer))
                parsed.time(partial(parse, buffer))
                wrong += _differences(batch, buffer)
                number += 1
        return CodecRates(built.result(), parsed.result(), wrong, busy.percent)

    @keyword
    def parsed_trades_should_be_those_that_were_built(self, rates: CodecRates) -> None:
        """Demand that every field is the one it was built from, and that the scalar codec writes the same bytes."""
        if rates.wrong:
            raise AssertionError(f"{len(rates.wrong)} differences; first: {rates.wrong[0]}")
        say(f"{rates.parsing.ok} trades parsed are those that were built")

    @keyword
    def construction_should_be_faster_than(self, rates: CodecRates, limit: Rate) -> None:
        """Hold the rate of construction against a limit."""
        _hold("construction", rates.construction, limit, rates.busy_percent)

    @keyword
    def parsing_should_be_faster_than(self, rates: CodecRates, limit: Rate) -> None:
        """Hold the rate of parsing against a limit."""
        _hold("parsing", rates.parsing, limit, rates.busy_percent)


class _Clock:
    """Times batches, which tell how many messages they were."""

    def __init__(self) -> None:
        self.started_at = time.time()
        self.seconds = 0.0
        self._messages = 0
        self._batches: list[float] = []

    def time(self, work: Callable[[], workload.Counts]) -> None:
        begin = time.perf_counter()
        done = work()
        taken = time.perf_counter() - begin
        self.seconds += taken
        self._messages += done.messages
        self._batches.append(taken)

    def result(self) -> CountedResult:
        durations = LatencyHistogram.of(self._batches)
        measured = CountedSet(
            NORMAL, NORMAL, 0.0, self.seconds, self._messages, self._messages, service_time=durations, closed=True
        )
        return CountedResult("closed", 1, self.started_at, self.seconds, time.time(), measured)


def _codec() -> tuple[
    Callable[[workload.Trades, batched.Octets], workload.Counts], Callable[[batched.Octets], workload.Counts]
]:
    """The codec as it is to be used for batches, or as the proof has it used."""
    if running().codec_defect != "one-at-a-time":
        return workload.construct, workload.parse

    def construct(batch: workload.Trades, buffer: batched.Octets) -> workload.Counts:
        buffer[:] = np.frombuffer(workload.construct_singly(batch), dtype=np.uint8)
        return workload.Counts(len(batch), len(buffer))

    return construct, lambda buffer: workload.parse_singly(buffer.tobytes())


def _single(batch: workload.Trades) -> Sequence[str]:
    """Build and parse some trades one after the other, tell how fast, and say where the batched codec differs."""
    few = workload.Trades(batch.sequences[:SINGLE], batch.timestamps_ns[:SINGLE], _first(batch, SINGLE))
    begin = time.perf_counter()
    stream = workload.construct_singly(few)
    built = time.perf_counter()
    parsed = workload.parse_singly(stream)
    end = time.perf_counter()
    context.record_value("construction one by one", round(SINGLE / (built - begin)), "/s")
    context.record_value("parsing one by one", round(parsed.messages / (end - built)), "/s")
    buffer = few.buffer()
    workload.construct(few, buffer)
    return [] if buffer.tobytes() == stream else ["the batched codec writes other bytes than the scalar one"]


def _first(batch: workload.Trades, number: int) -> dict[str, np.ndarray]:
    return {name: column[:number] for name, column in batch.columns.items()}


def _differences(batch: workload.Trades, buffer: batched.Octets) -> list[str]:
    """Say which fields of a parsed buffer are not those it was built from."""
    read = batched.parse(buffer, in_domain=True)
    if read.wrong is not None:
        return [str(read.wrong)]
    values, headers = read.values(Trade), read.headers
    if len(values) != len(batch):
        return [f"{len(values)} trades were parsed of {len(batch)} that were built"]
    pairs = {name: (values[name], column) for name, column in batch.columns.items()}
    pairs["sequence"] = (headers["sequence"], batch.sequences)
    pairs["timestamp_ns"] = (headers["timestamp_ns"], batch.timestamps_ns)
    return [f"{name} differs" for name, (found, given) in pairs.items() if not np.array_equal(found, given)]


def _hold(what: str, result: CountedResult, limit: Rate, busy_percent: float | None) -> None:
    judgement = judge_rate(result, limit.per_second)
    target = Target(f"{what} rate", limit.per_second, "/s", "at least")
    measurement = leave_record(f"codec, {what} of trades", result, judgement, target, busy_percent=busy_percent)
    settle(measurement.judgement)
