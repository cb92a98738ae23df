"""A link: where it listens, where it leads, its condition, and the connections it carries."""

from __future__ import annotations

import asyncio
import random
import socket
from dataclasses import asdict, dataclass
from typing import Any

from .addresses import BACKLOG, Address, Listener, connect, reset
from .conditions import DIRECTIONS, HEALTHY, TO_CLIENT, TO_SERVER, Condition
from .pipes import RESET, Lane, Pipe, Side


@dataclass
class Counters:
    """Connections a link has seen since it was made."""

    connections: int = 0  # accepted from clients
    refused: int = 0  # of these: reset, because the target refused
    broken: int = 0  # of these: closed or reset by a condition of the link


class Connection:
    """A client's connection and the one to the target that belongs to it."""

    def __init__(self, link: Link, accepted: socket.socket) -> None:
        self.link = link
        self.accepted: socket.socket | None = accepted  # None when the loop has it
        up, down = (Pipe(link.loop, link.lanes[direction]) for direction in (TO_SERVER, TO_CLIENT))
        up.on_end = down.on_end = self._ended
        self.pipes = (up, down)
        self.client = Side(up, down, self._lost)
        self.server = Side(down, up, self._lost)
        self.task = link.loop.create_task(self._open(accepted))

    async def _open(self, accepted: socket.socket) -> None:
        link = self.link
        try:
            await link.reachable.wait()
            try:
                await connect(link.loop, lambda: self.server, link.target)
            except OSError:
                link.counters.refused += 1
                self.drop(broken=True)
                return
            self.accepted = None
            await link.loop.connect_accepted_socket(lambda: self.client, accepted)
        except OSError as error:
            print(f"{link.name}: {error}", flush=True)
            self.drop(broken=True)

    def drop(self, *, broken: bool) -> None:
        """End both sides now, whatever is under way."""
        if self.task is not asyncio.current_task():
            self.task.cancel()
        for pipe in self.pipes:
            pipe.discard()
            pipe.finished = True
        for side in (self.client, self.server):
            side.abort(reset=broken)
        if self.accepted is not None and broken:
            reset(self.link.loop, self.accepted)
        elif self.accepted is not None:
            self.accepted.close()
        self.accepted = None
        self.link.connections.discard(self)

    def _ended(self, pipe: Pipe, mark: object) -> None:
        if mark is RESET:
            self.drop(broken=True)
            return
        assert pipe.sink is not None
        pipe.sink.finish()
        if all(pipe.finished for pipe in self.pipes):
            self.client.close()
            self.server.close()
            self.link.connections.discard(self)

    def _lost(self, side: Side, exc: Exception | None) -> None:
        outgoing, incoming = self.pipes if side is self.client else self.pipes[::-1]
        incoming.discard()
        incoming.finished = True
        if not outgoing.finished:
            outgoing.source = None
            outgoing.mark(RESET)
        elif exc is not None:
            self.drop(broken=True)
        else:
            self.link.connections.discard(self)


class Link:
    """A listener, its target, and the connections between."""

    def __init__(self, name: str, listener: Listener, target: Address, chance: random.Random) -> None:
        self.name, self.listener, self.target = name, listener, target
        self.loop = asyncio.get_running_loop()
        self.condition = HEALTHY
        self.lanes = {direction: Lane(self.loop, chance) for direction in DIRECTIONS}
        self.counters = Counters()
        self.connections: set[Connection] = set()
        self.reachable = asyncio.Event()  # not set: a hang in both directions keeps clients from the target
        self.reachable.set()
        self._listen()

    def apply(self, condition: Condition) -> None:
        """Put the link in a condition; takes effect before this returns."""
        was_cut, self.condition = self.condition.cut, condition
        for direction, lane in self.lanes.items():
            lane.apply(condition.of(direction))
        if condition.cut and not was_cut:
            self.loop.remove_reader(self.listener.socket)
            self.listener.refuse()
        elif was_cut and not condition.cut:
            self._listen()
        if condition.cut or condition.reset:
            self.counters.broken += len(self.connections)
            for connection in list(self.connections):
                connection.drop(broken=condition.reset)
        if condition.hang and condition.direction == "both":
            self.reachable.clear()
        else:
            self.reachable.set()
        for connection in list(self.connections):
            for pipe in connection.pipes:
                pipe.condition_changed()

    def state(self) -> dict[str, Any]:
        """Everything the control port tells of this link."""
        held = sum(pipe.held for connection in self.connections for pipe in connection.pipes)
        return {
            "listen": self.listener.address,
            "target": self.target,
            "condition": None if self.condition == HEALTHY else asdict(self.condition),
            "open": len(self.connections),
            "held_bytes": held,
            **asdict(self.counters),
            "bytes_to_server": self.lanes[TO_SERVER].passed,
            "bytes_to_client": self.lanes[TO_CLIENT].passed,
        }

    def close(self) -> None:
        """End the link and its connections."""
        for connection in list(self.connections):
            connection.drop(broken=False)
        self.listener.close()

    def _listen(self) -> None:
        self.listener.open()
        self.loop.add_reader(self.listener.socket, self._accept)

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            try:
                accepted, _address = self.listener.socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                print(f"{self.name}: cannot accept ({error})", flush=True)
                return
            self.counters.connections += 1
            accepted.setblocking(False)
            if self.condition.reset:
                self.counters.broken += 1
                reset(self.loop, accepted)
                continue
            self.connections.add(Connection(self, accepted))
