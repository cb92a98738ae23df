"""A load in a process of its own, so that what else Robot Framework's process does cannot disturb it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from ObserverLibrary.event import EventSource
from ObserverLibrary.ledger import Outcome, Plan, Published

LIBRARIES = Path(__file__).resolve().parents[1]
READY_SECONDS = 30.0
GRACE_SECONDS = 10.0  # beyond its drain, then a publisher that has not ended is hung


class PublishingFailed(Exception):
    """The publisher could not do its part."""


@dataclass(frozen=True, slots=True)
class State:
    """How a load stands: events due, sent and acknowledged so far, whether NATS is there, and when that was told."""

    due: int = 0
    sent: int = 0
    acked: int = 0
    connected: bool = True
    at: float = 0.0  # epoch seconds


class Publishing:
    """A load that is ready to begin; `begin` begins it.

    Args:
        url: of NATS; it may hold a password, so that it goes to the process alone, never into a file.
        plan: what to publish.
        ledger: path of its ledger, `.ledger`; it must not exist.

    Raises:
        PublishingFailed: NATS is not there.
    """

    def __init__(self, url: str, plan: Plan, ledger: Path) -> None:
        self.plan, self.ledger = plan, ledger
        self.state = State()
        self._changed = threading.Condition()
        self._last_words = ""
        self._told: dict[str, Any] = {}  # the last answer that is not a state
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ObserverLibrary.publisher_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": str(LIBRARIES)},
            start_new_session=True,  # Ctrl-C is for the run, which then ends the publisher in its turn
        )
        threading.Thread(target=self._listen, name="publisher", daemon=True).start()
        try:
            self._order({"url": url, "plan": asdict(plan), "ledger": str(ledger)})
            self._await("ready", READY_SECONDS)
        except BaseException:
            self.kill()
            raise

    @property
    def tenant(self) -> str:
        """Whose the events are."""
        return EventSource(self.plan.seed).tenant

    @property
    def pid(self) -> int:
        """Of the publisher's process."""
        return self._process.pid

    def begin(self) -> Self:
        """Let the first event fall due now."""
        self._order({"go": True})
        return self

    def await_state(self, missing: Callable[[State], str | None], seconds: float) -> State:
        """Wait until nothing is missing; the question is asked whenever the publisher tells how it stands.

        Raises:
            TimeoutError: with what is missing.
            PublishingFailed: the publisher has ended.
        """
        end = time.monotonic() + seconds
        with self._changed:
            while (sentence := missing(self.state)) is not None:
                if "done" in self._told or self._failed():
                    raise PublishingFailed(f"{sentence}, and the load is over: {self._failed() or 'all was sent'}")
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{sentence} within {seconds:g} s")
                self._changed.wait(left)
            return self.state

    def stop(self) -> Published:
        """Let no more events fall due, and wait for what is owed; return what was published."""
        if "done" not in self._told and not self._failed():
            self._order({"stop": True})
        return self._ended(self.plan.drain_seconds + GRACE_SECONDS)

    def wait(self) -> Published:
        """Wait until the whole plan is carried out; return what was published.

        Raises:
            PublishingFailed: the publisher could not go on.
        """
        return self._ended(self.plan.seconds + self.plan.drain_seconds + GRACE_SECONDS)

    def kill(self) -> None:
        """End the process whatever it does; harmless when it has ended."""
        self._process.kill()
        self._process.wait()
        if not self._errors.closed:
            self._errors.seek(0)
            self._last_words = " ".join(self._errors.read().decode(errors="replace").strip().splitlines()[-1:])
            self._errors.close()

    def _ended(self, seconds: float) -> Published:
        outcome = Outcome(**self._await("done", seconds))
        published = Published.of(self.plan, outcome, self.ledger)
        published.close()
        self.kill()
        return published

    def _order(self, order: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise PublishingFailed(self._gone()) from None

    def _listen(self) -> None:
        assert self._process.stdout is not None
        names = {field.name for field in fields(State)}
        for line in self._process.stdout:
            answer = json.loads(line)
            with self._changed:
                if answer.keys() == names:
                    self.state = State(**answer)
                else:
                    self._told = answer
                self._changed.notify_all()
        with self._changed:
            self._told.setdefault("ended", True)
            self._changed.notify_all()

    def _await(self, key: str, seconds: float) -> Any:
        end = time.monotonic() + seconds
        with self._changed:
            while key not in self._told:
                if failed := self._failed():
                    raise PublishingFailed(failed)
                left = end - time.monotonic()
                if left <= 0:
                    raise PublishingFailed(f"the publisher is not {key} within {seconds:g} s; it hangs")
                self._changed.wait(left)
            return self._told[key]

    def _failed(self) -> str:
        """Why it ended before it was done; "" while it runs."""
        if "failed" in self._told:
            return str(self._told["failed"])
        return self._gone() if "ended" in self._told and "done" not in self._told else ""

    def _gone(self) -> str:
        self.kill()
        return f"the publisher's process ended with {self._process.returncode}: {self._last_words}"
