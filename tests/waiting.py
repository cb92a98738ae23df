"""Waiting for a condition in tests: never a sleep, always a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(
    condition: Callable[[], T | None],
    what: str = "the condition to come true",
    seconds: float = 10.0,
    *,
    not_yet: tuple[type[Exception], ...] = (OSError,),
) -> T:
    """Poll a condition until it gives something true, and return that.

    Args:
        condition: what is polled.
        what: said when it does not come true.
        seconds: how long it has.
        not_yet: errors that mean no more than "not yet".

    Raises:
        AssertionError: it did not come true in time.
    """
    end = time.monotonic() + seconds
    last: object = None
    while True:
        try:
            if result := condition():
                return result
            last = result
        except not_yet as error:
            last = error
        assert time.monotonic() < end, f"waited {seconds:g} s for {what}: {last}"
        time.sleep(0.005)
