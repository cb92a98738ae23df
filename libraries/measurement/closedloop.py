"""Closed-loop load: each worker asks again as soon as it has its answer. It finds the maximum rate, and only that.

Whenever the system stalls, this loop stalls with it and asks nothing, so what it sees of latency is flattering and no
criterion may use it: its result has service times, but no latency.
"""

from __future__ import annotations

from measurement.results import LoadResult
from measurement.workers import Crew, Lane, Operation, OperationFactory, clock, samples_of


def maximum_rate(
    operation: Operation, workers: int, duration_seconds: float, *, warm_up_seconds: float = 0.0
) -> LoadResult:
    """Run an operation as often as the system allows.

    Args:
        operation: what every worker runs; it must be safe to call from several threads.
        workers: threads, so many operations are under way at once.
        duration_seconds: how long to measure, after the warm-up.
        warm_up_seconds: operations sent before this offset are labelled as warm-up.
    """
    return maximum_rate_each(lambda _: operation, workers, duration_seconds, warm_up_seconds=warm_up_seconds)


def maximum_rate_each(
    factory: OperationFactory, workers: int, duration_seconds: float, *, warm_up_seconds: float = 0.0
) -> LoadResult:
    """Run operations as often as the system allows, each worker its own. See `maximum_rate`.

    Raises:
        ValueError: no workers or no duration.
    """
    if duration_seconds <= 0:
        raise ValueError(f"a duration must be a positive number of seconds, not {duration_seconds}")
    total = warm_up_seconds + duration_seconds
    crew = Crew(factory, workers)

    def loop(lane: Lane, operation: Operation) -> None:
        origin, index = crew.origin, 0
        sent = clock() - origin
        while sent < total and not crew.stopping:
            outcome = crew.run(operation, index, sent)
            completed = clock() - origin
            lane.add(index, sent, sent, completed, outcome)
            sent, index = completed, index + 1

    try:
        crew.start(loop)
        crew.join()
    finally:
        crew.stopping = True
    return LoadResult(
        mode="closed",
        workers=workers,
        started_at=crew.started_at,
        schedule_seconds=total,
        warm_up_seconds=warm_up_seconds,
        samples=samples_of(crew, None),
        error_details=dict(crew.errors),
        client_cpu_percent=crew.cpu_percent,
    )
