"""Clients that stream in the background, each result judged, while something else is tested."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from FlightLibrary.client import FlightConnection
from FlightLibrary.errors import FlightFailure
from FlightLibrary.tickets import Ticket


class Streaming:
    """Clients that ask for one result after the other, with a pause between, until they are ended.

    Args:
        connect: opens a client; each thread has its own.
        questions: a ticket and the rows it must give, one client each.
        pause_seconds: between two results of a client, so that there is load and not only that.
    """

    def __init__(
        self,
        connect: Callable[[], FlightConnection],
        questions: Sequence[tuple[Ticket, int]],
        pause_seconds: float,
    ) -> None:
        self._connect, self._pause = connect, pause_seconds
        self._changed = threading.Condition()
        self._whole = [0] * len(questions)
        self._problems: list[str] = []
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._stream, args=(number, *question), name=f"flight-{number}", daemon=True)
            for number, question in enumerate(questions)
        ]
        for thread in self._threads:
            thread.start()

    def whole(self) -> list[int]:
        """How many whole results each client has had."""
        with self._changed:
            return list(self._whole)

    def problems(self) -> list[str]:
        """What went wrong so far, and forget it."""
        with self._changed:
            told, self._problems = self._problems, []
            return told

    def wait_for(self, since: Sequence[int], results: int, deadline_seconds: float) -> bool:
        """Wait until each client has had so many whole results more, or one told of a problem.

        Returns:
            False when the deadline came first.
        """

        def enough() -> bool:
            had = zip(self._whole, since, strict=True)
            return bool(self._problems) or all(now >= before + results for now, before in had)

        with self._changed:
            return self._changed.wait_for(enough, deadline_seconds)

    def end(self) -> None:
        """End all clients and wait for them."""
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _stream(self, number: int, ticket: Ticket, rows: int) -> None:
        while not self._end.is_set():
            try:
                with self._connect() as client:
                    while not self._end.wait(self._pause):
                        self._note(number, client.read(ticket, keep=False).rows, rows)
            except FlightFailure as error:  # it is told, and the client connects anew
                with self._changed:
                    self._problems.append(f"client {number}: {error}")
                    self._changed.notify_all()
                self._end.wait(self._pause)

    def _note(self, number: int, rows: int, expected: int) -> None:
        with self._changed:
            if rows == expected:
                self._whole[number] += 1
            else:
                self._problems.append(f"client {number}: a result of {rows} rows, expected {expected}")
            self._changed.notify_all()
