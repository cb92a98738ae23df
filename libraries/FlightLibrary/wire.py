"""How many bytes an answer takes on the wire: a relay that counts what passes, frames and headers included."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

_CHUNK = 1 << 18


class CountingRelay:
    """Listens on a port of its own and passes every connection on; both directions are counted.

    Attributes:
        port: on 127.0.0.1.
        up: bytes from clients so far.
        down: bytes to clients so far.
    """

    def __init__(self, host: str, port: int) -> None:
        """Begin; connections are passed on to this address."""
        self.up = self.down = 0
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def close(self) -> None:
        """End all connections."""
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._open += [client, server]
            for source, sink, direction in ((client, server, "up"), (server, client, "down")):
                threading.Thread(target=self._pass, args=(source, sink, direction), name="relay", daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        buffer = memoryview(bytearray(_CHUNK))
        with contextlib.suppress(OSError):
            while number := source.recv_into(buffer):
                # counted first: who has the answer asks at once. One thread a direction and connection.
                setattr(self, direction, getattr(self, direction) + number)
                sink.sendall(buffer[:number])
            sink.shutdown(socket.SHUT_WR)
