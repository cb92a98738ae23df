"""`python -m ObserverLibrary.publisher_process`: publishes one load in a process of its own.

In, one object a line:

    {"url": "of NATS", "plan": {...}, "ledger": "path"}     first: see `ledger.Plan`
    {"go": true}                          begin
    {"stop": true}                        let no more events fall due

Out:

    {"ready": true}                       connected
    {"due": 0, "sent": 0, "acked": 0, "connected": true, "at": epoch seconds}     ten times a second, and at the end
    {"done": {...}}                       see `ledger.Outcome`; the ledger is complete
    {"failed": "why"}

The end of the input ends it at once, with what the ledger has by then: whoever started it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from measurement.punctual import be_punctual
from ObserverLibrary.ledger import Plan, create
from ObserverLibrary.publisher import Publisher

TELL_SECONDS = 0.1


class _Orders:
    """Lines of the input as they come, for a loop that must not wait for them."""

    def __init__(self, lines: IO[str], publisher: Publisher) -> None:
        self.go = asyncio.Event()
        self._lines, self._publisher, self._loop = lines, publisher, asyncio.get_running_loop()
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    def _read(self) -> None:
        for line in self._lines:
            order = json.loads(line)
            self._loop.call_soon_threadsafe(self._publisher.stop if "stop" in order else self.go.set)
        os._exit(1)


async def publish(lines: IO[str], answers: IO[str]) -> None:
    """Publish the load that the first line names, and tell how it goes."""
    order = json.loads(lines.readline())
    plan = Plan(**order["plan"])
    publisher = Publisher(order["url"], plan, create(Path(order["ledger"]), plan.events))
    await publisher.connect()
    orders = _Orders(lines, publisher)
    _say(answers, {"ready": True})
    await orders.go.wait()
    publisher.outcome.scheduling = be_punctual()
    telling = asyncio.create_task(_tell(publisher, answers))
    outcome = await publisher.run()
    telling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await telling
    _say(answers, _state(publisher))
    _say(answers, {"done": asdict(outcome)})


async def _tell(publisher: Publisher, answers: IO[str]) -> None:
    while True:
        _say(answers, _state(publisher))
        await asyncio.sleep(TELL_SECONDS)


def _state(publisher: Publisher) -> dict[str, Any]:
    state = {"due": publisher.due(), "sent": publisher.sent, "acked": publisher.acked}
    return {**state, "connected": publisher.connected, "at": time.time()}


def _say(answers: IO[str], answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer, separators=(",", ":")) + "\n")
    answers.flush()


def main() -> int:
    """Serve standard input and output; what anything else prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        asyncio.run(publish(sys.stdin, answers))
    except Exception as error:  # noqa: BLE001 - whoever started it is told whatever went wrong
        _say(answers, {"failed": f"{type(error).__name__}: {error}"})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
