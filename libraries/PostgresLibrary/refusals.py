"""What a server refuses: with which error, and after how long."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg2

GRANULARITY = 0.005
"""Seconds by which something may end early: time-outs count in whole milliseconds, from an instant of their own."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error a server or the client library answered with."""

    sqlstate: str | None  # None: no server said it, such as a refused or timed-out connection
    message: str
    seconds: float  # from the call to the error
    constraint: str | None = None

    def __str__(self) -> str:
        return f"{self.sqlstate or 'no SQLSTATE'} after {self.seconds:.3f} s: {self.message}"


def refusal_of(what: str, action: Callable[[], object]) -> Refusal:
    """Do what must be refused, and return how it was.

    Args:
        what: the action in words, for the message.
        action: raises `psycopg2.Error` when all is well.

    Raises:
        AssertionError: it was not refused.
    """
    begin = time.monotonic()
    try:
        action()
    except psycopg2.Error as error:
        seconds = time.monotonic() - begin
        return Refusal(error.pgcode, one_line(error), seconds, error.diag.constraint_name)
    raise AssertionError(f"{what}: expected a refusal, but it was accepted after {time.monotonic() - begin:.3f} s")


def check_sqlstate(refusal: Refusal, expected: str) -> None:
    """Demand an exact SQLSTATE.

    Raises:
        AssertionError: it is another one; the message has the server's own text.
    """
    if refusal.sqlstate != expected:
        raise AssertionError(f"expected SQLSTATE {expected}, was {refusal}")


def check_text(refusal: Refusal, expected: str) -> None:
    """Demand a text within the error's message, compared without regard to case.

    Raises:
        AssertionError: it is not there.
    """
    if expected.lower() not in refusal.message.lower():
        raise AssertionError(f"expected an error that says '{expected}', was {refusal}")


def check_duration(what: str, actual: float, at_least: float, below: float) -> None:
    """Bound a duration from both sides.

    Args:
        what: what took so long, for the message.
        actual: seconds it took.
        at_least: seconds; less means that something else ended it.
        below: seconds; more means that the client was kept waiting.

    Raises:
        AssertionError: outside the bounds.
    """
    if not at_least - GRANULARITY <= actual < below:
        raise AssertionError(
            f"{what}: expected at least {at_least:.3f} s and less than {below:.3f} s, took {actual:.3f} s"
        )


def one_line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split()) or type(error).__name__
