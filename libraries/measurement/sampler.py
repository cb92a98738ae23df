"""CPU, memory and open files of services over time, sampled from outside into JSON lines.

One line per service and sample: `t` (epoch seconds), `service`, `cpu_percent` (100 is one core, over the time since the
sample before), `rss_bytes`, `private_bytes`, `fds`, `processes`. Resident sizes of a service's processes are added up,
so memory that they share (PostgreSQL's buffers, say) is in `rss_bytes` once for each of them and never in
`private_bytes`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

PROGRAM = Path(__file__).with_name("sampler_process.py")

REFRESH_SECONDS = 1.0
"""How often to ask which processes there are; their descendants are looked up at each sample."""

Processes = Callable[[], Mapping[str, Sequence[int]]]


class Sampler:
    """Samples until it is stopped, in a process of its own."""

    def __init__(
        self, processes: Processes, path: Path | str, interval_seconds: float = 0.5, *, own_name: str | None = "client"
    ) -> None:
        """Prepare; `start` begins.

        Args:
            processes: returns process ids of every service now; their descendants belong to them, so the first of
                each tree are enough. It is asked anew for each sample, at least every second, since services restart;
                it runs in this process and should be cheap.
            path: file to append to.
            interval_seconds: time between the starts of two samples.
            own_name: the service name under which this process samples itself; None: not at all.

        Raises:
            ValueError: the interval is not positive.
        """
        if interval_seconds <= 0:
            raise ValueError(f"an interval must be a positive number of seconds, not {interval_seconds}")
        self._processes = processes
        self._path = Path(path)
        self._interval = interval_seconds
        self._own_name = own_name
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._program: subprocess.Popen[bytes] | None = None
        self.missed = 0  # times that `processes` could not tell
        self.samples = 0  # known when it has been stopped
        self.cpu_seconds = 0.0  # what the sampling cost, known when it has been stopped

    def start(self) -> Self:
        """Begin; returns at once."""
        if self._thread is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._program = subprocess.Popen(
                [sys.executable, "-I", str(PROGRAM), str(self._path.absolute()), str(self._interval)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the run, which then ends the sampling in its turn
            )
            self._thread = threading.Thread(target=self._tell, args=(self._program,), name="sampler", daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """End, after the sample under way; harmless when it has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)
        if self._program is not None:
            program, self._program = self._program, None
            try:
                answer, _ = program.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                program.kill()
                answer, _ = program.communicate()
            if answer:
                told = json.loads(answer)
                self.samples, self.cpu_seconds = told["samples"], told["cpu_seconds"]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _tell(self, program: subprocess.Popen[bytes]) -> None:
        """Tell the program, again and again, which processes there are."""
        assert program.stdin is not None
        alone = {} if self._own_name is None else {self._own_name: [os.getpid()]}  # services descend from it too
        while True:
            try:
                services = dict(self._processes())
            except Exception:  # noqa: BLE001 - a system that is just being stopped or started cannot always tell
                self.missed += 1
                services = None
            if services is not None:
                line = json.dumps({"trees": {name: list(pids) for name, pids in services.items()}, "alone": alone})
                try:
                    program.stdin.write(line.encode() + b"\n")
                    program.stdin.flush()
                except OSError:
                    return
            if self._stop.wait(min(REFRESH_SECONDS, self._interval)):
                return


@dataclass(frozen=True, slots=True)
class ServiceUse:
    """What one service used during a stretch of time.

    CPU in percent of one core: the mean, and the highest of its samples; memory and files: the highest.
    """

    service: str
    samples: int
    cpu_percent_mean: float
    cpu_percent_max: float
    rss_bytes_max: int
    private_bytes_max: int | None
    fds_max: int | None


def used_between(path: Path | str, start: float, end: float) -> list[ServiceUse]:
    """Sum up what every service used between two instants (epoch seconds), from a file of samples.

    Services without a sample in that time are left out; a file that is not there is a file without samples.
    """
    by_service: dict[str, list[dict[str, float]]] = {}
    for sample in read_samples(path):
        if start <= sample["t"] <= end:
            by_service.setdefault(str(sample["service"]), []).append(sample)
    return [_use(service, samples) for service, samples in sorted(by_service.items())]


def read_samples(path: Path | str) -> list[dict[str, float]]:
    """Read a file of samples; a last line that was cut off by a kill is left out."""
    samples = []
    file = Path(path)
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else []:
        try:
            samples.append(json.loads(line))
        except ValueError:
            continue
    return samples


def _use(service: str, samples: list[dict[str, float]]) -> ServiceUse:
    def highest(key: str) -> int | None:
        values = [sample[key] for sample in samples if sample.get(key) is not None]
        return int(max(values)) if values else None

    cpu = [sample["cpu_percent"] for sample in samples]
    return ServiceUse(
        service,
        len(samples),
        float(np.mean(cpu)),
        max(cpu),
        highest("rss_bytes") or 0,
        highest("private_bytes"),
        highest("fds"),
    )
