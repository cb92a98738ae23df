"""Outcomes of stages as results that are judged and recorded as those of every other load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from BrokerLibrary.load.durations import NANOSECONDS, Durations
from BrokerLibrary.load.outcome import StageOutcome
from BrokerLibrary.load.plans import Paced
from measurement.counted import NORMAL, WARM_UP, CountedResult, CountedSet, Stretch
from measurement.histogram import LatencyHistogram
from measurement.results import ErrorClass


def maximum(outcomes: Sequence[StageOutcome]) -> CountedResult:
    """Put rounds together whose producers sent as fast as they could: a closed loop, with a rate and no latency."""
    seconds = sum(outcome.seconds for outcome in outcomes)
    measured = CountedSet(
        NORMAL,
        NORMAL,
        0.0,
        seconds,
        offered=sum(_expected(outcome) for outcome in outcomes),
        ok=sum(outcome.delivered for outcome in outcomes),
        errors=_errors(outcomes),
        service_time=LatencyHistogram.merged(outcome.service.histogram() for outcome in outcomes),
        closed=True,
    )
    return CountedResult(
        mode="closed",
        workers=_workers(outcomes[0]),
        started_at=outcomes[0].started_at,
        schedule_seconds=seconds,
        ended_at=_ended_at(outcomes),
        measured=measured,
        stretches=[Stretch(outcome.delivered, _failed(outcome), LatencyHistogram()) for outcome in outcomes],
        stretch_seconds=seconds / len(outcomes),
        error_details=_details(outcomes),
        client_cpu_percent=max(outcome.client_cpu_percent for outcome in outcomes),
    )


def paced(outcomes: Sequence[StageOutcome], plan: Paced) -> CountedResult:
    """Put rounds of one paced producer together: an open loop, whose latency counts from intended starts.

    The time of the schedule is that of the rounds one after the other, whatever was measured between them.
    """
    first, connections = plan.warm_up_rows, len(outcomes[0].connections)
    rounds, producers = len(outcomes), [outcome.producers[0] for outcome in outcomes]
    lags = [producer.lag or Durations(plan.rows) for producer in producers]
    queues = [producer.queue or Durations(plan.rows) for producer in producers]
    latencies, services = [outcome.latency for outcome in outcomes], [outcome.service for outcome in outcomes]
    sent_late = sum(max(_sent_seconds(outcome) - plan.seconds, 0.0) for outcome in outcomes)
    measured = CountedSet(
        NORMAL,
        NORMAL,
        plan.warm_up_seconds,
        plan.measured_seconds * rounds,
        offered=plan.measured_messages * rounds * connections,
        ok=max(_number(latencies, first) - sum(c.duplicated for o in outcomes for c in o.connections), 0),
        dropped=sum(producer.dropped for producer in producers) * connections,
        errors=_errors(outcomes),
        latency=_histogram(latencies, first),
        service_time=_histogram(services, first),
        queue_delay=_histogram(queues, first),
        generator_lag=_histogram(lags, first),
        sent_seconds=plan.measured_seconds * rounds + sent_late,
    )
    warm_up = CountedSet(
        WARM_UP,
        WARM_UP,
        0.0,
        plan.warm_up_seconds * rounds,
        offered=plan.warm_up_messages * rounds * connections,
        ok=_number(latencies, 0, first),
        latency=_histogram(latencies, 0, first),
        service_time=_histogram(services, 0, first),
    )
    return CountedResult(
        mode="open",
        workers=_workers(outcomes[0]),
        started_at=outcomes[0].started_at,
        schedule_seconds=plan.seconds * rounds,
        ended_at=_ended_at(outcomes),
        measured=measured,
        warm_up=warm_up,
        stretches=[stretch for outcome in outcomes for stretch in _stretches(outcome, plan)],
        stretch_seconds=plan.row_seconds,
        error_details=_details(outcomes),
        client_cpu_percent=max(outcome.client_cpu_percent for outcome in outcomes),
        client_scheduling=producers[0].scheduling,
        drop_after_seconds=plan.drop_after_seconds,
    )


def _stretches(outcome: StageOutcome, plan: Paced) -> list[Stretch]:
    """What arrived of each row; what failed is known of the whole only, and stands in the last."""
    rows = [outcome.latency.histogram(row, row + 1) for row in range(plan.rows)]
    failed = [0] * (plan.rows - 1) + [_failed(outcome)]
    return [Stretch(latency.n, wrong, latency) for latency, wrong in zip(rows, failed, strict=True)]


def _histogram(parts: Sequence[Durations], first: int, end: int | None = None) -> LatencyHistogram:
    return LatencyHistogram.merged(part.histogram(first, end) for part in parts)


def _number(parts: Sequence[Durations], first: int, end: int | None = None) -> int:
    return sum(part.number(first, end) for part in parts)


def _sent_seconds(outcome: StageOutcome) -> float:
    return (outcome.producers[0].last_sent_ns - outcome.origin_ns) / NANOSECONDS


def _expected(outcome: StageOutcome) -> int:
    return sum(connection.expected for connection in outcome.connections)


def _failed(outcome: StageOutcome) -> int:
    return sum(sum(connection.findings.values()) for connection in outcome.connections)


def _errors(outcomes: Sequence[StageOutcome]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for outcome in outcomes:
        for connection in outcome.connections:
            found.update(connection.findings)
    return dict(found.most_common())


def _details(outcomes: Sequence[StageOutcome]) -> dict[str, ErrorClass]:
    """The first connection with each finding, in its own words."""
    counts, details = _errors(outcomes), {}
    for name, count in counts.items():
        outcome, connection = next(
            (outcome, c) for outcome in outcomes for c in outcome.connections if name in c.findings
        )
        at = outcome.started_at - outcomes[0].started_at
        details[name] = ErrorClass(count, connection.problem() or "", at)
    return details


def _workers(outcome: StageOutcome) -> int:
    return len(outcome.producers) + len(outcome.consumers)


def _ended_at(outcomes: Sequence[StageOutcome]) -> float:
    return outcomes[-1].started_at + outcomes[-1].wall_seconds
