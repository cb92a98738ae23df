"""The processes of a load driver, and how they begin together and end in time."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from BrokerLibrary.load import jobs
from BrokerLibrary.load.durations import NANOSECONDS
from BrokerLibrary.load.outcome import Received, Sent, StageOutcome
from BrokerLibrary.load.sockets import LoadProblem

LIBRARIES = Path(__file__).resolve().parents[2]

READY_SECONDS = 90.0
"""Bound on a worker's start: on a fresh machine it compiles its kernels first."""

LEAD_NS = 20_000_000
"""A load begins this long after the last worker is ready, so that all of them have been told."""

GRACE_SECONDS = 10.0
"""A worker that has not answered so long after its own deadline is hung."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A load: who sends, who reads, and whether a raw relay stands between them.

    Attributes:
        producers: at least one.
        consumers: each gets every message of all producers of its topic.
        relay: None: the producers' peer delivers to the consumers by itself.
        drain_seconds: what has not arrived so long after the last producer was done is lost.
    """

    producers: Sequence[jobs.Produce]
    consumers: Sequence[jobs.Consume]
    relay: jobs.Relay | None = None
    drain_seconds: float = 10.0


class Crew:
    """Worker processes. They are started when they are needed and stay for the next stage; close it at the end."""

    def __init__(self) -> None:
        self._workers: list[_Worker] = []

    def perform(self, stage: Stage) -> StageOutcome:
        """Run a stage to its end.

        Raises:
            LoadProblem: a worker could not do its part; all of them are gone then.
        """
        try:
            return self._perform(stage)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.kill()
        self._workers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _perform(self, stage: Stage) -> StageOutcome:
        relays = [stage.relay] if stage.relay else []
        everyone = self._hire(len(relays) + len(stage.consumers) + len(stage.producers))
        relay, consumers = everyone[: len(relays)], everyone[len(relays) : len(relays) + len(stage.consumers)]
        producers = everyone[len(relays) + len(stage.consumers) :]
        for workers, tasks in ((relay, relays), (consumers, stage.consumers), (producers, stage.producers)):
            _prepare(workers, tasks)
        origin, started_at = time.monotonic_ns() + LEAD_NS, time.time() + LEAD_NS / NANOSECONDS
        for worker in everyone:
            worker.tell({"go": origin})
        longest = max([job.deadline_s for job in stage.producers] + [job.deadline_s for job in stage.consumers])
        sent = [Sent.from_json(told) for told in _results(producers, longest, watching=everyone)]
        expected = [_sent_to(job, stage, sent) for job in stage.consumers]
        for worker, messages in zip(consumers, expected, strict=True):
            worker.tell({"sent": messages, "drain_s": stage.drain_seconds})
        told = _results(consumers, longest, watching=consumers)
        received = [Received.from_json(answer, messages) for answer, messages in zip(told, expected, strict=True)]
        wall = (time.monotonic_ns() - origin) / NANOSECONDS
        for worker in (*producers, *consumers):
            worker.tell({"release": True})
        copied = _results(relay, GRACE_SECONDS, watching=relay)
        for worker in relay:
            worker.tell({"release": True})
        return StageOutcome(started_at, origin, sent, received, copied[0]["cpu_s"] if copied else None, wall)

    def _hire(self, number: int) -> list[_Worker]:
        while len(self._workers) < number:
            self._workers.append(_Worker(len(self._workers)))
        return self._workers[:number]


class _Worker:
    """One process."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "BrokerLibrary.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": str(LIBRARIES)},
            start_new_session=True,  # Ctrl-C is for the run, which then ends the workers in its turn
        )
        self._read = b""
        self.told: dict[str, Any] = {}  # its last answer to the job it has
        self.doing = "starting"

    def fileno(self) -> int:
        """What to wait on for its answers."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def tell(self, order: dict[str, Any]) -> None:
        """Send an order.

        Raises:
            LoadProblem: the process is gone.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise self._gone() from None

    def listen(self) -> bool:
        """Read what there is; whether its answer, now in `told`, is complete.

        Raises:
            LoadProblem: the worker failed, or is gone.
        """
        data = os.read(self.fileno(), 1 << 20)
        if not data:
            raise self._gone()
        self._read += data
        if not data.endswith(b"\n"):
            return False
        self.told, self._read = json.loads(self._read), b""
        if "failed" in self.told:
            raise LoadProblem(f"the load's {self.doing}: {self.told['failed']}")
        return True

    def kill(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def _gone(self) -> LoadProblem:
        self._process.wait()
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().splitlines()[-1:]
        return LoadProblem(
            f"a worker process of the load ended with {self._process.returncode} while {self.doing}: {' '.join(last)}"
        )


def _sent_to(consumer: jobs.Consume, stage: Stage, sent: Sequence[Sent]) -> int:
    """How many messages were sent to the topic that a consumer reads."""
    topic = consumer.shape.topic
    return sum(done.sent for job, done in zip(stage.producers, sent, strict=True) if job.shape.topic == topic)


def _prepare(workers: Sequence[_Worker], tasks: Sequence[jobs.Job]) -> None:
    """Give each worker its job and wait until all are ready for it."""
    for worker, job in zip(workers, tasks, strict=True):
        worker.doing, worker.told = type(job).__name__.lower(), {}
        worker.tell({"job": jobs.to_json(job)})
    _answers(workers, READY_SECONDS, "ready", watching=workers)


def _results(workers: Sequence[_Worker], seconds: float, *, watching: Sequence[_Worker]) -> list[dict[str, Any]]:
    return _answers(workers, seconds + GRACE_SECONDS, "done", watching=watching)


def _answers(
    workers: Sequence[_Worker], seconds: float, key: str, *, watching: Sequence[_Worker]
) -> list[dict[str, Any]]:
    """Wait for an answer of each worker, and for none of those that are watched to fail meanwhile.

    A watched worker that is done before the others is so because it cannot go on: they are told to stop.

    Raises:
        LoadProblem: one failed, or is hung.
    """
    deadline = time.monotonic() + seconds
    while missing := [worker for worker in workers if key not in worker.told]:
        waiting = [worker for worker in watching if key not in worker.told]
        ready, _, _ = select.select(waiting, [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            names = ", ".join(worker.doing for worker in missing)
            raise LoadProblem(f"no answer of {names} within {seconds:g} s; they hang")
        for worker in ready:
            if worker.listen() and worker not in workers:
                for other in missing:
                    other.tell({"stop": True})
    return [worker.told[key] for worker in workers]
