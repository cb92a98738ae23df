"""A client of the broker: blocks with deadlines, reconnects and resubscribes by itself, writes down what it saw.

A thread receives; every public method may be called from any other thread. What the client attempted, got and was told
stays in `attempts`, `deliveries`, `told` and `sessions`, in the order in which it happened. What no broker may do, such
as acknowledge what was never sent, stands in `violations`.
"""

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
from BrokerLibrary.numbered import checksum
from BrokerLibrary.records import Attempt, Backoff, Delivery, Session, Told
from BrokerLibrary.wire import BrokerError, ErrorCode, Frame, Opcode, WireProblem
from oracles.history import Result

ANSWER_SECONDS = 5.0  # bound on connecting, on an answer, and on the kernel's taking what is sent


class Refused(Exception):
    """The broker answered with an Error frame."""

    def __init__(self, error: BrokerError) -> None:
        super().__init__(str(error))
        self.error = error


class BrokerClient:
    """One client, connected when it is made.

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
        self.violations: list[str] = []
        self._backoff, self._seconds = backoff, answer_seconds
        self._changed = threading.Condition()
        self._inbox: deque[Delivery] = deque()
        self._subscriptions: list[str] = []
        self._acks: dict[tuple[int, str], int] = {}  # opcode and topic -> how many came
        self._pongs: deque[bytes] = deque()
        self._statistics: deque[dict[str, Any]] = deque()
        self._asked = threading.Lock()  # one ping or request for statistics at a time
        self._closed = threading.Event()
        self._connection: Connection | None = None
        self._connect()
        self._thread = threading.Thread(target=self._run, name=f"broker client {name}", daemon=True)
        self._thread.start()

    # -- publishing ----------------------------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes, *, key: str = "", ack: bool = False) -> Attempt:
        """Send one message and return at once; see `settle` for what became of it. Raises as `publish_many`."""
        return self.publish_many([(topic, payload, key)], ack=ack)[0]

    def publish_many(self, messages: Sequence[tuple[str, bytes, str]], *, ack: bool = False) -> list[Attempt]:
        """Send messages in one write.

        Args:
            messages: topic, payload and key of each.
            ack: ask for an acknowledgement of each.

        Raises:
            ConnectionLost: there is no connection; the attempts are written down as failed, or unknown when it broke.
            TimeoutError: the broker did not read them; as before.
        """
        data = b"".join(wire.publish(topic, payload, ack=ack) for topic, payload, _ in messages)
        sums = [checksum(payload) for _, payload, _ in messages]
        attempts: list[Attempt] = []

        def note() -> None:
            now = time.time()
            attempts.extend(
                Attempt(topic, key, len(payload), sum_, now, ack)
                for (topic, payload, key), sum_ in zip(messages, sums, strict=True)
            )
            with self._changed:
                self.attempts += attempts
                if connection is not None and self._connection is connection:
                    self.sessions[-1].sent += attempts
                else:  # it ended while this write waited for its turn
                    _end(attempts, Result.FAILED, "not sent: no connection")

        connection = self._connection
        if connection is None:
            note()
            raise ConnectionLost(f"{self.name} is not connected")
        connection.send(data, self._seconds, note)
        return attempts

    def settle(self, attempts: Sequence[Attempt], within: float | None = None) -> None:
        """Wait until the outcome of every attempt is known.

        Raises:
            TimeoutError: of some it is not; with how many.
        """
        settled = 0

        def missing() -> str | None:
            nonlocal settled
            while settled < len(attempts) and not attempts[settled].pending:
                settled += 1
            left = len(attempts) - settled
            return f"{left} of {len(attempts)} messages were not acknowledged" if left else None

        self._await(missing, within)

    # -- subscribing and receiving -------------------------------------------------------------------------

    def subscribe(self, topic: str, within: float | None = None) -> None:
        """Ask for all messages of a topic from now on, and wait for the acknowledgement.

        Raises:
            Refused: the broker answered with an error about this topic.
            TimeoutError: it did not answer.
            ConnectionLost: there is no connection.
        """
        with self._changed:
            new = topic not in self._subscriptions
            if new:
                self._subscriptions.append(topic)
        try:
            self._acknowledged(wire.subscribe(topic), Opcode.SUBSCRIBE_ACK, topic, within)
        except (Refused, TimeoutError, ConnectionLost):
            if new:
                with self._changed:
                    self._subscriptions.remove(topic)
            raise

    def unsubscribe(self, topic: str, within: float | None = None) -> None:
        """End a subscription and wait for the acknowledgement. Raises as `subscribe`."""
        with self._changed:
            if topic in self._subscriptions:
                self._subscriptions.remove(topic)
        self._acknowledged(wire.unsubscribe(topic), Opcode.UNSUBSCRIBE_ACK, topic, within)

    def receive(self, within: float, topic: str | None = None) -> Delivery:
        """Return the next message not yet taken, of a topic or of any.

        Raises:
            TimeoutError: none came.
        """
        found: list[Delivery] = []

        def missing() -> str | None:
            for delivery in self._inbox:
                if topic is None or delivery.topic == topic:
                    found.append(delivery)
                    self._inbox.remove(delivery)
                    return None
            return f"no message{f' on {topic}' if topic else ''} came to {self.name}"

        self._await(missing, within)
        return found[0]

    def receive_many(self, number: int, within: float) -> list[Delivery]:
        """Return the next messages not yet taken, in their order.

        Raises:
            TimeoutError: fewer came; they stay.
        """

        def missing() -> str | None:
            came = len(self._inbox)
            return f"{came} of {number} messages came to {self.name}" if came < number else None

        self._await(missing, within)
        with self._changed:
            return [self._inbox.popleft() for _ in range(number)]

    @property
    def waiting(self) -> int:
        """How many messages have come and are not yet taken."""
        return len(self._inbox)

    # -- asking --------------------------------------------------------------------------------------------

    def ping(self, payload: bytes = b"", within: float | None = None) -> float:
        """Ask for a payload back and return the seconds it took.

        Raises:
            TimeoutError: no answer came.
            ConnectionLost: there is no connection.
            AssertionError: another payload came back.
        """
        begin = time.monotonic()
        answer = self._ask(wire.ping(payload), self._pongs, "ping", within)
        if answer != payload:
            raise AssertionError(f"a ping of {payload!r} was answered with {answer!r}")
        return time.monotonic() - begin

    def stats(self, within: float | None = None) -> dict[str, Any]:
        """Return the broker's statistics. Raises as `ping`."""
        answer: dict[str, Any] = self._ask(wire.stats(), self._statistics, "request for statistics", within)
        return answer

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are, right or wrong. Raises as `publish`."""
        self._live().send(data, self._seconds)

    # -- the connection ------------------------------------------------------------------------------------

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

    # -- inside: asking ------------------------------------------------------------------------------------

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

    def _acknowledged(self, request: bytes, opcode: Opcode, topic: str, within: float | None) -> None:
        connection = self._live()
        with self._changed:
            before, told = self._acks.get((opcode, topic), 0), len(self.told)
        connection.send(request, self._seconds)

        def missing() -> str | None:
            if self._acks.get((opcode, topic), 0) > before:
                return None
            for one in self.told[told:]:
                if one.error.code is not ErrorCode.LAGGED and one.error.topic == topic:
                    raise Refused(one.error)
            if self._connection is not connection:
                raise ConnectionLost(f"{self.name} lost its connection: {self.sessions[-1].why}")
            return f"{opcode.name} of {topic} did not come"

        self._await(missing, within)

    def _ask(self, request: bytes, answers: deque[Any], what: str, within: float | None) -> Any:
        with self._asked:
            connection = self._live()
            answers.clear()
            connection.send(request, self._seconds)

            def missing() -> str | None:
                if not answers and self._connection is not connection:
                    raise ConnectionLost(f"{self.name} lost its connection: {self.sessions[-1].why}")
                return None if answers else f"a {what} was not answered"

            self._await(missing, within)
            return answers.popleft()

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
            _end(session.sent, Result.UNKNOWN, why)
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
        now = time.time()
        with self._changed:
            session, number = self.sessions[-1], len(self.sessions) - 1
            for frame in frames:
                self._take(frame, session, number, now)
            self._changed.notify_all()

    def _take(self, frame: Frame, session: Session, number: int, now: float) -> None:
        match frame.opcode:
            case Opcode.DELIVER:
                delivery = Delivery(frame.topic, frame.payload, now, number)
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
                key = (frame.opcode, frame.topic)
                self._acks[key] = self._acks.get(key, 0) + 1
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


def _end(attempts: Sequence[Attempt], outcome: Result, detail: str) -> None:
    now = time.time()
    for attempt in attempts:
        if attempt.pending:
            attempt.end(outcome, now, detail)
