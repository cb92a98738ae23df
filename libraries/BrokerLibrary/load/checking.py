"""What arrives on one connection, held against what producers of this load must have sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from BrokerLibrary import wire
from BrokerLibrary.load import kernels
from BrokerLibrary.load.durations import Durations

Bytes = NDArray[np.uint8]

LARGEST_BODY = 1 << 18
"""A length prefix beyond this (the largest body a read buffer holds) says that the stream has lost its frames."""


def prefix_of(opcode: int, topic: str, payload: int) -> Bytes:
    """Return what stands in front of each payload of so many bytes: length, opcode, flags and topic."""
    frame = wire.encode(wire.Frame(opcode, topic, bytes(payload)))
    return np.frombuffer(frame[: len(frame) - payload], dtype=np.uint8).copy()


def label_of(producer: int, run: int) -> np.uint64:
    """Return producer and run as the messages carry them."""
    return np.uint64(run << 32 | producer)


@dataclass(frozen=True, slots=True)
class Book:
    """Where the kernels of all connections of a worker count durations, by intended start."""

    latency: Durations
    service: Durations
    axis: NDArray[np.uint64]  # where row 0 begins, and how long a row is, in ns

    @classmethod
    def new(cls, rows: int, row_ns: int) -> Book:
        """Return an empty one that does not know yet where it begins."""
        return cls(Durations(rows), Durations(rows), np.array([0, row_ns], dtype=np.uint64))


class Checker:
    """Checks the messages of one connection."""

    def __init__(self, prefix: Bytes, payload: int, run: int, counts: Sequence[int], book: Book) -> None:
        """Prepare.

        Args:
            prefix: in front of each message, see `prefix_of`.
            payload: bytes of each message.
            run: number of this load.
            counts: for each producer, how many messages it may send at most.
            book: where durations are counted.
        """
        self._prefix, self._payload, self._book = prefix, payload, book
        self._codes = np.array([LARGEST_BODY, wire.Opcode.ERROR, wire.ErrorCode.LAGGED], dtype=np.int64)
        self._labels = np.array([label_of(producer, run) for producer in range(len(counts))], dtype=np.uint64)
        self._seen = np.zeros((len(counts), (max(counts) + 7) // 8), dtype=np.uint8)
        self._tallies = np.zeros((len(counts), kernels.TALLIES), dtype=np.int64)
        self._totals = np.zeros(kernels.TOTALS, dtype=np.int64)
        self.broken = False

    def check(self, buffer: Bytes, end: int, now_ns: int) -> int:
        """Check the complete frames in the first `end` bytes of a buffer; return where the rest begins.

        A stream whose frames cannot be found any more is `broken`, and all of it counts as read.
        """
        at = int(
            kernels.check(
                buffer,
                end,
                now_ns,
                self._prefix,
                self._payload,
                self._codes,
                self._labels,
                self._seen,
                self._tallies,
                self._totals,
                self._book.axis,
                self._book.latency.counts,
                self._book.service.counts,
            )
        )
        if at == kernels.BROKEN:
            self.broken = True
            return end
        return at

    @property
    def accounted(self) -> int:
        """Messages that arrived for the first time, or are said by a notice to have been dropped."""
        return int(self._tallies[:, kernels.RECEIVED].sum() + self._totals[kernels.LAGGED])

    @property
    def failed(self) -> bool:
        """Whether it is certain already that something is wrong beyond messages that are late."""
        totals = self._totals
        return self.broken or bool(totals[kernels.CORRUPTED] + totals[kernels.ERRORS] + totals[kernels.UNEXPECTED])

    def to_json(self) -> dict[str, Any]:
        """Return all counts."""
        totals, tallies = self._totals.tolist(), self._tallies
        return {
            "received": tallies[:, kernels.RECEIVED].tolist(),
            "duplicated": tallies[:, kernels.DUPLICATED].tolist(),
            "reordered": tallies[:, kernels.REORDERED].tolist(),
            "corrupted": totals[kernels.CORRUPTED],
            "first_wrong": [totals[kernels.FIRST_WRONG_SEQUENCE], totals[kernels.FIRST_WRONG_BYTE]],
            "notices": totals[kernels.NOTICES],
            "lagged": totals[kernels.LAGGED],
            "unannounced": totals[kernels.UNANNOUNCED],
            "errors": totals[kernels.ERRORS],
            "last_error": totals[kernels.LAST_ERROR],
            "unexpected": totals[kernels.UNEXPECTED],
            "broken": self.broken,
        }
