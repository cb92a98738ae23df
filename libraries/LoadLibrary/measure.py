"""Measured phases for the libraries of the systems: offer a load, judge it, leave a record.

A library brings its operation; this adds the run's seed, the facts about system and machine, what every service used
meanwhile, the verdict, and one line in `measurements.jsonl`.

    def query(worker: int) -> Operation:
        session = connect(target)
        def once(number: int) -> Outcome | None: ...
        return once

    measurement = measure_open_loop("simple query", query, 200, 10, workers=8, budget_p99_seconds=0.1)
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

import psutil
from robot.api import logger
from robot.libraries.BuiltIn import BuiltIn, RobotNotRunningError

from EnvironmentLibrary import context
from environments.system import running
from measurement.budgets import Result, judge_latency, judge_rate
from measurement.closedloop import maximum_rate_each
from measurement.openloop import offer_each
from measurement.paired import Contender, PairedResult, compare, judge_ratio
from measurement.records import Comparison, Machine, Origin, Record, Recorder, Target, record_of
from measurement.sampler import ServiceUse, used_between
from measurement.schedule import constant_rate, poisson
from measurement.verdicts import Judgement, Verdict
from measurement.workers import OperationFactory
from runner import progress

NOISY_PERCENT = 15.0
"""From this share of all cores on, what other processes of the machine used is told beside a failure."""

Duration = float | timedelta
Arrivals = Literal["constant", "poisson"]

MOST_WINDOWS = 3  # that are measured while they settle nothing
WARM_UP_SECONDS = 0.5
LEAST_PATIENCE_SECONDS = 2.0
"""Operations later than this, or than twice the budget, are dropped, so that a slow system cannot prolong a run."""


@dataclass(frozen=True)
class Measurement:
    """One measured phase: what the load saw, how it was judged, and the record that stands on disk."""

    name: str
    result: Result
    judgement: Judgement | None
    target: Target | None
    record: Record
    paired: PairedResult | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.judgement.reason if self.judgement is not None else 'measured without a budget'}"


def measure_open_loop(
    name: str,
    operation_factory: OperationFactory,
    rate: float,
    duration: Duration,
    workers: int,
    budget_p99_seconds: float | None = None,
    *,
    warm_up: Duration = WARM_UP_SECONDS,
    arrivals: Arrivals = "constant",
    allowed_failures: int = 0,
    minimum_n: int | None = None,
    ratio_of_max: float | None = None,
) -> Measurement:
    """Offer a load by intended starts, judge its p99 latency and leave a record. It never raises for the verdict.

    What is later than twice the budget (and 2 s) is not sent any more and counts as over the budget. A window that is
    inconclusive has settled nothing, so another is measured, up to three in all; each leaves its record, and the last
    one counts. One that has passed or failed is never repeated.

    Args:
        name: what is measured, such as "simple query".
        operation_factory: makes the operation of the worker of this number, called in its thread before the clock
            runs. The operation gets its number and returns None or an `Outcome`, or raises; it should check the
            response it gets, and needs a timeout of its own. One with a `close()` is closed afterwards.
        rate: operations a second.
        duration: of the measured part, seconds or timedelta. A p99 needs at least 1 000 operations to settle.
        workers: how many operations may be under way at once.
        budget_p99_seconds: None: measured without a verdict.
        warm_up: comes before the measured part, at the same rate; kept in the record under its label.
        arrivals: evenly spaced, or independent of each other as those of many users (from the run's seed).
        allowed_failures: errors and wrong responses that do not fail the measurement.
        minimum_n: operations a pass needs when less than 1 000 must do.
        ratio_of_max: the rate as a share of the measured maximum.
    """
    before, measured = _seconds(warm_up), _seconds(duration)
    total = before + measured
    schedule = constant_rate(rate, total) if arrivals == "constant" else poisson(rate, total, running().seed)
    patience = max(LEAST_PATIENCE_SECONDS, 2 * (budget_p99_seconds or 0.0))

    def window(called: str) -> Measurement:
        step = progress.step(f"{called}: {rate:g}/s open loop", total)
        with context.timed(called, "measuring"), step, Busy() as busy:
            result = offer_each(
                operation_factory, schedule, workers, warm_up_seconds=before, drop_after_seconds=patience
            )
        if budget_p99_seconds is None:
            return leave_record(called, result, busy_percent=busy.percent, ratio_of_max=ratio_of_max)
        judgement = judge_latency(result, budget_p99_seconds, allowed_failures=allowed_failures, minimum_n=minimum_n)
        target = Target("p99 latency", budget_p99_seconds * 1000, "ms")
        return leave_record(called, result, judgement, target, busy_percent=busy.percent, ratio_of_max=ratio_of_max)

    measurement = window(name)
    for number in range(2, MOST_WINDOWS + 1):
        if measurement.judgement is None or measurement.judgement.verdict is not Verdict.INCONCLUSIVE:
            break
        logger.info(f"{measurement}; measured again")
        measurement = window(f"{name}, window {number}")
    return measurement


def measure_closed_loop(
    name: str,
    operation_factory: OperationFactory,
    duration: Duration,
    workers: int,
    minimum_per_second: float | None = None,
    *,
    warm_up: Duration = WARM_UP_SECONDS,
    allowed_failures: int = 0,
) -> Measurement:
    """Find the maximum rate, judge it and leave a record. It says nothing about latency.

    Args:
        name: what is measured.
        operation_factory: as for `measure_open_loop`.
        duration: of the measured part, seconds or timedelta.
        workers: how many operations are under way at once.
        minimum_per_second: correct responses a second that are wanted; None: measured without a verdict.
        warm_up: comes before the measured part.
        allowed_failures: errors and wrong responses that do not fail the measurement.
    """
    before, measured = _seconds(warm_up), _seconds(duration)
    with context.timed(name, "measuring"), progress.step(f"{name}: maximum rate", before + measured), Busy() as busy:
        result = maximum_rate_each(operation_factory, workers, measured, warm_up_seconds=before)
    if minimum_per_second is None:
        return leave_record(name, result, busy_percent=busy.percent)
    judgement = judge_rate(result, minimum_per_second, allowed_failures=allowed_failures)
    target = Target("rate", minimum_per_second, "/s", "at least")
    return leave_record(name, result, judgement, target, busy_percent=busy.percent)


def measure_paired(
    name: str,
    a: Contender,
    b: Contender,
    limit: float = 1.0,
    *,
    rounds: int = 12,
    operations_per_round: int = 50,
) -> Measurement:
    """Let two ways of doing the same thing take turns, judge the ratio of their times and leave a record.

    Args:
        name: what is compared.
        a: the side that is to be faster.
        b: the other side.
        limit: the ratio a/b must be below it, with its whole confidence interval.
        rounds: pairs.
        operations_per_round: of each side.

    Raises:
        Inconclusive: a side had a round without any success.
    """
    with context.timed(name, "measuring"), progress.step(f"{name}: {rounds} paired rounds"), Busy() as busy:
        paired = compare(a, b, rounds=rounds, operations_per_round=operations_per_round)
    target = Target(f"time of {a.name} / time of {b.name}", limit, "ratio")
    judgement = judge_ratio(paired, limit)
    return leave_record(name, paired.a, judgement, target, paired=paired, busy_percent=busy.percent)


def leave_record(
    name: str,
    result: Result,
    judgement: Judgement | None = None,
    target: Target | None = None,
    *,
    paired: PairedResult | None = None,
    busy_percent: float | None = None,
    ratio_of_max: float | None = None,
    comparison: Comparison | None = None,
    clients_cpu_percent: float = 0.0,
    processors_awake: bool | None = None,
    links: Mapping[str, str] | None = None,
) -> Measurement:
    """Write the record of a load that somebody offered, such as one around a fault.

    Args:
        name: what was measured.
        result: what the load saw, with its windows.
        judgement: how it was judged.
        target: what it was held against.
        paired: of a comparison.
        comparison: of one whose operations were not offered by `measurement.paired`.
        clients_cpu_percent: CPU of client processes other than this one, 100 being one core.
        processors_awake: whether idle ones were kept from sleeping; None: nobody asked for that.
        busy_percent: share of all cores that was in use meanwhile.
        ratio_of_max: the offered rate as a share of the measured maximum.
        links: further evidence, relative to the run's directory.
    """
    directory = context.results()
    comparison = paired.comparison if paired else comparison
    services = used_between(directory / "samples.jsonl", result.started_at, result.ended_at)
    foreign = _foreign_percent(busy_percent, services, clients_cpu_percent)
    machine = Machine(busy_percent, foreign, processors_awake)
    judgement = _with_neighbours(judgement, machine)
    record = record_of(
        name,
        result,
        judgement=judgement,
        target=target,
        services=services,
        origin=origin(),
        machine=machine,
        ratio_of_max=ratio_of_max,
        comparison=comparison,
        links=links,
    )
    return Measurement(
        name, result, judgement, target, Recorder(directory / "measurements.jsonl").write(record), paired
    )


def origin() -> Origin:
    """Return where a measurement made now comes from: the fingerprint of the run and the test that runs."""
    run = running()
    fingerprint = _fingerprint(Path(run.results) / "environment.json")
    return Origin(
        run_id=str(fingerprint.get("run_id", Path(run.results).name)),
        criterion=context.criterion(),
        phase=_phase(_variable("${TEST TAGS}", [])),
        test=_test(),
        system={
            "name": run.system_name,
            "environment": run.name,
            "driver": run.driver,
            "defect": run.defect,
            "services": [
                {key: service[key] for key in ("name", "kind", "version")}
                for service in fingerprint.get("services", [])
                if service["system"] == run.system_name
            ],
        },
        host=fingerprint.get("host", {}),
        git=str(fingerprint.get("git", "unknown")),
        seed=run.seed,
    )


class Busy:
    """How much of all cores was in use within its block."""

    percent: float | None = None

    def __enter__(self) -> Self:
        self._before = psutil.cpu_times()
        return self

    def __exit__(self, *exception: object) -> None:
        spent = [after - before for after, before in zip(psutil.cpu_times(), self._before, strict=True)]
        names = self._before._fields
        resting = sum(spent[names.index(name)] for name in ("idle", "iowait") if name in names)
        guests = sum(spent[names.index(name)] for name in ("guest", "guest_nice") if name in names)  # counted twice
        whole = sum(spent) - guests
        self.percent = 100 * max(0.0, whole - resting) / whole if whole > 0 else None


def _foreign_percent(
    busy_percent: float | None, services: Sequence[ServiceUse], clients_cpu_percent: float
) -> float | None:
    """Share of all cores used by processes that are not part of the run; None when nobody sampled those that are."""
    if busy_percent is None or not services:
        return None
    own = (sum(use.cpu_percent_mean for use in services) + clients_cpu_percent) / (os.cpu_count() or 1)
    return max(0.0, busy_percent - own)


def _with_neighbours(judgement: Judgement | None, machine: Machine) -> Judgement | None:
    """Say of a measurement that did not pass that others had the machine too, since that may be the reason."""
    foreign = machine.foreign_percent
    if judgement is None or judgement.verdict is Verdict.PASS or (foreign or 0.0) < NOISY_PERCENT:
        return judgement
    remark = f"meanwhile processes outside the run used {foreign:.0f} % of this machine's cores"
    return replace(judgement, reason=f"{judgement.reason}; {remark}")


def _seconds(duration: Duration) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def _fingerprint(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return content


def _phase(tags: Sequence[str]) -> str:
    return next((tag.partition(":")[2] for tag in tags if tag.startswith("phase:")), "")


def _test() -> str:
    suite, test = _variable("${SUITE NAME}", ""), _variable("${TEST NAME}", "")
    return ".".join(part for part in (suite, test) if part)


def _variable(name: str, default: Any) -> Any:
    """Return a variable of the test that runs; the default outside Robot Framework."""
    try:
        return BuiltIn().get_variable_value(name, default)
    except RobotNotRunningError:
        return default
