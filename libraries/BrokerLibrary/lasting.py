"""A connection that is made again whenever it ends, with its subscriptions, and that writes down what comes."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from BrokerLibrary import wire
from BrokerLibrary.connection import Connection, ConnectionLost
from BrokerLibrary.records import Acknowledged, Attempt, Backoff, Delivery, Session, Told
from BrokerLibrary.wire import Frame, Opcode, WireProblem
from oracles.history import Result

ANSWER_SECONDS = 5.0  # bound on connecting, on an answer, and on the kernel's taking what is sent


class LastingConnection:
    """A connection to a broker and everything that came on it, connected when it is made.

    Args:
        socket_path: where the broker listens.
        name: of this client in histories and messages.
        backoff: how to reconnect; None: never.
        answer_seconds: bound on each answer, unless a call gives another.

    Raises:
        ConnectionLost: there is no broker.
    """

    def __init__(
        self,
        socket_path: Path,
        name: str = "client",
        *,
        backoff: Backoff | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.name, self.socket_path = name, socket_path
        self.attempts: list[Attempt] = []
        self.deliveries: list[Delivery] = []
        self.told: list[Told] = []
        self.sessions: list[Session] = []
        self.acknowledged: list[Acknowledged] = []
        self.violations: list[str] = []
        self._backoff, self._seconds = backoff, answer_seconds
        self._changed = threading.Condition()
        self._inbox: deque[Delivery] = deque()
        self._subscriptions: list[str] = []
        self._pongs: deque[bytes] = deque()
        self._statistics: deque[dict[str, Any]] = deque()
        self._asked = threading.Lock()  # one ping or request for statistics at a time
        self._closed = threading.Event()
        self._now = 0.0
        self._connection: Connection | None = None
        self._connect()
        self._thread = threading.Thread(target=self._run, name=f"broker client {name}", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Whether it is connected, with every subscription acknowledged."""
        return self._connection is not None and self.sessions[-1].ready is not None

    def wait_ready(self, within: float, after: float = 0.0) -> float:
        """Wait for a connection with every subscription acknowledged; return when it stood (epoch seconds).

        Args:
            within: deadline, seconds.
            after: only a connection opened after this instant counts (epoch seconds).

        Raises:
            TimeoutError: with what is missing.
        """

        def missing() -> str | None:
            if self._connection is None or self.sessions[-1].opened < after:
                return f"{self.name} is not connected again"
            waits = self.sessions[-1].expected_acks
            return f"{self.name} waits for acknowledgements of {sorted(waits)}" if waits else None

        self._await(missing, within)
        return self.sessions[-1].ready or 0.0

    def wait_lost(self, within: float) -> str:
        """Wait until there is no connection; return how the last one ended.

        Raises:
            TimeoutError: there still is one.
        """
        self._await(lambda: None if self._connection is None else f"{self.name} is still connected", within)
        return self.sessions[-1].why

    def close(self) -> None:
        """End for good; harmless when it has ended."""
        self._closed.set()
        connection = self._connection
        if connection is not None:
            connection.shut()
        self._thread.join(ANSWER_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def hold(self) -> None:
        """Stop reading, after at most one more piece of what comes: a consumer that has stalled."""
        self._live().hold(True)

    def go_on(self) -> None:
        """Read again; harmless when it never stopped."""
        if (connection := self._connection) is not None:
            connection.hold(False)

    # -- for the client ------------------------------------------------------------------------------------

    def _live(self) -> Connection:
        connection = self._connection
        if connection is None:
            raise ConnectionLost(f"{self.name} is not connected")
        return connection

    def _await(self, missing: Callable[[], str | None], within: float | None) -> None:
        """Wait until nothing is missing; the question is asked whenever something came."""
        seconds = self._seconds if within is None else within
        end = time.monotonic() + seconds
        with self._changed:
            while (sentence := missing()) is not None:
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{sentence} within {seconds:g} s")
                self._changed.wait(left)

    # -- inside: the thread --------------------------------------------------------------------------------

    def _connect(self) -> None:
        connection = Connection(self.socket_path, self._seconds)
        with self._changed:
            session = Session(time.time(), expected_acks=set(self._subscriptions))
            session.ready = None if session.expected_acks else session.opened
            self.sessions.append(session)
            self._connection = connection
            topics = list(self._subscriptions)
            self._changed.notify_all()
        try:
            connection.send(b"".join(map(wire.subscribe, topics)), self._seconds)
        except (ConnectionLost, TimeoutError):
            connection.shut()  # receiving ends at once, and says how

    def _run(self) -> None:
        while (connection := self._connection) is not None:
            try:
                why = connection.receive(self._handle)
            except WireProblem as problem:
                why = f"the broker sent {problem}"
                self.violations.append(why)
            connection.shut()
            self._lost("closed by the client" if self._closed.is_set() else why)
            connection.close()
            if self._backoff is None:
                return
            self._reconnect(self._backoff)

    def _lost(self, why: str) -> None:
        now = time.time()
        with self._changed:
            self._connection = None
            session = self.sessions[-1]
            session.closed, session.why = now, why
            end_all(session.sent, Result.UNKNOWN, why)
            self._changed.notify_all()

    def _reconnect(self, backoff: Backoff) -> None:
        attempt = 0
        while not self._closed.wait(backoff.pause(attempt)):
            try:
                self._connect()
            except ConnectionLost:
                attempt += 1
            else:
                if self._closed.is_set():  # closed meanwhile: the new connection would outlive it
                    self._live().shut()
                return

    def _handle(self, frames: list[Frame]) -> None:
        with self._changed:
            self._now = now = max(self._now, time.time())  # the wall clock may be set back
            session, number = self.sessions[-1], len(self.sessions) - 1
            for frame in frames:
                self._take(frame, session, number, now)
            self._changed.notify_all()

    def _take(self, frame: Frame, session: Session, number: int, now: float) -> None:
        match frame.opcode:
            case Opcode.DELIVER:
                delivery = Delivery(frame.topic, frame.payload, now, number)
                session.delivered[frame.topic] += 1
                self.deliveries.append(delivery)
                self._inbox.append(delivery)
            case Opcode.PUBLISH_ACK:
                self._note(session.accept(wire.accepted_count(frame), now))
            case Opcode.ERROR:
                error = wire.error_of(frame)
                self.told.append(Told(error, now, number))
                session.refuse(error, now)
            case Opcode.PONG:
                self._pongs.append(frame.payload)
            case Opcode.STATS_REPLY:
                self._statistics.append(self._parsed(frame.payload))
            case _:
                begun, came = frame.opcode == Opcode.SUBSCRIBE_ACK, session.delivered[frame.topic]
                self.acknowledged.append(Acknowledged(frame.topic, begun, now, number, came))
                session.expected_acks.discard(frame.topic)
                if session.ready is None and not session.expected_acks:
                    session.ready = now

    def _parsed(self, payload: bytes) -> dict[str, Any]:
        try:
            content = json.loads(payload)
        except ValueError:
            content = None
        if isinstance(content, dict):
            return content
        self._note(f"statistics that are no JSON object: {payload[:60]!r}")
        return {}

    def _note(self, violation: str | None) -> None:
        if violation is not None:
            self.violations.append(violation)


def end_all(attempts: Sequence[Attempt], outcome: Result, detail: str) -> None:
    """Write down how those attempts ended whose outcome is not known yet."""
    now = time.time()
    for attempt in attempts:
        if attempt.pending:
            attempt.end(outcome, now, detail)
