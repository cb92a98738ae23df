"""What goes out to one peer: answers and messages, in the order in which they came about."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable

from reference.mycelium import wire
from reference.mycelium.kernels import skip, whole
from reference.mycelium.memory import Block
from reference.mycelium.statistics import Traffic
from reference.mycelium.topics import Entry, Subscription

_GATHER = 64  # entries of one system call
_GATHER_BYTES = 1 << 20


class Outbox:
    """A queue in front of a non-blocking socket.

    It is `idle` when nothing waits; only then may a run be sent past it. A frame of which the kernel took a part is the
    `cut` one: its rest goes first, whatever happens to the entries behind it.
    """

    __slots__ = (
        "_buried", "_changed", "_failed", "_items", "_socket",
        "answer_bytes", "cut", "cut_entry", "deaf", "idle", "traffic",
    )  # fmt: skip

    def __init__(
        self, connection: socket.socket, traffic: Traffic, changed: Callable[[], None], failed: Callable[[], None]
    ) -> None:
        self._socket, self.traffic = connection, traffic
        self._changed, self._failed = changed, failed
        self._items: deque[Entry | bytes] = deque()
        self._buried = 0
        self.cut: memoryview | None = None
        self.cut_entry: Entry | None = None  # None: the frame that is cut is an answer
        self.answer_bytes = 0
        self.idle = True
        self.deaf = False  # the other end is closed

    def send(self, data: memoryview) -> int:
        """Give bytes to the kernel; return how many it took."""
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._failed()
            return 0
        self.traffic.bytes_out += sent
        return sent

    def answer(self, data: bytes) -> None:
        """Send a frame that is no message, after everything that waits."""
        if self.deaf:
            return
        if self.idle:
            sent = self.send(memoryview(data))
            if sent == len(data):
                self.traffic.frames_out += 1
                return
            if sent:
                self.cut = memoryview(data)[sent:]
                self._busy()
                return
        self._items.append(data)
        self.answer_bytes += len(data)
        self._busy()

    def queue(self, subscription: Subscription, block: Block, start: int, end: int, count: int, sent: int) -> None:
        """Let a run of Deliver frames wait, of whose first frame `sent` bytes are with the kernel."""
        if sent:
            start, count = self._cut(Entry(subscription, block, start, end, count), sent)
        last = self._items[-1] if self._items else None
        if not count:
            pass
        elif (
            isinstance(last, Entry)
            and last.block is block
            and last.end == start
            and last.subscription is subscription
            and not subscription.lost
        ):
            last.end = end
            last.count += count
        else:
            entry = Entry(subscription, block, start, end, count)
            entry.lost, subscription.lost = subscription.lost, 0
            self._items.append(entry)
            subscription.entries.append(entry)
        self._busy()

    def full(self) -> None:
        """The kernel takes nothing now: be idle only when it does again, though nothing waits here."""
        self._busy()

    def bury(self, entries: int) -> None:
        """Take out so many entries that were emptied; done for many at once."""
        self._buried += entries
        if self._buried > 64 and self._buried * 2 > len(self._items):
            self._items = deque(item for item in self._items if not isinstance(item, Entry) or item.block is not None)
            self._buried = 0

    def flush(self) -> None:
        """Give the kernel what it takes."""
        while not self.idle:
            buffers, size = self._gather()
            if not buffers:
                self.idle = True
                break
            try:
                sent = self._socket.sendmsg(buffers)
            except BlockingIOError:
                break
            except OSError:
                self._failed()
                break
            self.traffic.bytes_out += sent
            self._taken(sent)
            if sent < size:
                break
        self._changed()

    def clear(self) -> None:
        """Forget everything now and from now on, when the peer is gone. The subscriptions account for it."""
        self.deaf = True
        self._items.clear()
        self.cut = self.cut_entry = None
        self.answer_bytes = 0
        self.idle = True

    def _busy(self) -> None:
        self.idle = False
        self._changed()

    def _gather(self) -> tuple[list[memoryview | bytes], int]:
        buffers: list[memoryview | bytes] = []
        size = 0
        if self.cut is not None:
            buffers.append(self.cut)
            size = len(self.cut)
        while self._items and isinstance(head := self._items[0], Entry):
            if head.block is None:
                self._items.popleft()
                self._buried -= 1
                continue
            if head.lost and head.subscription:
                notice = wire.lagged(head.subscription.topic.name, head.lost)
                head.lost = 0
                self._items.appendleft(notice)
                self.answer_bytes += len(notice)
            break
        for item in self._items:
            if isinstance(item, bytes):
                buffers.append(item)
                size += len(item)
            elif item.block is not None:
                if item.lost and buffers:
                    break
                buffers.append(item.block.view[item.start : item.end])
                size += item.end - item.start
            if len(buffers) >= _GATHER or size >= _GATHER_BYTES:
                break
        return buffers, size

    def _taken(self, sent: int) -> None:
        """Account for bytes that the kernel took."""
        if self.cut is not None:
            if sent < len(self.cut):
                self.cut = self.cut[sent:]
                return
            sent -= len(self.cut)
            self.cut = None
            self.traffic.frames_out += 1
            entry, self.cut_entry = self.cut_entry, None
            if entry is not None and entry.subscription is not None:
                entry.subscription.delivered(1)
        while sent:
            item = self._items[0]
            sent -= self._answer_taken(item, sent) if isinstance(item, bytes) else self._entry_taken(item, sent)

    def _answer_taken(self, item: bytes, sent: int) -> int:
        self._items.popleft()
        self.answer_bytes -= len(item)
        if sent < len(item):
            self.cut = memoryview(item)[sent:]
            return sent
        self.traffic.frames_out += 1
        return len(item)

    def _entry_taken(self, entry: Entry, sent: int) -> int:
        block, subscription = entry.block, entry.subscription
        if block is None:
            self._items.popleft()
            self._buried -= 1
            return 0
        assert subscription is not None
        size = entry.end - entry.start
        if sent >= size:
            self._items.popleft()
            subscription.entries.popleft()
            self.traffic.frames_out += entry.count
            subscription.delivered(entry.count)
            return size
        done, boundary = whole(block.array, entry.start, entry.start + sent)
        rest = entry.start + sent - boundary
        entry.start, entry.count = boundary, entry.count - done
        if rest:
            entry.start, entry.count = self._cut(entry, rest)
            if not entry.count:
                self._items.popleft()
                subscription.entries.popleft()
        if done:
            self.traffic.frames_out += done
            subscription.delivered(done)
        return sent

    def _cut(self, entry: Entry, sent: int) -> tuple[int, int]:
        """Set aside the first message of an entry; return where the next begins and how many are left."""
        assert entry.block is not None
        end = skip(entry.block.array, entry.start, 1)
        self.cut_entry = Entry(entry.subscription, entry.block, entry.start, end, 1)
        self.cut = entry.block.view[entry.start + sent : end]
        return end, entry.count - 1
