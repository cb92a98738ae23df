"""Streams that go on in the background while something breaks: each ends whole, or with an error, or wrongly."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import pyarrow as pa

from FlightLibrary.client import FlightConnection
from FlightLibrary.comparing import difference
from FlightLibrary.errors import FlightFailure
from FlightLibrary.tickets import Ticket

PAUSE_SECONDS = 0.2  # after a refused connection, before the next attempt
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Stream:
    """One answer that a client read, or part of one.

    Attributes:
        begun: epoch seconds.
        ended: likewise.
        rows: that came.
        status: OK, or the name of the gRPC status with which it broke off.
        problem: what was wrong with an answer that ended well; None: nothing, or it did not end well.
    """

    begun: float
    ended: float
    rows: int
    status: str
    message: str
    problem: str | None

    @property
    def whole(self) -> bool:
        """Whether it came to its end with the right rows."""
        return self.status == "OK" and self.problem is None

    @property
    def cut(self) -> bool:
        """Whether it broke off after rows had come."""
        return self.status != "OK" and self.rows > 0


class Streams:
    """Clients that read the same answer again and again, each on a connection that is new after every error."""

    def __init__(
        self, connect: Callable[[], FlightConnection], ticket: Ticket, expected: pa.Table, clients: int
    ) -> None:
        """Begin.

        Args:
            connect: makes a client.
            ticket: what all ask.
            expected: the right answer.
            clients: number of them.
        """
        self.seen: list[Stream] = []
        self.open = 0  # streams of which rows have come and the end has not
        self._connect, self._ticket, self._expected = connect, ticket, expected
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._go, name="stream", daemon=True) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each client end the answer that it reads, and no more.

        Raises:
            TimeoutError: one did not come to its end.
        """
        self._over.set()
        end = time.monotonic() + PATIENCE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        if stuck := sum(thread.is_alive() for thread in self._threads):
            raise TimeoutError(f"{stuck} of {len(self._threads)} clients are still in a stream after their deadline")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _go(self) -> None:
        client = self._connect()
        while not self._over.is_set():
            stream = self._read(client)
            self.seen.append(stream)
            if stream.status != "OK":
                client.close()
                client = self._connect()
                if not stream.rows:
                    self._over.wait(PAUSE_SECONDS)
        client.close()

    def _read(self, client: FlightConnection) -> Stream:
        begun, held = time.time(), list[pa.RecordBatch]()
        try:
            with client.stream(self._ticket) as batches:
                for batch in batches:
                    if not held:
                        self._count(1)
                    held.append(batch)
        except FlightFailure as failure:
            return Stream(begun, time.time(), _rows(held), failure.status, failure.message, None)
        finally:
            if held:
                self._count(-1)
        answer = pa.Table.from_batches(held, held[0].schema if held else self._expected.schema)
        problem = difference(answer, self._expected, ("this answer", "the right one"))
        return Stream(begun, time.time(), _rows(held), "OK", "", problem)

    def _count(self, change: int) -> None:
        with self._lock:
            self.open += change


def statuses(streams: Sequence[Stream]) -> str:
    """Say how many streams broke off, and how."""
    found = Counter(stream.status for stream in streams if stream.status != "OK")
    return ", ".join(f"{status} x {number}" for status, number in found.most_common())


def recovered_after(streams: Sequence[Stream]) -> float | None:
    """Return the seconds from the first stream that broke off to the end of the first whole one that began after that.

    None: no stream broke off, or none was whole after that.
    """
    errors = [stream.ended for stream in streams if stream.status != "OK"]
    if not errors:
        return None
    first = min(errors)
    whole = [stream.ended for stream in streams if stream.whole and stream.begun > first]
    return min(whole) - first if whole else None


def _rows(held: Sequence[pa.RecordBatch]) -> int:
    return sum(batch.num_rows for batch in held)
