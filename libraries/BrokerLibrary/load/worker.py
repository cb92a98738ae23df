"""A worker process: takes one job after the other as lines of JSON, until there is none.

It answers each job with `{"ready": true}`, and when the job is over with `{"done": {...}}` or `{"failed": "why"}`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import IO, Any, Protocol

from BrokerLibrary.load import jobs
from BrokerLibrary.load.orders import Orders


class Worker(Protocol):
    """What runs one job."""

    def run(self, orders: Orders) -> dict[str, Any]:
        """Wait for the beginning, do it, and return what was seen."""

    def close(self) -> None:
        """Give back what the job held."""


def serve(lines: IO[str], answers: IO[str]) -> None:
    """Work until the lines end."""
    orders = Orders(lines)
    while (told := orders.next_job()) is not None:
        # a thread of its own for each job: what one of them asks of the kernel's scheduler ends with it
        job = threading.Thread(target=_work, args=(told, orders, answers), name="job")
        job.start()
        job.join()


def _work(told: dict[str, Any], orders: Orders, answers: IO[str]) -> None:
    worker: Worker | None = None
    try:
        worker = _prepare(jobs.from_json(told))
        _say(answers, {"ready": True})
        result = worker.run(orders)
        _say(answers, {"done": result})
        orders.wait_for_release()
    except Exception as error:  # noqa: BLE001 - the crew is told whatever went wrong
        _say(answers, {"failed": f"{type(error).__name__}: {error}"})
    finally:
        if worker is not None:
            worker.close()


def _prepare(job: jobs.Job) -> Worker:
    match job:
        case jobs.Produce():
            from BrokerLibrary.load.producing import Producer

            return Producer(job)
        case jobs.Consume():
            from BrokerLibrary.load.consuming import Consumers

            return Consumers(job)
        case jobs.Relay():
            from BrokerLibrary.load.relaying import RawRelay

            return RawRelay(job)


def _say(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer, separators=(",", ":")) + "\n")
    answers.flush()


def main() -> None:
    """Serve standard input and output; what anything else prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers)
