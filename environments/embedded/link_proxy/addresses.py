"""Where links listen and lead to: TCP ports, and the files of Unix sockets."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

Address = tuple[str, int] | str
"""A host and a port, or the path of a Unix socket."""

BACKLOG = 512
LONGEST_PATH = 106  # bytes; the kernel takes one more, and so can the name a socket is made under
RESET_SECONDS = 0.05  # after which a Unix client that sends nothing is not waited for any more
RETRY_SECONDS = 0.002  # until a Unix server whose queue is full is asked again
LINGER_ZERO = struct.pack("ii", 1, 0)


class Listener(Protocol):
    """Where the clients of a link connect."""

    socket: socket.socket  # another one after each `open`

    @property
    def address(self) -> Address:
        """The address, with the port that was chosen."""

    def open(self) -> None:
        """Let clients connect."""

    def refuse(self) -> None:
        """Let the kernel refuse clients; the address stays this link's."""

    def close(self) -> None:
        """Give the address back."""


def parsed(given: object) -> Address:
    """Read an address as the control port writes it: `[host, port]`, or the path of a Unix socket.

    Raises:
        ValueError: it is neither.
    """
    match given:
        case [str(host), int(port)]:
            return host, port
        case str(path):
            return path
    raise ValueError(f"{given!r} is no address; give [host, port] or the path of a Unix socket")


def listener(address: Address) -> Listener:
    """Take an address; nobody can connect before it is opened.

    Raises:
        OSError: it is taken, or cannot be; one line.
    """
    return UnixListener(address) if isinstance(address, str) else TcpListener(*address)


async def connect(loop: asyncio.AbstractEventLoop, protocol: Callable[[], asyncio.Protocol], address: Address) -> None:
    """Connect to a server.

    Raises:
        OSError: nobody listens there.
    """
    if not isinstance(address, str):
        await loop.create_connection(protocol, *address)
        return
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setblocking(False)
        while not _is_let_in(connection, address):  # noqa: ASYNC110, the kernel gives no sign to wait for
            await asyncio.sleep(RETRY_SECONDS)
    except BaseException:
        connection.close()
        raise
    await loop.create_unix_connection(protocol, sock=connection)


def _is_let_in(connection: socket.socket, path: str) -> bool:
    """Whether a Unix server takes one more; if not, as many wait there as it allows, and the client waits here."""
    try:
        connection.connect(path)
    except BlockingIOError:
        return False
    return True


def reset(loop: asyncio.AbstractEventLoop, accepted: socket.socket) -> None:
    """End a connection of which nothing was read so that its client sees a reset; see `link_proxy`."""
    if accepted.family != socket.AF_UNIX:
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        accepted.close()
        return

    def end() -> None:
        late.cancel()
        loop.remove_reader(accepted)
        accepted.close()

    late = loop.call_later(RESET_SECONDS, end)
    loop.add_reader(accepted, end)


class TcpListener:
    """A TCP port. It stays bound while a cut link does not listen, so that no other program can take it meanwhile."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = _bound(host, port)

    @property
    def address(self) -> Address:
        """See `Listener`."""
        host, port = self.socket.getsockname()[:2]
        return host, port

    def open(self) -> None:
        """See `Listener`."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ended connections are not in the way
        self.socket.listen(BACKLOG)

    def refuse(self) -> None:
        """See `Listener`."""
        self.socket.shutdown(socket.SHUT_RD)  # stays bound to its port, and the kernel refuses
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # to nobody else either

    def close(self) -> None:
        """See `Listener`."""
        self.socket.close()


class UnixListener:
    """The file of a Unix socket. A socket that has stopped listening cannot begin again, so another takes its place."""

    def __init__(self, path: str) -> None:
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise OSError(f"cannot listen on {path} (longer than {LONGEST_PATH} bytes)")
        self.address: Address = path
        self._path = Path(path)
        self.socket = _unix(path)

    def open(self) -> None:
        """See `Listener`. The file leads to the old socket or to the new one at any time."""
        if self.socket.fileno() >= 0:
            self.socket.listen(BACKLOG)
            return
        draft = self._path.with_name(f"{self._path.name}~")
        self.socket = _unix(str(draft))
        self.socket.listen(BACKLOG)
        draft.rename(self._path)

    def refuse(self) -> None:
        """See `Listener`. The file stays, so that the address is taken, and nobody is behind it."""
        self.socket.close()

    def close(self) -> None:
        """See `Listener`."""
        self.socket.close()
        self._path.unlink(missing_ok=True)


def _unix(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.setblocking(False)
    try:
        made.bind(path)
    except OSError as error:
        made.close()
        raise OSError(f"cannot listen on {path} ({error.strerror})") from None
    return made


def _bound(host: str, port: int) -> socket.socket:
    """A non-blocking socket bound to an address, 0 for any free port.

    A port the kernel chose is bound again by its number: only a port that was asked for stays bound while a cut
    link does not listen. Address reuse is first left out, so that no other program can take it meanwhile.

    Raises:
        OSError: the address is taken; one line.
    """
    for reuse in (0, 1):
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        try:
            made.bind((host, port))
        except OSError as error:
            made.close()
            if reuse or port == 0:  # without reuse, connections that ended a minute ago are in the way
                raise OSError(f"cannot listen on {host}:{port} ({error.strerror})") from None
            continue
        if port == 0:
            chosen = made.getsockname()[1]
            made.close()
            return _bound(host, chosen)
        made.setblocking(False)
        return made
    raise AssertionError("unreachable: the second attempt returns or raises")
