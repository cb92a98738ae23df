"""/metrics and /health over HTTP/1.0, served between the turns of the broker's peers."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from reference.mycelium.metrics import page
from reference.toml_file import ConfigError

if TYPE_CHECKING:
    from reference.mycelium.broker import Broker

_LONGEST_REQUEST = 8192  # bytes
_MOST_READERS = 32  # at once; the next is closed at once
_SECONDS = 5.0  # one reader may take

Answer = tuple[str, str, str]  # status, content type, body


class Pages:
    """The listening socket; answers are made by `answer`."""

    def __init__(self, broker: Broker, port: int, file: Path) -> None:
        self.broker = broker
        self.readers: set[_Reader] = set()
        address = broker.settings.server.bind_address
        try:
            family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
            self._listener = socket.create_server((address, port), family=family, backlog=64)
        except OSError as error:
            what = f"cannot listen on {address}:{port} ({error.strerror})"
            raise ConfigError(f"{file}: server.metrics_port: {what}; choose a free port") from None
        self._listener.setblocking(False)
        broker.register(self._listener, self._accept)

    def answer(self, path: str) -> Answer:
        """Return what stands at a path."""
        if path == "/metrics":
            return "200 OK", "text/plain; version=0.0.4; charset=utf-8", self.metrics()
        if path == "/health":
            content = {
                "status": "draining" if self.broker.draining else "ok",
                "connections": len(self.broker.peers),
                "topics": len(self.broker.registry.by_number),
            }
            status = "503 Service Unavailable" if self.broker.draining else "200 OK"
            return status, "application/json", json.dumps(content)
        return "404 Not Found", "text/plain", f"nothing at {path}; see /metrics and /health\n"

    def metrics(self) -> str:
        """Return the Prometheus page."""
        return page(self.broker.traffic, self.broker.registry.by_number)

    def close(self) -> None:
        """Stop listening."""
        for reader in list(self.readers):
            reader.close()
        self.broker.unregister(self._listener)
        self._listener.close()

    def _accept(self, _events: int) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            if len(self.readers) >= _MOST_READERS:
                connection.close()
            else:
                self.readers.add(_Reader(self, connection, self.answer))


class _Reader:
    """One request and its answer."""

    def __init__(self, pages: Pages, connection: socket.socket, answer: Callable[[str], Answer]) -> None:
        self._pages, self._socket, self._answer = pages, connection, answer
        self._request = b""
        self._left = memoryview(b"")
        pages.broker.register(connection, self._on_event)
        pages.broker.at(time.monotonic() + _SECONDS, self.close)

    def close(self) -> None:
        """Close, if it is not closed already."""
        if self in self._pages.readers:
            self._pages.readers.remove(self)
            self._pages.broker.unregister(self._socket)
            self._socket.close()

    def _on_event(self, events: int) -> None:
        try:
            if self._left:
                self._write()
            elif events & select.EPOLLIN:
                self._read()
            else:
                self.close()
        except BlockingIOError:
            pass
        except OSError:
            self.close()

    def _read(self) -> None:
        data = self._socket.recv(_LONGEST_REQUEST)
        self._request += data
        if b"\r\n\r\n" in self._request or b"\n\n" in self._request:
            self._left = memoryview(self._response())
            self._write()
        elif not data or len(self._request) > _LONGEST_REQUEST:
            self.close()

    def _response(self) -> bytes:
        words = self._request.split(b"\n", 1)[0].decode("latin-1").split()
        if len(words) < 2 or words[0] not in ("GET", "HEAD"):
            status, kind, body = "405 Method Not Allowed", "text/plain", "only GET and HEAD\n"
        else:
            status, kind, body = self._answer(words[1].partition("?")[0])
        content = body.encode()
        head = (
            f"HTTP/1.0 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode("latin-1") + (content if words[:1] != ["HEAD"] else b"")

    def _write(self) -> None:
        self._left = self._left[self._socket.send(self._left) :]
        if self._left:
            self._pages.broker.epoll.modify(self._socket.fileno(), select.EPOLLOUT)
        else:
            self.close()
