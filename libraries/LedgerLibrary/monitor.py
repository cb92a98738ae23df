"""Watches who accepts writes: asks every member on its own PostgreSQL port, all the time.

Neither Patroni nor HAProxy is believed. A member counts as writable when it says that it is not in recovery and then
acknowledges a write of ours; one that waits for a standby or does not answer is neither writable nor not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

from environments.system import Endpoint, Login
from oracles.history import History, HistoryWriter, Kind, Operation, Result
from PatroniLibrary.session import NotSent, OutcomeUnknown, Refused, Session

POLL_SECONDS = 0.1
ANSWER_SECONDS = 1.0

_ROLE = "SELECT pg_is_in_recovery()"
_PROBE = """
    INSERT INTO metadata (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value
    RETURNING ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
"""
_SWEEP = "DELETE FROM metadata WHERE key LIKE %s"


class PrimaryMonitor:
    """Polls each member with a thread of its own."""

    def __init__(
        self,
        members: Mapping[str, Endpoint],
        login: Login,
        database: str,
        history: HistoryWriter,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Prepare the watch; `start` begins it.

        Args:
            members: name -> its own PostgreSQL port.
            login: a user who may write to `metadata`.
            database: where that table is.
            history: gets every observation.
            poll_seconds: time between the starts of two polls of a member.
        """
        self.members = dict(members)
        self._login, self._database, self._history, self._poll = login, database, history, poll_seconds
        self._key = f"primary-monitor-{time.time_ns()}"
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._seen: list[Operation] = []
        self._threads = [
            threading.Thread(target=self._watch, args=(name, endpoint), name=f"monitor-{name}", daemon=True)
            for name, endpoint in self.members.items()
        ]

    def start(self) -> None:
        """Begin; returns at once."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the watch and wait for the polls under way; harmless when it has ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * ANSWER_SECONDS + 1)

    def sweep(self, primary: Endpoint) -> None:
        """Remove the rows that the probes wrote.

        Raises:
            NotSent: the primary is not there.
        """
        session = Session(primary, self._login, self._database, "primary monitor")
        try:
            session.open(ANSWER_SECONDS)
            session.run(_SWEEP, (f"{self._key}%",), 5 * ANSWER_SECONDS)
        finally:
            session.close()

    @property
    def observations(self) -> tuple[Operation, ...]:
        """What was seen so far, in the order of completion."""
        with self._lock:
            return tuple(self._seen)

    def history(self) -> History:
        """What was seen so far, for the oracle."""
        return History.of(self.observations)

    def _watch(self, name: str, endpoint: Endpoint) -> None:
        session = Session(endpoint, self._login, self._database, "primary monitor")
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._poll, time.monotonic())
            observation = poll(name, session, f"{self._key}-{name}")
            with self._lock:
                self._seen.append(observation)
                self._history.append(observation)
        session.close()


def poll(name: str, session: Session, key: str) -> Operation:
    """Find out whether a member accepts writes now.

    Args:
        name: the member.
        session: to its own port; connected when need be.
        key: row of `metadata` to write to.

    Returns:
        An observation: True when it acknowledged the write, False when it is in recovery, refuses or is not there,
        None when it did not answer in time.
    """
    invoked = time.time()

    def seen(writable: bool | None, detail: str) -> Operation:
        result = Result.UNKNOWN if writable is None else Result.OBSERVED
        return Operation("primary", Kind.OBSERVE, invoked, max(invoked, time.time()), result, writable, name, detail)

    try:
        session.open(ANSWER_SECONDS)
        if session.run(_ROLE, (), ANSWER_SECONDS) == [(True,)]:
            return seen(False, "in recovery")
        ((timeline,),) = session.run(_PROBE, (key, f"{invoked:.3f}"), ANSWER_SECONDS)
        return seen(True, f"timeline {timeline}")
    except NotSent as error:
        return seen(False if "refused" in str(error) else None, str(error))
    except Refused as error:
        return seen(False if error.sqlstate == "25006" else None, str(error))
    except OutcomeUnknown as error:
        return seen(None, str(error))
