"""A connection on which anything may be sent, and that tells what came back: for what brokers must refuse."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from BrokerLibrary import wire
from BrokerLibrary.connection import ConnectionLost, opened, send
from BrokerLibrary.wire import BrokerError, Decoder, Frame, Opcode

ANSWER_SECONDS = 2.0


class RawConnection:
    """One connection, without a thread.

    Args:
        path: of the broker's socket.
        seconds: bound on connecting and on each send.

    Raises:
        ConnectionLost: there is no broker.
    """

    def __init__(self, path: Path, seconds: float = ANSWER_SECONDS) -> None:
        self.frames: list[Frame] = []
        self.ended = False
        self._seconds = seconds
        self._decoder = Decoder()
        self._stream = opened(path, seconds)

    def send(self, data: bytes) -> bool:
        """Send bytes; False when the broker had closed the connection before it took them all."""
        try:
            send(self._stream, data, self._seconds)
        except ConnectionLost:
            return False
        return True

    def read_until(self, condition: Callable[[], bool], within: float) -> bool:
        """Read frames until the condition holds; False when it did not in time, or not before the connection ended.

        Raises:
            WireProblem: something came that no broker may send.
        """
        end = time.monotonic() + within
        while not condition():
            left = end - time.monotonic()
            if left <= 0 or self.ended:
                return False
            self._read(left)
        return True

    def read_to_the_end(self, within: float) -> bool:
        """Read frames until the broker closes the connection; whether it did. Raises as `read_until`."""
        return self.read_until(lambda: self.ended, within)

    def answers_ping(self, within: float = ANSWER_SECONDS) -> bool:
        """Whether the connection is alive: a ping comes back. Raises as `read_until`."""
        token = f"still there? {len(self.frames)}".encode()
        wanted = Frame(Opcode.PONG, payload=token)
        self.send(wire.ping(token))  # a broker that has hung up may have said why before
        return self.read_until(lambda: wanted in self.frames, within)

    @property
    def errors(self) -> list[BrokerError]:
        """The errors that came."""
        return [wire.error_of(frame) for frame in self.frames if frame.opcode == Opcode.ERROR]

    def finish_sending(self) -> None:
        """Close the sending direction only."""
        try:
            self._stream.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the broker has closed already

    def close(self) -> None:
        """End it, whatever is unread."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _read(self, seconds: float) -> None:
        self._stream.settimeout(max(seconds, 0.001))
        try:
            data = self._stream.recv(65536)
        except TimeoutError:
            return
        except OSError:
            data = b""
        finally:
            self._stream.settimeout(None)
        self.ended = not data
        self.frames += self._decoder.feed(data)
