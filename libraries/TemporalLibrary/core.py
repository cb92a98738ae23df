"""Eventually, always, never: the three things a criterion can say about time.

Each polls a probe, a function that raises when what it looks for does not hold, and keeps a compact record of
its attempts. Attempts begin one interval apart, or at once when the one before took longer; the last begins at
the deadline. An attempt that began in time but succeeds more than one interval after the deadline is too late:
how long a probe blocks is part of what the system takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from measurement.verdicts import Inconclusive

T = TypeVar("T")

INTERVAL = 0.2  # seconds between the beginnings of two attempts
ENOUGH_ATTEMPTS = 3  # below this, a window was not watched but glanced at


class Mistake(Exception):
    """Raised by a probe that can never succeed, however long one waits; its cause is raised in its place."""


class Clock(Protocol):
    """Where the time comes from; unit tests bring their own."""

    def now(self) -> float:
        """Monotonic seconds."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """See `Clock`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See `Clock`."""
        time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


@dataclass
class Attempts:
    """The record of one wait. Offsets are seconds from its beginning to the end of an attempt."""

    count: int = 0
    elapsed: float = 0.0
    first_success: float | None = None
    first_failure: float | None = None
    last_message: str = ""

    def held(self, offset: float) -> None:
        """Add an attempt that found what it looked for."""
        self.count, self.elapsed = self.count + 1, offset
        if self.first_success is None:
            self.first_success = offset

    def failed(self, offset: float, error: Exception) -> None:
        """Add an attempt that did not."""
        self.count, self.elapsed = self.count + 1, offset
        if self.first_failure is None:
            self.first_failure = offset
        self.last_message = str(error) or type(error).__name__

    def __str__(self) -> str:
        parts = [f"{self.count} attempt{'s' if self.count != 1 else ''} in {seconds(self.elapsed)}"]
        if self.first_success is not None:
            parts.append(f"first held after {seconds(self.first_success)}")
        if self.first_failure is not None:
            parts.append(f"first failed after {seconds(self.first_failure)}")
        return ", ".join(parts)


def eventually(
    probe: Callable[[], T],
    within: float,
    *,
    interval: float = INTERVAL,
    clock: Clock = SYSTEM_CLOCK,
    attempts: Attempts | None = None,
) -> T:
    """Return the probe's result as soon as it succeeds.

    Args:
        probe: raises an exception while what it looks for does not hold.
        within: the deadline, in seconds.
        interval: seconds between the beginnings of two attempts.
        clock: where the time comes from.
        attempts: filled with the record of the wait.

    Raises:
        AssertionError: it did not hold within the deadline, or was first seen more than an interval after it.
        Inconclusive: the same, and the last attempt could not tell.
    """
    record = attempts if attempts is not None else Attempts()
    begin = clock.now()
    while True:
        started = clock.now()
        error: Exception | None = None
        try:
            result = probe()
        except Mistake as mistake:
            raise _parted(mistake) from None
        except Exception as failure:  # noqa: BLE001, whatever the probe raises says that it does not hold yet
            error = failure
        offset = clock.now() - begin
        if error is None:
            record.held(offset)
            if offset <= within + interval:
                return result
            raise AssertionError(f"held only after {seconds(offset)}, not within {seconds(within)} ({record})")
        record.failed(offset, error)
        if offset >= within:
            raise _like(error, f"not within {seconds(within)}: {record.last_message} ({record})") from error
        clock.sleep(min(_pause(started, interval, clock), within - offset))


def always(
    probe: Callable[[], T],
    duration: float,
    *,
    interval: float = INTERVAL,
    clock: Clock = SYSTEM_CLOCK,
    attempts: Attempts | None = None,
) -> T:
    """Return the probe's last result when it has succeeded throughout the window; arguments as in `eventually`.

    Raises:
        AssertionError: it failed once.
        Inconclusive: an attempt could not tell, or they took so long that the window was hardly watched.
    """
    record = attempts if attempts is not None else Attempts()
    begin = clock.now()

    def attempt() -> T:
        started = clock.now()
        try:
            result = probe()
        except Mistake:
            raise
        except Exception as error:
            record.failed(clock.now() - begin, error)
            message = f"held for {seconds(started - begin)} of {seconds(duration)}, then: {error} ({record})"
            raise _like(error, message) from error
        record.held(clock.now() - begin)
        return result

    return _throughout(attempt, record, duration, interval, clock)


def never(
    probe: Callable[[], object],
    duration: float,
    *,
    interval: float = INTERVAL,
    clock: Clock = SYSTEM_CLOCK,
    attempts: Attempts | None = None,
) -> None:
    """Return when the probe has failed throughout the window; arguments as in `eventually`.

    Raises:
        AssertionError: it succeeded once.
        Inconclusive: an attempt could not tell, or they took so long that the window was hardly watched.
    """
    record = attempts if attempts is not None else Attempts()
    begin = clock.now()

    def attempt() -> None:
        try:
            probe()
        except Mistake:
            raise
        except Inconclusive as error:
            raise Inconclusive(f"cannot tell whether it never holds: {error.reason}") from error
        except Exception as failure:  # noqa: BLE001, a failing probe is what is asked for
            record.failed(clock.now() - begin, failure)
            return
        record.held(clock.now() - begin)
        raise AssertionError(
            f"held after {seconds(record.elapsed)}; it must never hold within {seconds(duration)} ({record})"
        )

    _throughout(attempt, record, duration, interval, clock)


def wait_until(
    condition: Callable[[], str | None],
    within: float,
    what: str,
    *,
    interval: float = INTERVAL,
    clock: Clock = SYSTEM_CLOCK,
) -> float:
    """Wait for a condition that says itself what it misses; return the seconds it took.

    Args:
        condition: returns None when it holds, else the sentence of what is missing. What it raises is raised.
        within: the deadline, in seconds.
        what: what is waited for, such as "the leader to be frozen".
        interval: seconds between the beginnings of two attempts.
        clock: where the time comes from.

    Raises:
        AssertionError: it did not hold within the deadline.
    """
    attempts = Attempts()
    broken = False

    def probe() -> None:
        nonlocal broken
        try:
            missing = condition()
        except Exception as error:
            broken = True
            raise Mistake from error
        if missing is not None:
            raise AssertionError(missing)

    try:
        eventually(probe, within, interval=interval, clock=clock, attempts=attempts)
    except AssertionError as error:
        if broken:
            raise
        raise AssertionError(f"waited for {what}: {error}") from None
    return attempts.elapsed


def seconds(value: float) -> str:
    """A duration for people: `0.35 s`, `12.5 s`, `140 s`."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{round(value, digits):g} s"


def _throughout(attempt: Callable[[], T], record: Attempts, duration: float, interval: float, clock: Clock) -> T:
    """Make attempts until the window is over, and return what the last one did; what an attempt raises ends it.

    Raises:
        Inconclusive: they took so long that the window was hardly watched.
    """
    while True:
        started = clock.now()
        try:
            result = attempt()
        except Mistake as mistake:
            raise _parted(mistake) from None
        if record.elapsed >= duration:
            _require_enough(record, duration, interval)
            return result
        clock.sleep(min(_pause(started, interval, clock), duration - record.elapsed))


def _parted(mistake: Mistake) -> BaseException:
    """The error behind a mistake, which no longer leads to it: raised in the mistake's place, it gets it as context.

    Without that the two would lead to each other for ever, and who follows them (Robot Framework does) never ends.
    """
    cause, mistake.__cause__ = mistake.__cause__, None
    return cause or mistake


def _pause(started: float, interval: float, clock: Clock) -> float:
    return max(0.0, started + interval - clock.now())


def _like(error: Exception, message: str) -> AssertionError:
    if isinstance(error, Inconclusive):
        return Inconclusive(message.replace(str(error), error.reason))
    return AssertionError(message)


def _require_enough(record: Attempts, duration: float, interval: float) -> None:
    if record.count < ENOUGH_ATTEMPTS <= duration / interval:
        raise Inconclusive(
            f"{seconds(duration)} watched with {record.count} attempts, at least {ENOUGH_ATTEMPTS} are needed: "
            f"an attempt takes {seconds(record.elapsed / record.count)}"
        )
