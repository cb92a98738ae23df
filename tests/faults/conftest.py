"""A proxy process and small servers behind it, all on loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from environments.embedded.links import Links, proxy_command
from environments.system import Endpoint
from runner.children import start
from tests.faults.fakes import TinySystem

LOOPBACK = "127.0.0.1"


class Server:
    """A TCP server that runs one function a connection, each in a thread."""

    def __init__(self, serve: Callable[[socket.socket], None], port: int = 0) -> None:
        self.accepted: list[socket.socket] = []
        self._serve = serve
        self._listener = socket.create_server((LOOPBACK, port))
        self.endpoint = Endpoint(LOOPBACK, self._listener.getsockname()[1])
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted.append(connection)
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        try:
            self._serve(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def close(self) -> None:
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.accepted:
            connection.close()


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(function: Callable[[socket.socket], None] = echo, port: int = 0) -> Server:
        servers.append(Server(function, port))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Links]:
    announce = tmp_path_factory.mktemp("links") / "control.json"
    process = start(proxy_command(announce, seed=7))
    links = Links(announce)
    deadline = time.monotonic() + 10
    while links.missing() is not None:
        assert process.poll() is None, "the proxy ended while starting"
        assert time.monotonic() < deadline, links.missing()
        time.sleep(0.005)
    yield links
    assert process.poll() is None, "the proxy did not survive the tests"
    process.terminate()
    assert process.wait(timeout=5) == 0


@pytest.fixture
def link(proxy: Links, serve: Callable[..., Server], request: pytest.FixtureRequest) -> Iterator[Link]:
    one = Link(proxy, request.node.name, serve())
    yield one
    proxy.set_link(one.name, {"cut": True})


class Link:
    """One link of the proxy with the server behind it."""

    def __init__(self, proxy: Links, name: str, server: Server) -> None:
        self.proxy, self.name, self.server = proxy, name, server
        self.endpoint = proxy.add(name, server.endpoint)

    def connect(self, timeout: float = 5.0) -> socket.socket:
        return socket.create_connection((self.endpoint.host, self.endpoint.port), timeout=timeout)

    def set(self, **condition: float | bool | str) -> None:
        self.proxy.set_link(self.name, condition or None)

    def count(self, name: str) -> int:
        return self.proxy.counters(self.name)[name]


def exactly(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes, fewer only when the connection ends."""
    parts, left = [], size
    while left and (data := connection.recv(min(left, 1 << 20))):
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


def until(condition: Callable[[], bool], within: float = 5.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.002)


@pytest.fixture
def system(proxy: Links) -> Iterator[TinySystem]:
    one = TinySystem(proxy)
    one.start()
    yield one
    one.stop()
