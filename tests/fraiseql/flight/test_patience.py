"""How long an answer may wait for the database, and what ends it early."""

from __future__ import annotations

import threading
import time

import pyarrow.flight as fl
import pytest

from reference.fraiseql.gateway.flight.patience import Patience, Watch


class Call:
    """A call whose client may go away."""

    gone = False

    def is_cancelled(self) -> bool:
        return self.gone


def test_what_takes_too_long_is_cancelled_once():
    cancelled: list[float] = []
    ended = threading.Event()

    def cancel() -> None:
        cancelled.append(time.monotonic())
        ended.set()

    def wait() -> None:
        with Patience(Watch(), Call(), 0.2).waiting(cancel):
            assert ended.wait(10)
            raise OSError("the statement was cancelled")

    began = time.monotonic()
    with pytest.raises(fl.FlightTimedOutError, match=r"longer than 0\.2 seconds"):
        wait()
    assert len(cancelled) == 1
    assert cancelled[0] - began > 0.2


def test_what_nobody_waits_for_is_cancelled():
    call, ended = Call(), threading.Event()

    def wait() -> None:
        with Patience(Watch(), call, 60).waiting(ended.set):
            call.gone = True
            assert ended.wait(10)

    with pytest.raises(fl.FlightCancelledError):
        wait()


def test_only_what_is_waited_for_counts():
    """Three waits of a tenth of a second together, however long the client takes between and within them."""
    patience = Patience(Watch(), Call(), 0.5)
    nothing, never = threading.Event(), lambda: pytest.fail("cancelled")
    for _ in range(3):
        nothing.wait(0.3)
        with patience.waiting(never):
            nothing.wait(0.1)
            with patience.elsewhere():
                nothing.wait(0.3)
    assert 0.05 < patience.left < 0.2


def test_failures_that_nobody_caused_are_passed_on():
    with pytest.raises(OSError, match="a disk"), Patience(Watch(), Call(), 60).waiting(lambda: None):
        raise OSError("a disk")
