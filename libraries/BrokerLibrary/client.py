"""A client of the broker: blocks with deadlines, reconnects and resubscribes by itself, writes down what it saw.

A thread receives; every public method may be called from any other thread. What the client attempted, got and was told
stays in `attempts`, `deliveries`, `told`, `acknowledged` and `sessions`, in the order in which it happened. What no
broker may do, such as acknowledge what was never sent, stands in `violations`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from BrokerLibrary import wire
from BrokerLibrary.connection import ConnectionLost
from BrokerLibrary.lasting import LastingConnection, end_all
from BrokerLibrary.numbered import checksum
from BrokerLibrary.records import Attempt, Delivery
from BrokerLibrary.wire import BrokerError, ErrorCode, Opcode
from oracles.history import Result


class Refused(Exception):
    """The broker answered with an Error frame."""

    def __init__(self, error: BrokerError) -> None:
        super().__init__(str(error))
        self.error = error


class BrokerClient(LastingConnection):
    """One client; its arguments are those of `LastingConnection`."""

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
                    end_all(attempts, Result.FAILED, "not sent: no connection")

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

    # -- inside: asking ------------------------------------------------------------------------------------

    def _acknowledged(self, request: bytes, opcode: Opcode, topic: str, within: float | None) -> None:
        connection, begun = self._live(), opcode is Opcode.SUBSCRIBE_ACK
        with self._changed:
            before, told = len(self.acknowledged), len(self.told)
        connection.send(request, self._seconds)

        def missing() -> str | None:
            if any(a.topic == topic and a.begun is begun for a in self.acknowledged[before:]):
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
