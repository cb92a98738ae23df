"""The program that samples: a process of its own, so that reading /proc never keeps a load's threads from running.

    python sampler_process.py FILE INTERVAL_SECONDS < roots

Standard input has one JSON line whenever the services' processes may have changed: `trees` and `alone`, each service ->
process ids. Descendants belong to those of `trees`. The end of the input ends the program; it then tells in one JSON
line what it cost. It uses nothing but psutil, so that it starts quickly.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

KERNEL_LISTS_CHILDREN = Path("/proc/thread-self/children").exists()  # a choice of those who build kernels
CLOCK_ERROR_SECONDS = 1.0  # the kernel tells when it booted, and so when a process began, only to the second


@dataclass(frozen=True)
class Reading:
    """What one process had used at one instant."""

    cpu_seconds: float
    rss: int
    private: int
    fds: int | None
    created: float


class Watch:
    """The processes of all services, read again and again."""

    def __init__(self) -> None:
        self.trees: Mapping[str, Sequence[int]] = {}
        self.alone: Mapping[str, Sequence[int]] = {}
        self._known: dict[int, psutil.Process] = {}
        self._before: dict[int, Reading] = {}

    def sample(self, elapsed: float) -> list[dict[str, object]]:
        """Read every process once.

        Args:
            elapsed: seconds since the sample before; 0 for the first, which only shows where the counters stand.

        Returns:
            A line for each service that has a process.
        """
        now = time.time()
        after: dict[int, Reading] = {}
        lines = []
        trees = {name: [pid for root in roots for pid in descendants(root)] for name, roots in self.trees.items()}
        for service, pids in {**trees, **self.alone}.items():
            readings = {pid: reading for pid in pids if (reading := self._read(pid)) is not None}
            after.update(readings)
            if elapsed > 0 and readings:
                used = sum(self._used(pid, reading, now - elapsed) for pid, reading in readings.items())
                lines.append(_line(now, service, 100 * used / elapsed, list(readings.values())))
        self._before = after
        self._known = {pid: process for pid, process in self._known.items() if pid in after}
        return lines

    def _read(self, pid: int) -> Reading | None:
        try:
            process = self._known.get(pid)
            if process is None:
                process = self._known[pid] = psutil.Process(pid)
            with process.oneshot():
                cpu, memory = process.cpu_times(), process.memory_info()
            try:
                fds = process.num_fds()
            except psutil.AccessDenied:
                fds = None
            private = memory.rss - getattr(memory, "shared", 0)
            return Reading(cpu.user + cpu.system, memory.rss, private, fds, process.create_time())
        except psutil.Error:
            self._known.pop(pid, None)
            return None

    def _used(self, pid: int, reading: Reading, since: float) -> float:
        """CPU seconds a process used since the sample before, or since it began if it is younger."""
        before = self._before.get(pid)
        if before is not None and before.created == reading.created:
            return max(0.0, reading.cpu_seconds - before.cpu_seconds)
        return reading.cpu_seconds if reading.created >= since - CLOCK_ERROR_SECONDS else 0.0


def descendants(root: int) -> Iterator[int]:
    """Yield a process and all that it started, from the kernel's own lists of children."""
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += _children(pid)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        if not KERNEL_LISTS_CHILDREN:
            return [child.pid for child in psutil.Process(pid).children()]
    except (OSError, psutil.Error):
        return found
    for task in tasks:
        with contextlib.suppress(OSError):
            found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii").split())
    return found


def _line(now: float, service: str, cpu_percent: float, readings: list[Reading]) -> dict[str, object]:
    fds = [reading.fds for reading in readings if reading.fds is not None]
    return {
        "t": round(now, 3),
        "service": service,
        "cpu_percent": round(cpu_percent, 2),
        "rss_bytes": sum(reading.rss for reading in readings),
        "private_bytes": sum(reading.private for reading in readings),
        "fds": sum(fds) if fds else None,
        "processes": len(readings),
    }


def main(path: str, interval_seconds: float) -> None:
    """Sample until the standard input ends."""
    watch, samples, pending = Watch(), 0, b""
    due = last = time.monotonic()
    with Path(path).open("a", encoding="utf-8") as file:
        while True:
            readable, _, _ = select.select([0], [], [], max(0.0, due - time.monotonic()))
            if readable:
                received = os.read(0, 1 << 16)
                if not received:
                    break
                *lines, pending = (pending + received).split(b"\n")
                if lines:
                    first = not watch.trees and not watch.alone
                    told = json.loads(lines[-1])
                    watch.trees, watch.alone = told["trees"], told["alone"]
                    if first:  # shows where the counters stand
                        watch.sample(0.0)
                        last = time.monotonic()
                        due = last + interval_seconds
                continue
            now = time.monotonic()
            found = watch.sample(now - last)
            last, due = now, max(due + interval_seconds, now)
            file.write("".join(json.dumps(line) + "\n" for line in found))
            file.flush()
            samples += 1
    with contextlib.suppress(BrokenPipeError):  # a run that was killed does not ask any more
        os.write(1, json.dumps({"samples": samples, "cpu_seconds": time.process_time()}).encode())


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
