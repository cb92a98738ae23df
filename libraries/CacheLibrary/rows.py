"""Rows as they are written through the cache, and how cache and database are compared. No robot import."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from CacheLibrary.wire import CacheClient, Read, Strategy

TEXTS: Mapping[str, str | None] = {
    "empty": "",
    "null": None,
    "text": "a plain value",
    "digits": "007",
    "the word null": "null",
    "accents and symbols": "naïve café, 記憶, 💡",
    "quotes and line ends": "'\"\\\r\n\t{}[]",
    "100 000 characters": "".join(random.Random(3).choices("abcdefghijklmnopqrstuvwxyzäöü", k=100_000)),
}
"""Values of every kind that a row of text may hold."""

STRATEGIES: tuple[Strategy, ...] = ("invalidate", "write-through")


@dataclass(frozen=True, slots=True)
class Row:
    """A row and the value it has."""

    namespace: str
    key: str
    value: str

    def changed(self, value: str) -> Row:
        """Return the same row with another value."""
        return replace(self, value=value)


@dataclass(frozen=True, slots=True)
class Counted:
    """A read with what the cache program (`client`) and Redis (`server`) counted while it ran."""

    row: Row
    read: Read
    client: Mapping[str, int]
    server: Mapping[str, int]

    def check_miss(self) -> None:
        """Demand that the read loaded the row from the database and filled the cache.

        Raises:
            AssertionError: naming each count that is wrong.
        """
        self._check("database", {"hits": 0, "misses": 1, "fills": 1, "database_reads": 1}, {})

    def check_hit(self) -> None:
        """Demand that the read was answered by Redis alone.

        Raises:
            AssertionError: naming each count that is wrong.
        """
        server = {"keyspace_hits": 1, "keyspace_misses": 0}
        self._check("cache", {"hits": 1, "misses": 0, "fills": 0, "database_reads": 0}, server)

    def _check(self, source: str, client: Mapping[str, int], server: Mapping[str, int]) -> None:
        wrong = []
        if self.read.value != self.row.value:
            wrong.append(f"it returned {self.read.value!r}, expected {self.row.value!r}")
        if self.read.source != source:
            wrong.append(f"it says that it came from the {self.read.source}, expected from the {source}")
        wrong += [
            f"the cache client counts {self.client.get(f'cache_{name}_total')} {name}, expected {number}"
            for name, number in client.items()
            if self.client.get(f"cache_{name}_total") != number
        ]
        wrong += [
            f"Redis counts {self.server.get(name)} {name}, expected {number}"
            for name, number in server.items()
            if self.server.get(name) != number
        ]
        if wrong:
            raise AssertionError(f"one read of '{self.row.key}': {'; '.join(wrong)}")


def write_of_every_kind(client: CacheClient, namespace: str) -> dict[str, str | None]:
    """Insert, update and delete rows through the cache, reading before each change so that there is an entry.

    Both strategies, single rows and many at once.

    Returns:
        What each key must hold at the end; a key that must not exist is missing, see `deleted_keys`.
    """
    expected: dict[str, str | None] = {}
    for strategy in STRATEGIES:
        for kind, text in TEXTS.items():
            inserted, updated, deleted = (f"{strategy} {kind} {what}" for what in ("inserted", "updated", "deleted"))
            client.write(namespace, inserted, text, strategy)
            for key in (updated, deleted):
                client.write(namespace, key, "an earlier value", strategy)
                client.read(namespace, key)
                client.read(namespace, key)
            client.write(namespace, updated, text, strategy)
            client.delete(namespace, deleted)
            expected |= {inserted: text, updated: text}
        many: dict[str, str | None] = {f"{strategy} many {number}": f"earlier {number}" for number in range(50)}
        client.write_many(namespace, many, strategy)
        client.read_many(namespace, list(many))
        changed: dict[str, str | None] = {key: f"later {number}" for number, key in enumerate(many) if number % 2 == 0}
        client.write_many(namespace, changed, strategy)
        expected |= many | changed
    return expected


def deleted_keys() -> list[str]:
    """The keys that `write_of_every_kind` leaves deleted."""
    return [f"{strategy} {kind} deleted" for strategy in STRATEGIES for kind in TEXTS]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One key as it was written, stored and read."""

    key: str
    expected: tuple[str | None] | None  # None: there must be no such row
    stored: tuple[str | None] | None
    reads: tuple[Read | None, ...]

    def difference(self) -> str | None:
        """Say what differs, None when nothing does."""
        if self.stored != self.expected:
            return f"'{self.key}' was written as {_shown(self.expected)}, the database holds {_shown(self.stored)}"
        for read in self.reads:
            seen = None if read is None else (read.value,)
            if seen != self.expected:
                source = f" from the {read.source}" if read else ""
                return f"'{self.key}' is {_shown(self.stored)} in the database, the read{source} says {_shown(seen)}"
        return None

    @property
    def from_cache(self) -> bool:
        """Whether the last read was answered by the cache."""
        last = self.reads[-1]
        return last is not None and last.source == "cache"


def _shown(value: tuple[str | None] | None) -> str:
    if value is None:
        return "no row"
    text = ascii(value[0]) if value[0] is not None else "NULL"
    return text if len(text) <= 60 else f"{text[:50]}... ({len(value[0] or '')} characters)"
