"""What the load keywords share: the driver's processes, the two ways messages can go, and what the broker uses."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import psutil

from BrokerLibrary.load.crew import Crew
from BrokerLibrary.load.plans import Broker, RawRelay
from environments.system import broker

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
