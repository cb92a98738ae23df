"""What is going on right now: libraries tell it, the console shows it.

Without a console (unit tests, `robot` with another one) everything here does nothing. Safe from any thread.

    with progress.step("waiting for a new leader", 25):
        ...
    progress.fault("leader member2 killed")
    progress.fault(None)
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that may take long. Times are `time.monotonic()` seconds."""

    name: str
    began: float
    deadline: float | None

    def time_left(self, now: float) -> float | None:
        """Seconds until its deadline, at least 0; None when it has none."""
        return None if self.deadline is None else max(0.0, self.deadline - now)


class _Open:
    """A step that has begun; leaving its `with` block ends it, and the next step replaces it."""

    def __init__(self, opened: Step, outer: Step | None) -> None:
        self._opened, self._outer = opened, outer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _step
        with _lock:
            _step = self._outer
        _changed("step")


_lock = threading.Lock()
_step: Step | None = None
_fault: str | None = None
_observer: Callable[[str, str], None] | None = None


def step(name: str, deadline_seconds: float | timedelta | None = None) -> _Open:
    """Say what is being done now, and by when it must be over.

    Args:
        name: such as "waiting for a new leader".
        deadline_seconds: how long it may take; the console counts down.

    Returns:
        A context manager that ends the step; without `with` it lasts until the next step or the test's end.
    """
    global _step
    if isinstance(deadline_seconds, timedelta):
        deadline_seconds = deadline_seconds.total_seconds()
    began = time.monotonic()
    opened = Step(name, began, None if deadline_seconds is None else began + deadline_seconds)
    with _lock:
        outer, _step = _step, opened
    _changed("step", name if deadline_seconds is None else f"{name} (up to {deadline_seconds:g} s)")
    return _Open(opened, outer)


def fault(name: str | None) -> None:
    """Say which fault is in force; None when it has been healed."""
    global _fault
    with _lock:
        before, _fault = _fault, name
    if name != before:
        _changed("fault", name or "healed")


def note(text: str) -> bool:
    """Show a line that stays, such as how to reach services that were kept up.

    Returns:
        Whether a console has shown it; False when nobody listens.
    """
    _changed("note", text)
    return _observer is not None


def current_step() -> Step | None:
    """Return the step in progress."""
    return _step


def faults_in_force() -> list[str]:
    """Return the faults in force: what `fault` was told, else what FaultLibrary says of itself."""
    if _fault is not None:
        return [_fault]
    library = sys.modules.get("FaultLibrary")
    ask = getattr(library, "faults_in_force", None)
    try:
        return [str(name) for name in ask()] if callable(ask) else []
    except Exception:  # noqa: BLE001, what is shown must never break what runs
        return []


def clear() -> None:
    """Forget step and fault: a test has ended."""
    global _step, _fault
    with _lock:
        _step = _fault = None


def observe(observer: Callable[[str, str], None] | None) -> None:
    """Have a console told of changes as (kind, text); kinds are step, fault and note. None: stop telling."""
    global _observer
    _observer = observer


def _changed(kind: str, text: str = "") -> None:
    observer = _observer
    if observer is not None:
        observer(kind, text)
