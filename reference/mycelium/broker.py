"""The broker: one thread that waits for sockets and lets each peer have its turn."""

from __future__ import annotations

import errno
import logging
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from reference.mycelium import wire
from reference.mycelium.closing import hang_up
from reference.mycelium.config import Settings, TopicSettings
from reference.mycelium.memory import Block
from reference.mycelium.peer import Peer
from reference.mycelium.statistics import Traffic
from reference.mycelium.topics import Topic

if TYPE_CHECKING:
    from reference.mycelium.parts import Parts

_EVENTS = 256  # of one poll
SEND_BUFFER = 256 * 1024  # bytes, of which the kernel makes twice as many: room for a whole inbox beside another
_ACCEPTS = 64  # in one turn
_ACCEPT_PAUSE = 0.1  # seconds, when no file descriptor is left
_log = logging.getLogger("mycelium")


class Broker:
    """Peers, topics and the loop. Whoever wants to be told of a socket puts a handler into `handlers`."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings, self.parts = settings, parts
        self.traffic = Traffic()
        self.registry = parts.registry()
        self.registry.replace(self.topic(topic) for topic in settings.topics)
        self.answers = parts.answers(self)
        self.inbox = Block()  # what is received and handled within one turn
        self.epoll = select.epoll()
        self.handlers: dict[int, Callable[[int], None]] = {}
        self.peers: dict[int, Peer] = {}
        self.finishing: set[Peer] = set()
        self.paced: dict[Peer, float] = {}  # publishers that wait for subscribers, and until when
        self.draining = False
        self.after_turn: Callable[[], None] | None = None
        self._running = True
        self._soon: deque[Callable[[], None]] = deque()
        self._doomed: list[Peer] = []
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self._listener: socket.socket | None = None

    def topic(self, settings: TopicSettings) -> Topic:
        """Make a topic."""
        kind = self.parts.fanout if settings.routing == "Fanout" else self.parts.queue
        return kind(settings, self.soon)

    def listen(self, listener: socket.socket) -> None:
        """Accept connections from now on."""
        self._listener = listener
        self.register(listener, self._on_listener)

    def register(self, connection: socket.socket, handler: Callable[[int], None]) -> None:
        """Call the handler when there is something to read."""
        self.handlers[connection.fileno()] = handler
        self.epoll.register(connection.fileno(), select.EPOLLIN)

    def unregister(self, connection: socket.socket) -> None:
        """Call the handler no more; to be done before the socket is closed."""
        del self.handlers[connection.fileno()]
        self.epoll.unregister(connection.fileno())

    def soon(self, call: Callable[[], None]) -> None:
        """Call something in the next turn, after every socket had its own."""
        self._soon.append(call)

    def at(self, instant: float, call: Callable[[], None]) -> None:
        """Call something at an instant of the monotonic clock."""
        self._timers.append((instant, call))

    def doom(self, peer: Peer) -> None:
        """Release a peer at the end of this turn, when nobody is in the middle of anything."""
        self._doomed.append(peer)

    def stop(self) -> None:
        """Leave `serve` at the end of this turn."""
        self._running = False

    def serve(self) -> None:
        """Run until `stop`."""
        while self._running:
            self.turn(self._timeout())

    def turn(self, timeout: float | None) -> None:
        """Give every socket that is ready its turn, waiting for the first of them up to `timeout` seconds."""
        soon = self._soon
        for fd, events in self.epoll.poll(0 if soon or self._doomed else timeout, _EVENTS):
            handler = self.handlers.get(fd)
            if handler is None:
                continue  # it was closed earlier in this turn
            try:
                handler(events)
            except Exception:  # noqa: BLE001 - a mistake that one peer provokes must not be the end of all
                self._give_up(fd)
        if self._doomed:
            self._release()
        for _ in range(len(soon)):
            soon.popleft()()
        if self._timers or self.finishing or self.paced:
            self._expire()
        if self.after_turn is not None:
            self.after_turn()

    def _give_up(self, fd: int) -> None:
        _log.exception("connection %d: internal error, it is closed", fd)
        peer = self.peers.get(fd)
        if peer is not None:
            self.doom(peer)

    def close(self) -> None:
        """Close every socket."""
        for peer in list(self.peers.values()):
            self.doom(peer)
        self._release()
        self.stop_listening()
        self.epoll.close()

    def stop_listening(self) -> None:
        """Accept no more connections."""
        if self._listener is not None:
            with suppress(KeyError):
                self.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _timeout(self) -> float | None:
        """How long nothing has to be done, in seconds; None: for ever."""
        if not (self._timers or self.finishing or self.paced):
            return None
        instants = [instant for instant, _ in self._timers]
        instants += [peer.deadline for peer in self.finishing if peer.deadline is not None]
        instants += self.paced.values()
        return max(0.0, min(instants) - time.monotonic())

    def _expire(self) -> None:
        now = time.monotonic()
        self._doomed += [peer for peer in self.finishing if peer.deadline is not None and peer.deadline <= now]
        for peer in [peer for peer, until in self.paced.items() if until <= now]:
            peer.go_on(caught_up=False)
        due = [call for instant, call in self._timers if instant <= now]
        self._timers = [timer for timer in self._timers if timer[0] > now]
        for call in due:
            call()
        if self._doomed:
            self._release()

    def _on_listener(self, _events: int) -> None:
        self.soon(self._accept)  # after those that leave in this turn have made room

    def _accept(self) -> None:
        for _ in range(_ACCEPTS):
            if self._listener is None:
                return
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    _log.warning("cannot accept: %s", error.strerror)
                    self._pause_accepting()
                    return
                continue  # the client has gone already
            self.admit(connection)

    def _pause_accepting(self) -> None:
        assert self._listener is not None
        self.unregister(self._listener)
        self.at(time.monotonic() + _ACCEPT_PAUSE, self._accept_again)

    def _accept_again(self) -> None:
        if self._listener is not None:
            self.register(self._listener, self._on_listener)

    def admit(self, connection: socket.socket) -> None:
        """Serve a connection, or refuse it when there are too many."""
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        if self.full():
            self.traffic.connections_rejected += 1
            limit = self.settings.server.max_connections
            refusal = wire.error(wire.ErrorCode.TOO_MANY_CONNECTIONS, f"all {limit} connections are in use")
            with suppress(OSError):
                connection.send(refusal)
            hang_up(connection, self.inbox.view)
            return
        peer = self.parts.peer(self, connection)
        self.peers[peer.fd] = peer
        self.handlers[peer.fd] = peer.on_event
        self.traffic.connections_total += 1
        self.traffic.connections_active += 1

    def full(self) -> bool:
        """Whether no more connection may be admitted."""
        return self.traffic.connections_active >= self.settings.server.max_connections

    def left(self, peer: Peer) -> None:
        """Count a connection no more whose other end is closed, even if something it sent has yet to be taken."""
        self.traffic.connections_active -= 1
        self.traffic.consumers_cleaned += any(s.active for s in peer.subscriptions.values())

    def _release(self) -> None:
        doomed, self._doomed = self._doomed, []
        for peer in doomed:
            if self.peers.get(peer.fd) is not peer:
                continue
            begun = time.perf_counter()
            del self.peers[peer.fd], self.handlers[peer.fd]
            self.finishing.discard(peer)
            if not peer.gone:
                self.left(peer)
            peer.release()
            self.traffic.clean_ups += 1
            self.traffic.last_clean_up_seconds = time.perf_counter() - begun
