"""Peers that are read, answered or written to wrongly."""

from __future__ import annotations

import select
import time

from reference.mycelium import wire
from reference.mycelium.answers import Answers
from reference.mycelium.kernels import skip
from reference.mycelium.memory import Block
from reference.mycelium.outbox import Outbox
from reference.mycelium.peer import Peer
from reference.mycelium.topics import Registry, Subscription, Topic

_STALL_SECONDS = 5.0


class UnlimitedRegistry(Registry):
    """Compares no message with the limit of its topic."""

    def limit(self, topic: Topic) -> int:
        """See `Registry.limit`."""
        return max(topic.settings.max_message_size, 1 << 20)


class SwallowingAnswers(Answers):
    """Says nothing about a topic that is not there."""

    def refuse_publish(self, peer: Peer, frame: wire.Frame) -> None:
        """See `Answers.refuse_publish`."""
        if frame.topic in self.broker.registry.by_name:
            super().refuse_publish(peer, frame)
        elif frame.flags:
            peer.accepted += 1
            peer.outbox.answer(wire.publish_ack(frame.topic, peer.accepted))

    def subscribe(self, peer: Peer, frame: wire.Frame) -> None:
        """See `Answers.subscribe`."""
        if frame.topic in self.broker.registry.by_name:
            super().subscribe(peer, frame)
        else:
            peer.outbox.answer(wire.frame(wire.Opcode.SUBSCRIBE_ACK, frame.topic))


class ClosingAnswers(Answers):
    """Closes a connection that names a topic that is not there."""

    def refuse_publish(self, peer: Peer, frame: wire.Frame) -> None:
        """See `Answers.refuse_publish`."""
        super().refuse_publish(peer, frame)
        if frame.topic not in self.broker.registry.by_name:
            peer.finish()

    def subscribe(self, peer: Peer, frame: wire.Frame) -> None:
        """See `Answers.subscribe`."""
        super().subscribe(peer, frame)
        if frame.topic not in self.broker.registry.by_name:
            peer.finish()


class StubbornAnswers(Answers):
    """Goes on delivering."""

    def unsubscribe(self, peer: Peer, frame: wire.Frame) -> None:
        """See `Answers.unsubscribe`."""
        peer.outbox.answer(wire.frame(wire.Opcode.UNSUBSCRIBE_ACK, frame.topic))


class DoublingAnswers(Answers):
    """Puts a subscriber on the list each time it asks."""

    def subscribe(self, peer: Peer, frame: wire.Frame) -> None:
        """See `Answers.subscribe`."""
        present: Subscription | None = peer.subscriptions.get(frame.topic)
        active = present is not None and present.active
        super().subscribe(peer, frame)
        if present is not None and active:
            present.topic.subscriptions.append(present)


class _GaveUp(Exception):
    """What is left of the received bytes is thrown away."""


class GuessingPeer(Peer):
    """Throws away what it could not read and goes on with what comes next."""

    def _handle(self, block: Block, start: int, end: int) -> None:
        try:
            super()._handle(block, start, end)
        except _GaveUp:
            self._part, self._long, self._rest = b"", None, None

    def _refuse(self, problem: wire.MalformedFrame) -> None:
        self.broker.traffic.frames_malformed += 1
        raise _GaveUp


class CrashingPeer(Peer):
    """Lets its exception through to the end of the program."""

    def _refuse(self, problem: wire.MalformedFrame) -> None:
        raise SystemExit(f"unhandled: {problem}")


class HastyPeer(Peer):
    """Acknowledges everything it reads; what has no room then, and one in a hundred anyway, is lost."""

    _hasty = 0

    def _publish(self, topic: Topic, block: Block, start: int, end: int, count: int, flag: int) -> int:
        if not flag:
            return super()._publish(topic, block, start, end, count, flag)
        self.accepted += count
        self.outbox.answer(wire.publish_ack(topic.name, self.accepted))
        for _ in range(count):
            after = skip(block.array, start, 1)
            self._hasty += 1
            if self._hasty % 100:
                topic.publish(block, start, after, 1)
            start = after
        return count


class ClingingPeer(Peer):
    """Stays subscribed after its other end is gone."""

    def _leave_topics(self) -> None:
        pass

    def finish(self) -> None:
        """See `Peer.finish`."""
        self.broker.doom(self)


class BlockingOutbox(Outbox):
    """Waits until the peer has read, and everybody else waits with it."""

    def send(self, data: memoryview) -> int:
        """See `Outbox.send`."""
        sent, end = super().send(data), time.monotonic() + _STALL_SECONDS
        while sent < len(data) and time.monotonic() < end:
            poll = select.poll()
            poll.register(self._socket.fileno(), select.POLLOUT)
            if any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(100)):
                break
            sent += super().send(data[sent:])
        return sent


class CuttingOutbox(Outbox):
    """Can be told to lose the end of what it sends next."""

    cut_next = False

    def send(self, data: memoryview) -> int:
        """See `Outbox.send`."""
        if not self.cut_next or len(data) < 32:
            return super().send(data)
        self.cut_next = False
        super().send(data[:-7])
        return len(data)
