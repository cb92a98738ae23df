"""Topics that deliver something else than what was published."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from reference.mycelium import wire
from reference.mycelium.fanout import Fanout
from reference.mycelium.kernels import skip
from reference.mycelium.memory import Block
from reference.mycelium.queues import Queue
from reference.mycelium.topics import Subscription, Topic


class _Odd(Topic):
    """Does something else with every n-th message."""

    every = 10_000
    _seen = 0

    def odd(self, block: Block, start: int, end: int) -> int:
        """Take one message, somehow; return 1, or 0 when there is no room."""
        raise NotImplementedError

    def plainly(self, block: Block, start: int, end: int, count: int) -> int:
        """Publish as a topic without a defect does."""
        return super().publish(block, start, end, count)

    def publish(self, block: Block, start: int, end: int, count: int) -> int:
        """See `Topic.publish`; the run ends before and after an odd message."""
        ordinary = self.every - 1 - self._seen % self.every
        if ordinary:
            count = min(count, ordinary)
            taken = self.plainly(block, start, skip(block.array, start, count), count)
        else:
            taken = self.odd(block, start, skip(block.array, start, 1))
        self._seen += taken
        return taken


class _Dropping(_Odd):
    def odd(self, block: Block, start: int, end: int) -> int:
        if not self.subscriptions:
            return self.plainly(block, start, end, 1)
        copies = len(self.subscriptions) if self.routing == "Fanout" else 1
        self.published += 1
        self.copies += copies
        self.delivered += copies
        return 1


class DroppingFanout(_Dropping, Fanout):
    """See the defect."""


class DroppingQueue(_Dropping, Queue):
    """See the defect."""


class _Duplicating(_Odd):
    every = 1000

    def odd(self, block: Block, start: int, end: int) -> int:
        if not self.plainly(block, start, end, 1):
            return 0
        self.plainly(block, start, end, 1)
        return 1


class DuplicatingFanout(_Duplicating, Fanout):
    """See the defect."""


class DuplicatingQueue(_Duplicating, Queue):
    """See the defect."""


class _Corrupting(_Odd):
    every = 1000

    def odd(self, block: Block, start: int, end: int) -> int:
        payload = start + wire.HEAD + len(self.name)
        if payload < end:
            block.array[payload + (end - payload) // 2] ^= 0x20
        return self.plainly(block, start, end, 1)


class CorruptingFanout(_Corrupting, Fanout):
    """See the defect."""


class CorruptingQueue(_Corrupting, Queue):
    """See the defect."""


class MisroutingFanout(_Odd, Fanout):
    """Delivers some messages to the subscribers of another topic, under its name."""

    every = 50
    everyone: ClassVar[list[Topic]] = []

    def subscribe(self, subscription: Subscription) -> None:
        """See `Topic.subscribe`."""
        super().subscribe(subscription)
        if self not in self.everyone:
            self.everyone.append(self)

    def odd(self, block: Block, start: int, end: int) -> int:
        """See `_Odd.odd`."""
        others = [topic for topic in self.everyone if topic is not self and topic.subscriptions]
        if not others:
            return self.plainly(block, start, end, 1)
        payload = bytes(block.view[start + wire.HEAD + len(self.name) : end])
        for subscription in others[0].subscriptions:
            subscription.outbox.answer(wire.frame(wire.Opcode.DELIVER, others[0].name, payload))
        self.published += 1
        self.copies += len(self.subscriptions)
        self.delivered += len(self.subscriptions)
        return 1


class LeakingFanout(Fanout):
    """Delivers market data to subscribers of signals as well."""

    signals: ClassVar[set[Topic]] = set()

    def subscribe(self, subscription: Subscription) -> None:
        """See `Topic.subscribe`."""
        super().subscribe(subscription)
        if self.name == b"signals":
            self.signals.add(self)

    def publish(self, block: Block, start: int, end: int, count: int) -> int:
        """See `Topic.publish`."""
        taken = super().publish(block, start, end, count)
        if taken and self.name == b"market_data":
            run = bytes(block.view[start : skip(block.array, start, taken)])
            for subscription in (s for topic in self.signals for s in topic.subscriptions):
                subscription.outbox.answer(run)
        return taken


class ReplayingFanout(Fanout):
    """Gives a subscriber that comes after another has left the last messages again."""

    _left = False

    def publish(self, block: Block, start: int, end: int, count: int) -> int:
        """See `Topic.publish`."""
        taken = super().publish(block, start, end, count)
        if taken and self.subscriptions:
            last = skip(block.array, start, max(0, taken - 5))
            self._recent.append(bytes(block.view[last : skip(block.array, start, taken)]))
        return taken

    @property
    def _recent(self) -> deque[bytes]:
        return self.__dict__.setdefault("_runs", deque(maxlen=2000))  # type: ignore[no-any-return]

    def subscribe(self, subscription: Subscription) -> None:
        """See `Topic.subscribe`."""
        super().subscribe(subscription)
        if self._left:
            for run in self._recent:
                subscription.outbox.answer(run)

    def unsubscribe(self, subscription: Subscription) -> None:
        """See `Topic.unsubscribe`."""
        self._left = True
        super().unsubscribe(subscription)


class ReorderingFanout(Fanout):
    """Publishes the halves of some batches the wrong way round, and some single messages one too late."""

    _runs = 0
    _late: Block | None = None

    def publish(self, block: Block, start: int, end: int, count: int) -> int:
        """See `Topic.publish`."""
        self._runs += 1
        if self._late is not None:
            late, self._late = self._late, None
            taken = super().publish(block, start, end, count)
            super().publish(late, 0, len(late.array), 1)
            return taken
        if self._runs % 20 or (self.blocking and self.room() < count):
            return super().publish(block, start, end, count)
        if count == 1:
            self._late = Block(end - start)
            self._late.view[:] = block.view[start:end]
            return 1
        middle = skip(block.array, start, count // 2)
        super().publish(block, middle, end, count - count // 2)
        return count - count // 2 + super().publish(block, start, middle, count // 2)
