"""What an operator asks of a running broker by signals: end in order, or read the configuration again."""

from __future__ import annotations

import logging
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reference.mycelium import wire
from reference.mycelium.config import Settings, load
from reference.toml_file import ConfigError

if TYPE_CHECKING:
    from reference.mycelium.broker import Broker

_FIXED = ("socket_path", "bind_address", "metrics_port")  # keys of [server] that need a restart
_log = logging.getLogger("mycelium")


class Control:
    """Signals become calls in the broker's own loop."""

    def __init__(self, broker: Broker, file: Path, environment: Mapping[str, str]) -> None:
        self.broker, self._file, self._environment = broker, file, environment
        self._deadline = 0.0  # of the drain, on the monotonic clock
        self._told = False  # whether the peers know that it is the end
        self._signals, self._wake = socket.socketpair()
        for end in (self._signals, self._wake):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        broker.register(self._signals, self._on_signal)

    def _on_signal(self, _events: int) -> None:
        for number in self._signals.recv(64):
            if number == signal.SIGHUP:
                self.reload()
            elif number in (signal.SIGTERM, signal.SIGINT):
                _log.info("%s: draining", signal.Signals(number).name)
                self.drain()

    def reload(self) -> None:
        """Take topics that are new and limits that changed; a file that cannot be used changes nothing."""
        broker = self.broker
        if broker.draining:
            return
        try:
            settings = load(self._file, self._environment)
            self._check(settings)
        except ConfigError as problem:
            broker.traffic.reloads_failed += 1
            _log.error("reload refused, the configuration stays as it was: %s", problem)
            return
        self.apply(settings)
        broker.traffic.reloads_ok += 1
        for note in settings.notes:
            _log.warning("%s", note)
        _log.info("reloaded %s: %d topics", self._file, len(settings.topics))

    def apply(self, settings: Settings) -> None:
        """Change to a configuration that has been checked."""
        broker = self.broker
        broker.settings = settings
        present = broker.registry.by_name
        added = [broker.topic(topic) for topic in settings.topics if topic.name.encode() not in present]
        for topic in settings.topics:
            if topic.name.encode() in present:
                present[topic.name.encode()].change(topic)
        broker.registry.replace(added)

    def drain(self) -> None:
        """Accept and read no more, deliver what was accepted, tell the peers, end; a second request ends at once."""
        broker = self.broker
        now = time.monotonic()
        if broker.draining:
            self._deadline = now
            return
        self._deadline = now + broker.settings.server.drain_timeout_ms / 1000
        broker.stop_listening()
        broker.draining = True
        for peer in broker.peers.values():
            peer.receive_the_last()
        broker.at(self._deadline, lambda: None)
        broker.after_turn = self._end_when_drained

    def _end_when_drained(self) -> None:
        broker = self.broker
        over = time.monotonic() >= self._deadline
        if not self._told and (over or not self._busy()):
            self._told = True
            for peer in list(broker.peers.values()):
                peer.close_with(wire.ErrorCode.SHUTTING_DOWN, "the broker is shutting down")
        if over or (self._told and not broker.peers):
            if left := sum(topic.depth for topic in broker.registry.by_number):
                _log.warning("%d messages were not delivered before the end", left)
            broker.stop()

    def _busy(self) -> bool:
        """Whether something that was accepted can still be delivered."""
        return any(peer.unhandled or not peer.outbox.idle for peer in self.broker.peers.values()) or any(
            topic.can_deliver() for topic in self.broker.registry.by_number
        )

    def _check(self, new: Settings) -> None:
        """Refuse what a running broker cannot change.

        Raises:
            ConfigError: the key, and what to do.
        """
        old = self.broker.settings
        for key in _FIXED:
            if getattr(new.server, key) != getattr(old.server, key):
                raise ConfigError(f"{self._file}: server.{key}: cannot change while running; restart the broker")
        topics = {topic.name: topic for topic in new.topics}
        for before in old.topics:
            after = topics.get(before.name)
            if after is None:
                what = f"'{before.name}' is gone, a topic cannot be removed while running"
                raise ConfigError(f"{self._file}: topics: {what}; put it back or restart the broker")
            if after.routing != before.routing:
                what = f"of '{before.name}' cannot change while running"
                raise ConfigError(f"{self._file}: topics.routing: {what}; restart the broker")
