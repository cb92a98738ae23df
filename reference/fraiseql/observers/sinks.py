"""What is common to all sinks: what becomes of a batch, and requests over HTTP."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

import urllib3

from reference.fraiseql.observers.config import SinkName
from reference.fraiseql.observers.events import Event, Message

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 10.0
_LONGEST_REASON = 300  # characters of what a sink says


class Away(Exception):
    """The sink cannot take anything now: the same batch is to be tried again."""


class Refused(Exception):
    """The sink will never take a request as it is: at least one of its events is to blame."""


@dataclass(slots=True)
class Outcome:
    """What became of events.

    Args:
        written: how many are there now and were not before.
        already_there: how many the sink had, or has got from this batch, under the same id.
        refused: messages that the sink will never take, with what it says of each.
        again: events that it could not take now.
    """

    written: int = 0
    already_there: int = 0
    refused: list[tuple[Message, str]] = field(default_factory=list)
    again: list[Event] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Count what became of other events as well."""
        self.written += other.written
        self.already_there += other.already_there
        self.refused += other.refused
        self.again += other.again


class Sink(ABC):
    """Takes events so that each id is there once, whatever had been written of a batch before.

    One observer writes to its table or index.
    """

    name: SinkName
    at_once = 1  # batches that it can take at once; each is written by a thread of its own
    knows_batches = False  # whether it recognises a batch that comes again, if that is cut as it was before

    def write(self, events: Sequence[Event], stream: str) -> Outcome:
        """Write a batch; when the sink refuses a request, its halves are tried until the guilty events stand alone.

        Args:
            events: in the order of the stream.
            stream: tells their stream from every other, also from a later one of the same name.

        Raises:
            Away: perhaps nothing of it was written, perhaps all.
        """
        if not events:
            return Outcome()
        try:
            return self.attempt(events, stream)
        except Refused as problem:
            if len(events) == 1:
                return Outcome(refused=[(events[0].message, str(problem))])
        middle = len(events) // 2
        outcome = self.write(events[:middle], stream)
        outcome.add(self.write(events[middle:], stream))
        return outcome

    @abstractmethod
    def attempt(self, events: Sequence[Event], stream: str) -> Outcome:
        """Write a batch by one request.

        Raises:
            Away: see `write`.
            Refused: nothing of it was written, and nothing of it ever will be as it is.
        """


def unique(events: Iterable[Event]) -> dict[str, Event]:
    """Return the first event of each id, by id."""
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event.id, event)
    return first


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __str__(self) -> str:
        text = " ".join(self.body[: 4 * _LONGEST_REASON].decode(errors="replace").split())
        return f"HTTP {self.status}: {text[:_LONGEST_REASON]}"


class Http:
    """Connections to a server, one a thread, kept open; a request that fails is not repeated here."""

    def __init__(self, url: str, headers: Mapping[str, str], connections: int) -> None:
        self._url, self._headers = url.rstrip("/"), headers
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS)
        self._pool = urllib3.PoolManager(maxsize=connections, timeout=timeout, retries=False)

    def post(self, path: str, arguments: Mapping[str, str], body: bytes) -> Answer:
        """Post a body, and read the whole answer.

        Raises:
            Away: there was no answer, or only a part of one.
        """
        target = f"{self._url}{path}?{urlencode(arguments)}"
        try:
            answer = self._pool.request("POST", target, headers=self._headers, body=body)
        except urllib3.exceptions.HTTPError as error:
            raise Away(f"{self._url}: {error}") from None
        return Answer(answer.status, answer.headers, answer.data)
