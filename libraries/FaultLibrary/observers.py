"""Independent observers of faults: the kernel's process table, and a client that speaks a service's protocol."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from environments.system import Address

PATIENCE = 1.0  # seconds without an answer that a client calls silence; a healthy service here needs milliseconds
PADDING = 8000  # bytes of a padded request; PostgreSQL takes a start-up packet of up to 10000

_STOPPED, _GONE = frozenset("Tt"), frozenset("ZX")


class Protocol(StrEnum):
    """How to make a service say anything at all, without logging in."""

    POSTGRESQL = "postgresql"  # an SSLRequest is answered with one byte before any authentication
    REDIS = "redis"  # an inline PING is answered, with an error if a password is missing
    HTTP = "http"
    MYCELIUM = "mycelium"  # a ping is answered
    NATS = "nats"  # the server speaks first
    GRPC = "grpc"  # HTTP/2: a client's preface is answered with the server's settings
    TCP = "tcp"  # nothing to ask: a connection that is accepted counts as an answer


class Outcome(StrEnum):
    """What a client met."""

    ANSWERS = "answers"
    REFUSES = "refuses"
    RESETS = "resets"
    CLOSES = "closes"
    SILENT = "is silent"


@dataclass(frozen=True, slots=True)
class Seen:
    """The outcome of one request, and the seconds from sending it to the first byte of the answer."""

    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True)
class Door:
    """Where a client meets a service."""

    protocol: Protocol
    endpoint: Address

    def knock(self, patience: float = PATIENCE, padding: int = 0) -> Seen:
        """Connect, ask, and wait for the first byte of an answer.

        Args:
            patience: seconds without an answer that count as silence.
            padding: about so many bytes are added to the request, to fill a narrow link.
        """
        begin = time.monotonic()
        try:
            with _connected(self.endpoint, patience) as connection:
                request = _request(self.protocol, padding)
                if self.protocol is Protocol.TCP:
                    return Seen(Outcome.ANSWERS, time.monotonic() - begin)
                begin = time.monotonic()
                connection.sendall(request)
                answer = connection.recv(65536)  # all of it, so that closing does not look like breaking off
        except (ConnectionRefusedError, FileNotFoundError):  # nobody listens, or the socket's file is gone
            outcome = Outcome.REFUSES
        except (ConnectionResetError, BrokenPipeError):
            outcome = Outcome.RESETS
        except OSError:  # a timeout; on loopback there is no other way not to get through
            outcome = Outcome.SILENT
        else:
            outcome = Outcome.ANSWERS if answer else Outcome.CLOSES
        return Seen(outcome, time.monotonic() - begin)

    def __str__(self) -> str:
        return f"{self.protocol} on {self.endpoint}"


def _connected(address: Address, patience: float) -> socket.socket:
    if not isinstance(address, Path):
        return socket.create_connection((address.host, address.port), timeout=patience)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(patience)
    try:
        connection.connect(str(address))
    except BaseException:
        connection.close()
        raise
    return connection


def _request(protocol: Protocol, padding: int) -> bytes:
    fill = b"x" * padding
    match protocol:
        case Protocol.POSTGRESQL if padding:
            body = b"user\0probe\0database\0probe\0application_name\0" + fill + b"\0\0"
            return struct.pack(">ii", len(body) + 8, 196608) + body  # start-up packet, protocol 3.0
        case Protocol.POSTGRESQL:
            return struct.pack(">ii", 8, 80877103)  # SSLRequest
        case Protocol.REDIS:
            return b"PING " + fill + b"\r\n" if padding else b"PING\r\n"
        case Protocol.HTTP:
            pad = b"X-Padding: " + fill + b"\r\n" if padding else b""
            return b"GET /health HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n" + pad + b"\r\n"
        case Protocol.MYCELIUM:
            return struct.pack("<IBBH", 4 + padding, 9, 0, 0) + fill  # length, opcode Ping, no flags, no topic
        case Protocol.GRPC:
            unknown = _http2_frame(0xF0, fill) if padding else b""  # a type that a server has to ignore
            return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _http2_frame(4, b"") + unknown
    return b""


def _http2_frame(kind: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, 0, 0, 0, 0, 0]) + payload


def state(pid: int) -> str:
    """The kernel's letter for the state of a process: R, S, D, T (stopped), Z (dead); "" when there is none."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    return ""


def started(pid: int) -> int:
    """When a process was started, in the kernel's ticks: with it, a process id is not taken for its successor's."""
    with suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    return -1


def alive(pids: Iterable[int]) -> list[int]:
    """Those of the processes that still exist; the dead that nobody has waited for do not."""
    return [pid for pid in pids if state(pid) not in ("", *_GONE)]


def awake(pids: Iterable[int]) -> list[int]:
    """Those of the processes that exist and are not stopped."""
    return [pid for pid in pids if state(pid) not in ("", *_GONE, *_STOPPED)]
