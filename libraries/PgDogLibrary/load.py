"""Clients that write all the time in the background: through a proxy, and beside them directly, as a yardstick."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Literal

from measurement.openloop import Offering
from measurement.results import LoadResult, SampleSet
from measurement.schedule import constant_rate
from measurement.verdicts import Inconclusive
from measurement.workers import Operation
from PgDogLibrary.client import Client
from PgDogLibrary.ledger import Fate
from PgDogLibrary.proxied import Proxied

Kind = Literal["normal", "fault", "recovery"]

LONGEST_SECONDS = 300.0  # a schedule that outlasts whatever happens meanwhile
ENOUGH = 30  # answers without which a window says nothing
SLOWER = 1.5  # times as slow, in turns with the yardstick, is slower
NOTICED_SECONDS = 0.001  # by which a median may move for no reason, on a machine whose cores are shared
PATIENCE_SECONDS = 0.1  # what the slowest hundredth may need at least, on a machine that does other work too


class Writer:
    """One worker of a load: a client that writes a transaction at each of its starts.

    Args:
        proxy: to write through.
        rows: of each transaction; more than one is written in BEGIN .. COMMIT.
        reconnect_after: transactions after which the client comes anew; 0: never.
    """

    def __init__(self, proxy: Proxied, rows: int = 1, reconnect_after: int = 0) -> None:
        self.proxy, self.rows, self.reconnect_after = proxy, rows, reconnect_after
        self.client: Client = proxy.client()
        self.done = 0

    def __call__(self, _number: int) -> None:
        """Write one transaction.

        Raises:
            AssertionError: it was not acknowledged.
        """
        if self.reconnect_after and self.done >= self.reconnect_after:
            self.client.close()
            self.client, self.done = self.proxy.client(), 0
        self.done += 1
        if (fate := self.client.write(self.rows)) is not Fate.COMMITTED:
            raise AssertionError(f"a transaction ended as {fate}: {self.proxy.account.errors[-1]}")

    def close(self) -> None:
        """End the session."""
        self.client.close()


@dataclass
class Writing:
    """Clients that write while something happens, and the windows in which it does.

    Attributes:
        proxy: they write through.
        through: their load.
        direct: writes to the primary itself at the same rate; None: there are none.
    """

    proxy: Proxied
    through: Offering
    direct: Offering | None
    ended: bool = False
    _stack: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def begin(
        cls, proxy: Proxied, rate: float, rows: int, workers: int, yardstick: Callable[[int], Operation] | None
    ) -> Writing:
        """Start both loads.

        Args:
            proxy: to write through.
            rate: transactions a second of each load.
            rows: of each transaction.
            workers: clients of each load.
            yardstick: makes a worker that writes to the primary directly.
        """
        schedule = constant_rate(rate, LONGEST_SECONDS)
        through = Offering(lambda _: Writer(proxy, rows), schedule, workers)
        direct = Offering(yardstick, schedule, workers) if yardstick else None
        writing = cls(proxy, through, direct)
        for load in writing.loads:
            writing._stack.enter_context(load)
        writing.mark("before", "normal")
        return writing

    @property
    def loads(self) -> list[Offering]:
        """Both loads."""
        return [self.through, *([self.direct] if self.direct else [])]

    def mark(self, label: str, kind: Kind) -> None:
        """Begin a window."""
        for load in self.loads:
            load.mark(label, sample_type=kind, minimum_ok=ENOUGH)

    def end(self) -> None:
        """Stop writing."""
        if not self.ended:
            self.ended = True
            self._stack.close()

    def slower(self) -> list[str]:
        """Judge the windows as `slower` does."""
        return slower(*self._results())

    def told(self) -> str:
        """Medians of each window, through the proxy and directly."""
        through, direct = (result.windows() for result in self._results())
        pairs = zip(through, direct, strict=True)
        return ", ".join(f"{a.label} {_ms(_median(a))} ({_ms(_median(b))} directly)" for a, b in pairs)

    def _results(self) -> tuple[LoadResult, LoadResult]:
        assert self.direct is not None, "clients are compared with a yardstick"
        return self.through.result(), self.direct.result()


def slower(through: LoadResult, direct: LoadResult) -> list[str]:
    """Say in which windows clients were slower than in the first, beside the yardstick, or failed; none: in none.

    Args:
        through: the proxy.
        direct: to the primary itself, in the same windows.

    Raises:
        Inconclusive: nothing failed or was slower, and too little was answered in a window.
    """
    if failed := [window for window in through.windows_unchecked() if window.failed]:
        return [f"{window.label}: {window.failed} transactions failed ({window.errors})" for window in failed]
    (before, *later), (yard, *later_yards) = through.windows_unchecked(), direct.windows_unchecked()
    before.require(ENOUGH)
    yard.require(ENOUGH)
    told = [pair for pair in zip(later, later_yards, strict=True) if min(window.ok for window in pair) >= ENOUGH]
    if found := [problem for now, yard_now in told if (problem := _slower(before, now, yard, yard_now)) is not None]:
        return found
    for window in (*later, *later_yards):
        window.require(ENOUGH)
    return []


def _slower(before: SampleSet, now: SampleSet, yard_before: SampleSet, yard_now: SampleSet) -> str | None:
    ratio = _ratio(before, now) / _ratio(yard_before, yard_now)
    more = _median(now) - _median(before) * _ratio(yard_before, yard_now)
    if ratio > SLOWER and more > NOTICED_SECONDS:
        return (
            f"{now.label}: the median was {_ms(_median(now))} after {_ms(_median(before))}, {ratio:.2f} times as slow "
            f"where the primary itself went from {_ms(_median(yard_before))} to {_ms(_median(yard_now))}"
        )
    slowest = now.service_time.percentile(99)
    limit = max(PATIENCE_SECONDS, 3 * yard_now.service_time.percentile(99))
    if slowest > limit:
        return f"{now.label}: p99 was {_ms(slowest)}, expected at most {_ms(limit)}"
    return None


def _ratio(before: SampleSet, now: SampleSet) -> float:
    if _median(before) <= 0:
        raise Inconclusive(f"'{before.label}' has no time to compare with")
    return _median(now) / _median(before)


def _median(window: SampleSet) -> float:
    return window.service_time.percentile(50)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"
