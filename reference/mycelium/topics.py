"""What topics of both kinds have in common: names, limits, counters, subscriptions and waiting publishers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from reference.mycelium import wire
from reference.mycelium.config import TopicSettings
from reference.mycelium.kernels import skip
from reference.mycelium.memory import Block, Store

if TYPE_CHECKING:
    from reference.mycelium.outbox import Outbox
    from reference.mycelium.peer import Peer


class Entry:
    """A run of messages that waits: in a subscriber's outbox, or in a queue topic."""

    __slots__ = ("block", "count", "end", "lost", "start", "subscription")

    def __init__(self, subscription: Subscription | None, block: Block, start: int, end: int, count: int) -> None:
        self.subscription = subscription
        self.block: Block | None = block  # None: every message of it was dropped
        self.start, self.end = start, end
        self.count = count
        self.lost = 0  # messages dropped just before this one, of which nobody has been told


def drop_oldest(entries: deque[Entry], count: int) -> tuple[int, int]:
    """Drop messages that wait; the first entry that stays remembers how many.

    Returns:
        how many entries were emptied, and how many dropped messages no entry is left to remember.
    """
    emptied, untold = 0, count
    while count and entries:
        first = entries[0]
        if first.count > count:
            assert first.block is not None
            first.start = skip(first.block.array, first.start, count)
            first.count -= count
            break
        count -= first.count
        untold += first.lost
        first.block = None
        entries.popleft()
        emptied += 1
    if not entries:
        return emptied, untold
    entries[0].lost += untold
    return emptied, 0


class Subscription:
    """One subscriber of one topic, and what waits for it."""

    __slots__ = ("active", "depth", "entries", "lost", "outbox", "topic")

    def __init__(self, topic: Topic, outbox: Outbox) -> None:
        self.topic, self.outbox = topic, outbox
        self.entries: deque[Entry] = deque()
        self.depth = 0  # messages that wait, the one that is cut included
        self.lost = 0  # messages dropped since the last entry, of which it has not been told
        self.active = False

    def delivered(self, count: int) -> None:
        """Count waiting messages that have been handed to the kernel completely."""
        self.depth -= count
        topic = self.topic
        topic.depth -= count
        topic.delivered += count
        if topic.waiting:
            topic.wake()

    def drop_oldest(self, count: int) -> None:
        """Drop messages that wait and remember to tell the subscriber; the one that is cut stays."""
        self.depth -= count
        self.topic.depth -= count
        self.topic.lagged += count
        emptied, untold = drop_oldest(self.entries, count)
        self.lost += untold
        self.outbox.bury(emptied)


class Topic:
    """A topic; how it hands out what is published is the matter of `fanout.py` and `queues.py`."""

    routing = ""

    def __init__(self, settings: TopicSettings, soon: Callable[[Callable[[], None]], None]) -> None:
        self.settings = settings
        self.name = settings.name.encode()
        self.blocking = settings.overflow == "block"
        self.store = Store()
        self.subscriptions: list[Subscription] = []
        self.waiting: list[Peer] = []  # publishers that found it full
        self.paced: list[Peer] = []  # publishers that wait for subscribers to catch up
        self._soon = soon
        self.published = self.copies = self.delivered = self.depth = self.high_water = 0
        self.dropped_no_subscriber = self.dropped_disconnected = self.lagged = self.rejected_too_large = 0

    def publish(self, block: Block, start: int, end: int, count: int) -> int:
        """Take the first messages of a run of Deliver frames; return how many, less than `count` when it is full."""
        raise NotImplementedError

    def room(self) -> int:
        """How many more messages it can hold."""
        raise NotImplementedError

    def can_deliver(self) -> bool:
        """Whether something waits with the topic itself for which there is a subscriber with room."""
        return False

    def behind(self) -> bool:
        """Whether a subscriber has yet to take what was published before."""
        raise NotImplementedError

    def pull(self) -> None:
        """A subscriber has become idle: it can take what waits for anybody, and publishers may go on."""
        if self.paced and not self.behind():
            for peer in tuple(self.paced):
                peer.go_on(caught_up=True)

    def change(self, settings: TopicSettings) -> None:
        """Take other limits; what waits already stays."""
        self.settings = settings
        self.blocking = settings.overflow == "block"
        self.wake()

    def subscribe(self, subscription: Subscription) -> None:
        """Deliver from now on."""
        subscription.active = True
        self.subscriptions.append(subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Deliver nothing that is published from now on; what waits already is sent."""
        if subscription.active:
            subscription.active = False
            self.subscriptions.remove(subscription)
            self.wake()

    def forget(self, subscription: Subscription, cut: Entry | None) -> None:
        """The subscriber is gone; `cut` is the message it has a part of."""
        self.unsubscribe(subscription)
        self._dispose(subscription, cut)

    def _dispose(self, subscription: Subscription, cut: Entry | None) -> None:
        """Account for what waited for a subscriber that is gone."""
        self.dropped_disconnected += subscription.depth
        self.depth -= subscription.depth
        subscription.depth = 0
        subscription.entries.clear()

    def wake(self) -> None:
        """Let waiting publishers go on when there is room: first those of whom nothing was taken for longest."""
        if self.waiting and (not self.blocking or self.room() > 0):
            waiting, self.waiting = sorted(self.waiting, key=lambda peer: peer.served), []
            for peer in waiting:
                peer.unblock()


class Registry:
    """All topics by number and by name, with the tables that `kernels.scan` reads."""

    def __init__(self) -> None:
        self.by_number: list[Topic] = []
        self.by_name: dict[bytes, Topic] = {}
        self.longest = 0  # body; never less than before, so that what was under way is refused and not malformed
        self.replace(())

    def replace(self, added: Iterable[Topic]) -> None:
        """Add topics and build the tables anew from the present limits."""
        for topic in added:
            self.by_number.append(topic)
            self.by_name[topic.name] = topic
        rows, offset = [], 0
        for topic in self.by_number:
            rows.append((offset, len(topic.name), self.limit(topic)))
            offset += len(topic.name)
        self.names = np.frombuffer(b"".join(self.by_name) or b"\0", np.uint8).copy()
        self.table = np.array(rows or [(0, 0, 0)], np.int64)
        self.longest = max(self.longest, wire.longest_body(max((row[2] for row in rows), default=0)))

    def limit(self, topic: Topic) -> int:
        """Return the greatest payload of a topic in bytes."""
        return topic.settings.max_message_size
