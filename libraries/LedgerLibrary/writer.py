"""A client that writes, or reads, at a steady rate in the background and notes what it was told of each operation.

The rate is open: an operation is due at its time whether or not earlier ones were answered. While every session waits
for an answer, operations that fall due are dropped and counted, so that an outage is not followed by a burst.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from environments.system import Endpoint, Login
from oracles.history import History, HistoryWriter, Kind, Operation, Result
from PatroniLibrary.session import NotSent, OutcomeUnknown, Refused, Session

ANSWER_SECONDS = 5.0  # then the outcome is unknown
CONNECT_SECONDS = 1.0
PATIENCE_SECONDS = 0.25  # how late an operation may start before it is dropped

# The timeline is the one that names the WAL file in use: the control file only learns it at the next checkpoint.
INSERT = """
    INSERT INTO acknowledged_writes (id, writer) VALUES (%s, %s)
    RETURNING inet_server_port(), ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
"""
NEWEST = "SELECT inet_server_port(), coalesce(max(id), 0) FROM acknowledged_writes WHERE writer = %s"


@dataclass(frozen=True, slots=True)
class Access:
    """Where a client connects, and as whom."""

    endpoint: Endpoint
    login: Login
    database: str


class Background:
    """Operations at a steady rate on several sessions, until stopped."""

    def __init__(
        self,
        operation: Callable[[int, Session], Operation],
        access: Access,
        name: str,
        rate_per_second: float,
        sessions: int,
        history: HistoryWriter,
    ) -> None:
        """Prepare the sessions; `start` connects them.

        Args:
            operation: carries out number n on a session and says what became of it; must not raise.
            access: where to connect.
            name: application name of the sessions.
            rate_per_second: operations that fall due in a second.
            sessions: how many may wait for an answer at once.
            history: gets every operation as it completes.
        """
        self.name = name
        self.dropped = 0
        self._operation, self._interval, self._history = operation, 1.0 / rate_per_second, history
        self._sessions = [Session(access.endpoint, access.login, access.database, name) for _ in range(sessions)]
        self._threads: list[threading.Thread] = []
        self._done: list[Operation] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._due = self._schedule()

    def start(self) -> None:
        """Begin; returns at once."""
        self._threads = [
            threading.Thread(target=self._work, args=(session,), name=f"{self.name}-{number}", daemon=True)
            for number, session in enumerate(self._sessions)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, waiting for the answers still owed; harmless when it has ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join(ANSWER_SECONDS + CONNECT_SECONDS + 1)
        for session in self._sessions:
            session.close()

    @property
    def is_running(self) -> bool:
        """Whether it has been started and not stopped."""
        return bool(self._threads) and not self._stop.is_set()

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What is known so far, in the order of completion."""
        with self._lock:
            return tuple(self._done)

    def history(self) -> History:
        """What is known so far, for the oracles."""
        return History.of(self.operations)

    def counts(self) -> Counter[Result]:
        """How many operations had which outcome so far."""
        return Counter(operation.outcome for operation in self.operations)

    def note(self, operation: Operation) -> None:
        """Add an operation to the history, such as the read after everything healed."""
        with self._lock:
            self._done.append(operation)
            self._history.append(operation)

    def _schedule(self) -> Iterator[tuple[int, float]]:
        begin, number = time.monotonic(), 0
        while True:
            yield number, begin + number * self._interval
            number += 1

    def _work(self, session: Session) -> None:
        while (number := self._next()) is not None:
            self.note(self._operation(number, session))

    def _next(self) -> int | None:
        """Wait for the next operation that no other session has taken; None when stopped."""
        with self._lock:
            number, due = next(self._due)
            while time.monotonic() - due > PATIENCE_SECONDS:
                self.dropped += 1
                number, due = next(self._due)
        return None if self._stop.wait(max(0.0, due - time.monotonic())) else number


def write(number: int, session: Session, *, base: int, writer: str, members: dict[int, str]) -> Operation:
    """Insert one row and say what became of it.

    Args:
        number: added to `base` it is the row's id.
        session: connected when need be.
        base: first id of this writer.
        writer: its name, by which its rows are found again.
        members: PostgreSQL port -> member.

    Returns:
        acked: committed, and the server said so. failed: never sent, or refused. unknown: all else.
    """
    invoked = time.time()

    def outcome(result: Result, detail: str, node: str = "") -> Operation:
        return Operation(base + number, Kind.WRITE, invoked, _after(invoked), result, None, node, detail)

    try:
        session.open(CONNECT_SECONDS)
        invoked = time.time()
        ((port, timeline),) = session.run(INSERT, (base + number, writer), ANSWER_SECONDS)
        return outcome(Result.ACKED, f"timeline {timeline}", members.get(port, str(port)))
    except NotSent as error:
        return outcome(Result.FAILED, f"not sent: {error}")
    except Refused as error:
        session.close()  # a demoted primary refuses for ever: ask the proxy for another server
        return outcome(Result.FAILED, str(error))
    except OutcomeUnknown as error:
        return outcome(Result.UNKNOWN, str(error))


def read(number: int, session: Session, *, writer: str, members: dict[int, str]) -> Operation:
    """Read the newest row of a writer.

    Args:
        number: counts the reads.
        session: connected when need be.
        writer: whose rows.
        members: PostgreSQL port -> member.

    Returns:
        observed: with the greatest id as its value, 0 when there is no row. failed: no answer, for whatever reason.
    """
    invoked = time.time()
    try:
        session.open(CONNECT_SECONDS)
        invoked = time.time()
        ((port, newest),) = session.run(NEWEST, (writer,), ANSWER_SECONDS)
        node = members.get(port, str(port))
        return Operation(writer, Kind.READ, invoked, _after(invoked), Result.OBSERVED, newest, node)
    except (NotSent, Refused, OutcomeUnknown) as error:
        session.close()
        return Operation(writer, Kind.READ, invoked, _after(invoked), Result.FAILED, None, "", f"{number}: {error}")


def _after(invoked: float) -> float:
    return max(invoked, time.time())  # the wall clock may be set back; an operation never ends before it begins
