"""A small client of the tests' own: frames packed by hand, nothing shared with the broker or the library."""

from __future__ import annotations

import json
import socket
import struct
import time
from pathlib import Path
from typing import Any, NamedTuple

PUBLISH, SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBE_ACK, UNSUBSCRIBE_ACK, DELIVER = 1, 2, 3, 4, 5, 6
PUBLISH_ACK, ERROR, PING, PONG, STATS, STATS_REPLY = 7, 8, 9, 10, 11, 12
UNKNOWN_TOPIC, TOO_LARGE, MALFORMED, UNKNOWN_OPCODE, TOO_MANY, SHUTTING_DOWN, LAGGED = 1, 2, 3, 4, 5, 6, 7


class Got(NamedTuple):
    opcode: int
    topic: str = ""
    payload: bytes = b""

    @property
    def code(self) -> int:
        assert self.opcode == ERROR, self
        (code,) = struct.unpack_from("<H", self.payload)
        return int(code)

    @property
    def lost(self) -> int:
        assert self.code == LAGGED, self
        return int(struct.unpack_from("<Q", self.payload, 2)[0])

    @property
    def accepted(self) -> int:
        assert self.opcode == PUBLISH_ACK, self
        return int(struct.unpack("<Q", self.payload)[0])


def frame(opcode: int, topic: str | bytes = b"", payload: bytes = b"", flags: int = 0) -> bytes:
    name = topic.encode() if isinstance(topic, str) else topic
    return struct.pack("<IBBH", 4 + len(name) + len(payload), opcode, flags, len(name)) + name + payload


class Closed(Exception):
    """The broker closed the connection; `reset` if it did so by a reset."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "end of the stream")
        self.reset = reset


class Client:
    def __init__(self, path: Path | str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        self._buffer = bytearray()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def publish(self, topic: str, *payloads: bytes, ack: bool = False) -> None:
        self.send(b"".join(frame(PUBLISH, topic, payload, int(ack)) for payload in payloads))

    def subscribe(self, *topics: str) -> None:
        for topic in topics:
            self.send(frame(SUBSCRIBE, topic))
            assert self.receive() == Got(SUBSCRIBE_ACK, topic)

    def receive(self, seconds: float = 10.0) -> Got:
        """Return the next frame.

        Raises:
            TimeoutError: none came in time.
            Closed: the connection is over.
        """
        end = time.monotonic() + seconds
        while (got := self._parse()) is None:
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                data = self.socket.recv(1 << 18)
            except ConnectionResetError:
                raise Closed(reset=True) from None
            if not data:
                raise Closed(reset=False)
            self._buffer += data
        return got

    def receive_or_end(self) -> Got | None:
        """Return the next frame, None at the end of the connection."""
        try:
            return self.receive()
        except Closed as end:
            if end.reset:
                raise
            return None

    def _parse(self) -> Got | None:
        if len(self._buffer) < 8:
            return None
        body, opcode, flags, name = struct.unpack_from("<IBBH", self._buffer)
        if len(self._buffer) < 4 + body:
            return None
        assert flags == 0, "the broker sends no flags"
        assert 4 + name <= body, "the broker's topic does not fit"
        topic = bytes(self._buffer[8 : 8 + name]).decode()
        payload = bytes(self._buffer[8 + name : 4 + body])
        del self._buffer[: 4 + body]
        return Got(opcode, topic, payload)

    def deliveries(self, count: int) -> list[bytes]:
        """Return the payloads of the next messages; anything else is an error."""
        got = [self.receive() for _ in range(count)]
        assert {g.opcode for g in got} <= {DELIVER}, [g for g in got if g.opcode != DELIVER]
        return [g.payload for g in got]

    def until_pong(self, mark: bytes = b"here", *, seconds: float = 10.0) -> list[Got]:
        """Ping; return what came before the pong. What the broker did for this client before is then done."""
        self.send(frame(PING, payload=mark))
        got = []
        while (one := self.receive(seconds)) != Got(PONG, "", mark):
            got.append(one)
        return got

    def stats(self) -> dict[str, Any]:
        self.send(frame(STATS))
        while (got := self.receive()).opcode != STATS_REPLY:
            pass
        content: dict[str, Any] = json.loads(got.payload)
        return content

    def until_closed(self) -> list[Got]:
        """Return all frames up to the end of the connection, which must be an orderly one."""
        got = []
        while (one := self.receive_or_end()) is not None:
            got.append(one)
        return got

    def close(self) -> None:
        self.socket.close()
