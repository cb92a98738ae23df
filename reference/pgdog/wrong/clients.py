"""Clients that wait for what they should not wait for."""

from __future__ import annotations

import asyncio

from reference.pgdog.relay.client import Client

_LOOK = 0.001  # seconds


class WaitingClient(Client):
    """Answers when the mirror has."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `Client.connection_made`."""
        super().connection_made(transport)
        self._send, self.write = self.write, self._hold
        self._held: list[bytes] = []

    def _hold(self, data: bytes) -> None:
        if not self.lanes:
            self._send(data)
            return
        self._held.append(data)
        if len(self._held) == 1:
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        if any(lane.queue for lane in self.lanes):
            asyncio.get_running_loop().call_later(_LOOK, self._look)
        elif not self.transport.is_closing():
            self._send(b"".join(self._held))
            self._held.clear()
