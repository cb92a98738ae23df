"""A producer that publishes numbered messages at a steady rate in the background, whatever happens to the broker."""

from __future__ import annotations

import threading
import time

from BrokerLibrary.client import BrokerClient
from BrokerLibrary.connection import ConnectionLost
from BrokerLibrary.exchange import Exchange

TICK_SECONDS = 0.005  # what falls due in this time goes out in one write
LONGEST_BATCH = 1000


class Traffic:
    """One producer of an exchange at work.

    Messages fall due at their time, whether or not earlier ones were answered. While there is no connection they are
    not sent, and so written down.

    Args:
        exchange: its clients; the producer is there already.
        producer: its name.
        topic: it publishes to.
        rate: messages a second.
        size: bytes of each.
    """

    def __init__(self, exchange: Exchange, producer: str, topic: str, rate: float, size: int = 200) -> None:
        self.exchange, self.producer, self.topic = exchange, producer, topic
        self._rate, self._size = rate, size
        self._stop, self._going = threading.Event(), threading.Event()
        self._going.set()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._work, name=f"traffic of {producer}", daemon=True)

    def start(self) -> Traffic:
        """Begin; returns at once."""
        self._thread.start()
        return self

    def pause(self) -> None:
        """Publish nothing from the moment this returns until `go_on`; what falls due meanwhile is dropped."""
        with self._turn:
            self._going.clear()

    def go_on(self) -> None:
        """Publish again."""
        self._going.set()

    def stop(self) -> None:
        """End; harmless when it has ended."""
        self._stop.set()
        self._thread.join(10)

    def _work(self) -> None:
        begin, sent = time.monotonic(), 0
        client = self.exchange.producers[self.producer]
        while not self._stop.wait(TICK_SECONDS):
            due = int((time.monotonic() - begin) * self._rate) - sent
            if due < 1:
                continue
            sent += due  # after a standstill what is more than one batch is dropped, not made good in a burst
            with self._turn:
                if self._going.is_set():
                    self._publish(client, min(due, LONGEST_BATCH))

    def _publish(self, client: BrokerClient, number: int) -> None:
        batch = self.exchange.numbered(self.producer, self.topic, [self._size] * number)
        try:
            client.publish_many(batch, ack=True)
        except (ConnectionLost, TimeoutError):
            pass  # the attempts say so
