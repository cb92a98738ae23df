"""Reads and writes of rows through the cache: cache-aside reads, invalidating writes, write-through writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import redis

from reference.cache.database import Database, OutcomeUnknown
from reference.cache.defects import Defect
from reference.cache.generations import Generation, Generations
from reference.cache.leases import Row
from reference.cache.metrics import Metrics


class Strategy(StrEnum):
    """What a write does to the cached entry."""

    INVALIDATE = "invalidate"
    WRITE_THROUGH = "write-through"


class Source(StrEnum):
    """Where an answer came from."""

    CACHE = "cache"
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Found:
    """A row and where it was found."""

    row: Row
    source: Source


class Entries:
    """The rows of one table, cached.

    Args:
        database: the rows.
        generations: the entries in Redis.
        metrics: counters to keep.
        ttl: seconds an entry lives at most, so also how long a change made behind this program's back stays unseen.
        defect: wrong behaviour on purpose.
    """

    def __init__(
        self, database: Database, generations: Generations, metrics: Metrics, ttl: float, defect: Defect | None
    ) -> None:
        self._database, self._generations, self._metrics = database, generations, metrics
        self.ttl, self._defect = ttl, defect

    def read(
        self,
        namespace: str,
        keys: Sequence[str],
        *,
        ttl: float | None = None,
        past_cache: bool = False,
        before_fill: Callable[[], object] = lambda: None,
    ) -> dict[str, Found]:
        """Read rows, from Redis where it has them, else from the database; what was missed is cached.

        Args:
            namespace: of all the keys.
            keys: which rows; one that does not exist is missing from the answer.
            ttl: seconds the entries filled by this read may live; at most the program's own.
            past_cache: ask the database and leave Redis alone.
            before_fill: called between the read of the database and the fill.

        Raises:
            DatabaseUnavailable: rows were missed and the database does not answer.
        """
        generation = None if past_cache else self._generations.readable()
        found: dict[str, Found] = {}
        tokens: dict[str, str] = {}
        if generation is None:
            self._metrics.add("cache_bypassed_reads_total", len(keys))
            self._refuse_without_redis(past_cache)
        else:
            found, tokens = self._look_up(generation, namespace, keys)
        missed = [key for key in keys if key not in found]
        if not missed:
            return found
        rows: dict[str, Row] = {}
        try:
            rows = self._database.read(namespace, missed)
            before_fill()
        finally:
            if generation is not None and tokens:
                self._fill(generation, namespace, tokens, rows, min(ttl or self.ttl, self.ttl))
        return found | {key: Found(row, Source.DATABASE) for key, row in rows.items()}

    def write(self, namespace: str, values: Mapping[str, str | None], strategy: Strategy) -> dict[str, Row]:
        """Write rows in one transaction; when this returns, no read will find what was there before.

        Raises:
            DatabaseUnavailable: nothing was written.
            OutcomeUnknown: it may have been.
        """
        through = strategy is Strategy.WRITE_THROUGH
        if through and self._defect is Defect.ACKNOWLEDGES_BEFORE_DATABASE:
            return self._only_cached(namespace, values)
        keys = list(values)
        with self._generations.writing() as generation:
            token = self._begin(generation, namespace, keys, leave_entry=not through)
            rows: dict[str, Row] = {}
            try:
                rows = self._database.write(namespace, values)
            except OutcomeUnknown:
                token = None  # the mark stays until it expires: the commit may still happen
                self._generations.uncertain()
                raise
            finally:
                stored = rows if through and self._defect is not Defect.WRITE_THROUGH_STORES_NOTHING else {}
                self._end(generation, namespace, keys, token, stored)
        return rows

    def delete(self, namespace: str, keys: Sequence[str]) -> int:
        """Delete rows; when this returns, no read will find them.

        Raises:
            DatabaseUnavailable: nothing was deleted.
            OutcomeUnknown: it may have been.
        """
        with self._generations.writing() as generation:
            token = self._begin(generation, namespace, keys, leave_entry=True)
            try:
                return self._database.delete(namespace, keys)
            except OutcomeUnknown:
                token = None
                self._generations.uncertain()
                raise
            finally:
                self._end(generation, namespace, keys, token, {})

    def _look_up(
        self, generation: Generation, namespace: str, keys: Sequence[str]
    ) -> tuple[dict[str, Found], dict[str, str]]:
        """Ask Redis; return what it has, and the leases taken of what it has not."""
        try:
            entries = generation.leases.get(namespace, keys)
            found = {key: Found(row, Source.CACHE) for key, row in zip(keys, entries, strict=True) if row is not None}
            missed = [key for key in keys if key not in found]
            tokens = generation.leases.take(namespace, missed) if missed else {}
        except redis.RedisError as error:
            self._lost(generation, error)
            self._metrics.add("cache_bypassed_reads_total", len(keys))
            return {}, {}
        self._metrics.add("cache_hits_total", len(found))
        self._metrics.add("cache_misses_total", len(missed))
        return found, {} if self._defect is Defect.NEVER_FILLS else tokens

    def _fill(
        self, generation: Generation, namespace: str, tokens: Mapping[str, str], rows: Mapping[str, Row], ttl: float
    ) -> None:
        try:
            filled = generation.leases.fill(namespace, tokens, rows, ttl)
        except redis.RedisError as error:
            self._lost(generation, error)
            return
        self._metrics.add("cache_fills_total", filled)
        self._metrics.add("cache_fills_rejected_total", len(rows.keys() & tokens.keys()) - filled)

    def _begin(
        self, generation: Generation | None, namespace: str, keys: Sequence[str], *, leave_entry: bool
    ) -> str | None:
        """First step of a write; None when it goes past Redis. `leave_entry`: what the defect of that name does."""
        if generation is None:
            self._refuse_without_redis(wanted=False)
            return None
        if leave_entry and self._defect is Defect.SKIPS_INVALIDATION:
            return None
        try:
            return generation.leases.begin(namespace, keys)
        except redis.RedisError as error:
            self._lost(generation, error)
            return None

    def _end(
        self,
        generation: Generation | None,
        namespace: str,
        keys: Sequence[str],
        token: str | None,
        rows: Mapping[str, Row],
    ) -> None:
        """Last step of a write; without a token its generation is already abandoned, or must keep its mark."""
        if generation is None or token is None:
            return
        try:
            stored = generation.leases.end(namespace, keys, token, rows, self.ttl)
        except redis.RedisError as error:
            self._lost(generation, error)
            return
        self._metrics.add("cache_writes_stored_total", stored)
        self._metrics.add("cache_invalidations_total", len(keys) - stored)

    def _lost(self, generation: Generation, error: redis.RedisError) -> None:
        self._metrics.add("cache_redis_errors_total")
        self._generations.abandon(generation, f"{type(error).__name__}: {error}")
        if self._defect is Defect.FAILS_WITHOUT_REDIS:
            raise error

    def _refuse_without_redis(self, wanted: bool) -> None:
        if self._defect is Defect.FAILS_WITHOUT_REDIS and not wanted:
            raise redis.ConnectionError("Redis cannot be used")

    def _only_cached(self, namespace: str, values: Mapping[str, str | None]) -> dict[str, Row]:
        rows = {key: Row(value, 1) for key, value in values.items()}
        with self._generations.writing() as generation:
            token = self._begin(generation, namespace, list(values), leave_entry=False)
            self._end(generation, namespace, list(values), token, rows)
        return rows
