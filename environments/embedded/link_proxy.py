"""The link proxy: a TCP proxy between clients and services whose links can be made bad on purpose.

A program of its own (standard library only, started by path), so that the load a client offers and the delay
a link adds never share an interpreter. One process carries all links. It is told what to do over a control
port: one JSON object a line in, one out (see `Control`). A link in no condition passes bytes on untouched.

Conditions of a link:
    cut                         refuse new connections (the kernel answers), close the open ones
    reset                       accept and answer with RST; the open ones get RST too
    hang                        accept, but pass nothing on, not even the end of a connection
    latency_ms, jitter_ms       each byte arrives later by latency +- jitter, in order; a delay, not a brake
    bandwidth_bytes_per_second  all connections of the link share it, per direction
    direction                   "both" (default), "to-server" or "to-client", for all but cut and reset

Healing acts at once on new and open connections: what a hang or a latency held back is passed on immediately;
what cut and reset closed stays closed. A full receiver stops the sender (backpressure), a half-closed
connection stays half open. A target that refuses shows as an accepted connection that is reset, because
user space cannot look at the target before the kernel has accepted.

Measured by tests/faults/measure_link_proxy.py (November 2026, two cores shared with other work, three runs): a
healthy link adds 0.02 to 0.09 ms to a round trip of 64 bytes at the median (p99 with link 0.15 to 0.21 ms,
without 0.01 to 0.07 ms), costs 0.05 ms of CPU each, and carries 1.0 to 1.8 GB/s of a bulk transfer. The process
is ready after 0.07 to 0.09 s and stays at 25 MiB. With `pgbench -S -c 4` through HAProxy on a machine busy with
other work (load average 6 to 10) a link adds 0.3 to 0.4 ms to a transaction on average.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

TO_SERVER, TO_CLIENT = "to-server", "to-client"
DIRECTIONS = (TO_SERVER, TO_CLIENT)

HANG_CAPACITY = 256 * 1024  # bytes one hanging direction takes in before its sender has to stop
DELAY_CAPACITY = 16 * 1024 * 1024  # bytes in flight on a delayed direction: 160 MB/s at 100 ms
SLICE_SECONDS = 0.01  # a limited direction is fed in slices of this length
CATCH_UP_SECONDS = 0.05  # a late timer may be made good by this much, so that the rate is met on average
BACKLOG = 512

_EOF, _RESET = object(), object()  # marks in a stream: the sender has finished, the sender has broken off
_LINGER_ZERO = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Condition:
    """What is wrong with a link. See the module's documentation for the meaning of each field."""

    cut: bool = False
    reset: bool = False
    hang: bool = False
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    bandwidth_bytes_per_second: float = 0.0  # 0: no limit
    direction: str = "both"

    @classmethod
    def parse(cls, values: Mapping[str, object] | None) -> Condition:
        """Read a condition; None is a healthy link.

        Raises:
            ValueError: one line that says what is wrong with it.
        """
        if values is None:
            return HEALTHY
        known = cls.__dataclass_fields__
        for name, value in values.items():
            if name not in known:
                raise ValueError(f"condition '{name}' is unknown; use any of: {', '.join(known)}")
            wanted = type(known[name].default)
            if wanted is float and isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
                continue
            if wanted is not float and isinstance(value, wanted):
                continue
            kind = {float: "a number of at least 0", bool: "true or false", str: "text"}[wanted]
            raise ValueError(f"condition '{name}' must be {kind}, not {value!r}")
        condition = cls(**values)  # type: ignore[arg-type]
        problem = condition._problem()
        if problem:
            raise ValueError(problem)
        return condition

    def _problem(self) -> str | None:
        absolute = [name for name in ("cut", "reset", "hang") if getattr(self, name)]
        gradual = [n for n in ("latency_ms", "jitter_ms", "bandwidth_bytes_per_second") if getattr(self, n)]
        if not absolute and not gradual:
            return "the condition leaves the link healthy; give None for that"
        if len(absolute) > 1 or (absolute and gradual):
            return f"{' and '.join([*absolute, *gradual])} do not go together; choose one"
        if self.jitter_ms > self.latency_ms:
            return f"jitter_ms {self.jitter_ms:g} is more than latency_ms {self.latency_ms:g}; nothing arrives early"
        if self.direction not in ("both", *DIRECTIONS):
            return f"direction '{self.direction}' is unknown; use both, {TO_SERVER} or {TO_CLIENT}"
        if self.direction != "both" and (self.cut or self.reset):
            return f"{absolute[0]} always concerns both directions; leave 'direction' out"
        return None

    def of(self, direction: str) -> Condition:
        """What of this condition concerns one direction."""
        return self if self.direction in ("both", direction) else HEALTHY

    @property
    def capacity(self) -> int:
        """How many bytes a direction holds before its sender has to stop."""
        if self.hang:
            return HANG_CAPACITY
        delay = (self.latency_ms + self.jitter_ms) / 1000
        rate = self.bandwidth_bytes_per_second
        if rate:
            return int(rate * (delay + SLICE_SECONDS)) + 1
        return DELAY_CAPACITY if delay else 0


HEALTHY = Condition()


@dataclass
class Counters:
    """What a link has seen since it was made."""

    connections: int = 0  # accepted from clients
    refused: int = 0  # of these: reset, because the target refused
    broken: int = 0  # of these: closed or reset by a condition of the link
    bytes_to_server: int = 0  # passed on
    bytes_to_client: int = 0


class Pipe:
    """One direction of one connection: what was read from its source and not yet written to its sink."""

    def __init__(self, link: Link, direction: str) -> None:
        self.link, self.direction = link, direction
        self.lane = link.lanes[direction]
        self.source: Side | None = None
        self.sink: Side | None = None
        self.queue: deque[tuple[float, Any]] = deque()  # (not before, bytes or mark)
        self.held = 0
        self.finished = False
        self.on_end: Callable[[Pipe, object], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def feed(self, data: bytes) -> None:
        """Take what the source has sent."""
        if self.finished:
            return  # the sink is gone; nobody will read this
        sink = self.sink
        if self.lane.plain and not self.queue and sink is not None and sink.ready:
            self._write(sink, data)
            return
        self._append(data)
        self.held += len(data)
        if self.held > self.lane.capacity and self.source is not None:
            self.source.pause_reading()
        self.pump()

    def mark(self, mark: object) -> None:
        """Take note that the source has finished or broken off, behind all it has sent."""
        self._append(mark)
        self.pump()

    def pump(self) -> None:
        """Pass on what may be passed on now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop, lane = self.link.loop, self.lane
        while self.queue and not lane.hangs:
            not_before, item = self.queue[0]
            if self.sink is None or (isinstance(item, memoryview) and not self.sink.ready):
                return  # the sink calls again when it is there and ready
            if lane.rate and isinstance(item, memoryview):
                not_before = max(not_before, lane.free_at)
            if not_before > loop.time():
                self._timer = loop.call_at(not_before, self.pump)
                return
            if not isinstance(item, memoryview):
                self.queue.popleft()
                self._end(item)
                return
            self._pass(item)

    def condition_changed(self) -> None:
        """Let go what the condition before held back; a new delay is for what comes from now on."""
        self.queue = deque((0.0, item) for _, item in self.queue)
        if self.held > self.lane.capacity and self.source is not None:
            self.source.pause_reading()
        self.pump()

    def discard(self) -> None:
        """Forget everything held; the connection is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.queue.clear()
        self.held = 0

    def _append(self, item: object) -> None:
        not_before = self.link.loop.time() + self.lane.delay() if self.lane.delays else 0.0
        self.queue.append((not_before, memoryview(item) if isinstance(item, bytes) else item))

    def _pass(self, item: memoryview) -> None:
        assert self.sink is not None
        part = item[: self.lane.slice(self.link.loop.time())]
        if len(part) == len(item):
            self.queue.popleft()
        else:
            self.queue[0] = (0.0, item[len(part) :])
        self.held -= len(part)
        self._write(self.sink, bytes(part))
        if self.held <= self.lane.capacity // 2 and self.source is not None:
            self.source.resume_reading()

    def _write(self, sink: Side, data: bytes) -> None:
        if self.direction == TO_SERVER:
            self.link.counters.bytes_to_server += len(data)
        else:
            self.link.counters.bytes_to_client += len(data)
        sink.write(data)

    def _end(self, mark: object) -> None:
        self.finished = True
        if self.on_end is not None:
            self.on_end(self, mark)


class Lane:
    """One direction of a link: what its condition says, and the clock its connections share."""

    def __init__(self, loop: asyncio.AbstractEventLoop, chance: random.Random) -> None:
        self._loop, self._chance = loop, chance
        self.free_at = 0.0
        self.apply(HEALTHY)

    def apply(self, condition: Condition) -> None:
        """Take over what concerns this direction."""
        self.hangs = condition.hang
        self.delays = condition.latency_ms > 0
        self.rate = condition.bandwidth_bytes_per_second
        self.capacity = condition.capacity
        self.plain = condition == HEALTHY
        self._latency, self._jitter = condition.latency_ms / 1000, condition.jitter_ms / 1000
        self.free_at = 0.0

    def delay(self) -> float:
        """Seconds by which bytes that come now are late."""
        return self._latency + self._chance.uniform(-self._jitter, self._jitter)

    def slice(self, now: float) -> int | None:
        """How many bytes may pass now (None: all), booking the time they take."""
        if not self.rate:
            return None
        size = max(1, int(self.rate * SLICE_SECONDS))
        self.free_at = max(self.free_at, now - CATCH_UP_SECONDS) + size / self.rate
        return size


class Side(asyncio.Protocol):
    """One socket of a connection: source of one pipe and sink of the other."""

    def __init__(self, outgoing: Pipe, incoming: Pipe, lost: Callable[[Side, Exception | None], None]) -> None:
        self._outgoing, self._incoming, self._lost = outgoing, incoming, lost
        self.transport: asyncio.Transport | None = None
        self.ready = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take part: pass on what came for this side before it was there."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.ready = True
        self._outgoing.source = self
        self._incoming.sink = self
        self._incoming.pump()

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        self._outgoing.feed(data)

    def eof_received(self) -> bool:
        """Pass on that this side has sent all it had; it may still receive."""
        self._outgoing.mark(_EOF)
        return True

    def pause_writing(self) -> None:
        """Note that the receiver does not keep up."""
        self.ready = False

    def resume_writing(self) -> None:
        """Go on, now that the receiver has caught up."""
        self.ready = True
        self._incoming.pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; an exception means it was broken off."""
        self.transport, self.ready = None, False
        self._lost(self, exc)

    def write(self, data: bytes) -> None:
        """Send, or keep until the receiver takes it."""
        assert self.transport is not None
        self.transport.write(data)

    def finish(self) -> None:
        """Pass on that the other side has sent all it had."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write_eof()

    def pause_reading(self) -> None:
        """Let the sender wait."""
        if self.transport is not None:
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Let the sender go on."""
        if self.transport is not None:
            self.transport.resume_reading()

    def close(self) -> None:
        """End the connection after what was written has been sent."""
        if self.transport is not None:
            self.transport.close()

    def abort(self, *, reset: bool) -> None:
        """Drop the connection at once, with RST or with what the kernel chooses (FIN, if nothing was unread)."""
        if self.transport is not None:
            if reset:
                raw = self.transport.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            self.transport.abort()


class Connection:
    """A client's connection and the one to the target that belongs to it."""

    def __init__(self, link: Link, accepted: socket.socket) -> None:
        self.link, self.accepted = link, accepted
        up, down = Pipe(link, TO_SERVER), Pipe(link, TO_CLIENT)
        up.on_end = down.on_end = self._ended
        self.pipes = (up, down)
        self.client = Side(up, down, self._lost)
        self.server = Side(down, up, self._lost)
        self.task = link.loop.create_task(self._open())

    async def _open(self) -> None:
        link = self.link
        try:
            await link.reachable.wait()
            try:
                await link.loop.create_connection(lambda: self.server, *link.target)
            except OSError:
                link.counters.refused += 1
                self.drop(reset=True)
                return
            accepted, self.accepted = self.accepted, socket.socket()
            self.accepted.close()
            await link.loop.connect_accepted_socket(lambda: self.client, accepted)
        except OSError as error:
            print(f"{link.name}: {error}", flush=True)
            self.drop(reset=True)

    def drop(self, *, reset: bool) -> None:
        """End both sides now, whatever is under way."""
        if self.task is not asyncio.current_task():
            self.task.cancel()
        for pipe in self.pipes:
            pipe.discard()
            pipe.finished = True
        for side in (self.client, self.server):
            side.abort(reset=reset)
        if self.accepted.fileno() >= 0:
            if reset:
                self.accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            self.accepted.close()
        self.link.connections.discard(self)

    def _ended(self, pipe: Pipe, mark: object) -> None:
        if mark is _RESET:
            self.drop(reset=True)
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
            outgoing.mark(_RESET)
        elif exc is not None:
            self.drop(reset=True)
        else:
            self.link.connections.discard(self)


class Link:
    """A listener, its target, and the connections between."""

    def __init__(self, name: str, listener: socket.socket, target: tuple[str, int], chance: random.Random) -> None:
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
            self.loop.remove_reader(self.listener)
            self.listener.shutdown(socket.SHUT_RD)  # stays bound to its port, and the kernel refuses
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # to nobody else either
        elif was_cut and not condition.cut:
            self._listen()
        if condition.cut or condition.reset:
            self.counters.broken += len(self.connections)
            for connection in list(self.connections):
                connection.drop(reset=condition.reset)
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
        host, port = self.listener.getsockname()[:2]
        return {
            "listen": [host, port],
            "target": list(self.target),
            "condition": None if self.condition == HEALTHY else asdict(self.condition),
            "open": len(self.connections),
            "held_bytes": held,
            **asdict(self.counters),
        }

    def _listen(self) -> None:
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ended connections are not in the way
        self.listener.listen(BACKLOG)
        self.loop.add_reader(self.listener, self._accept)

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            try:
                accepted, _address = self.listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                print(f"{self.name}: cannot accept ({error})", flush=True)
                return
            self.counters.connections += 1
            accepted.setblocking(False)
            if self.condition.reset:
                self.counters.broken += 1
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
                accepted.close()
                continue
            self.connections.add(Connection(self, accepted))


@dataclass
class Control:
    """What the control port understands, one JSON object a line, answered by one JSON object each.

    {"add": {"name": str, "listen": [host, port or 0], "target": [host, port]}}  ->  {"listen": [host, port]}
    {"set": {"name": str, "condition": {...} or null}}                           ->  {}
    {"links": {}}                                                                ->  {"links": {name: state}}
    anything wrong                                                               ->  {"error": one line}
    """

    chance: random.Random
    links: dict[str, Link] = field(default_factory=dict)

    def answer(self, line: bytes) -> dict[str, Any]:
        """Do what one line asks."""
        try:
            ((verb, arguments),) = json.loads(line).items()
            match verb:
                case "add":
                    return self._add(**arguments)
                case "set":
                    return self._set(**arguments)
                case "links":
                    return {"links": {name: link.state() for name, link in self.links.items()}}
        except (ValueError, TypeError, AttributeError, OSError) as error:
            return {"error": str(error)}
        return {"error": f"'{verb}' is unknown; use add, set or links"}

    def _add(self, name: str, listen: list[Any], target: list[Any]) -> dict[str, Any]:
        if name in self.links:
            raise ValueError(f"link '{name}' is there already")
        listener = bound(str(listen[0]), int(listen[1]))
        self.links[name] = Link(name, listener, (str(target[0]), int(target[1])), self.chance)
        return {"listen": list(listener.getsockname()[:2])}

    def _set(self, name: str, condition: Mapping[str, object] | None) -> dict[str, Any]:
        link = self.links.get(name)
        if link is None:
            raise ValueError(f"link '{name}' is unknown; there are: {', '.join(self.links) or 'none'}")
        link.apply(Condition.parse(condition))
        return {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client of the control port until it leaves."""
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(line)).encode() + b"\n")
                await writer.drain()
        writer.close()


def bound(host: str, port: int) -> socket.socket:
    """A non-blocking socket bound to an address, 0 for any free port.

    A port the kernel chose is bound again by its number: only a port that was asked for stays bound while a cut
    link does not listen. Address reuse is first left out, so that no other program can take it meanwhile.

    Raises:
        OSError: the address is taken; one line.
    """
    for reuse in (0, 1):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        try:
            listener.bind((host, port))
        except OSError as error:
            listener.close()
            if reuse or port == 0:  # without reuse, connections that ended a minute ago are in the way
                raise OSError(f"cannot listen on {host}:{port} ({error.strerror})") from None
            continue
        if port == 0:
            chosen = listener.getsockname()[1]
            listener.close()
            return bound(host, chosen)
        listener.setblocking(False)
        return listener
    raise AssertionError("unreachable: the second attempt returns or raises")


async def run(announce: Path, seed: int) -> None:
    """Serve until SIGTERM, having written the control port's address to the file `announce`."""
    control = Control(random.Random(seed))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await asyncio.start_server(control.serve, "127.0.0.1", 0)
    content = {"control": list(server.sockets[0].getsockname()[:2]), "pid": os.getpid()}
    draft = announce.with_suffix(".draft")
    draft.write_text(json.dumps(content), encoding="utf-8")
    draft.rename(announce)
    await stop.wait()
    for link in control.links.values():
        for connection in list(link.connections):
            connection.drop(reset=False)


def main(arguments: list[str]) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description="TCP proxy whose links can be made bad on purpose")
    parser.add_argument("--announce", type=Path, required=True, help="file that gets the control port's address")
    parser.add_argument("--seed", type=int, default=0, help="of the jitter")
    options = parser.parse_args(arguments)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(run(options.announce, options.seed))


if __name__ == "__main__":
    main(sys.argv[1:])
