"""Measurement records: one JSON line a measurement, validated against `measurement.schema.json`.

A record is read back from disk after it was written and must be valid and the same, since what reports and later runs
read is the file, not the object in memory.
"""

from __future__ import annotations

import fcntl
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
from jsonschema import Draft202012Validator

from measurement.counted import CountedResult, CountedSet
from measurement.histogram import LatencyHistogram
from measurement.results import NORMAL, LoadResult, SampleSet
from measurement.sampler import ServiceUse
from measurement.statistics import Interval
from measurement.verdicts import Judgement

SCHEMA_VERSION = 1
SCHEMA = Path(__file__).with_name("measurement.schema.json")

TIMELINE_POINTS = 240
OPERATIONS_A_POINT = 10
"""Stretches of a timeline are long enough for so many operations on average."""
OPERATIONS_FOR_P99 = 100
"""Below this a stretch has no p99 of its own, only a median and a maximum."""
_INTERVALS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)

Record = dict[str, Any]


class InvalidRecord(ValueError):
    """A record is not what the schema says, or the disk does not hold what was written."""


@dataclass(frozen=True)
class Origin:
    """Where a measurement comes from: the run, the criterion, the system and the machine."""

    run_id: str = ""
    criterion: str = ""
    phase: str = ""
    test: str = ""
    system: Mapping[str, Any] = field(
        default_factory=lambda: {"name": "", "environment": "", "driver": "", "defect": None, "services": []}
    )
    host: Mapping[str, Any] = field(default_factory=dict)
    git: str = "unknown"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """How busy the machine was meanwhile, in percent of all its cores. None: not known."""

    busy_percent: float | None = None
    foreign_percent: float | None = None  # by processes that are neither services nor the client
    processors_awake: bool | None = None  # idle ones were kept from sleeping, see `punctual.processors_awake`


@dataclass(frozen=True, slots=True)
class Target:
    """The budget a measurement is held against, in the unit the criterion names."""

    of: str  # such as "p99 latency"
    limit: float
    unit: str
    bound: Literal["at most", "at least"] = "at most"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired comparison: the medians of every round (seconds) and their ratio a/b."""

    a: str
    b: str
    a_p50_seconds: tuple[float, ...]
    b_p50_seconds: tuple[float, ...]
    interval: Interval


class Recorder:
    """Appends records to a file; several processes may share it."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def write(self, record: Record) -> Record:
        """Validate, append, read back from disk and validate again.

        Returns:
            The record as it stands on disk.

        Raises:
            InvalidRecord: the record is not valid (nothing is written), or came back different.
        """
        validate(record)
        line = json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            start = file.seek(0, 2)
            file.write(line)
            file.flush()
            file.seek(start)
            written = file.read(len(line))
        try:
            again: Record = json.loads(written)
        except ValueError as error:
            raise InvalidRecord(f"{self.path}: the record written at byte {start} is not JSON ({error})") from None
        validate(again)
        if again != record:
            raise InvalidRecord(f"{self.path}: the record read back at byte {start} is not the one that was written")
        return again


def read_records(path: Path | str) -> list[Record]:
    """Read and validate every record of a file.

    Raises:
        InvalidRecord: a line is not a valid record; the message names the line.
    """
    records = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), start=1):
        try:
            record = json.loads(line)
            validate(record)
        except ValueError as error:
            raise InvalidRecord(f"{path}, line {number}: {error}") from None
        records.append(record)
    return records


def validate(record: Record) -> None:
    """Hold a record against the schema.

    Raises:
        InvalidRecord: one line a mistake, each naming the field.
    """
    errors = sorted(_validator().iter_errors(record), key=lambda e: list(map(str, e.absolute_path)))
    if errors:
        lines = [f"{'.'.join(map(str, e.absolute_path)) or '(the record)'}: {e.message[:200]}" for e in errors]
        raise InvalidRecord("not a measurement record: " + "; ".join(lines))


def record_of(
    name: str,
    result: LoadResult | CountedResult,
    *,
    judgement: Judgement | None = None,
    target: Target | None = None,
    services: Sequence[ServiceUse] = (),
    origin: Origin | None = None,
    machine: Machine | None = None,
    ratio_of_max: float | None = None,
    comparison: Comparison | None = None,
    links: Mapping[str, str] | None = None,
) -> Record:
    """Turn what a load saw into a record.

    Args:
        name: what was measured, such as "simple query".
        result: what the load saw.
        judgement: None: measured without a budget.
        target: the budget.
        services: what every service used meanwhile.
        origin: run, criterion, system and host.
        machine: how busy it was.
        ratio_of_max: the offered rate as a share of the measured maximum.
        comparison: of a paired measurement, whose `result` holds the operations of both.
        links: relative paths of further evidence, by name.
    """
    origin = origin or Origin()
    normal = result.normal
    is_open = result.mode == "open"
    mode = "paired" if comparison else result.mode
    lag = normal.generator_lag if is_open else LatencyHistogram()
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": origin.run_id,
        "name": name,
        "criterion": origin.criterion,
        "phase": origin.phase,
        "test": origin.test,
        "started_at": datetime.fromtimestamp(result.started_at, UTC).isoformat(timespec="milliseconds"),
        "started_epoch": result.started_at,
        "duration_s": result.duration_seconds,
        "system": dict(origin.system),
        "host": dict(origin.host),
        "machine": asdict(machine or Machine()),
        "git": origin.git,
        "seed": origin.seed,
        "client": {
            "cpu_percent": round(result.client_cpu_percent, 2),
            "rss_bytes": psutil.Process().memory_info().rss,
            "generator_lag_p99_s": lag.percentile(99) if lag.n else None,
            "scheduling": result.client_scheduling,
        },
        "load": {
            "mode": mode,
            "workers": result.workers,
            "offered_rate": normal.offered_rate,
            "achieved_rate": normal.achieved_rate,
            "offered": normal.offered,
            "ok": normal.ok,
            "failed": normal.failed,
            "dropped": normal.dropped,
            "late": normal.late,
            "ratio_of_max": ratio_of_max,
            "stopped": result.stopped,
        },
        "sample_type": NORMAL,
        "errors": {label: {"count": count, **_first(result, label)} for label, count in normal.errors.items()},
        "latency": durations(normal.latency) if is_open else None,
        "service_time": durations(normal.service_time),
        "generator_lag": durations(lag) if is_open else None,
        "queue_delay": durations(normal.queue_delay) if is_open else None,
        "samples": [
            _sample(s) for s in (*([result.warm_up] if result.warm_up.offered else []), *result.windows_unchecked())
        ],
        "timeline": timeline(result),
        "services": [asdict(use) for use in services],
        "comparison": _comparison(comparison),
        "target": asdict(target) if target else None,
        "verdict": {
            "value": judgement.verdict.value if judgement is not None else "measured",
            "reason": judgement.reason if judgement is not None else "no budget",
        },
        "links": dict(links or {}),
    }


def durations(histogram: LatencyHistogram, *, blob: bool = True) -> Record:
    """Return the published numbers of a histogram, and the histogram itself."""
    record: Record = {"unit": "s", **histogram.summary()}
    if blob:
        record["hdr"] = histogram.encode()
    return record


def timeline(result: LoadResult | CountedResult, points: int = TIMELINE_POINTS) -> Record:
    """Return what happened over time: counts and percentiles of each short stretch, by intended start.

    Args:
        result: what a load saw.
        points: at most so many stretches; a counted load has those it was counted in.
    """
    if isinstance(result, CountedResult):
        return _counted_timeline(result)
    samples, seconds = result.samples, result.schedule_seconds
    shortest = max(seconds / points, OPERATIONS_A_POINT * seconds / max(len(samples), 1))
    interval = next((i for i in _INTERVALS if i >= shortest), max(_INTERVALS[-1], shortest))
    number = max(1, math.ceil(seconds / interval - 1e-9))
    bucket = np.minimum((samples.intended / interval).astype(np.int64), number - 1)
    since = samples.sent if result.mode == "closed" else samples.intended
    took = samples.completed - since
    series: dict[str, list[Any]] = {"ok": [], "failed": [], "p50": [], "p99": [], "max": []}
    for index in range(number):
        here = bucket == index
        values = took[here & samples.ok]
        series["ok"].append(int(values.size))
        series["failed"].append(int((here & samples.failed).sum()))
        series["p50"].append(_quantile(values, 0.5))
        series["p99"].append(_quantile(values, 0.99) if values.size >= OPERATIONS_FOR_P99 else None)
        series["max"].append(_quantile(values, 1.0))
    return {"interval_s": float(interval), "start_s": 0.0, **series}


def _counted_timeline(result: CountedResult) -> Record:
    stretches = result.stretches
    several = [s.latency if s.latency.n >= OPERATIONS_FOR_P99 else LatencyHistogram() for s in stretches]
    return {
        "interval_s": float(result.stretch_seconds),
        "start_s": 0.0,
        "ok": [s.ok for s in stretches],
        "failed": [s.failed for s in stretches],
        "p50": [s.latency.percentile(50) if s.latency.n else None for s in stretches],
        "p99": [latency.percentile(99) if latency.n else None for latency in several],
        "max": [s.latency.max if s.latency.n else None for s in stretches],
    }


def _quantile(values: np.ndarray[Any, Any], share: float) -> float | None:
    return round(float(np.quantile(values, share, method="inverted_cdf")), 7) if values.size else None


def _sample(sample: SampleSet | CountedSet) -> Record:
    return {
        "label": sample.label,
        "sample_type": sample.sample_type,
        "start_s": sample.start,
        "seconds": sample.seconds,
        "offered": sample.offered,
        "ok": sample.ok,
        "failed": sample.failed,
        "dropped": sample.dropped,
        "achieved_rate": sample.achieved_rate,
        "errors": sample.errors,
        "latency": durations(sample.service_time if sample.closed else sample.latency, blob=not sample.closed),
    }


def _first(result: LoadResult | CountedResult, label: str) -> Record:
    detail = result.error_details[label]
    return {"first_detail": detail.first_detail, "first_s": detail.first_at}


def _comparison(comparison: Comparison | None) -> Record | None:
    if comparison is None:
        return None
    return {
        "a": comparison.a,
        "b": comparison.b,
        "ratio": comparison.interval.ratio,
        "low": comparison.interval.low,
        "high": comparison.interval.high,
        "confidence": comparison.interval.confidence,
        "rounds": comparison.interval.n,
        "a_p50_s": list(comparison.a_p50_seconds),
        "b_p50_s": list(comparison.b_p50_seconds),
    }


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
