"""A client's connection: who it is, where it wants to go, and every byte of it passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from reference.pgdog import protocol
from reference.pgdog.mirror.lane import Lane
from reference.pgdog.mirror.order import Place
from reference.pgdog.mirror.unit import Unit
from reference.pgdog.relay.primary import Primary

if TYPE_CHECKING:
    from reference.pgdog.relay.server import MirrorProxy
    from reference.pgdog.settings import Source

_LARGEST_STARTUP = 10_000  # bytes; what is longer is no startup message
_OWN = {"user", "database", "replication"}  # parameters that are the primary's session's own


class Client(asyncio.Protocol):
    """One connection of a client.

    Args:
        proxy: it belongs to.
    """

    def __init__(self, proxy: MirrorProxy) -> None:
        self.proxy = proxy
        self.recorder = proxy.parts.recorder(proxy.budget, self.emit, self.reserve)
        self.lanes: tuple[Lane, ...] = ()
        self.transport: asyncio.Transport
        self.write: Callable[[bytes], None]
        self._early = bytearray()  # what came before there was anybody to pass it on to
        self._take: Callable[[bytes], None] = self._opening
        self._settings = proxy.settings
        self._primary: Primary | None = None
        self._parameters: dict[str, str] = {}
        self._name = ""
        self._key: bytes | None = None
        self._gone = False

    # From the client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self.transport = cast("asyncio.Transport", transport)
        self.write = self.transport.write
        self.proxy.clients.add(self)

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._take(data)

    def _relay(self, data: bytes) -> None:
        assert self._primary is not None
        self._primary.transport.write(data)
        if self._primary.ready:
            self.recorder.sent(data)

    def _opening(self, data: bytes) -> None:
        """Read what comes before the first message with a letter."""
        early = self._early
        early += data
        while len(early) >= 8:
            length, code = int.from_bytes(early[:4], "big"), int.from_bytes(early[4:8], "big")
            if not 8 <= length <= _LARGEST_STARTUP:
                self.refuse("08P01", "invalid length of startup packet")
                return
            if len(early) < length:
                return
            body = bytes(early[8:length])
            del early[:length]
            if code in (protocol.SSL_REQUEST, protocol.GSS_REQUEST):
                self.write(b"N")
            elif code == protocol.CANCEL_REQUEST:
                self.proxy.background(self._cancel(body))
                return
            else:
                self._start(code, body)
                return

    def _start(self, version: int, body: bytes) -> None:
        parameters = protocol.startup_parameters(body)
        user = parameters.get("user", "")
        self._name = parameters.get("database") or user
        settings = self.proxy.settings
        admin = self.proxy.admin
        if admin is not None and settings.dialect == "upstream" and self._name == settings.admin_database:
            session = admin(self.write, self.transport.close, parameters)
            self._take = session.received
            session.begin()
            if self._early:
                session.received(bytes(self._early))
            return
        source = settings.source(self._name)
        if source is None:
            self.refuse("3D000", f'database "{self._name}" is not configured')
            return
        self._parameters = parameters
        self._take = self._early.extend
        self.transport.pause_reading()
        self.proxy.background(
            self._connect(source, protocol.startup(version, parameters | {"database": source.database}))
        )

    async def _connect(self, source: Source, startup: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, primary = await loop.create_connection(lambda: Primary(self, self.recorder), source.host, source.port)
        except OSError as error:
            self.refuse("08001", f"the primary of {source.name} cannot be reached: {error.strerror or error}")
            return
        self._primary = primary
        primary.transport.write(startup)
        if self._gone:
            primary.transport.write_eof()
            return
        self._set_lanes(source)
        self._take = self._relay
        if self._early:
            self._relay(bytes(self._early))
        self.transport.resume_reading()

    async def _cancel(self, key: bytes) -> None:
        """Pass on a request to cancel to the primary that gave the key, and close when that closes."""
        if source := self.proxy.keys.get(key):
            try:
                reader, writer = await asyncio.open_connection(source.host, source.port)
                writer.write(protocol.cancel_request(key))
                await reader.read()
                writer.close()
            except OSError:
                pass  # the protocol has no answer to this
        self.transport.close()

    def refuse(self, code: str, message: str) -> None:
        """End the connection with an error."""
        if not self._gone:
            self.write(protocol.fatal(code, message))
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio. What the client had asked for goes on, as without a proxy, and its outcome is waited for."""
        self._gone = True
        self.write = self._take = _ignore
        if self._primary is None:
            self._leave()
        elif not self._primary.transport.is_closing():
            self._primary.passes_nothing_on()
            self._primary.transport.write_eof()

    # From the primary

    def logged_in(self) -> None:
        """The primary has let the client in."""
        for lane in self.lanes:
            lane.prepare()

    def has_key(self, key: bytes) -> None:
        """The primary gave the key for cancelling."""
        source = self._settings.source(self._name)
        if source is not None:
            self._key = key
            self.proxy.keys[key] = source

    def primary_gone(self) -> None:
        """The primary has closed the connection, and all that it answered has been passed on."""
        self._leave()
        if not self._gone:
            self.transport.close()

    def _leave(self) -> None:
        self.proxy.clients.discard(self)
        if self._key is not None:
            self.proxy.keys.pop(self._key, None)
        for lane in self.lanes:
            lane.leave()
        self.lanes = ()

    # Flow control

    def pause(self) -> None:
        """Do not read from the client."""
        if not self._gone and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read from the client again."""
        if not self._gone and not self.transport.is_closing():
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        """See asyncio: the client reads slowly, so the primary is not read."""
        if self._primary is not None and not self._primary.transport.is_closing():
            self._primary.transport.pause_reading()

    def resume_writing(self) -> None:
        """See asyncio."""
        if self._primary is not None and not self._primary.transport.is_closing():
            self._primary.transport.resume_reading()

    # To the mirrors

    def emit(self, unit: Unit) -> None:
        """A unit took effect on the primary."""
        if self.proxy.settings is not self._settings:
            self._adopt()
        for lane in self.lanes:
            lane.push(unit if lane is self.lanes[0] else unit.copy())

    def reserve(self) -> dict[Lane, Place]:
        """A transaction is about to be committed."""
        return {lane: lane.order.reserve() for lane in self.lanes}

    def _adopt(self) -> None:
        """Follow a change of the configuration."""
        source = self.proxy.settings.source(self._name)
        self._settings = self.proxy.settings
        if source is not None:
            self._set_lanes(source)

    def _set_lanes(self, source: Source) -> None:
        """Have one lane for each mirror of the source; those that lead to where they did are kept."""
        if self._parameters.get("replication", "false").lower() not in {"false", "off", "no", "0"}:
            return
        present = {(lane.destination.name, _place(lane)): lane for lane in self.lanes}
        lanes: list[Lane] = []
        user = self._parameters.get("user", "")
        for mirror in source.mirrors:
            lane = present.pop((mirror.name, (mirror.host, mirror.port, mirror.database)), None)
            if lane is None:
                others = {key: value for key, value in self._parameters.items() if _is_shared(key)}
                tally = self.proxy.tally(source.name, mirror.name, user)
                lane = self.proxy.parts.lane(self.proxy, mirror, user, others, tally)
            lane.destination = mirror
            lanes.append(lane)
        for lane in present.values():
            lane.leave()
        self.lanes = tuple(lanes)


def _is_shared(parameter: str) -> bool:
    """Tell whether a parameter of the startup message is given to the mirror, too."""
    return parameter not in _OWN and not parameter.startswith("_pq_.")


def _place(lane: Lane) -> tuple[str, int, str]:
    return lane.destination.host, lane.destination.port, lane.destination.database


def _ignore(data: bytes) -> None:
    """Nobody is there to get it."""
