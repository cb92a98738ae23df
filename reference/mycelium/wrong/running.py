"""Brokers that start, reload, clean up or end wrongly."""

from __future__ import annotations

import time

from reference.mycelium.broker import Broker
from reference.mycelium.config import Settings
from reference.mycelium.control import Control
from reference.mycelium.metrics import legacy
from reference.mycelium.pages import Pages
from reference.mycelium.peer import Peer
from reference.mycelium.wrong.peers import CuttingOutbox

_FLOOD = 100  # connections within a second
_HANG_SECONDS = 60.0


class UnlimitedBroker(Broker):
    """Admits everybody."""

    def full(self) -> bool:
        """See `Broker.full`."""
        return False


class KeepingBroker(Broker):
    """Keeps everything of a peer that is gone."""

    def doom(self, peer: Peer) -> None:
        """See `Broker.doom`."""
        if peer.fd in self.handlers:
            del self.handlers[peer.fd]
            self.epoll.unregister(peer.fd)

    def left(self, peer: Peer) -> None:
        """See `Broker.left`."""


class CuttingBroker(Broker):
    """Cuts a frame for somebody else when a subscriber goes."""

    def left(self, peer: Peer) -> None:
        """See `Broker.left`."""
        super().left(peer)
        for other in self.peers.values():
            if other is not peer and peer.subscriptions.keys() & other.subscriptions.keys():
                assert isinstance(other.outbox, CuttingOutbox)
                other.outbox.cut_next = True


class HangingBroker(Broker):
    """Hangs when many connections come at once."""

    _second = 0
    _admitted = 0

    def full(self) -> bool:
        """See `Broker.full`."""
        now = int(time.monotonic())
        self._admitted = self._admitted + 1 if now == self._second else 1
        self._second = now
        if self._admitted > _FLOOD:
            time.sleep(_HANG_SECONDS)
        return super().full()


class ModernPages(Pages):
    """Shows only the metrics with new names."""

    def metrics(self) -> str:
        """See `Pages.metrics`."""
        old = legacy(self.broker.traffic, self.broker.registry.by_number)
        lines = super().metrics().splitlines(keepends=True)
        return "".join(line for line in lines if not any(name in line.split() for name in old))


class AbortingControl(Control):
    """Ends at once, whatever there is to deliver."""

    def _end_when_drained(self) -> None:
        self.broker.stop()


class ForgettingControl(Control):
    """Keeps topics over a reload, but not who is subscribed."""

    def apply(self, settings: Settings) -> None:
        """See `Control.apply`."""
        super().apply(settings)
        for topic in self.broker.registry.by_number:
            for subscription in tuple(topic.subscriptions):
                topic.unsubscribe(subscription)


class DeafControl(Control):
    """Counts a reload and changes nothing."""

    def apply(self, settings: Settings) -> None:
        """See `Control.apply`."""
