"""What became of messages: lost, duplicated, reordered, misrouted, corrupted, or delivered though nobody sent them.

A history of messages holds publishes (kind write) and deliveries (kind read):

=========  ================================  ========================================================
field      publish                           delivery
=========  ================================  ========================================================
id         `producer/topic/number`           the same, as the payload says; `UNREADABLE` if it does not
value      checksum of the payload           [topic it came on, checksum of what came]
node       the producer                      the consumer
outcome    acked, failed (refused), unknown  observed
=========  ================================  ========================================================

A producer numbers its messages of one topic in the order in which it publishes them. Deliveries of one consumer stand
in the order in which it got them. The header says who was to get what, in `topics`, which maps each topic to
`{"routing": "Fanout" or "Queue", "consumers": [names]}`; every consumer named there was subscribed throughout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from measurement.verdicts import Inconclusive
from oracles.history import Finding, Findings, History, Kind, Mark, Operation, Result, concluded, relative

UNREADABLE = "?"


@dataclass(frozen=True, slots=True)
class MessageId:
    """Who published a message, where, and as the how-manyth there."""

    producer: str
    topic: str
    number: int

    @classmethod
    def parse(cls, text: int | str) -> Self:
        """Read `producer/topic/number`.

        Raises:
            ValueError: the text is not of that form.
        """
        producer, topic, number = str(text).split("/")
        return cls(producer, topic, int(number))

    def __str__(self) -> str:
        return f"{self.producer}/{self.topic}/{self.number}"


@dataclass(frozen=True, slots=True)
class Audience:
    """How a topic hands out its messages, and to whom."""

    queue: bool
    consumers: tuple[str, ...]


def lost(history: History, *, since: float = 0.0, until: float = float("inf"), marks: Sequence[Mark] = ()) -> Findings:
    """Find acknowledged messages that a consumer never got: each consumer of a Fanout topic, any one of a Queue.

    Args:
        history: publishes and deliveries.
        since: judge only messages published from then on (epoch seconds).
        until: judge only messages acknowledged before (epoch seconds).
        marks: instants to tell the findings by; those of the history's header when empty.
    """
    marks = marks or history.marks
    got, audiences = _receivers(history), audiences_of(history)
    items, judged = [], 0
    for publish in _published(history):
        if publish.outcome is not Result.ACKED or publish.invoked < since or publish.completed >= until:
            continue
        for whom in _owed(audiences, publish):
            judged += 1
            if not got.get(publish.id, set()).intersection(whom):
                text = f"{publish.id} acknowledged at {relative(publish.completed, marks)} never reached {_who(whom)}"
                items.append(Finding(publish.id, publish.completed, text))
    return concluded("lost messages", items, judged, "acknowledged deliveries")


def duplicated(history: History, marks: Sequence[Mark] = ()) -> Findings:
    """Find messages that one consumer got twice, or of a Queue, that any two deliveries brought."""
    marks = marks or history.marks
    audiences = audiences_of(history)
    seen: Counter[tuple[int | str, str]] = Counter()
    items, judged = [], 0
    for delivery in _readable(history):
        judged += 1
        queue = _is_queue(audiences, delivery)
        key = (delivery.id, "" if queue else delivery.node)
        seen[key] += 1
        if seen[key] > 1:
            at = relative(delivery.completed, marks)
            text = f"{delivery.id} reached {delivery.node} at {at}, the {_ordinal(seen[key])} time"
            items.append(Finding(delivery.id, delivery.completed, text))
    return concluded("duplicated messages", items, judged, "deliveries")


def reordered(history: History, marks: Sequence[Mark] = ()) -> Findings:
    """Find messages that a consumer got behind a later one of the same producer and topic."""
    marks = marks or history.marks
    latest: dict[tuple[str, str, str], int] = {}
    items, judged = [], 0
    for delivery in _readable(history):
        judged += 1
        identity = MessageId.parse(delivery.id)
        key = (delivery.node, identity.producer, identity.topic)
        newest = latest.get(key, -1)
        if identity.number < newest:
            at = relative(delivery.completed, marks)
            text = f"{delivery.id} reached {delivery.node} at {at}, behind number {newest}"
            items.append(Finding(delivery.id, delivery.completed, text))
        latest[key] = max(newest, identity.number)
    return concluded("reordered messages", items, judged, "deliveries")


def misrouted(history: History, marks: Sequence[Mark] = ()) -> Findings:
    """Find messages that came on another topic than theirs, or to a consumer that never asked for their topic."""
    marks = marks or history.marks
    audiences = audiences_of(history)
    items, judged = [], 0
    for delivery in _readable(history):
        judged += 1
        topic, came_on = MessageId.parse(delivery.id).topic, _topic_of(delivery)
        at = relative(delivery.completed, marks)
        wanted = audiences.get(topic)
        if came_on != topic:
            text = f"{delivery.id} reached {delivery.node} at {at} on topic {came_on}"
        elif wanted is None or delivery.node not in wanted.consumers:
            text = f"{delivery.id} reached {delivery.node} at {at}, which is not subscribed to {topic}"
        else:
            continue
        items.append(Finding(delivery.id, delivery.completed, text))
    return concluded("misrouted messages", items, judged, "deliveries")


def corrupted(history: History, marks: Sequence[Mark] = ()) -> Findings:
    """Find deliveries whose content is not the content that was published."""
    marks = marks or history.marks
    sent = {publish.id: publish.value for publish in _published(history)}
    items, judged = [], 0
    for delivery in _deliveries(history):
        judged += 1
        at, checksum = relative(delivery.completed, marks), delivery.value[1]
        if delivery.id == UNREADABLE:
            text = f"an unreadable message (checksum {checksum}) reached {delivery.node} at {at}"
        elif delivery.id in sent and sent[delivery.id] != checksum:
            text = (
                f"{delivery.id} reached {delivery.node} at {at} with checksum {checksum}, "
                f"published with {sent[delivery.id]}"
            )
        else:
            continue
        items.append(Finding(delivery.id, delivery.completed, text))
    return concluded("corrupted messages", items, judged, "deliveries")


def unexpected(history: History, marks: Sequence[Mark] = ()) -> Findings:
    """Find deliveries of messages that nobody published, or that the broker refused."""
    marks = marks or history.marks
    outcomes: dict[int | str, set[Result]] = {}
    for publish in _published(history):
        outcomes.setdefault(publish.id, set()).add(publish.outcome)
    items, judged = [], 0
    for delivery in _readable(history):
        judged += 1
        known = outcomes.get(delivery.id)
        if known is not None and known != {Result.FAILED}:
            continue
        why = "which nobody published" if known is None else "which was refused"
        text = f"{delivery.id}, {why}, reached {delivery.node} at {relative(delivery.completed, marks)}"
        items.append(Finding(delivery.id, delivery.completed, text))
    return concluded("unexpected messages", items, judged, "deliveries")


ALL: Mapping[str, Callable[[History], Findings]] = {
    "corrupted": corrupted,
    "misrouted": misrouted,
    "unexpected": unexpected,
    "duplicated": duplicated,
    "reordered": reordered,
    "lost": lost,
}
"""Every property of a run in which nothing may go wrong, by its name; a cause stands before what it also shows as."""


@dataclass(frozen=True, slots=True)
class Gap:
    """What a time of trouble cost.

    Attributes:
        acked: acknowledged messages of that time.
        acked_lost: of these, those that did not reach everybody they were owed to.
        unknown: messages of that time of which nobody told the producer what became of them.
        unknown_lost: of these, those that did not reach everybody.
    """

    acked: int
    acked_lost: tuple[int | str, ...]
    unknown: int
    unknown_lost: tuple[int | str, ...]

    def __str__(self) -> str:
        return (
            f"{len(self.acked_lost)} of {self.acked} acknowledged messages of the gap are lost, "
            f"{len(self.unknown_lost)} of {self.unknown} of unknown outcome"
        )


def gap(history: History, since: float, until: float) -> Gap:
    """Return what became of the messages published from one instant until another (epoch seconds)."""
    got, audiences = _receivers(history), audiences_of(history)
    tried: dict[Result, list[Operation]] = {Result.ACKED: [], Result.UNKNOWN: [], Result.FAILED: []}
    for publish in _published(history):
        if publish.completed >= since and publish.invoked < until:
            tried[publish.outcome].append(publish)

    def missing(publishes: Sequence[Operation]) -> tuple[int | str, ...]:
        return tuple(
            publish.id
            for publish in publishes
            if not all(got.get(publish.id, set()).intersection(whom) for whom in _owed(audiences, publish))
        )

    acked, unknown = tried[Result.ACKED], tried[Result.UNKNOWN]
    return Gap(len(acked), missing(acked), len(unknown), missing(unknown))


def audiences_of(history: History) -> dict[str, Audience]:
    """Return who was to get what, from the header.

    Raises:
        Inconclusive: the header does not say.
    """
    topics = history.header.get("topics")
    if not topics:
        raise Inconclusive("the history does not say who was subscribed to what")
    return {name: Audience(t["routing"] == "Queue", tuple(t["consumers"])) for name, t in topics.items()}


def _published(history: History) -> Iterator[Operation]:
    return (o for o in history.operations if o.kind is Kind.WRITE)


def _deliveries(history: History) -> Iterator[Operation]:
    return (o for o in history.operations if o.kind is Kind.READ)


def _readable(history: History) -> Iterator[Operation]:
    return (o for o in _deliveries(history) if o.id != UNREADABLE)


def _topic_of(delivery: Operation) -> str:
    return str(delivery.value[0])


def _receivers(history: History) -> dict[int | str, set[str]]:
    got: dict[int | str, set[str]] = {}
    for delivery in _readable(history):
        got.setdefault(delivery.id, set()).add(delivery.node)
    return got


def _owed(audiences: Mapping[str, Audience], publish: Operation) -> list[tuple[str, ...]]:
    """The groups of consumers of which one must get a message: one each for Fanout, all in one for a Queue."""
    audience = audiences.get(MessageId.parse(publish.id).topic, Audience(False, ()))
    if audience.queue:
        return [audience.consumers] if audience.consumers else []
    return [(name,) for name in audience.consumers]


def _is_queue(audiences: Mapping[str, Audience], delivery: Operation) -> bool:
    audience = audiences.get(MessageId.parse(delivery.id).topic)
    return audience is not None and audience.queue


def _who(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"any of {', '.join(names)}"


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
