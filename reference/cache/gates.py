"""A test's hook: a named gate at which a reader waits between its read of the database and its fill."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field


@dataclass
class _Gate:
    released: threading.Event = field(default_factory=threading.Event)
    waiting: int = 0


class Gates:
    """Gates by name. Nobody waits longer than the maximum, so a forgotten gate blocks nothing for ever."""

    def __init__(self, maximum_seconds: float) -> None:
        self.maximum_seconds = maximum_seconds
        self._lock = threading.Lock()
        self._gates: dict[str, _Gate] = {}

    def wait(self, name: str) -> bool:
        """Wait until the gate is released; False when the maximum passed first."""
        with self._lock:
            gate = self._gates.setdefault(name, _Gate())
            gate.waiting += 1
        try:
            return gate.released.wait(self.maximum_seconds)
        finally:
            with self._lock:
                gate.waiting -= 1
                if gate.waiting == 0 and self._gates.get(name) is gate:
                    del self._gates[name]

    def waiting(self, name: str) -> int:
        """How many readers wait at a gate now."""
        with self._lock:
            gate = self._gates.get(name)
            return gate.waiting if gate else 0

    def release(self, name: str) -> int:
        """Let all who wait at a gate go on; return how many they were. The next who comes waits anew."""
        with self._lock:
            gate = self._gates.pop(name, None)
        if gate is None:
            return 0
        gate.released.set()
        return gate.waiting

    def release_all(self) -> None:
        """Let everybody go on, for shutdown."""
        with self._lock:
            names = list(self._gates)
        for name in names:
            self.release(name)
