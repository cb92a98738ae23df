"""What a worker is told to do and what it answers, each one line of JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from BrokerLibrary import wire

READ_BYTES = 256 * 1024
WRITE_BYTES = 256 * 1024
"""Bytes of one write or read. Beyond 256 KiB nothing is won, and the second-level cache is left."""

SEND_BUFFER_BYTES = 1 << 20
"""What the kernel is asked to buffer for a connection; it may grant less."""

TICK_SECONDS = 0.05
"""A worker that waits for a peer looks this often whether it has been told something, or its time is over."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the messages of a load look like, and how time is cut into rows of histograms.

    Attributes:
        topic: where they are published.
        payload: bytes of each.
        run: number of this load, so that messages of another one are noticed.
        rows: of the histograms.
        row_ns: how much time of intended starts a row covers.
        opcode_sent: of a producer's frames: Publish, or Deliver when nothing between turns one into the other.
    """

    topic: str
    payload: int
    run: int
    rows: int
    row_ns: int
    opcode_sent: int = wire.Opcode.PUBLISH


@dataclass(frozen=True, slots=True)
class Produce:
    """Send messages over one connection.

    Attributes:
        socket: path of the Unix socket.
        shape: of the messages.
        producer: its number.
        count: messages.
        rate: a second, by intended starts; None: as fast as they are taken.
        quantum_ns: time between two intended starts; as many messages as are due have the same one.
        spin_ns: how long before an intended start to wait awake for it.
        drop_after_ns: what is later than this is not sent any more.
        deadline_s: after so long the job is given up.
    """

    socket: str
    shape: Shape
    producer: int
    count: int
    rate: float | None = None
    quantum_ns: int = 1_000_000
    spin_ns: int = 0
    drop_after_ns: int = 2_000_000_000
    deadline_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How slowly to read, and for how long; afterwards all is read as it comes."""

    seconds: float
    read_bytes: int = 0  # 0: nothing at all
    every_s: float = 0.01


@dataclass(frozen=True, slots=True)
class Consume:
    """Read and check messages on one or more connections.

    Attributes:
        socket: path of the Unix socket.
        shape: of the messages.
        counts: for each producer, how many messages it sends at most.
        connections: how many, each of which gets all messages.
        subscribe: ask for the topic and wait for the acknowledgement; not when the peer copies all bytes.
        listen: be the one to connect to, so that a producer writes to this worker with nothing between them.
        pace: how slowly to read, None: as it comes. For one connection only.
        punctual: ask the kernel to run this worker as soon as something arrives.
        deadline_s: after so long the job is given up.
    """

    socket: str
    shape: Shape
    counts: tuple[int, ...]
    connections: int = 1
    subscribe: bool = True
    listen: bool = False
    pace: Pace | None = None
    punctual: bool = False
    deadline_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Relay:
    """Copy bytes from a producer's connection to a consumer's without looking at them.

    Attributes:
        entry: path where the producer connects.
        exit: path where the consumer connects.
        deadline_s: after so long the job is given up.
    """

    entry: str
    exit: str
    deadline_s: float = 60.0


Job = Produce | Consume | Relay


def to_json(job: Job) -> dict[str, Any]:
    """Return a job as a worker reads it."""
    return {"do": type(job).__name__, **asdict(job)}


def from_json(told: dict[str, Any]) -> Job:
    """Read a job.

    Raises:
        ValueError: it is none.
    """
    fields = {key: value for key, value in told.items() if key != "do"}
    if "shape" in fields:
        fields["shape"] = Shape(**fields["shape"])
    if fields.get("pace"):
        fields["pace"] = Pace(**fields["pace"])
    match told.get("do"):
        case "Produce":
            return Produce(**fields)
        case "Consume":
            return Consume(**{**fields, "counts": tuple(fields["counts"])})
        case "Relay":
            return Relay(**fields)
        case other:
            raise ValueError(f"no worker knows how to {other}")
