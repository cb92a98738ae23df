"""Clients that stand still: an answer of which they take nothing is broken off, and gives back what it holds.

gRPC keeps a call in its own code while the client has no room for the next batch: the source of batches is not asked,
and cannot see the time pass. What looks at it from beside is the watch. The call itself stays until its client reads
on, and is then told, or goes away.

A client takes in megabytes before it has no room, and gRPC tells the server of new room by megabytes: up to 8.5 of them
were seen at once. A client that takes that much within the limit is never broken off: 280 KB a second at 30 seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pyarrow.flight as fl

from reference.fraiseql.gateway.flight.patience import Watch


class Delivery:
    """One answer on its way to its client; the watch looks at it until `end`.

    Args:
        watch: what looks.
        seconds: for how long the client may take nothing.
        break_off: gives back what the answer holds; called once at most, in a thread of its own.
    """

    def __init__(self, watch: Watch, seconds: float, break_off: Callable[[], None]) -> None:
        self._watch, self._seconds, self._break_off = watch, seconds, break_off
        self._lock = threading.Lock()
        self._since: float | None = time.monotonic()  # it begins with the schema; None while rows are waited for
        self._broken_off = False
        watch.begin(self)

    def offered(self) -> None:
        """From now on the client may take a batch."""
        with self._lock:
            self._since = time.monotonic()

    def taken(self) -> None:
        """The client has room for more.

        Raises:
            FlightTimedOutError: too late.
        """
        with self._lock:
            self._since = None
            if self._broken_off:
                raise fl.FlightTimedOutError(
                    f"The answer was broken off: its client took nothing for {self._seconds:g} seconds"
                )

    def look(self) -> None:
        """Break the answer off if it is time to."""
        with self._lock:
            if self._broken_off or self._since is None or time.monotonic() - self._since <= self._seconds:
                return
            self._broken_off = True
        # A database that does not answer must not hold up who looks.
        threading.Thread(target=self._break_off, name="breaking off", daemon=True).start()

    def end(self) -> None:
        """Look no more."""
        self._watch.end(self)
