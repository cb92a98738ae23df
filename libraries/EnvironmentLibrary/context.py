"""What the rest of the libraries may ask about the run they are in."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from environments.system import running

_criterion = ""


def criterion() -> str:
    """Return the id of the criterion whose test runs now, "" outside a test."""
    return _criterion


def set_criterion(identifier: str) -> None:
    """Name the criterion whose test begins, "" when it has ended."""
    global _criterion
    _criterion = identifier


def results() -> Path:
    """Return the directory of this run's artifacts."""
    return Path(running().results)


def scaled(duration: timedelta | float) -> float:
    """Return a deadline in seconds, longer where the environment says that its machine is slow."""
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    return seconds * running().timeout_multiplier


@contextmanager
def timed(what: str, kind: Literal["startup", "teardown", "waiting", "measuring"]) -> Iterator[None]:
    """Add how long a step took to `timings.jsonl`, so that the summary can say where the time went."""
    begin = time.monotonic()
    try:
        yield
    finally:
        record_time(what, kind, time.monotonic() - begin)


def record_time(what: str, kind: str, seconds: float) -> None:
    """Append one line to `timings.jsonl`, for something that has just ended.

    Steps may lie within one another; with their ends known, reports count no second twice.
    """
    ended = round(time.time(), 3)
    line = {"what": what, "kind": kind, "seconds": round(seconds, 3), "ended": ended, "criterion": criterion() or None}
    _append(results(), "timings", line)


def record_value(of: str, value: float, unit: str) -> None:
    """Append one measured number to `values.jsonl`, so that the report shows it beside the criterion's budget.

    Args:
        of: as the budget in `variables/criteria.yaml` names it, such as "write gap".
        value: in the budget's unit.
        unit: such as "s".

    Without a run (a keyword called from a unit test) nothing is written.
    """
    _note("values", {"of": of, "value": value, "unit": unit})


def record_curve(kind: str, content: Mapping[str, Any]) -> None:
    """Append what a drawing of the criterion that runs is made from to `curves.jsonl`; nothing without a run.

    Args:
        kind: `sizes`, `events` or `memory`; `reporting.curves` draws them, and says what each holds.
        content: few enough numbers for a line: what took an hour is told in a few hundred stretches.
    """
    _note("curves", {"kind": kind, **content})


def _note(name: str, content: Mapping[str, Any]) -> None:
    """Append something of the criterion that runs; nothing without a run."""
    try:
        directory = results()
    except RuntimeError:
        return
    _append(directory, name, {"criterion": criterion() or None, **content})


def _append(directory: Path, name: str, line: Mapping[str, Any]) -> None:
    with (directory / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
