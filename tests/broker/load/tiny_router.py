"""A fan-out of frames for tests of the driver, in a thread: no broker, but enough of one to talk to."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

from BrokerLibrary import wire

HEAD = wire.HEAD.size


class Router:
    """Acknowledges subscriptions and turns each Publish into a Deliver to all subscribers.

    `change` gets each frame's bytes and its number and returns the bytes to deliver instead, so that a test can lose,
    repeat, delay or spoil messages; `refuse` is an error code to answer subscriptions and publishers with.
    """

    def __init__(self, path, change=None, refuse=None):
        self.path = str(path)
        self._change = change or (lambda frame, number: frame)
        self._refuse = refuse
        self._number = 0
        self._lock = threading.Lock()
        self._subscribers = []
        self._sockets = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(100)

    def serve(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._sockets:
            peer.close()

    def _serve(self, peer):
        buffer = bytearray()
        try:
            while data := peer.recv(65536):
                buffer += data
                out: dict[str, bytearray] = {}
                while len(buffer) >= 4 and len(buffer) >= (size := 4 + int.from_bytes(buffer[:4], "little")):
                    self._take(peer, bytes(buffer[:size]), out)
                    del buffer[:size]
                for topic, frames in out.items():
                    self._deliver(frames, topic)
        except OSError:
            return

    def _deliver(self, frames, topic="perf_test"):
        with self._lock:
            for subscribed, subscriber in list(self._subscribers):
                if subscribed == topic:
                    try:
                        subscriber.sendall(frames)
                    except OSError:
                        self._subscribers.remove((subscribed, subscriber))

    def _take(self, peer, frame, out):
        opcode, _, size = wire.HEAD.unpack_from(frame, 4)
        topic = frame[4 + HEAD : 4 + HEAD + size].decode()
        if self._refuse is not None and opcode == self._refuse[0]:
            payload = int(self._refuse[1]).to_bytes(2, "little") + b"no"
            peer.sendall(wire.encode(wire.Frame(wire.Opcode.ERROR, topic, payload)))
        elif opcode == wire.Opcode.SUBSCRIBE:
            with self._lock:
                self._subscribers.append((topic, peer))
            peer.sendall(wire.encode(wire.Frame(wire.Opcode.SUBSCRIBE_ACK, topic)))
        elif opcode == wire.Opcode.PUBLISH:
            self._number += 1
            delivered = self._change(frame[:4] + bytes([wire.Opcode.DELIVER]) + frame[5:], self._number - 1)
            out.setdefault(topic, bytearray()).extend(delivered)


@contextmanager
def router(path, **options):
    serving = Router(path, **options)
    thread = threading.Thread(target=serving.serve, daemon=True)
    thread.start()
    try:
        yield serving
    finally:
        serving.close()
        thread.join(5)
