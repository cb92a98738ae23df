"""One connection to a broker: frames out with a deadline, frames in on a thread of its own."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from BrokerLibrary.wire import Decoder, Frame

RECEIVE_BYTES = 1 << 16


class ConnectionLost(ConnectionError):
    """The connection ended, or there is none."""


def opened(path: Path, seconds: float) -> socket.socket:
    """Connect to a Unix socket.

    Raises:
        ConnectionLost: nobody listens there, or the connection was not taken up in time.
    """
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(seconds)
    try:
        stream.connect(str(path))
    except OSError as error:
        stream.close()
        raise ConnectionLost(f"no connection to {path.name}: {error.strerror or error}") from None
    stream.settimeout(None)
    return stream


def send(stream: socket.socket, data: bytes, seconds: float) -> None:
    """Hand all bytes to the kernel, however slowly the other side reads.

    Raises:
        ConnectionLost: the connection has ended.
        TimeoutError: they were not taken in time; how many of them were, nobody can tell.
    """
    end = time.monotonic() + seconds
    view = memoryview(data)
    poll = select.poll()
    poll.register(stream, select.POLLOUT)
    while view:
        try:
            view = view[stream.send(view, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
            continue
        except BlockingIOError:
            pass
        except OSError as error:
            raise ConnectionLost(f"sending failed: {error.strerror}") from None
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"{len(view)} of {len(data)} bytes were not taken within {seconds:g} s")
        poll.poll(max(1, left * 1000))


class Connection:
    """An open connection whose frames are handed on as they come.

    Args:
        path: of the broker's socket.
        seconds: bound on connecting.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self._stream = opened(path, seconds)
        self._sending = threading.Lock()
        self._decoder = Decoder()
        self._reading = threading.Event()
        self._reading.set()

    def hold(self, held: bool) -> None:
        """Stop reading after at most one more piece, or go on."""
        if held:
            self._reading.clear()
        else:
            self._reading.set()

    def send(self, data: bytes, seconds: float, prepare: Callable[[], None] | None = None) -> None:
        """Send bytes that no other thread's come between; raises as `send` above.

        Args:
            data: whole frames.
            seconds: bound on their being taken.
            prepare: called when it is this caller's turn, so that it can write down what is sent in its order.
        """
        with self._sending:
            if prepare is not None:
                prepare()
            try:
                send(self._stream, data, seconds)
            except TimeoutError:
                self.shut()  # half a frame may stand in the stream: nothing can follow it
                raise

    def receive(self, handle: Callable[[list[Frame]], None]) -> str:
        """Hand on frames until the connection ends; return how it did.

        Raises:
            WireProblem: something came that no broker may send.
        """
        while True:
            self._reading.wait()
            try:
                data = self._stream.recv(RECEIVE_BYTES)
            except OSError as error:
                return f"broken off: {error.strerror}"
            if not data:
                cut = f" in the middle of a frame ({self._decoder.incomplete} bytes)"
                return f"closed by the broker{cut if self._decoder.incomplete else ''}"
            handle(self._decoder.feed(data))

    def shut(self) -> None:
        """End it in both directions; `receive` returns."""
        try:
            self._stream.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended already
        self._reading.set()

    def close(self) -> None:
        """Give its file descriptor back; only when `receive` has returned."""
        self._stream.close()
