"""A server that speaks just enough of PostgreSQL's protocol to misbehave on purpose."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from robot.api.types import Secret

from environments.system import Endpoint, Login
from PatroniLibrary.session import Session

READY = b"Z" + struct.pack(">ic", 5, b"I")
LOGIN = Login("someone", Secret("something"))


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">i", len(body) + 4) + body


def report(kind: bytes, severity: str, sqlstate: str, text: str) -> bytes:
    """An ErrorResponse (E) or NoticeResponse (N)."""
    fields = f"S{severity}\0V{severity}\0C{sqlstate}\0M{text}\0\0"
    return message(kind, fields.encode())


def row(*values: object) -> bytes:
    """One row of text columns with its description, and the end of the command."""
    oids = {bool: 16, int: 23, str: 25}
    fields = [b"c\0" + struct.pack(">ihihih", 0, 0, oids[type(v)], -1, -1, 0) for v in values]
    texts = [("t" if v is True else "f" if v is False else str(v)).encode() for v in values]
    data = b"".join(struct.pack(">i", len(text)) + text for text in texts)
    return (
        message(b"T", struct.pack(">h", len(fields)) + b"".join(fields))
        + message(b"D", struct.pack(">h", len(values)) + data)
        + message(b"C", b"SELECT 1\0")
        + READY
    )


class FakePostgres:
    """Answers each statement with the next of its `script`.

    An answer is bytes, or None for silence, or "close". After a FATAL error it closes. `greeting` replaces the usual
    welcome.
    """

    def __init__(self, *script: bytes | str | None, greeting: bytes | str | None = b"") -> None:
        self.script, self.greeting = list(script), greeting
        self.statements: list[str] = []
        self.open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = Endpoint("127.0.0.1", self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def session(self) -> Session:
        return Session(self.endpoint, LOGIN, "acceptance", "unit test")

    def close(self) -> None:
        self._listener.close()
        for connection in self.open:
            connection.close()

    def cut(self) -> None:
        """Close every session from the server's side."""
        for connection in self.open:
            connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._talk(connection)
        except OSError:
            return

    def _talk(self, connection: socket.socket) -> None:
        while True:  # the client may ask for SSL or GSS first
            (size,) = struct.unpack(">i", self._read(connection, 4))
            (code,) = struct.unpack(">i", self._read(connection, size - 4)[:4])
            if code not in (80877103, 80877104):
                break
            connection.sendall(b"N")
        if not self._send(connection, self.greeting or self._welcome() if self.greeting is not None else None):
            return
        while True:
            kind = self._read(connection, 1)
            (size,) = struct.unpack(">i", self._read(connection, 4))
            body = self._read(connection, size - 4)
            if kind != b"Q":
                return
            self.statements.append(body.rstrip(b"\0").decode())
            if not self._send(connection, self.script.pop(0)):
                return

    @staticmethod
    def _welcome() -> bytes:
        settings = {"client_encoding": "UTF8", "standard_conforming_strings": "on", "DateStyle": "ISO, MDY"}
        told = b"".join(message(b"S", f"{k}\0{v}\0".encode()) for k, v in settings.items())
        return message(b"R", struct.pack(">i", 0)) + told + message(b"K", struct.pack(">ii", 1, 2)) + READY

    @staticmethod
    def _send(connection: socket.socket, answer: bytes | str | None) -> bool:
        if answer == "close":
            connection.shutdown(socket.SHUT_RDWR)
            return False
        if answer is None:
            return False
        assert isinstance(answer, bytes)
        connection.sendall(answer)
        if b"SFATAL" in answer:
            connection.shutdown(socket.SHUT_RDWR)
            return False
        return True

    @staticmethod
    def _read(connection: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = connection.recv(size - len(data))
            if not part:
                raise OSError("closed")
            data += part
        return data


@pytest.fixture
def postgres() -> Iterator[Callable[..., FakePostgres]]:
    """Start fake servers; they end with the test."""
    started: list[FakePostgres] = []

    def start(*script: bytes | str | None, greeting: bytes | str | None = b"") -> FakePostgres:
        started.append(FakePostgres(*script, greeting=greeting))
        return started[-1]

    yield start
    for fake in started:
        fake.close()


@pytest.fixture
def answers() -> type:
    """How to write what the server answers."""

    class Answers:
        row = staticmethod(row)

        @staticmethod
        def error(sqlstate: str, text: str = "no", severity: str = "ERROR", ready: bool = True) -> bytes:
            return report(b"E", severity, sqlstate, text) + (READY if ready else b"")

        @staticmethod
        def warning(text: str, then: bytes) -> bytes:
            return report(b"N", "WARNING", "01000", text) + then

    return Answers
