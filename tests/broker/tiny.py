"""A broker of a few lines for tests of the client: Fanout only, and as wrong as a test wants it to be."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import defaultdict
from pathlib import Path


def frame(opcode, topic=b"", payload=b"", flags=0):
    body = struct.pack("<BBH", opcode, flags, len(topic)) + topic + payload
    return struct.pack("<I", len(body)) + body


def error(code, text=b"no", topic=b"", count=None):
    number = struct.pack("<H", code) if count is None else struct.pack("<HQ", code, count)
    return frame(8, topic, number + text)


class TinyBroker:
    """Listens until `stop`. Override `answer` to misbehave; what it returns is sent instead."""

    topics: tuple[bytes, ...] = (b"t", b"u")
    limit = 1000

    def __init__(self, path: Path):
        self.path = path
        self.subscribers: dict[bytes, list[socket.socket]] = defaultdict(list)
        self.connections: list[socket.socket] = []
        self.frames: list[tuple[int, int, bytes, bytes]] = []  # (opcode, flags, topic, payload) as they came
        self.accepted: dict[socket.socket, int] = defaultdict(int)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        """Close everything at once and remove the socket."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.path.unlink(missing_ok=True)
        for connection in self.connections:
            self.drop(connection)

    def drop(self, connection):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def answer(self, connection, opcode, flags, topic, payload):
        """What is sent back to a frame; deliveries are sent on the way."""
        match opcode:
            case 1 if topic not in self.topics:
                return error(1, b"unknown topic", topic)
            case 1 if len(payload) > self.limit:
                return error(2, b"too large", topic)
            case 1:
                self.accepted[connection] += 1
                for subscriber in self.subscribers[topic]:
                    self.send(subscriber, frame(6, topic, payload))
                return frame(7, topic, struct.pack("<Q", self.accepted[connection])) if flags else b""
            case 2 if topic not in self.topics:
                return error(1, b"unknown topic", topic)
            case 2:
                self.subscribers[topic].append(connection)
                return frame(4, topic)
            case 3:
                self.subscribers[topic] = [s for s in self.subscribers[topic] if s is not connection]
                return frame(5, topic)
            case 9:
                return frame(10, payload=payload)
            case 11:
                return frame(12, payload=json.dumps({"topics": {}}).encode())
        return b""

    def send(self, connection, data):
        try:
            connection.sendall(data)
        except OSError:
            pass

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        stream = connection.makefile("rb")
        try:
            while prefix := stream.read(4):
                (size,) = struct.unpack("<I", prefix)
                body = stream.read(size)
                if len(body) < size:
                    break
                opcode, flags, length = struct.unpack_from("<BBH", body)
                topic, payload = body[4 : 4 + length], body[4 + length :]
                self.frames.append((opcode, flags, topic, payload))
                self.send(connection, self.answer(connection, opcode, flags, topic, payload))
        except (OSError, ValueError, struct.error):
            pass
        for subscribers in self.subscribers.values():
            if connection in subscribers:
                subscribers.remove(connection)
        connection.close()
