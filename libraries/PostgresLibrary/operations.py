"""Operations that a load repeats: each worker has a session with deadlines, and every response is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from measurement.results import Outcome
from measurement.workers import OperationFactory
from PatroniLibrary.session import Session
from PostgresLibrary.entries import Load
from PostgresLibrary.sessions import CONNECT_SECONDS, Parameters, Target

WORKERS = 16  # sessions of a load; at 200/s they keep up until an operation takes 80 ms

ANSWER_SECONDS = 5.0  # then an operation has failed; far beyond every latency a criterion allows

LOOKUP = "SELECT value FROM memory_entries WHERE namespace = %s AND key = %s"

Wrong = Callable[[list[tuple[Any, ...]]], str | None]
"""Says what is wrong with the rows of a response, None when nothing is."""

Request = Callable[[int], tuple[Parameters, Wrong]]
"""Makes the parameters of an operation from its number, with what judges its response."""


class Repeated:
    """One worker's operation: a statement with other parameters each time, in a session of its own."""

    def __init__(self, target: Target, statement: str, request: Request) -> None:
        self._session = Session(target.endpoint, target.login, target.database, "acceptance load")
        self._session.open(CONNECT_SECONDS)
        self._statement, self._request = statement, request

    def __call__(self, number: int) -> Outcome | None:
        """Send it and check the response; errors are raised."""
        parameters, wrong = self._request(number)
        problem = wrong(self._session.run(self._statement, parameters, ANSWER_SECONDS))  # type: ignore[arg-type]
        return None if problem is None else Outcome.wrong(problem)

    def close(self) -> None:
        """Close the session."""
        self._session.close()


def repeated(target: Target, statement: str, request: Request) -> OperationFactory:
    """Return what makes each worker's operation."""
    return lambda _worker: Repeated(target, statement, request)


def lookups(loaded: Load) -> Request:
    """Ask for one entry of a bulk load after another by its key, and expect its value."""

    def request(number: int) -> tuple[Parameters, Wrong]:
        # A step that has no divisor in common with most sizes, so that neighbours in time are not neighbours on disk.
        key, expected = loaded.contents[number * 7919 % loaded.number]

        def wrong(rows: list[tuple[Any, ...]]) -> str | None:
            return None if rows == [(expected,)] else f"expected '{expected}' for '{key}', was {rows}"

        return (loaded.namespace, key), wrong

    return request
