"""What processes use: CPU time so far, memory now, and the most memory while something runs."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import psutil

LOOK_SECONDS = 0.02  # between two looks at memory

Processes = Callable[[], Sequence[int]]


def cpu_seconds(processes: Processes) -> float:
    """Return the CPU time that processes have used so far; those that end meanwhile are left out."""
    return float(sum(times.user + times.system for times in _each(processes, psutil.Process.cpu_times)))


def resident_bytes(processes: Processes) -> int:
    """Return the memory that processes hold now."""
    return sum(int(memory.rss) for memory in _each(processes, psutil.Process.memory_info))


class ResidentMemory:
    """The memory that processes hold while a block runs, looked at again and again.

    Attributes:
        before: bytes at the beginning.
        most: bytes at the highest point so far.
        looks: (epoch seconds, bytes) of all of them.
    """

    def __init__(self, processes: Processes) -> None:
        self.looks: list[tuple[float, float]] = []
        self._processes = processes
        self.before = self.most = self._look()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    @property
    def growth(self) -> int:
        """Bytes between the beginning and the highest point."""
        return self.most - self.before

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()
        self.most = max(self.most, self._look())

    def _watch(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self.most = max(self.most, self._look())

    def _look(self) -> int:
        held = resident_bytes(self._processes)
        self.looks.append((time.time(), held))
        return held


def _each(processes: Processes, question: Callable[[psutil.Process], Any]) -> Iterator[Any]:
    for pid in processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            yield question(psutil.Process(pid))
