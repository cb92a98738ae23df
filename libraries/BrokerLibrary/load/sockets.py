"""Unix sockets of a load: blocking, with large buffers, and never for longer than a tick at a time."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path

from BrokerLibrary import wire
from BrokerLibrary.load.jobs import SEND_BUFFER_BYTES, TICK_SECONDS

ACK_SECONDS = 10.0
"""Bound on the answer to a subscription."""

_TICK = struct.pack("ll", int(TICK_SECONDS), int(TICK_SECONDS % 1 * 1_000_000))


class LoadProblem(Exception):
    """A load cannot go on: the peer refused, or went away."""


def connect(path: str) -> socket.socket:
    """Connect to a Unix socket.

    Raises:
        LoadProblem: nobody takes the connection.
    """
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        peer.connect(path)
    except OSError as error:
        peer.close()
        raise LoadProblem(f"no connection to {path}: {error}") from None
    return with_options(peer)


def listener(path: str) -> socket.socket:
    """Listen on a Unix socket.

    Raises:
        LoadProblem: that is not possible.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(path)
    except OSError as error:
        listening.close()
        raise LoadProblem(f"nobody can listen on {path}: {error}") from None
    listening.listen(1)
    return listening


def stop_listening(listening: socket.socket) -> None:
    """Close what `listener` returned and remove its file; harmless when that has been done."""
    if listening.fileno() >= 0:
        path = listening.getsockname()
        listening.close()
        Path(path).unlink(missing_ok=True)


def with_options(peer: socket.socket) -> socket.socket:
    """Ask for a large send buffer, and let reads and writes raise `BlockingIOError` after a tick.

    The kernel keeps that time itself: a time-out of Python's would cost another system call for each read.
    """
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TICK)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _TICK)
    return peer


def subscribe(peer: socket.socket, topic: str) -> None:
    """Subscribe and wait for the acknowledgement.

    Raises:
        LoadProblem: there is none in time, or the broker answers something else.
    """
    peer.sendall(wire.subscribe(topic))
    deadline = time.monotonic() + ACK_SECONDS
    decoder = wire.Decoder()
    while True:
        data = _byte(peer)  # one at a time: what follows the acknowledgement is left for the checking
        if data is None and time.monotonic() > deadline:
            raise LoadProblem(f"no acknowledgement of the subscription to {topic} within {ACK_SECONDS:g} s")
        for frame in decoder.feed(data or b""):
            if frame.opcode == wire.Opcode.ERROR:
                raise LoadProblem(f"subscription to {topic}: {wire.error_of(frame)}")
            if (frame.opcode, frame.topic) != (wire.Opcode.SUBSCRIBE_ACK, topic):
                raise LoadProblem(f"{wire.Opcode(frame.opcode).name} came before the subscription was acknowledged")
            return


def complaints(peer: socket.socket, decoder: wire.Decoder) -> list[str]:
    """Return what a broker says to a producer that asks for nothing: errors only.

    Raises:
        LoadProblem: it closed the connection.
    """
    try:
        data = peer.recv(65536, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return []
    except OSError as error:
        raise LoadProblem(f"the connection broke: {error}") from None
    if not data:
        raise LoadProblem("the broker closed a producer's connection")
    return [
        str(wire.error_of(frame)) if frame.opcode == wire.Opcode.ERROR else f"an unwanted {frame}"
        for frame in decoder.feed(data)
    ]


def _byte(peer: socket.socket) -> bytes | None:
    try:
        data = peer.recv(1)
    except BlockingIOError:
        return None
    except OSError as error:
        raise LoadProblem(f"the connection broke: {error}") from None
    if not data:
        raise LoadProblem("the broker closed the connection")
    return data
