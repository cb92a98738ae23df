"""Whether the memory of processes rises with what they do: from samples taken outside, service by service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from measurement.statistics import Estimate, slope

MEGABYTE = 1_000_000
SETTLED = 1 / 3  # of a load is over before memory is looked at: caches, pools and heaps have what they need by then


Look = tuple[float, float]
"""An instant (epoch seconds) and the bytes that were held then."""


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
    def looks(self) -> list[Look]:
        """Its samples."""
        return list(zip(self.at, self.bytes, strict=True))

    def held_at(self, instant: float) -> float:
        """Return the bytes of the last sample until an instant (epoch seconds), of the first if there is none."""
        return next((size for at, size in reversed(self.looks) if at <= instant), self.bytes[0])

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


def memory_curve(
    title: str,
    processes: Mapping[str, Sequence[Look]],
    limit: Sequence[Look],
    label: str,
    *,
    origin: float,
    bases: Mapping[str, float] | None = None,
    bands: Sequence[tuple[str, float, float]] = (),
) -> dict[str, Any]:
    """Return what a drawing of memory against its limit is made from, see `reporting.curves`.

    Args:
        title: what was found, with its number.
        processes: name -> looks at its memory in the order of time.
        limit: first and last point of the line that is to be kept.
        label: of that line.
        origin: epoch seconds that are time 0.
        bases: bytes of each process, to tell the growth from there on; None: all that is held is told.
        bands: label, first and last instant (epoch seconds) of what else went on.
    """
    base = bases or {}
    held = {
        name: [(round(at - origin, 2), round(size - base.get(name, 0.0))) for at, size in highest(looks)]
        for name, looks in processes.items()
    }
    return {
        "title": title,
        "origin": origin,
        "grown": bases is not None,
        "processes": held,
        "limit": {"label": label, "points": [(round(at - origin, 2), round(size)) for at, size in limit]},
        "bands": [(name, round(start - origin, 2), round(end - origin, 2)) for name, start, end in bands],
    }


def highest(looks: Sequence[Look], most: int = 240) -> list[Look]:
    """Return the highest look of each of so many stretches at most, evenly long."""
    if len(looks) <= most:
        return list(looks)
    begin, end = looks[0][0], looks[-1][0]
    stretches: dict[int, Look] = {}
    for look in looks:
        number = min(int((look[0] - begin) / (end - begin) * most), most - 1)
        if number not in stretches or look[1] > stretches[number][1]:
            stretches[number] = look
    return list(stretches.values())


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
