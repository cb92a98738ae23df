"""What a drawing on the page consists of, and when faults were in force behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from measurement.plot import FaultBand
from reporting.explained import fault_times
from reporting.rundata import Record


@dataclass(frozen=True, slots=True)
class Figure:
    """Drawings that belong together, with their caption; `table` begins with its heads and may be opened below."""

    caption: str
    svg: str
    criteria: tuple[str, ...] = ()  # those it is evidence of
    wide: bool = False
    table: Sequence[Sequence[str]] = ()


def overlaps(record: Record, begin: float, end: float) -> bool:
    """Whether a fault was in force between two instants (epoch seconds)."""
    times = fault_times(record)
    injected, healed = times["injected"], times["healed"]
    return injected is not None and injected < end and (healed is None or healed > begin)


def bands_of(record: Record, origin: float, span: tuple[float, float]) -> Iterator[FaultBand]:
    """Return when a fault was in force, and from healing until the system was steady, within a span of time."""
    times = fault_times(record)
    name = f"{record.get('fault', '')} {record.get('target', '')}".strip()
    for label, start, end, phase in (
        (name, times["injected"], times["healed"], "fault"),
        ("healed", times["healed"], times["steady"], "heal"),
    ):
        if start is None or start >= span[1]:
            continue
        until = span[1] if end is None else min(end, span[1])
        yield FaultBand(label, max(start, span[0]) - origin, until - origin, phase)  # type: ignore[arg-type]
