"""Chooses what of a run is worth a drawing and hands it to `measurement.charts`.

A record that cannot be drawn (a torn file, an older schema) costs its own figure, never the page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from measurement import charts
from measurement.charts import FaultBand, Moment
from measurement.curves import memory_chart
from measurement.verdicts import Inconclusive
from oracles.history import History, Kind
from oracles.writes import availability, longest_gap
from reporting.curves import of_curve, of_sizes, of_stages
from reporting.explained import fault_times
from reporting.figure import Figure, bands_of, first_injection
from reporting.lanes import lanes_chart, spans_of
from reporting.latencies import of_measurement, of_shares
from reporting.rundata import Record, RunData
from reporting.texts import number
from reporting.verdicts import WORDS

Given = TypeVar("Given")

BUCKET = 0.1  # seconds
PATIENCE = 1.0  # seconds a member's last word is held to be true


def figures(run: RunData) -> list[Figure]:
    """Return the drawings of a run: those of failed criteria first, the run as a whole last."""
    criteria = [row.id for row in run.rows if row.id]
    drawn = [
        *(figure for path in run.histories for figure in _attempted(_of_history, run, path)),
        *(
            figure
            for criterion in criteria
            for draw in (of_sizes, of_shares, of_stages)
            for figure in _attempted(draw, run, criterion)
        ),
        *(figure for record in run.curves for figure in _attempted(of_curve, run, record)),
        *(figure for record in run.measurements for figure in _attempted(of_measurement, run, record)),
    ]
    order = {row.id: (WORDS.index(row.verdict), place) for place, row in enumerate(run.rows)}
    drawn.sort(key=lambda figure: min((order.get(i, (9, 0)) for i in figure.criteria), default=(9, 0)))
    return [*drawn, *_attempted(_of_memory, run, run.samples)]


def _attempted(draw: Callable[[RunData, Given], Iterator[Figure]], run: RunData, given: Given) -> list[Figure]:
    try:
        return list(draw(run, given))
    except (ValueError, LookupError, TypeError, AttributeError, OSError):
        return []


# -- write availability ----------------------------------------------------------------------------------------


def _of_history(run: RunData, path: Path) -> Iterator[Figure]:
    """Draw a ledger of writes, and below it who accepted writes meanwhile."""
    ledger = History.read(path)
    if ledger.header["kind"] != "ledger" or not any(True for _ in ledger.writes()):
        return
    writes = list(ledger.writes())
    begin, end = min(o.invoked for o in writes), max(o.completed for o in writes)
    struck = first_injection(run.faults, (begin, end))
    origin = begin if struck is None else struck
    bands = bands_of(run.faults, origin, (begin, end))
    moments = [Moment(b.start - origin, b.acked, b.failed, b.unknown) for b in availability(ledger, BUCKET)]
    gap = _gap(ledger, struck)
    identifier = str(ledger.header.get("criterion") or "")
    statement = next((row.statement for row in run.rows if row.id == identifier), "")
    drawings = [
        charts.responsive(
            lambda width: charts.availability_chart(
                f"{identifier} writes through the primary port".strip(),
                moments,
                bucket_seconds=BUCKET,
                bands=bands,
                gap=(gap[0] - origin, gap[1] - origin) if gap else None,
                width=width,
            )
        ),
        *_who_accepts(path, origin, (begin, end), bands),
    ]
    acked = sum(moment.acked for moment in moments)
    zero = "the injection of the fault" if struck is not None else "the first write"
    caption = f"{statement}. {number(acked)} of {number(len(writes))} writes acknowledged; time 0 is {zero}."
    yield Figure(caption.removeprefix(". "), "".join(drawings), (identifier,) if identifier else ())


def _gap(ledger: History, since: float | None) -> tuple[float, float] | None:
    try:
        gap = longest_gap(ledger, since=since)
    except Inconclusive:
        return None
    return (gap.start, gap.end) if gap.seconds > 5 * BUCKET else None


def _who_accepts(ledger: Path, origin: float, span: tuple[float, float], bands: Sequence[FaultBand]) -> Iterator[str]:
    """Draw each member's own word on whether it accepts writes: never may two lanes be filled at once."""
    path = ledger.with_name(ledger.name.replace("-ledger", "-primaries"))
    if path == ledger or not path.is_file():
        return
    said: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for o in History.read(path).operations:
        if o.kind is Kind.OBSERVE and o.node:
            said[o.node].append((o.completed - origin, o.value is True))
    lanes = {node: spans_of(sorted(said[node]), PATIENCE) for node in sorted(said)}
    yield charts.responsive(
        lambda width: lanes_chart(
            "Members that accept writes, asked on their own ports",
            lanes,
            (span[0] - origin, span[1] - origin),
            bands=bands,
            width=width,
        )
    )


# -- memory ----------------------------------------------------------------------------------------------------


def _of_memory(run: RunData, samples: Sequence[Record]) -> Iterator[Figure]:
    services: dict[str, list[tuple[float, float]]] = defaultdict(list)
    origin = min((float(sample["t"]) for sample in samples), default=0.0)
    for sample in samples:
        services[str(sample["service"])].append((float(sample["t"]) - origin, float(sample["rss_bytes"])))
    if not services:
        return
    bands = list(_by_criterion(run, origin))
    svg = charts.responsive(
        lambda width: memory_chart("Resident memory of each service", services, bands=bands, width=width)
    )
    yield Figure("Shared memory counts once for each process that has it mapped.", svg, wide=True)


def _by_criterion(run: RunData, origin: float) -> Iterator[FaultBand]:
    """Return one band a criterion that had faults in force: over a whole run single faults are too many to name."""
    spans: dict[str, list[float]] = defaultdict(list)
    for record in run.faults:
        times = fault_times(record)
        spans[str(record.get("criterion") or "")] += [t for t in (times["injected"], times["healed"]) if t is not None]
    for identifier, instants in spans.items():
        if len(instants) > 1:
            yield FaultBand(identifier, min(instants) - origin, max(instants) - origin)
