"""The slow path: frames one by one, for everything that is not a run of messages."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from reference.mycelium import wire
from reference.mycelium.statistics import snapshot
from reference.mycelium.topics import Subscription

if TYPE_CHECKING:
    from reference.mycelium.broker import Broker
    from reference.mycelium.peer import Peer

_log = logging.getLogger("mycelium")


class Answers:
    """What the broker answers to each kind of frame."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._handlers = {
            wire.Opcode.PUBLISH: self.refuse_publish,
            wire.Opcode.SUBSCRIBE: self.subscribe,
            wire.Opcode.UNSUBSCRIBE: self.unsubscribe,
            wire.Opcode.PING: self.ping,
            wire.Opcode.STATS: self.stats,
        }

    def answer(self, peer: Peer, frame: wire.Frame) -> None:
        """Do what a frame asks for."""
        self._handlers[frame.opcode](peer, frame)

    def refuse_publish(self, peer: Peer, frame: wire.Frame) -> None:
        """Refuse a message that fits no topic, or not its topic."""
        topic = self.broker.registry.by_name.get(frame.topic)
        if topic is None:
            self._unknown(peer, frame.topic)
            return
        topic.rejected_too_large += 1
        limit = topic.settings.max_message_size
        text = f"{len(frame.payload)} bytes are more than the {limit} of this topic"
        peer.outbox.answer(wire.error(wire.ErrorCode.PAYLOAD_TOO_LARGE, text, frame.topic))

    def subscribe(self, peer: Peer, frame: wire.Frame) -> None:
        """Subscribe, unless it is subscribed already; the acknowledgement goes before the first message."""
        topic = self.broker.registry.by_name.get(frame.topic)
        if topic is None:
            self._unknown(peer, frame.topic)
            return
        peer.outbox.answer(wire.frame(wire.Opcode.SUBSCRIBE_ACK, frame.topic))
        subscription = peer.subscriptions.get(frame.topic)
        if subscription is None:
            if peer.gone:
                return
            subscription = peer.subscriptions[frame.topic] = Subscription(topic, peer.outbox)
        if not subscription.active:
            topic.subscribe(subscription)

    def unsubscribe(self, peer: Peer, frame: wire.Frame) -> None:
        """End a subscription, if there is one; what was published before goes before the acknowledgement."""
        subscription = peer.subscriptions.get(frame.topic)
        if subscription is not None:
            subscription.topic.unsubscribe(subscription)
        peer.outbox.answer(wire.frame(wire.Opcode.UNSUBSCRIBE_ACK, frame.topic))

    def ping(self, peer: Peer, frame: wire.Frame) -> None:
        """Send the payload back."""
        peer.outbox.answer(wire.frame(wire.Opcode.PONG, frame.topic, frame.payload))

    def stats(self, peer: Peer, _frame: wire.Frame) -> None:
        """Send the statistics as they are now."""
        content = snapshot(self.broker.traffic, self.broker.registry.by_number)
        peer.outbox.answer(wire.frame(wire.Opcode.STATS_REPLY, payload=json.dumps(content).encode()))

    def _unknown(self, peer: Peer, name: bytes) -> None:
        self.broker.traffic.unknown_topic += 1
        _log.debug("connection %d: unknown topic %s", peer.fd, name)
        text = f"there is no topic '{name.decode()}'"
        peer.outbox.answer(wire.error(wire.ErrorCode.UNKNOWN_TOPIC, text, name))
