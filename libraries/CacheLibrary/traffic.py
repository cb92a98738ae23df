"""Readers and writers of a few rows at once, and the history of what each of them asked and was told.

Each key has one writer, whose versions are 1, 2, 3 and so on, so that of two values it is known which is newer; and
each thread has a connection of its own. A write without an answer, or with one that leaves it open, is *unknown*.
No robot import.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from CacheLibrary.wire import CacheClient, Refused, Strategy
from oracles.history import History, Kind, Operation, Result
from oracles.versions import Report, counted

END_SECONDS = 30.0  # the longest an operation under way may take when the traffic is stopped


@dataclass(frozen=True, slots=True)
class Plan:
    """Who does what.

    Attributes:
        keys: rows; each belongs to one writer.
        writers: threads that write, by turns invalidating and writing through.
        readers: threads that read keys at random.
        pause: seconds between an answer and the next request of a thread.
    """

    keys: int = 6
    writers: int = 2
    readers: int = 3
    pause: float = 0.005


class Traffic:
    """Traffic that runs in the background from `start` to `stop`.

    Args:
        connect: makes a client of the cache program.
        namespace: of the rows.
        plan: who does what.
        seed: of the readers' choices.
    """

    def __init__(self, connect: Callable[[], CacheClient], namespace: str, plan: Plan, seed: int) -> None:
        self._connect, self._namespace, self._plan, self._seed = connect, namespace, plan, seed
        self._keys = [f"key-{number}" for number in range(plan.keys)]
        self._operations: list[Operation] = []  # list.append is one step of the interpreter
        self._marks: dict[str, float] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._wall = time.time() - time.perf_counter()  # one clock for all: it neither jumps nor runs back

    def start(self) -> Self:
        """Write the first version of every row, then let all threads go."""
        client = self._connect()
        try:
            for key in self._keys:
                self._write(client, key, 1, "invalidate")
        finally:
            client.close()
        plan = self._plan
        loops: list[Callable[[CacheClient], None]] = [self._writer(number) for number in range(plan.writers)]
        loops += [self._reader(number) for number in range(plan.readers)]
        self._threads = [threading.Thread(target=self._run, args=(loop,), daemon=True) for loop in loops]
        self.mark("begun")
        for thread in self._threads:
            thread.start()
        return self

    def mark(self, label: str) -> None:
        """Begin a window of that name now; the one before it ends."""
        self._marks[label] = self._now()

    def stop(self) -> None:
        """Ask nothing more, and wait for the answers that are due.

        Raises:
            TimeoutError: one did not come.
        """
        self._stop.set()
        end = time.monotonic() + END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            raise TimeoutError(f"an operation has had no answer for {END_SECONDS:g} s after the traffic was stopped")

    def seen(self, label: str) -> Counter[str]:
        """What has been answered since a window began, so far: "cache" and "database" reads, "acked" writes."""
        since = self._marks[label]
        return counted(operation for operation in list(self._operations) if operation.invoked >= since)

    def report(self, criterion: str) -> Report:
        """Return what was seen so far; all of it after `stop`."""
        operations = sorted(self._operations, key=lambda operation: operation.completed)
        history = History.of(operations, kind="cache", criterion=criterion, seed=self._seed, marks=dict(self._marks))
        return Report(history)

    def _run(self, loop: Callable[[CacheClient], None]) -> None:
        client = self._connect()
        try:
            loop(client)
        finally:
            client.close()

    def _writer(self, number: int) -> Callable[[CacheClient], None]:
        keys = self._keys[number :: self._plan.writers]

        def loop(client: CacheClient) -> None:
            version = 1
            while not self._stop.is_set():
                version += 1
                for turn, key in enumerate(keys):
                    self._write(client, key, version, "write-through" if (version + turn) % 2 else "invalidate")
                    self._stop.wait(self._plan.pause)

        return loop

    def _reader(self, number: int) -> Callable[[CacheClient], None]:
        choice = random.Random(f"{self._seed} {number}")

        def loop(client: CacheClient) -> None:
            while not self._stop.is_set():
                self._read(client, choice.choice(self._keys))
                self._stop.wait(self._plan.pause)

        return loop

    def _write(self, client: CacheClient, key: str, version: int, strategy: Strategy) -> None:
        began, outcome, detail = self._now(), Result.ACKED, ""
        try:
            client.write(self._namespace, key, str(version), strategy)
        except Refused as error:
            outcome, detail = Result.UNKNOWN if error.outcome == "unknown" else Result.FAILED, str(error)
        except OSError as error:
            outcome, detail = Result.UNKNOWN, f"{type(error).__name__}: {error}"
        self._operations.append(
            Operation(key, Kind.WRITE, began, self._now(), outcome, version, node=strategy, detail=detail)
        )

    def _read(self, client: CacheClient, key: str) -> None:
        began, outcome, value, node, detail = self._now(), Result.FAILED, None, "", ""
        try:
            read = client.read(self._namespace, key)
        except (Refused, OSError) as error:
            detail = f"{type(error).__name__}: {error}"
        else:
            outcome = Result.OBSERVED
            if read is not None:
                value, node = int(read.value or 0), read.source
        self._operations.append(Operation(key, Kind.READ, began, self._now(), outcome, value, node, detail))

    def _now(self) -> float:
        return self._wall + time.perf_counter()
