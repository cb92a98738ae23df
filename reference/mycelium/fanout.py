"""Fanout: every subscriber gets every message that is published while it is subscribed."""

from __future__ import annotations

from reference.mycelium.kernels import skip, whole
from reference.mycelium.memory import Block
from reference.mycelium.topics import Subscription, Topic


class Fanout(Topic):
    """Copies for each subscriber, of which at most `buffer_size` wait for one that is behind."""

    routing = "Fanout"

    def room(self) -> int:
        """See `Topic.room`: as much as the reader that is furthest behind leaves."""
        return self.settings.buffer_size - max((s.depth for s in self.subscriptions), default=0)

    def behind(self) -> bool:
        """See `Topic.behind`."""
        return any(not subscription.outbox.idle for subscription in self.subscriptions)

    def publish(self, block: Block, start: int, end: int, count: int) -> int:
        """See `Topic.publish`."""
        subscriptions = self.subscriptions
        if not subscriptions:
            self.published += count
            self.dropped_no_subscriber += count
            return count
        if self.blocking and (room := self.room()) < count:
            if room <= 0:
                return 0
            end, count = skip(block.array, start, room), room
        self.published += count
        self.copies += count * len(subscriptions)
        size, run = end - start, block.view[start:end]
        kept: Block | None = None
        offset = begin = 0
        for subscription in subscriptions:
            outbox = subscription.outbox
            sent = 0
            if outbox.idle and not subscription.lost:
                sent = outbox.send(run)
                if sent == size:
                    self.delivered += count
                    outbox.traffic.frames_out += count
                    continue
            done, left = whole(block.array, start, start + sent) if sent else (0, start)
            if kept is None or left < begin:
                kept, offset = self.store.keep(block.view, left, end)
                begin = left
            self.delivered += done
            outbox.traffic.frames_out += done
            place = offset + left - begin
            self._wait(subscription, kept, place, place + end - left, count - done, start + sent - left)
        return count

    def _wait(self, subscription: Subscription, block: Block, start: int, end: int, count: int, sent: int) -> None:
        """Let a run wait in an outbox; `sent` bytes of its first message are with the kernel already."""
        subscription.depth += count
        self.depth += count
        subscription.outbox.queue(subscription, block, start, end, count, sent)
        limit = self.settings.buffer_size
        if subscription.depth > limit and not self.blocking:
            subscription.drop_oldest(subscription.depth - limit)
        if subscription.depth > self.high_water:
            self.high_water = subscription.depth
