"""What the keyword classes of this library share: readers of the sinks, loads, and when a sink is done with a load."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit, urlunsplit

from EnvironmentLibrary.context import criterion, record_curve, results, scaled
from EnvironmentLibrary.telling import say
from environments.system import running, system
from FlightLibrary.keywords.base import addresses, on_test_end
from measurement.results import Band
from ObserverLibrary.curves import events_over_time
from ObserverLibrary.event import EntityEvent, lone_event, mixed
from ObserverLibrary.lag import Lag, Watch
from ObserverLibrary.ledger import Plan, Published
from ObserverLibrary.publisher import publish_one
from ObserverLibrary.publishing import Publishing, State
from ObserverLibrary.readers import ClickHouseReader, Reader, SearchReader
from oracles.history import Mark
from TemporalLibrary.core import wait_until

SINKS = ("clickhouse", "search")
POLL_SECONDS = 0.1
ACK_SECONDS = 10.0
QUIET_SECONDS = 3.0  # a sink that shows nothing new for so long after a marker has come will show nothing more
FIRST_ANSWER = timedelta(seconds=30)
WATCH_SECONDS = 2.0  # a sink that has not told its count by then does not answer
MARKER = "Marker"  # entity type of events that only tell that a sink has come so far

__all__ = ["addresses", "on_test_end", "say", "scaled"]

_seeds = itertools.count(time.time_ns() // 1_000_000)


def next_seed() -> int:
    """Return a seed that no other load of this environment has had: of the run, and of the time."""
    return mixed(running().seed ^ next(_seeds))


def reader_of(sink: str, *, patience_seconds: float = 30.0) -> Reader:
    """Return a reader of a sink, closed when the test ends.

    Raises:
        LookupError: the environment does not declare that sink, or there is none of that name.
    """
    where = addresses()
    if sink == "clickhouse" and where.clickhouse is not None:
        reader: Reader = ClickHouseReader(where.clickhouse, patience_seconds)
    elif sink == "search" and where.search is not None:
        reader = SearchReader(where.search, patience_seconds)
    else:
        raise LookupError(f"the environment declares no sink '{sink}'; it is one of {', '.join(SINKS)}")
    on_test_end(reader.close)
    return reader


def nats_url(through: str | None = None) -> str:
    """Return where events are published, with user and password.

    Args:
        through: a link; None: NATS itself.

    Raises:
        LookupError: the environment does not declare NATS, or that link.
    """
    url = addresses().nats
    if url is None:
        raise LookupError("the environment declares no NATS to publish events to")
    if through is None:
        return url
    link, parts = system().links[through], urlsplit(url)
    login, _, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}@{link}" if login else str(link)))


@dataclass
class EventLoad:
    """Events that are published in the background, or were, and what is known of them.

    Attributes:
        publishing: its process.
        watches: of the sinks, by name.
        marks: named instants, epoch seconds.
        busy_percent: of all cores while it lasted.
        known: what was published, None until the load has ended.
    """

    publishing: Publishing
    watches: dict[str, Watch] = field(default_factory=dict)
    marks: dict[str, float] = field(default_factory=dict)
    busy_percent: float | None = None
    known: Published | None = None

    @property
    def published(self) -> Published:
        """What was published.

        Raises:
            AssertionError: the load has not ended.
        """
        if self.known is None:
            raise AssertionError("the load has not ended; `Events End` comes first")
        return self.known

    def end(self, published: Published) -> None:
        """Note what was published, once it is known."""
        self.known = published

    def lag(self, sink: str) -> Lag:
        """Return what the watch of a sink saw."""
        if sink not in self.watches:
            raise AssertionError(f"{sink} was not watched during this load")
        published = self.published
        intended = published.intended_us[published.acked] / 1e6
        return Lag(sink, self.watches[sink].looks, intended)

    def at(self, label: str) -> float:
        """Return a named instant.

        Raises:
            AssertionError: it was not named.
        """
        if label not in self.marks:
            raise AssertionError(f"'{label}' is not a noted instant of this load; it has {', '.join(self.marks)}")
        return self.marks[label]

    @property
    def instants(self) -> tuple[Mark, ...]:
        """The named instants, to tell findings by."""
        return tuple(Mark(label, at) for label, at in sorted(self.marks.items(), key=lambda item: item[1]))

    def bands(self) -> list[Band]:
        """Cut the load at its named instants into windows that bear their names."""
        begin = self.published.outcome.started_us / 1e6
        cuts = [Mark("the beginning", begin), *self.instants, Mark("the end", begin + self.published.seconds)]
        pairs = itertools.pairwise(cuts)
        return [Band(f"from {a.label}", a.at, b.at, 0) for a, b in pairs if b.at > a.at]


def new_load(rate: float, events: int, drain_seconds: float, through: str | None = None) -> EventLoad:
    """Prepare a load whose publisher ends with the test."""
    where, number = addresses(), 1
    stem = f"{criterion() or 'run'}-events"
    directory = results() / "histories"
    while (path := directory / f"{stem}-{number}.ledger").exists():
        number += 1
    plan = Plan(where.stream, where.subject, next_seed(), rate, events, drain_seconds)
    publishing = Publishing(nats_url(through), plan, path)
    on_test_end(publishing.kill)
    return EventLoad(publishing)


def watch(load: EventLoad, sinks: Sequence[str]) -> None:
    """Watch sinks until the test ends.

    Raises:
        AssertionError: a sink does not tell its count, so that there is nothing to begin with.
    """
    if sinks:
        on_test_end(_leave_curves, load)  # after the watches have ended
    for sink in sinks:
        load.watches[sink] = one = Watch(sink, reader_of(sink, patience_seconds=WATCH_SECONDS).count)
        wait_until(partial(_away, one), scaled(FIRST_ANSWER), f"{sink} to be there", interval=POLL_SECONDS)
        on_test_end(one.stop)


def _leave_curves(load: EventLoad) -> None:
    """Leave what the load looks like over time, also of one that a failure broke off."""
    publishing = load.publishing
    try:
        published = load.known or Published.so_far(publishing.plan, publishing.state.due, publishing.ledger)
    except ValueError:
        return
    record_curve("events", events_over_time(published, {sink: one.looks for sink, one in load.watches.items()}))


def _away(one: Watch) -> str | None:
    """Begin a watch; return what it met instead of a first answer."""
    try:
        one.start()
    except Exception as error:  # noqa: BLE001 - a sink that has just come back does not answer at once
        return f"{one.sink} does not tell its count ({type(error).__name__}: {str(error)[:100]})"
    return None


def acked(number: int) -> Callable[[State], str | None]:
    """Return what is missing until so many events are acknowledged in all."""
    return lambda state: f"{state.acked} of {number} events are acknowledged" if state.acked < number else None


def publish_lone(event: EntityEvent, *, known: bool = True) -> int:
    """Publish one event and wait for its acknowledgement; return its sequence in the stream.

    `known`: NATS is told its id, and so stores it once.
    """
    return publish_one(nats_url(), addresses().subject, event, scaled(ACK_SECONDS), known=known)


def publish_marker() -> EntityEvent:
    """Publish an event that only tells how far sinks are: what came before it in the stream has had its turn."""
    marker = lone_event("CUSTOM", MARKER, {}, seed=next_seed(), intended_us=time.time_ns() // 1000)
    publish_lone(marker)
    return marker


def await_settled(reader: Reader, tenant: str, expected: int, marker: EntityEvent, within: timedelta) -> float:
    """Wait until a sink has done with a load; return the seconds it took.

    That is when it shows a marker published after the load, and either all that is expected or, for some seconds,
    nothing new: whether something is lost is for the oracle to say.

    Raises:
        AssertionError: it is still busy, or the marker has not come.
    """
    last: list[tuple[int, float]] = [(-1, 0.0)]

    def missing() -> str | None:
        try:
            there, count = reader.times(marker.id), reader.count_of(tenant)
        except Exception as error:  # noqa: BLE001 - a sink that comes back does not answer at once
            return f"{reader.sink} does not answer ({type(error).__name__})"
        if not there:
            return f"{reader.sink} shows {count} of {expected} events, and not yet what was published after them"
        if count != last[-1][0]:
            last.append((count, time.monotonic()))
        quiet = time.monotonic() - last[-1][1] >= scaled(QUIET_SECONDS)
        return None if count >= expected or quiet else f"{reader.sink} shows {count} of {expected} events"

    return wait_until(missing, scaled(within), f"{reader.sink} to be done with the load", interval=POLL_SECONDS)
