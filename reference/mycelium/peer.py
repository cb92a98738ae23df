"""One connection: what it sends is cut into runs and frames, what it gets goes through its outbox."""

from __future__ import annotations

import array
import fcntl
import select
import socket
import termios
import time
from typing import TYPE_CHECKING

from reference.mycelium import wire
from reference.mycelium.closing import hang_up
from reference.mycelium.kernels import BAD, INCOMPLETE, OTHER, restore, scan, skip
from reference.mycelium.memory import BLOCK_BYTES, Block
from reference.mycelium.topics import Subscription, Topic

if TYPE_CHECKING:
    from reference.mycelium.broker import Broker

_SMALL = BLOCK_BYTES // 4  # a longer frame is received into memory of its own
_UNREAD_ANSWERS = 256 * 1024  # bytes of answers a peer may leave unread before nothing more is read from it
_GONE = select.EPOLLHUP | select.EPOLLERR


class Peer:
    """A client; `Broker` calls it when its socket is ready."""

    def __init__(self, broker: Broker, connection: socket.socket) -> None:
        self.broker = broker
        self.socket = connection
        self.fd = connection.fileno()
        self.outbox = broker.parts.outbox(connection, broker.traffic, self._outbox_changed, self._broken)
        self.subscriptions: dict[bytes, Subscription] = {}
        self.accepted = 0  # messages published on this connection
        self.served = 0  # the broker's frames when the last of them was taken: the smaller, the longer ago
        self.deadline: float | None = None  # set when it is being closed: how long it may take to read what is left
        self.gone = False  # the other end is closed, there may still be something to read
        self._part = b""  # of a frame that has not come completely
        self._long: tuple[Block, int] | None = None  # a long frame that comes, and how many bytes there are
        self._rest: tuple[Block, int, int] | None = None  # received and not handled
        self._full: Topic | None = None  # the topic that had no room
        self._last: Topic | None = None  # the topic it published to last
        self.paced_by: Topic | None = None  # the topic whose subscribers are to catch up before it is read again
        self._patient = False
        self._scheduled = False
        self._released = False
        self._mask = 0
        self._allowance: int | None = None  # bytes it may still send; None: any number
        self.watch()

    @property
    def unhandled(self) -> bool:
        """Whether there is something received, or to be received yet, that has not been handled."""
        return self._rest is not None or (bool(self._allowance) and self.deadline is None)

    def on_event(self, events: int) -> None:
        """Do what the socket is ready for."""
        if events & _GONE and not self.gone:
            self.gone = True
            self.broker.left(self)
            self._leave_topics()
            self.outbox.clear()
            if self.deadline is not None:
                self.broker.doom(self)
            self.watch()
        if events & select.EPOLLOUT:
            self.outbox.flush()
        if events & (select.EPOLLIN | _GONE) and self.reads():
            topic = self._last
            if topic is not None and topic.blocking and self._patient and topic.behind():
                self._wait_for(topic)
            else:
                self._patient = self.broker.settings.performance.flush_interval_ms > 0
                self.receive()

    def receive(self) -> None:
        """Take bytes from the kernel once and handle them."""
        block, have = self.broker.inbox, 0
        if self._long is not None:
            block, have = self._long
        elif self._part:
            have = len(self._part)
            block.view[:have] = self._part
        room = block.view[have:] if self._allowance is None else block.view[have : have + self._allowance]
        try:
            size = self.socket.recv_into(room)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self._ended()
            return
        self.broker.traffic.bytes_in += size
        if self._allowance is not None:
            self._allowance -= size
        end = have + size
        if self._long is not None and end < len(block.array):
            self._long = (block, end)
            return
        self._part, self._long = b"", None
        self._handle(block, 0, end)

    def unblock(self) -> None:
        """The topic that was full has room."""
        self._full = None
        self._schedule()

    def receive_the_last(self) -> None:
        """Receive what has come already, and nothing that comes from now on."""
        come = array.array("i", [0])
        fcntl.ioctl(self.socket, termios.FIONREAD, come)
        self._allowance = come[0]
        if self.paced_by is not None:
            self.go_on(caught_up=False)
        self.watch()

    def close_with(self, code: wire.ErrorCode, text: str) -> None:
        """Send an Error as the last frame and close when it is read, or when it takes too long."""
        if self.deadline is None:
            self.outbox.answer(wire.error(code, text))
            self.finish()

    def finish(self) -> None:
        """Read no more; close when everything that waits is sent, or when that takes too long."""
        if self.deadline is not None:
            return
        self.deadline = time.monotonic() + self.broker.settings.server.connection_timeout_ms / 1000
        self._rest = self._long = None
        self._part = b""
        for subscription in self.subscriptions.values():
            subscription.topic.unsubscribe(subscription)
        if self.outbox.idle:
            self.broker.doom(self)
        else:
            self.broker.finishing.add(self)
            self.watch()

    def release(self) -> None:
        """Close the socket and forget everything, at once."""
        self._released = True
        if self._full is not None:
            self._full.waiting.remove(self)
        if self.paced_by is not None:
            self.go_on(caught_up=False)
        self._leave_topics()
        self.outbox.clear()
        self._rest = self._long = None
        if self._mask:
            self.broker.epoll.unregister(self.fd)
        hang_up(self.socket, self.broker.inbox.view)

    def _wait_for(self, topic: Topic) -> None:
        """Do not read for `flush_interval_ms`, or until the subscribers of a topic have caught up.

        It keeps what is under way short, so that it stays in the processor's caches, and lets readers run.
        """
        self.paced_by = topic
        topic.paced.append(self)
        interval = self.broker.settings.performance.flush_interval_ms
        self.broker.paced[self] = time.monotonic() + interval / 1000
        self.watch()

    def go_on(self, *, caught_up: bool) -> None:
        """The subscribers have caught up, or it has waited for them long enough."""
        assert self.paced_by is not None
        self.paced_by.paced.remove(self)
        self.paced_by = None
        del self.broker.paced[self]
        self._patient = caught_up
        self.watch()

    def _schedule(self) -> None:
        """Go on with what was received, in the next turn."""
        if not self._scheduled:
            self._scheduled = True
            self.broker.soon(self._resume)

    def _resume(self) -> None:
        self._scheduled = False
        if self._released:
            return
        if self._rest is not None and self._may_go_on():
            block, start, end = self._rest
            self._rest = None
            self._handle(block, start, end)
        self.watch()

    def _handle(self, block: Block, start: int, end: int) -> None:
        """Handle frames, `batch_size` at most; what is left waits for the next turn."""
        broker = self.broker
        registry, budget = broker.registry, broker.settings.performance.batch_size
        while budget > 0:
            outcome, number, flag, stop, count, needed = scan(
                block.array, start, end, budget, registry.longest, registry.names, registry.table
            )
            if count:
                budget -= count
                topic = registry.by_number[number]
                taken = self._publish(topic, block, start, stop, count, flag)
                if taken < count:
                    self._stop_at(topic, block, skip(block.array, start, taken), stop, end, flag)
                    return
                start = stop
            if outcome == INCOMPLETE:
                self._keep_part(block, start, end, needed)
                return
            if outcome == OTHER:
                budget -= 1
                start = self._other(block, start)
            elif outcome == BAD:
                self._malformed(block, start, end)
            if self.deadline is not None:
                return
            if self.outbox.answer_bytes > _UNREAD_ANSWERS:
                break
        self._keep_rest(block, start, end)
        if self.outbox.answer_bytes <= _UNREAD_ANSWERS:
            self._schedule()
        else:
            self.watch()

    def _publish(self, topic: Topic, block: Block, start: int, end: int, count: int, flag: int) -> int:
        taken = 0
        while taken < count and (more := topic.publish(block, start, end, count - taken)):
            taken += more
            if taken < count:  # what a subscriber read meanwhile may have made room
                start = skip(block.array, start, more)
        self.accepted += taken
        self._last = topic
        traffic = self.broker.traffic
        traffic.frames_in += taken
        if taken:
            self.served = traffic.frames_in
        if flag and taken:
            self.outbox.answer(wire.publish_ack(topic.name, self.accepted))
        return taken

    def _stop_at(self, topic: Topic, block: Block, start: int, stop: int, end: int, flag: int) -> None:
        """Read no more until the topic has room for what begins at `start`."""
        restore(block.array, start, stop, flag)
        self._keep_rest(block, start, end)
        self._full = topic
        topic.waiting.append(self)
        self.watch()

    def _other(self, block: Block, start: int) -> int:
        """Handle a frame that is not part of a run; return where the next begins."""
        self.broker.traffic.frames_in += 1
        try:
            frame = wire.parse(block.view, start)
        except wire.MalformedFrame as problem:
            self._refuse(problem)
            return start
        self.broker.answers.answer(self, frame)
        return start + frame.size

    def _malformed(self, block: Block, start: int, end: int) -> None:
        try:
            wire.check_head(block.view[:end], start, self.broker.registry.longest)
        except wire.MalformedFrame as problem:
            self._refuse(problem)
        else:
            raise AssertionError("the kernel and the codec disagree about a frame's head")

    def _refuse(self, problem: wire.MalformedFrame) -> None:
        self.broker.traffic.frames_malformed += 1
        self.close_with(problem.code, str(problem))

    def _ended(self) -> None:
        """The peer sends no more."""
        if self._part or self._long is not None:
            self.broker.traffic.frames_malformed += 1  # a frame was begun that never came
        self.finish()

    def _keep_part(self, block: Block, start: int, end: int, needed: int) -> None:
        if needed <= _SMALL:
            self._part = bytes(block.view[start:end])
            return
        long = Block(needed)
        long.view[: end - start] = block.view[start:end]
        self._long = (long, end - start)

    def _keep_rest(self, block: Block, start: int, end: int) -> None:
        size = end - start
        if not size:
            return
        if block is self.broker.inbox:
            copy = Block(BLOCK_BYTES if size > _SMALL else size)
            copy.view[:size] = block.view[start:end]
            block, start = copy, 0
        self._rest = (block, start, start + size)

    def _outbox_changed(self) -> None:
        outbox = self.outbox
        if outbox.idle:
            if self.deadline is not None:
                self.broker.doom(self)
                return
            for subscription in self.subscriptions.values():
                subscription.topic.pull()
        if self._rest is not None and self._full is None and outbox.answer_bytes <= _UNREAD_ANSWERS // 2:
            self._schedule()
        self.watch()

    def _broken(self) -> None:
        """The kernel refuses to send: the other end is closed, and an event about it is to come."""
        self.broker.doom(self) if self.deadline is not None else self.broker.soon(self._lost)

    def _lost(self) -> None:
        if not self._released:
            self.on_event(select.EPOLLHUP)

    def reads(self) -> bool:
        """Whether it may receive now."""
        return self._rest is None and self._may_go_on() and self._allowance != 0

    def _may_go_on(self) -> bool:
        waits = self._full is not None or self.paced_by is not None or self.deadline is not None
        return not waits and self.outbox.answer_bytes <= _UNREAD_ANSWERS

    def watch(self) -> None:
        """Tell the kernel which events are of use now; a closed other end is reported always."""
        mask = select.EPOLLIN if self._may_go_on() and self._allowance != 0 else 0
        if not self.outbox.idle:
            mask |= select.EPOLLOUT
        if not self.gone:
            mask |= select.EPOLLHUP
        if mask == self._mask:
            return
        epoll = self.broker.epoll
        if not mask:
            epoll.unregister(self.fd)
        elif self._mask:
            epoll.modify(self.fd, mask)
        else:
            epoll.register(self.fd, mask)
        self._mask = mask

    def _leave_topics(self) -> None:
        """End all subscriptions and account for what waits for them."""
        cut = self.outbox.cut_entry
        for subscription in self.subscriptions.values():
            mine = cut is not None and cut.subscription is subscription
            subscription.topic.forget(subscription, cut if mine else None)
        self.subscriptions.clear()
