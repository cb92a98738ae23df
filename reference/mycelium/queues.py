"""Queue: each message goes to exactly one subscriber, to one that has room for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from reference.mycelium import wire
from reference.mycelium.config import TopicSettings
from reference.mycelium.kernels import skip, whole
from reference.mycelium.memory import Block
from reference.mycelium.outbox import Outbox
from reference.mycelium.topics import Entry, Subscription, Topic, drop_oldest

_PORTION = 64  # messages one subscriber gets in a row


class Queue(Topic):
    """Messages stay with the topic until a subscriber's socket takes them, so that a stalled one holds up to one only.

    Subscribers take turns, each gets a small portion; one whose socket is full is passed over.
    """

    routing = "Queue"

    def __init__(self, settings: TopicSettings, soon: Callable[[Callable[[], None]], None]) -> None:
        super().__init__(settings, soon)
        self._entries: deque[Entry] = deque()
        self._waiting = 0  # messages in them: `depth` without those of which a subscriber has a part
        self._turn = 0  # whose turn it is, as an index of `subscriptions`
        self._scheduled = False

    def room(self) -> int:
        """See `Topic.room`."""
        return self.settings.buffer_size - self._waiting

    def publish(self, block: Block, start: int, end: int, count: int) -> int:
        """See `Topic.publish`."""
        offered = count
        self.depth += count
        while count and not self._entries:
            subscribers = self._idle()
            if not subscribers:
                break
            start, count = self._share(subscribers, block, start, count)
        refused = min(count, max(0, count - self.room())) if self.blocking else 0
        if refused:
            count -= refused
            self.depth -= refused
            end = skip(block.array, start, count)
        self.published += offered - refused
        self.copies += offered - refused
        if count:
            self._wait(block, start, end, count)
        return offered - refused

    def behind(self) -> bool:
        """See `Topic.behind`."""
        return bool(self._entries and self.subscriptions)

    def can_deliver(self) -> bool:
        """See `Topic.can_deliver`."""
        return bool(self._entries) and any(subscription.outbox.idle for subscription in self.subscriptions)

    def pull(self) -> None:
        """See `Topic.pull`."""
        super().pull()
        if self._entries and not self._scheduled:
            self._scheduled = True
            self._soon(self._distribute)

    def subscribe(self, subscription: Subscription) -> None:
        """See `Topic.subscribe`."""
        super().subscribe(subscription)
        self.pull()

    def _wait(self, block: Block, start: int, end: int, count: int) -> None:
        kept, offset = self.store.keep(block.view, start, end)
        last = self._entries[-1] if self._entries else None
        if last is not None and last.block is kept and last.end == offset:
            last.end += end - start
            last.count += count
        else:
            self._entries.append(Entry(None, kept, offset, offset + end - start, count))
        self._waiting += count
        if not self.blocking and self.room() < 0:
            self._drop_oldest(-self.room())
        self.high_water = max(self.high_water, self._waiting)
        self.pull()

    def _idle(self) -> list[Subscription]:
        """Return the subscribers with room, whose turn it is first."""
        turn, subscriptions = self._turn, self.subscriptions
        if turn:
            turn %= len(subscriptions) or 1
            subscriptions = subscriptions[turn:] + subscriptions[:turn]
        return [subscription for subscription in subscriptions if subscription.outbox.idle]

    def _share(self, subscribers: list[Subscription], block: Block, start: int, count: int) -> tuple[int, int]:
        """Give each subscriber a portion; return where the rest begins and how many are left."""
        alone = len(self.subscriptions) == 1
        portion = count if alone else min(_PORTION, -(-count // len(subscribers)))
        for subscription in subscribers:
            start, taken = self._hand(subscription, block, start, min(portion, count))
            count -= taken
            if not count:
                break
        return start, count

    def _hand(self, subscription: Subscription, block: Block, start: int, count: int) -> tuple[int, int]:
        """Send messages to one subscriber; return where the rest begins and how many it took."""
        self._turn = self.subscriptions.index(subscription) + 1
        outbox = subscription.outbox
        end = skip(block.array, start, count)
        sent = outbox.send(block.view[start:end])
        if sent == end - start:
            self._delivered(outbox, count)
            return end, count
        done, rest = whole(block.array, start, start + sent)
        self._delivered(outbox, done)
        if rest == start + sent:
            outbox.full()
            return rest, done
        after = skip(block.array, rest, 1)
        kept, offset = self.store.keep(block.view, rest, after)
        subscription.depth += 1
        outbox.queue(subscription, kept, offset, offset + after - rest, 1, start + sent - rest)
        return after, done + 1

    def _delivered(self, outbox: Outbox, count: int) -> None:
        self.depth -= count
        self.delivered += count
        outbox.traffic.frames_out += count

    def _distribute(self) -> None:
        """Give every subscriber with room one portion of what waits."""
        self._scheduled = False
        subscribers = self._idle()
        for subscription in subscribers:
            if not self._entries:
                break
            entry = self._entries[0]
            if entry.lost:
                notice, entry.lost = wire.lagged(self.name, entry.lost), 0
                subscription.outbox.answer(notice)
                if not subscription.outbox.idle:
                    continue
            assert entry.block is not None
            portion = min(_PORTION, -(-self.depth // len(subscribers)), entry.count)
            entry.start, taken = self._hand(subscription, entry.block, entry.start, portion)
            entry.count -= taken
            self._waiting -= taken
            if not entry.count:
                self._entries.popleft()
        if any(subscription.outbox.idle for subscription in self.subscriptions):
            self.pull()
        self.wake()

    def _drop_oldest(self, count: int) -> None:
        self.depth -= count
        self._waiting -= count
        self.lagged += count
        drop_oldest(self._entries, count)  # at least `buffer_size` messages are left to remember it

    def _dispose(self, subscription: Subscription, cut: Entry | None) -> None:
        """See `Topic._dispose`: the message it has only a part of goes back to the front."""
        subscription.depth = 0
        if cut is not None and cut.block is not None:
            self._waiting += 1
            self._entries.appendleft(Entry(None, cut.block, cut.start, cut.end, 1))
            self.pull()
