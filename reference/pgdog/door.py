"""The admin console's own port, in the plan's dialect: what comes before a session."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping

from reference.pgdog.admin import AdminSession, Write

MakeSession = Callable[[Write, Callable[[], None], Mapping[str, str]], AdminSession]
"""Makes a session of what sends, what closes, and the parameters of the startup packet."""

_LONGEST_STARTUP = 10_000  # bytes, as in PostgreSQL
_SSL, _GSS, _VERSION_3 = 80877103, 80877104, 3


class Door(asyncio.Protocol):
    """One connection: requests for encryption, cancellation, the startup packet; then its session.

    Args:
        session: makes the session of a startup packet.
    """

    _transport: asyncio.WriteTransport

    def __init__(self, session: MakeSession) -> None:
        self._session = session
        self._data = bytearray()
        self._inside: AdminSession | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol.connection_made`."""
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol.data_received`."""
        if self._inside is not None:
            self._inside.received(data)
            return
        self._data += data
        while len(self._data) >= 8:
            length, code = struct.unpack_from(">ii", self._data)
            if not 8 <= length <= _LONGEST_STARTUP:
                self._transport.close()
                return
            if len(self._data) < length:
                return
            body = bytes(self._data[8:length])
            del self._data[:length]
            if code >> 16 == _VERSION_3:
                self._enter(body)
                return
            if code not in (_SSL, _GSS):
                self._transport.close()  # cancels what is over at once, or speaks another version
                return
            self._transport.write(b"N")

    def _enter(self, body: bytes) -> None:
        words = body.rstrip(b"\0").decode("utf-8", "replace").split("\0")
        self._inside = self._session(
            self._transport.write, self._transport.close, dict(zip(words[::2], words[1::2], strict=False))
        )
        self._inside.begin()
        self._inside.received(bytes(self._data))
