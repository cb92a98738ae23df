"""Topics that share, bound or count wrongly."""

from __future__ import annotations

import time

from reference.mycelium.fanout import Fanout
from reference.mycelium.kernels import skip
from reference.mycelium.memory import Block
from reference.mycelium.queues import Queue
from reference.mycelium.topics import Entry, Subscription


class QueueToAll(Queue):
    """Every subscriber gets every message."""

    def _hand(self, subscription: Subscription, block: Block, start: int, count: int) -> tuple[int, int]:
        rest, taken = super()._hand(subscription, block, start, count)
        run = bytes(block.view[start : skip(block.array, start, taken)])
        for other in self.subscriptions:
            if other is not subscription:
                other.outbox.answer(run)
        return rest, taken


class QueueToOne(Queue):
    """Only the first subscriber ever has its turn."""

    def _idle(self) -> list[Subscription]:
        return [subscription for subscription in self.subscriptions[:1] if subscription.outbox.idle]


class ForgettingQueue(Queue):
    """What was handed to a subscriber is its problem."""

    def _dispose(self, subscription: Subscription, cut: Entry | None) -> None:
        self.depth -= subscription.depth
        super()._dispose(subscription, None)


class HoardingFanout(Fanout):
    """Keeps something of each message for ever."""

    _hoard: bytearray | None = None

    def publish(self, block: Block, start: int, end: int, count: int) -> int:
        """See `Topic.publish`."""
        taken = super().publish(block, start, end, count)
        self._hoard = self._hoard or bytearray()
        self._hoard += b"\1" * (256 * taken)
        return taken


class UnboundedFanout(Fanout):
    """Lets everything wait, however much that is."""

    def room(self) -> int:
        """See `Topic.room`."""
        return 1 << 60

    def _wait(self, subscription: Subscription, block: Block, start: int, end: int, count: int, sent: int) -> None:
        blocking, self.blocking = self.blocking, True
        super()._wait(subscription, block, start, end, count, sent)
        self.blocking = blocking


class SilentFanout(Fanout):
    """Drops and does not tell."""

    def _wait(self, subscription: Subscription, block: Block, start: int, end: int, count: int, sent: int) -> None:
        super()._wait(subscription, block, start, end, count, sent)
        subscription.lost = 0
        for entry in subscription.entries:
            if not entry.lost:
                break
            entry.lost = 0


class MiscountingFanout(Fanout):
    """Tells of one message at a time, however many were dropped."""

    def _wait(self, subscription: Subscription, block: Block, start: int, end: int, count: int, sent: int) -> None:
        super()._wait(subscription, block, start, end, count, sent)
        subscription.lost = min(subscription.lost, 1)
        for entry in subscription.entries:
            if not entry.lost:
                break
            entry.lost = 1


class BatchCountingFanout(Fanout):
    """Counts one publish for each run."""

    def publish(self, block: Block, start: int, end: int, count: int) -> int:
        """See `Topic.publish`."""
        before = self.published
        taken = super().publish(block, start, end, count)
        self.published = before + (taken > 0)
        return taken


class SlowFanout(Fanout):
    """Takes its time."""

    def publish(self, block: Block, start: int, end: int, count: int) -> int:
        """See `Topic.publish`."""
        time.sleep(800e-6 + 2e-6 * count)
        return super().publish(block, start, end, count)
