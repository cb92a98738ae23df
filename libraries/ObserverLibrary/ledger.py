"""The ledger of a load: what was to be published when, when it was sent, and when it was acknowledged.

A load leaves two files: `<name>.json`, its plan and what came of it as a whole, and `<name>.ledger`, a row for each
event in the order of their numbers. The rows are a memory-mapped file, so that a publisher that is killed leaves what
it knew; instants are microseconds since the epoch, 0 where the thing never happened.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from measurement.punctual import Scheduling
from measurement.results import DROPPED, OK, Band, ErrorClass, LoadResult, Samples
from ObserverLibrary.event import MICROSECONDS, EntityEvent, EventSource

ROW = np.dtype(
    [
        ("free", "<i8"),  # when the publisher could take it; the intended time, unless it was held up by the system
        ("sent", "<i8"),  # first time
        ("acked", "<i8"),
        ("attempts", "<u2"),
        ("repeated", "u1"),  # 1: NATS answered that it had the event already
        ("error", "u1"),  # what came last instead of an acknowledgement: position in `errors`, from 1
    ]
)
UNACKED = "not-acknowledged"
MOST_ERRORS = 255


@dataclass(frozen=True, slots=True)
class Plan:
    """A load: what is published, how fast and how much.

    Attributes:
        stream: which must answer for the events.
        subject: prefix of the subjects, such as `fraiseql.mutation`.
        seed: of the events.
        rate: events a second.
        events: how many.
        drain_seconds: how long acknowledgements are waited for, and unacknowledged events sent again, at the end.
    """

    stream: str
    subject: str
    seed: int
    rate: float
    events: int
    drain_seconds: float = 30.0

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.events / self.rate

    def due(self, microseconds: int) -> int:
        """Return how many events are to be sent so long after the beginning."""
        return max(0, min(self.events, int(microseconds * self.rate / MICROSECONDS) + 1))

    def offset(self, number: int) -> int:
        """Return when an event is to be sent, microseconds after the beginning."""
        return int(number * (MICROSECONDS / self.rate))


@dataclass
class Outcome:
    """What came of a load as a whole.

    Attributes:
        started_us: its beginning, microseconds since the epoch.
        offered: events that fell due before it was stopped.
        stopped: whether it was, before its plan was over.
        cpu_seconds: of the publisher's process.
        wall_seconds: from the beginning to the last acknowledgement.
        reconnects: how often the connection to NATS was made again.
        scheduling: how the kernel ran the publisher, see `measurement.punctual`.
        errors: what came instead of acknowledgements, in the order of their first time.
    """

    started_us: int
    offered: int = 0
    stopped: bool = False
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    reconnects: int = 0
    scheduling: Scheduling = "ordinary"
    errors: list[str] = field(default_factory=list)

    def code(self, error: str) -> int:
        """Return by which number the ledger's rows name an error."""
        if error not in self.errors and len(self.errors) < MOST_ERRORS:
            self.errors.append(error)
        return self.errors.index(error) + 1 if error in self.errors else MOST_ERRORS


def create(path: Path, events: int) -> NDArray[Any]:
    """Return the rows of a new ledger, all zero; what is written to them is in the file.

    Raises:
        FileExistsError: a second load must not hide the first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("xb").close()
    return np.asarray(np.memmap(path, dtype=ROW, mode="w+", shape=(events,)))


@dataclass(frozen=True)
class Published:
    """What a load published, read from its ledger.

    Attributes:
        rows: of the events that fell due, see `ROW`.
    """

    plan: Plan
    outcome: Outcome
    rows: NDArray[Any]
    path: Path

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a ledger.

        Args:
            path: of its `.ledger`.

        Raises:
            ValueError: the files do not belong together.
        """
        header = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return cls.of(Plan(**header["plan"]), Outcome(**header["outcome"]), path)

    @classmethod
    def of(cls, plan: Plan, outcome: Outcome, path: Path) -> Self:
        """Read the rows of a load whose plan and outcome are known.

        Raises:
            ValueError: there are fewer rows than events fell due.
        """
        rows = np.memmap(path, dtype=ROW, mode="r")
        if len(rows) < outcome.offered:
            raise ValueError(f"{path} has {len(rows)} rows, and {outcome.offered} events fell due")
        return cls(plan, outcome, np.asarray(rows[: outcome.offered]), path)

    @classmethod
    def so_far(cls, plan: Plan, due: int, path: Path) -> Self:
        """Read the rows of a load that was broken off, or is under way: its beginning is that of its first event.

        Args:
            plan: of the load.
            due: how many events have fallen due.
            path: of its `.ledger`.

        Raises:
            ValueError: nothing has been sent yet.
        """
        first = int(np.memmap(path, dtype=ROW, mode="r", shape=(1,))["free"][0])
        if not first or not due:
            raise ValueError(f"nothing of {path.stem} has been sent yet")
        return cls.of(plan, Outcome(first, due), path)

    def close(self) -> None:
        """Write the plan and the outcome beside the rows, and cut off the rows of events that never fell due."""
        os.truncate(self.path, len(self.rows) * ROW.itemsize)
        header = {"plan": asdict(self.plan), "outcome": asdict(self.outcome)}
        self.path.with_suffix(".json").write_text(json.dumps(header, indent=2) + "\n", encoding="utf-8")

    @property
    def seconds(self) -> float:
        """How long events fell due."""
        return len(self.rows) / self.plan.rate

    # -- which events ----------------------------------------------------------------------------------------

    @cached_property
    def source(self) -> EventSource:
        """What made the events."""
        return EventSource(self.plan.seed)

    @property
    def tenant(self) -> str:
        """Whose events they are."""
        return self.source.tenant

    @cached_property
    def acked(self) -> NDArray[np.bool_]:
        """Which events were acknowledged."""
        return np.asarray(self.rows["acked"] > 0)

    @property
    def acknowledged(self) -> int:
        """How many were."""
        return int(self.acked.sum())

    @cached_property
    def intended_us(self) -> NDArray[np.int64]:
        """When each was to be published, microseconds since the epoch."""
        offsets = np.arange(len(self.rows)) * (MICROSECONDS / self.plan.rate)
        return np.asarray(self.outcome.started_us + offsets.astype(np.int64))

    @cached_property
    def ids(self) -> NDArray[np.bytes_]:
        """The id of each as 16 bytes (dtype S16)."""
        return self.source.ids(self.intended_us)

    def events(self, numbers: Iterable[int] | None = None) -> list[EntityEvent]:
        """Return events with their fields, all by default."""
        intended = self.intended_us
        return [self.source.event(n, int(intended[n])) for n in (range(len(self.rows)) if numbers is None else numbers)]

    # -- how it went -----------------------------------------------------------------------------------------

    def result(self, bands: Sequence[Band] = ()) -> LoadResult:
        """Return the load as measured: acknowledgements are its responses, intended starts its beginnings.

        Args:
            bands: labelled stretches, such as the time a fault was in effect.
        """
        rows, begin = self.rows, self.outcome.started_us
        unacked = np.where(rows["sent"] > 0, rows["error"].astype(np.int16) + 1, DROPPED)
        samples = Samples(
            intended=(self.intended_us - begin) / MICROSECONDS,
            free=np.maximum(_since(rows["free"], begin), 0.0),
            sent=_since(rows["sent"], begin),
            completed=_since(rows["acked"], begin),
            outcome=np.where(self.acked, OK, unacked).astype(np.int16),
            classes=(UNACKED, *self.outcome.errors),
        )
        wall = max(self.outcome.wall_seconds, 1e-6)
        return LoadResult(
            mode="open",
            workers=1,
            started_at=begin / MICROSECONDS,
            schedule_seconds=self.seconds,
            warm_up_seconds=0.0,
            samples=samples,
            error_details=self._error_details(samples),
            client_cpu_percent=100 * self.outcome.cpu_seconds / wall,
            client_scheduling=self.outcome.scheduling,
            bands=tuple(bands),
            stopped=self.outcome.stopped,
        )

    def _error_details(self, samples: Samples) -> dict[str, ErrorClass]:
        details = {}
        for code, name in enumerate(samples.classes, start=1):
            concerned = samples.outcome == code
            if concerned.any():
                first = float(np.nanmin(samples.intended[concerned]))
                details[name] = ErrorClass(int(concerned.sum()), f"an event was {name}", first)
        return details

    def summary(self) -> str:
        """Say in one line how it went."""
        rows, outcome = self.rows, self.outcome
        again, repeated = int((rows["attempts"] > 1).sum()), int(rows["repeated"].sum())
        errors = f"; {', '.join(outcome.errors)}" if outcome.errors else ""
        return (
            f"{self.acknowledged} of {len(rows)} events acknowledged, {again} sent again, {repeated} of them had been "
            f"stored already, {outcome.reconnects} reconnections{errors}"
        )


def _since(instants: NDArray[np.int64], begin: int) -> NDArray[np.float64]:
    return np.where(instants > 0, (instants - begin) / MICROSECONDS, np.nan)
