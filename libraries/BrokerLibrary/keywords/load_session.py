"""What the load keywords share: the driver's processes, the two ways messages can go, and what the broker uses."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from pathlib import Path
from typing import Self

import psutil

from BrokerLibrary.load.crew import Crew
from BrokerLibrary.load.plans import Broker, RawRelay
from environments.system import BrokerInstance, broker

LOOK_SECONDS = 0.05  # between two looks at the broker's memory

_crew = Crew()
_directory: tempfile.TemporaryDirectory[str] | None = None


def crew() -> Crew:
    """Return the driver's processes; they stay until `dismiss`."""
    return _crew


def dismiss() -> None:
    """End the driver's processes; the next load starts new ones."""
    global _directory
    _crew.close()
    if _directory is not None:
        _directory.cleanup()
        _directory = None


def ways() -> tuple[Broker, RawRelay]:
    """Return the way through the broker of the environment, and the one through a raw relay in its place."""
    global _directory
    if _directory is None:
        _directory = tempfile.TemporaryDirectory(prefix="relay-")
    return Broker(broker().addresses.socket), RawRelay(Path(_directory.name))


def broker_cpu_seconds() -> float | None:
    """Return the CPU time that the broker's processes have used so far; None when they cannot be looked at."""
    control = broker().services.get("broker")
    with contextlib.suppress(psutil.NoSuchProcess):
        times = [psutil.Process(pid).cpu_times() for pid in control.processes()] if control else []
        return sum(t.user + t.system for t in times) if times else None
    return None


def resident_bytes(instance: BrokerInstance) -> int:
    """Return the memory that the processes of a broker of the test's own hold."""
    return sum(int(psutil.Process(pid).memory_info().rss) for pid in instance.control.processes())


class ResidentMemory:
    """How much memory a broker of the test's own held while a block ran, looked at again and again."""

    def __init__(self, instance: BrokerInstance) -> None:
        self.before = self.most = resident_bytes(instance)
        self._instance = instance
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory", daemon=True)

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

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            with contextlib.suppress(psutil.NoSuchProcess):
                self.most = max(self.most, resident_bytes(self._instance))
