"""Many clients that ask at the same instant, each on a connection of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from FlightLibrary.accounting import clock
from FlightLibrary.client import FlightConnection
from FlightLibrary.comparing import difference, table_of
from FlightLibrary.errors import FlightFailure
from FlightLibrary.graphql_http import HttpConnection, HttpFailure
from FlightLibrary.tickets import Ticket

Meet = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Guest:
    """What one client of a crowd met.

    Attributes:
        over: `Flight` or `HTTP`.
        seconds: from the instant at which all asked to its whole answer; None: there was none.
        problem: what was wrong; None: the answer was right.
    """

    over: str
    seconds: float | None
    problem: str | None


@dataclass(frozen=True)
class Crowd:
    """What all clients met, and how many Flight streams were open at the same time.

    `open_at_once` counts clients that had the beginning of their answer in hand while all others had asked, and went on
    only then.
    """

    guests: Sequence[Guest]
    open_at_once: int


class _Flight:
    """A client over Flight, which stops after the first batch until all have theirs."""

    def __init__(self, client: FlightConnection, ticket: Ticket, expected: pa.Table) -> None:
        self._client, self._ticket, self._expected = client, ticket, expected

    def ask(self, meet: Meet) -> str | None:
        with self._client.stream(self._ticket) as batches:
            held = [next(batches)]
            meet()
            held += batches
        return difference(pa.Table.from_batches(held), self._expected, ("this answer", "the first"))


class _Http:
    """A client over HTTP, which asks at the same time."""

    def __init__(self, client: HttpConnection, query: str, expected: pa.Table) -> None:
        self._client, self._query, self._expected = client, query, expected

    def ask(self, meet: Meet) -> str | None:
        rows = self._client.read(self._query).rows
        meet()
        return difference(table_of(rows, self._expected.schema), self._expected, ("this answer", "the first"))


def gather(
    flight: Sequence[FlightConnection],
    http: Sequence[HttpConnection],
    ticket: Ticket,
    query: str,
    expected: pa.Table,
    patience_seconds: float,
) -> Crowd:
    """Let all clients ask at once; those over Flight hold their streams open until each of them has its first batch.

    Args:
        flight: clients over Flight.
        http: clients over HTTP.
        ticket: what the ones ask.
        query: what the others ask.
        expected: the right answer to both.
        patience_seconds: bound on every wait for the others.
    """
    askers = [("Flight", _Flight(c, ticket, expected)) for c in flight]
    everybody = [*askers, *(("HTTP", _Http(c, query, expected)) for c in http)]
    start = threading.Barrier(len(everybody))
    middle = _Meeting(len(flight), patience_seconds)
    guests: list[Guest] = []

    def go(over: str, asker: _Flight | _Http) -> None:
        met = False

        def meet() -> None:
            nonlocal met
            met = True
            if over == "Flight":
                middle.arrive()

        start.wait(patience_seconds)
        begin = clock()
        try:
            problem = asker.ask(meet)
            guests.append(Guest(over, clock() - begin, problem))
        except (FlightFailure, HttpFailure, AssertionError, StopIteration) as error:
            guests.append(Guest(over, None, str(error) or "an empty answer"))
        finally:
            if over == "Flight" and not met:
                middle.stay_away()

    threads = [threading.Thread(target=go, args=each, name="guest", daemon=True) for each in everybody]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 2 * patience_seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    missing = len(everybody) - len(guests)
    return Crowd([*guests, *([Guest("any", None, "no answer in time")] * missing)], middle.present)


class _Meeting:
    """Where clients wait until every other one has come or has failed.

    Attributes:
        present: how many came.
    """

    def __init__(self, expected: int, patience_seconds: float) -> None:
        self.present = 0
        self._missing = expected
        self._patience = patience_seconds
        self._changed = threading.Condition()

    def arrive(self) -> None:
        with self._changed:
            self.present += 1
            self._one_less()
            self._changed.wait_for(lambda: self._missing == 0, self._patience)

    def stay_away(self) -> None:
        with self._changed:
            self._one_less()

    def _one_less(self) -> None:
        self._missing -= 1
        self._changed.notify_all()
