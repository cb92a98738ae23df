"""Whether the memory of processes rises with what they do: from samples taken outside, service by service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from measurement.statistics import Estimate, slope

MEGABYTE = 1_000_000
SETTLED = 1 / 3  # of a load is over before memory is looked at: caches, pools and heaps have what they need by then


@dataclass(frozen=True)
class Memory:
    """What one service held while a load lasted.

    Attributes:
        service: its name.
        at: instants of the samples, epoch seconds; or numbers of rounds, after each of which one was taken.
        bytes: private memory where the system tells it, else resident memory.
    """

    service: str
    at: tuple[float, ...]
    bytes: tuple[float, ...]

    @property
    def growth(self) -> float:
        """Bytes between the first sample and the highest."""
        return max(self.bytes) - self.bytes[0]

    @property
    def most(self) -> float:
        """The highest, bytes."""
        return max(self.bytes)

    def rise(self, settling_seconds: float = 0.0) -> Estimate | None:
        """Return bytes a second (or round) after the first third, with a 95 % interval; None: too few samples.

        Neighbouring samples are much alike, which makes an interval of all of them too narrow. So the rest of the
        load is cut into stretches, of which each gives its lowest sample: what a garbage collector gave back between
        is no growth.

        Args:
            settling_seconds: leave out so much of the beginning, if that is more than a third.
        """
        begin, end = self.at[0], self.at[-1]
        settled = begin + max(SETTLED * (end - begin), settling_seconds)
        rest = [(at, held) for at, held in zip(self.at, self.bytes, strict=True) if at >= settled]
        if len(rest) < 2 * STRETCHES:
            return None
        parts = np.array_split(np.array(rest), STRETCHES)
        return slope([float(part[:, 0].mean()) for part in parts], [float(part[:, 1].min()) for part in parts])


STRETCHES = 8  # an interval of a slope through so many points means something


def held_between(samples: Iterable[Mapping[str, object]], begin: float, end: float) -> list[Memory]:
    """Return what every service held between two instants (epoch seconds), from the samples of a run.

    Args:
        samples: see `measurement.sampler`.
        begin: first instant.
        end: last instant.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for sample in samples:
        at = float(str(sample["t"]))
        if begin <= at <= end:
            private = sample.get("private_bytes")
            held = sample["rss_bytes"] if private is None else private
            found.setdefault(str(sample["service"]), []).append((at, float(str(held))))
    return [Memory(name, *_columns(rows)) for name, rows in sorted(found.items())]


def _columns(rows: Sequence[tuple[float, float]]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    ordered = sorted(rows)
    return tuple(at for at, _ in ordered), tuple(held for _, held in ordered)
