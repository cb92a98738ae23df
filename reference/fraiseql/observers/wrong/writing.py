"""Sinks that write more than they should, or less; deliveries that use them wrongly."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any
from uuid import uuid4

from reference.fraiseql.observers.clickhouse import ClickHouse
from reference.fraiseql.observers.delivery import Delivery
from reference.fraiseql.observers.events import Event, Message
from reference.fraiseql.observers.intake import Batch, Intake
from reference.fraiseql.observers.letters import Letters
from reference.fraiseql.observers.search import Search
from reference.fraiseql.observers.sinks import Away, Outcome

_LOCK_SECONDS = 0.02  # between two attempts to take the lock


class BlindClickHouse(ClickHouse):
    """Does not look what is there."""

    looks = False

    def there(self, ids: Sequence[str]) -> set[str]:
        """See `ClickHouse.there`."""
        return super().there(ids) if self.looks else set()

    def insert(self, rows: bytes, token: str) -> None:
        """See `ClickHouse.insert`."""
        super().insert(rows, token if self.looks else str(uuid4()))


class BlindSearch(Search):
    """Lets the engine choose ids."""

    looks = False

    def action(self, event: Event) -> bytes:
        """See `Search.action`."""
        action = super().action(event)
        return action if self.looks else action.replace(f',"_id":"{event.id}"'.encode(), b"")


class SometimesBlindClickHouse(BlindClickHouse):
    """Looks unless it is told not to."""

    looks = True


class SometimesBlindSearch(BlindSearch):
    """Looks unless it is told not to."""

    looks = True


class RepeatingDelivery(Delivery):
    """Writes once more what it had to try again."""

    _failed = False

    async def write(self, events: Sequence[Event], stream: str) -> Outcome:
        """See `Delivery.write`."""
        self._failed = False
        outcome = await super().write(events, stream)
        if self._failed and isinstance(self.sink, BlindClickHouse | BlindSearch):
            self.sink.looks = False
            await super().write(events, stream)
            self.sink.looks = True
        return outcome

    async def pause(self, problem: str) -> None:
        """See `Delivery.pause`."""
        self._failed = True
        await super().pause(problem)


class SinglyDelivery(Delivery):
    """Writes one event at a time."""

    async def write(self, events: Sequence[Event], stream: str) -> Outcome:
        """See `Delivery.write`."""
        outcome = Outcome()
        for event in events:
            outcome.add(await super().write([event], stream))
        return outcome


class LockingDelivery(Delivery):
    """Delivers only while no other observer of the stream does; the kernel keeps the lock and gives it back."""

    async def deliver(self, batch: Batch, intake: Intake, letters: Letters, stream: str) -> None:
        """See `Delivery.deliver`."""
        with closing(socket.socket(socket.AF_UNIX)) as lock:
            while not _taken(lock, f"\0{stream}"):  # noqa: ASYNC110, nobody is told when it is free
                await asyncio.sleep(_LOCK_SECONDS)
            await super().deliver(batch, intake, letters, stream)


def _taken(lock: socket.socket, name: str) -> bool:
    try:
        lock.bind(name)
    except OSError:
        return False
    return True


class StuckDelivery(Delivery):
    """Tries for ever what is refused."""

    _refused: Sequence[tuple[Message, str]] = ()

    def sift(self, messages: Sequence[Message]) -> tuple[list[Event], list[tuple[Message, str]]]:
        """See `Delivery.sift`."""
        events, refused = super().sift(messages)
        self._refused = [*self._refused, *refused]
        return events, refused

    async def attempt(self, events: Sequence[Event], stream: str) -> Outcome:
        """See `Delivery.attempt`."""
        outcome = await super().attempt(events, stream)
        if outcome.refused:
            raise Away(outcome.refused[0][1])
        return outcome

    async def write(self, events: Sequence[Event], stream: str) -> Outcome:
        """See `Delivery.write`."""
        while self._refused:
            await self.pause(self._refused[0][1])
        return await super().write(events, stream)


class TrustingSearch(Search):
    """Takes every item for done."""

    def settle(self, event: Event, item: Mapping[str, Any], outcome: Outcome) -> None:
        """See `Search.settle`."""
        outcome.written += 1


class SilentLetters(Letters):
    """Keeps nothing."""

    async def keep(self, message: Message, reason: str) -> None:
        """See `Letters.keep`."""
