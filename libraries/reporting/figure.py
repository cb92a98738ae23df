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


def bands_of(faults: Sequence[Record], origin: float, span: tuple[float, float]) -> list[FaultBand]:
    """Return when each fault was in force, and from healing until the system was steady, within a span of time.

    Args:
        faults: of the run.
        origin: epoch seconds that are time 0.
        span: first and last instant, epoch seconds; faults outside are left out.
    """
    struck = [fault for fault in faults if overlaps(fault, *span)]
    return [band for fault in struck for band in _bands(fault, origin, span, several=len(struck) > 1)]


def first_injection(faults: Sequence[Record], span: tuple[float, float]) -> float | None:
    """Return when the first fault within a span of time was injected (all in epoch seconds), None without one."""
    struck = (fault_times(fault)["injected"] for fault in faults if overlaps(fault, *span))
    return min((at for at in struck if at is not None), default=None)


def _bands(record: Record, origin: float, span: tuple[float, float], *, several: bool) -> Iterator[FaultBand]:
    times, target = fault_times(record), str(record.get("target", ""))
    for label, start, end, phase in (
        (f"{record.get('fault', '')} {target}".strip(), times["injected"], times["healed"], "fault"),
        (f"{target} healed".strip() if several else "healed", times["healed"], times["steady"], "heal"),
    ):
        if start is None or start >= span[1]:
            continue
        until = span[1] if end is None else min(end, span[1])
        yield FaultBand(label, max(start, span[0]) - origin, until - origin, phase)  # type: ignore[arg-type]
