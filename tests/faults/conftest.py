"""A proxy process and small servers behind it, on loopback and on Unix sockets."""

from __future__ import annotations

import re
import select
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from environments.embedded.links import Links, proxy_command
from environments.system import Address, Endpoint
from runner.children import start
from tests.faults.fakes import TinySystem
from tests.waiting import until

LOOPBACK = "127.0.0.1"
ANYWHERE = Endpoint(LOOPBACK, 0)
SLACK = 0.25  # seconds a busy machine may add to any time measured here


def seconds_told(observer: str) -> float:
    """How long whoever observed a link waited for its answer, 0 when the observer tells of no time."""
    waited = re.search(r" after ([0-9.]+) s", observer)
    return float(waited[1]) if waited else 0.0


class Server:
    """A server that runs one function a connection, each in a thread."""

    def __init__(self, serve: Callable[[socket.socket], None], where: Address = ANYWHERE) -> None:
        self.accepted: list[socket.socket] = []
        self._serve = serve
        self.endpoint = where
        if isinstance(where, Path):
            where.unlink(missing_ok=True)
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(where))
            self._listener.listen()
        else:
            self._listener = socket.create_server((where.host, where.port))
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

    def start(function: Callable[[socket.socket], None] = echo, where: Address = ANYWHERE) -> Server:
        servers.append(Server(function, where))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Links]:
    announce = tmp_path_factory.mktemp("links") / "control.json"
    process = start(proxy_command(announce, seed=7))
    links = Links(announce)
    until(lambda: links.missing() is None, "the proxy to answer")
    yield links
    assert process.poll() is None, "the proxy did not survive the tests"
    process.terminate()
    assert process.wait(timeout=5) == 0


@pytest.fixture(params=["tcp", "unix"])
def kind(request: pytest.FixtureRequest) -> str:
    """What a link listens on and leads to."""
    return str(request.param)


@pytest.fixture
def lead(
    kind: str, proxy: Links, serve: Callable[..., Server], request: pytest.FixtureRequest
) -> Iterator[Callable[..., Link]]:
    """Make a link that leads to a server which runs this function, an echo by default."""
    made: list[Link] = []
    with tempfile.TemporaryDirectory(prefix="links-") as directory:  # of a short name: a socket's path is limited

        def make(function: Callable[[socket.socket], None] = echo) -> Link:
            place = Path(directory) / str(len(made))
            where = (place.with_suffix(".server"), place.with_suffix(".link")) if kind == "unix" else (ANYWHERE, None)
            made.append(Link(proxy, f"{request.node.name} {len(made)}", serve(function, where[0]), where[1]))
            return made[-1]

        yield make
        for link in made:
            link.set(cut=True)


@pytest.fixture
def link(lead: Callable[..., Link]) -> Link:
    return lead()


class Link:
    """One link of the proxy with the server behind it."""

    def __init__(self, proxy: Links, name: str, server: Server, listen: Path | None = None) -> None:
        self.proxy, self.name, self.server = proxy, name, server
        target = server.endpoint
        self.endpoint: Address = proxy.add(name, target, listen) if listen else proxy.add(name, target)

    def connect(self, timeout: float = 5.0) -> socket.socket:
        return connected(self.endpoint, timeout)

    def set(self, **condition: float | bool | str) -> None:
        self.proxy.set_link(self.name, condition or None)

    def count(self, name: str) -> int:
        return self.proxy.counters(self.name)[name]


def connected(where: Address, timeout: float = 5.0) -> socket.socket:
    if not isinstance(where, Path):
        return socket.create_connection((where.host, where.port), timeout=timeout)
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(timeout)
    try:
        client.connect(str(where))
    except OSError:
        client.close()
        raise
    return client


def exactly(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes, fewer only when the connection ends."""
    parts, left = [], size
    while left and (data := connection.recv(min(left, 1 << 20))):
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


def round_trip(connection: socket.socket, data: bytes = b"ping") -> float:
    """Seconds until an echo is back."""
    begin = time.monotonic()
    connection.sendall(data)
    assert exactly(connection, len(data)) == data
    return time.monotonic() - begin


def silent(connection: socket.socket, seconds: float = 0.15) -> bool:
    return not select.select([connection], [], [], seconds)[0]


@pytest.fixture
def system(proxy: Links) -> Iterator[TinySystem]:
    one = TinySystem(proxy)
    one.start()
    yield one
    one.stop()
