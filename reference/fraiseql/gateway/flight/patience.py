"""Nobody waits for the database in vain: what takes too long is cancelled, and what nobody reads any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import pyarrow.flight as fl

_LOOK = 0.05  # seconds between two looks at what is waited for


class Patience:
    """How long one answer may still wait for the database; what its client takes to read does not count.

    Args:
        watch: what looks after it.
        context: the call; it must not have ended while something waits.
        seconds: how long.
    """

    def __init__(self, watch: Watch, context: fl.ServerCallContext, seconds: float) -> None:
        self._watch, self._context = watch, context
        self._allowed = self._left = seconds
        self._cancel: Callable[[], None] | None = None
        self._since: float | None = None  # not while the client is waited for
        self._verdict: fl.FlightError | None = None

    @property
    def left(self) -> float:
        """Seconds."""
        return self._left

    @property
    def abandoned(self) -> bool:
        """Whether the client is gone."""
        return bool(self._context.is_cancelled())

    @contextmanager
    def waiting(self, cancel: Callable[[], None]) -> Iterator[None]:
        """Wait for something that `cancel` ends early.

        Raises:
            FlightTimedOutError: it was cancelled because it took too long.
            FlightCancelledError: it was cancelled because the client is gone.
        """
        self._cancel, self._since = cancel, time.monotonic()
        self._watch.begin(self)
        try:
            yield
        except Exception:
            if self._verdict is None:
                raise
        finally:
            self._watch.end(self)
            self._stop()
        if self._verdict is not None:
            raise self._verdict

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Within `waiting`: wait for the client, which does not count."""
        self._stop()
        try:
            yield
        finally:
            self._since = time.monotonic()

    def look(self) -> None:
        """Cancel what is waited for if there is a reason; once."""
        if self._verdict is not None or self._cancel is None:
            return
        if self.abandoned:
            self._verdict = fl.FlightCancelledError("The client is gone")
        elif self._since is not None and time.monotonic() - self._since > self._left:
            self._verdict = fl.FlightTimedOutError(f"The query took longer than {self._allowed:g} seconds")
        if self._verdict is not None:
            self._cancel()

    def _stop(self) -> None:
        if self._since is not None:
            self._left -= time.monotonic() - self._since
            self._since = None


class Watched(Protocol):
    """What a watch looks at."""

    def look(self) -> None:
        """Do what is due; this must not take long."""


class Watch:
    """Looks at all that wait, for the database or for a client, while any do."""

    def __init__(self) -> None:
        self._waiting: set[Watched] = set()
        self._changed = threading.Condition()
        self._asleep = False
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def begin(self, watched: Watched) -> None:
        """Look at it from now on."""
        with self._changed:
            self._waiting.add(watched)
            if self._asleep:  # to wake it for each short wait would cost more than the wait itself
                self._asleep = False
                self._changed.notify()

    def end(self, watched: Watched) -> None:
        """Look at it no more; it is not looked at after this has returned."""
        with self._changed:
            self._waiting.discard(watched)

    def _run(self) -> None:
        with self._changed:
            while True:
                self._asleep = not self._waiting
                self._changed.wait(None if self._asleep else _LOOK)
                for watched in list(self._waiting):
                    watched.look()
