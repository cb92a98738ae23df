"""Clients that do nothing wrong while something wrong is done to their broker, and what they noticed of it."""

from __future__ import annotations

from itertools import pairwise

from BrokerLibrary.exchange import Exchange
from BrokerLibrary.traffic import Traffic

SETTLE_SECONDS = 20.0


class Innocents:
    """A producer at a steady rate and its consumers.

    Args:
        exchange: its clients are connected.
        producer: who publishes.
        topic: to which all consumers are subscribed.
        rate: messages a second.
    """

    def __init__(self, exchange: Exchange, producer: str, topic: str, rate: float) -> None:
        self.exchange = exchange
        self._traffic = Traffic(exchange, producer, topic, rate)
        self._stopped = False

    def start(self) -> Innocents:
        """Begin; returns at once."""
        self._traffic.start()
        return self

    def stop(self) -> None:
        """Publish no more, and wait until everything has come; harmless when it has ended."""
        if not self._stopped:
            self._stopped = True
            self._traffic.stop()
            self.exchange.settle(SETTLE_SECONDS)

    def longest_silence(self) -> float | None:
        """The longest time between two messages of any consumer, seconds; None: there were none."""
        gaps = [
            later.at - earlier.at
            for consumer in self.exchange.consumers.values()
            for earlier, later in pairwise(consumer.deliveries)
        ]
        return max(gaps, default=None)
