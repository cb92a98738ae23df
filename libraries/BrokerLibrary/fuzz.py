"""Frames that are random, truncated or damaged: what a broker may get from a client that is broken or hostile."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from BrokerLibrary import wire
from BrokerLibrary.connection import ConnectionLost
from BrokerLibrary.raw import RawConnection
from BrokerLibrary.wire import ErrorCode, Frame, WireProblem

END_SECONDS = 5.0  # for a broker to close a connection that nothing more comes on


@dataclass
class Outcome:
    """What became of many connections with one damaged frame each.

    Attributes:
        sent: how many.
        told: connections on which the broker answered with a frame error (3 or 4).
        problems: connections that the broker did not close, or answered with what is no frame.
        unserved: connections that were not taken up.
    """

    sent: int = 0
    told: int = 0
    unserved: int = 0
    problems: list[str] | None = None

    def add_problem(self, problem: str) -> None:
        """Keep the first few."""
        self.problems = self.problems or []
        if len(self.problems) < 10:
            self.problems.append(problem)


def damaged_frames(number: int, seed: int, topic: str) -> Iterator[bytes]:
    """Make frames of every kind of damage, in turn: noise, cut off, with changed bytes, with a length that lies.

    Args:
        number: how many.
        seed: of what is random.
        topic: that the frames are about before they are damaged.
    """
    chance = random.Random(seed)
    for count in range(number):
        yield (_noise, _cut, _changed, _lying)[count % 4](chance, topic)


def attack(socket: Path, frames: Iterator[bytes]) -> Outcome:
    """Send each frame on a connection of its own and end that; the broker must end it too."""
    outcome = Outcome()
    for frame in frames:
        outcome.sent += 1
        try:
            with RawConnection(socket, END_SECONDS) as connection:
                connection.send(frame)
                connection.finish_sending()
                if not connection.read_to_the_end(END_SECONDS):
                    outcome.add_problem(f"still open {END_SECONDS:g} s after {frame[:40].hex()}")
                codes = {error.code for error in connection.errors}
                outcome.told += bool(codes & {ErrorCode.MALFORMED_FRAME, ErrorCode.UNKNOWN_OPCODE})
        except ConnectionLost:
            outcome.unserved += 1
        except (WireProblem, TimeoutError) as problem:
            outcome.add_problem(f"after {frame[:40].hex()}: {problem}")
    return outcome


def _noise(chance: random.Random, _topic: str) -> bytes:
    return chance.randbytes(chance.randint(1, 200))


def _cut(chance: random.Random, topic: str) -> bytes:
    whole = _right(chance, topic)
    return whole[: chance.randint(1, len(whole) - 1)]


def _changed(chance: random.Random, topic: str) -> bytes:
    frame = bytearray(_right(chance, topic))
    for _ in range(chance.randint(1, 4)):
        frame[chance.randrange(wire.PREFIX.size, min(len(frame), 20))] = chance.randrange(256)
    return bytes(frame)


def _lying(chance: random.Random, topic: str) -> bytes:
    frame = _right(chance, topic)
    length = chance.choice((0, 1, 3, len(frame), len(frame) * 2, 1 << 16, 1 << 24, (1 << 32) - 1))
    return wire.PREFIX.pack(length) + frame[wire.PREFIX.size :]


def _right(chance: random.Random, topic: str) -> bytes:
    opcode = chance.choice((1, 1, 1, 2, 3, 9, 9, 11))
    payload = chance.randbytes(chance.randint(0, 300)) if opcode in (1, 9) else b""
    return wire.encode(Frame(opcode, topic if opcode < 4 else "", payload))
