"""Whether a measurement meets its budget, does not, or cannot tell.

The rules, in the order in which they are asked:

1. an operation failed or was answered wrongly: fail, since quick wrong answers are worth nothing;
2. the percentile exceeds the budget, and the client may be the reason (it used up its core, or its generator lag at
   that percentile exceeds 10 % of the budget): inconclusive, the numbers are about the client. Unless the system is so
   slow that the lag cannot be the reason: with the lag taken off each operation, and twice its percentile off the
   result, the budget is still exceeded;
3. the percentile exceeds the budget: fail. Waiting because every worker was busy counts, it is the system's backlog,
   and so does an operation that was dropped for being late: it waited at least that long;
4. less than 99 % of the offered load was achieved, or an operation was dropped: inconclusive. The percentile met the
   budget, but at another load than the criterion names;
5. fewer than ten samples beyond the percentile: inconclusive;
6. pass. The client's own delays are part of each latency, so they cannot have helped: the system was at least as quick.
"""

from __future__ import annotations

import math

from measurement.counted import CountedResult
from measurement.histogram import LatencyHistogram
from measurement.results import LoadResult
from measurement.verdicts import Judgement, Verdict

Result = LoadResult | CountedResult

LAG_SHARE = 0.10
"""Largest share of the budget that the generator may be late at the same percentile when the budget is exceeded."""

ACHIEVED_SHARE = 0.99
"""Smallest share of the offered load that must be achieved."""

CLIENT_CPU_PERCENT = 90.0
"""From this share of one core on, the client's interpreter is the bottleneck."""


def judge_latency(
    result: Result,
    budget_seconds: float,
    *,
    percent: float = 99.0,
    allowed_failures: int = 0,
    minimum_n: int | None = None,
) -> Judgement:
    """Judge a percentile of an open-loop latency against its budget.

    Args:
        result: of an open-loop load.
        budget_seconds: the latency that the percentile must not exceed.
        percent: which percentile.
        allowed_failures: errors and wrong responses that do not count against it.
        minimum_n: samples a pass needs; ten beyond the percentile when None.

    Raises:
        ValueError: the result is of a closed loop, which hides the very waiting this is about.
    """
    if result.mode != "open":
        raise ValueError("a closed-loop load has no latency to judge; offer the load open loop")
    name = f"p{percent:g}"
    if (failure := failure_of(result, allowed_failures)) is not None:
        return failure
    if result.service_time.n == 0:
        return Judgement(Verdict.INCONCLUSIVE, f"{name}: no operation of {result.offered} offered was completed")
    value, at_least = _percentile_with_dropped(result, result.latency, percent)
    shown = f"{'at least ' if at_least else ''}{milliseconds(value)}"
    facts = f"{name} is {shown}, budget {milliseconds(budget_seconds)} ({load_facts(result)})"
    if value > budget_seconds:
        doubt = _client_doubt(result, budget_seconds, percent)
        return Judgement(Verdict.INCONCLUSIVE, f"{doubt}: {facts}") if doubt else Judgement(Verdict.FAIL, facts)
    if result.achieved_rate < ACHIEVED_SHARE * result.offered_rate or result.dropped:
        return Judgement(Verdict.INCONCLUSIVE, f"the offered load was not achieved, so its latency is unknown: {facts}")
    needed = minimum_n if minimum_n is not None else round(1000 / (100 - percent))
    if result.latency.n < needed:
        return Judgement(Verdict.INCONCLUSIVE, f"{name} needs at least {needed} samples to settle: {facts}")
    return Judgement(Verdict.PASS, facts)


def judge_rate(result: Result, minimum_per_second: float, *, allowed_failures: int = 0) -> Judgement:
    """Judge the achieved rate against the least that is wanted.

    Args:
        result: of a closed loop (the maximum rate), or of an open loop that offered more than the minimum.
        minimum_per_second: correct responses a second.
        allowed_failures: errors and wrong responses that do not count against it.
    """
    if (failure := failure_of(result, allowed_failures)) is not None:
        return failure
    rate = result.achieved_rate
    facts = (
        f"{rate:.0f} correct responses a second, at least {minimum_per_second:g} wanted "
        f"(n = {result.ok}, {result.mode} loop, {result.workers} workers, client CPU {result.client_cpu_percent:.0f} %)"
    )
    if result.offered == 0:
        return Judgement(Verdict.INCONCLUSIVE, f"no operation was sent: {facts}")
    if rate >= minimum_per_second:
        return Judgement(Verdict.PASS, facts)
    if result.client_cpu_percent >= CLIENT_CPU_PERCENT:
        return Judgement(Verdict.INCONCLUSIVE, f"the client's own core is used up, not the system: {facts}")
    if result.mode == "open" and result.offered_rate < minimum_per_second:
        return Judgement(Verdict.INCONCLUSIVE, f"only {result.offered_rate:.0f}/s were offered: {facts}")
    return Judgement(Verdict.FAIL, facts)


def load_facts(result: Result) -> str:
    """Return sample size, load and generator in a few words, for messages."""
    lag = milliseconds(result.generator_lag.percentile(99)) if result.generator_lag.n else "unknown"
    return (
        f"n = {result.latency.n}, {result.achieved_rate:.1f}/s of {result.offered_rate:.1f}/s offered open loop, "
        f"{f'{result.dropped} dropped, ' if result.dropped else ''}"
        f"service p99 {milliseconds(result.service_time.percentile(99))}, generator lag p99 {lag}"
    )


def failure_of(result: Result, allowed: int) -> Judgement | None:
    """Return a failure when more operations failed than are allowed, else None."""
    if result.failed <= allowed:
        return None
    label = next(iter(result.errors))
    detail = result.error_details.get(label)
    first = f", first after {detail.first_at:.1f} s: {detail.first_detail}" if detail else ""
    kinds = ", ".join(f"{name} x {number}" for name, number in result.errors.items())
    return Judgement(
        Verdict.FAIL,
        f"{result.failed} of {result.offered} operations failed, {allowed} allowed ({kinds}; {label}{first})",
    )


def milliseconds(seconds: float) -> str:
    """Write a duration in milliseconds with three significant digits, or whole when it has more."""
    value = seconds * 1000
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{digits}f} ms"


def _percentile_with_dropped(result: Result, latency: LatencyHistogram, percent: float) -> tuple[float, bool]:
    """Return a percentile that counts operations dropped for being late, and whether it is only a lower bound."""
    limit = result.drop_after_seconds
    if limit is None or not result.dropped or result.stopped:
        return latency.percentile(percent), False
    rank = max(1, math.ceil(percent / 100 * (latency.n + result.dropped) - 1e-9))
    if rank > latency.n:
        return max(limit, latency.max), True
    return latency.percentile(100 * rank / latency.n), False


def _client_doubt(result: Result, budget: float, percent: float) -> str | None:
    """Return why an exceeded budget may be the client's doing and not the system's, or None."""
    if result.client_cpu_percent >= CLIENT_CPU_PERCENT:
        return (
            f"the client used {result.client_cpu_percent:.0f} % of a core, at most {CLIENT_CPU_PERCENT:.0f} % lets it "
            "tell the system's time from its own"
        )
    lag = result.generator_lag.percentile(percent)
    if lag <= LAG_SHARE * budget:
        return None
    without, _ = _percentile_with_dropped(result, result.normal.system_latency, percent)
    if without - 2 * lag > budget:
        return None
    return (
        f"generator lag p{percent:g} is {milliseconds(lag)}, at most {milliseconds(LAG_SHARE * budget)} "
        f"(10 % of the budget) lets it blame the system for exceeding {milliseconds(budget)}"
    )
