"""Keywords of the criteria with numbers: how fast the cache is, alone and against the database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from robot.api import logger
from robot.api.deco import keyword

from CacheLibrary.base import cache_client, new_cache_client, redis_at, redis_client, shown
from CacheLibrary.wire import CacheClient
from environments.system import cluster
from LoadLibrary.measure import Measurement, measure_closed_loop, measure_open_loop, measure_paired
from LoadLibrary.rate import Rate
from measurement.paired import Contender
from measurement.results import Outcome
from measurement.workers import Operation
from PostgresLibrary.base import on_test_end

ANSWER_SECONDS = 5.0  # a measured read without an answer by then is an error
OPEN_WORKERS = 4
CLOSED_WORKERS = 4  # connections at once; more only make the two cores switch


@dataclass(frozen=True)
class CachedRows:
    """Rows that are all in the cache, key -> value."""

    namespace: str
    values: Mapping[str, str]


class LoadKeywords:
    """Measured phases of the cache; every response is compared with the value it must have."""

    @keyword
    def cache_rows(self, namespace: str, number: int) -> CachedRows:
        """Write rows of 100 characters through the cache and read each until the cache answers.

        Raises:
            AssertionError: the cache does not hold them after the second reading.
        """
        values = {f"row-{index}": secrets.token_hex(50) for index in range(number)}
        client = cache_client()
        client.write_many(namespace, dict(values))
        for _ in range(2):
            read = client.read_many(namespace, list(values))
        cached = sum(entry.source == "cache" for entry in read.values())
        if cached != number:
            raise AssertionError(f"{cached} of {number} rows are in the cache after two readings, expected all")
        logger.info(f"{cached} rows are in the cache")
        return CachedRows(namespace, values)

    @keyword
    def measure_reads_from_and_past_the_cache(self, rows: CachedRows, rounds: int) -> Measurement:
        """Let reads from the cache and reads past it take turns on the same rows, through the same client program."""
        client = new_cache_client(ANSWER_SECONDS)
        try:
            return measure_paired(
                "read of one row, cache against database",
                Contender("cache", _read(client, rows, "cache")),
                Contender("database", _read(client, rows, "database")),
                rounds=rounds,
                operations_per_round=40,
            )
        finally:
            client.close()

    @keyword
    def measure_the_maximum_rate_of_cached_reads(
        self, rows: CachedRows, duration: timedelta, budget: Rate
    ) -> Measurement:
        """Read cached rows on four connections as fast as answers come: a closed loop, for the rate alone."""
        return measure_closed_loop(
            "cached reads, maximum rate",
            lambda _: _Reader(rows),
            duration,
            CLOSED_WORKERS,
            minimum_per_second=budget.per_second,
        )

    @keyword
    def store_values_in_redis(self, number: int) -> dict[str, bytes]:
        """Set keys to values of 100 characters, key -> value; they are removed when the test ends."""
        run = secrets.token_hex(4)
        values = {f"acceptance:{run}:{index}": secrets.token_hex(50).encode() for index in range(number)}
        client = redis_client()
        client.mset(dict(values))
        on_test_end(client.delete, *values)
        return values

    @keyword
    def measure_reads_of_redis(
        self, values: dict[str, bytes], rate: Rate, duration: timedelta, warm_up: timedelta, budget: timedelta
    ) -> Measurement:
        """Offer reads of keys by intended starts, to Redis itself: the seed's budget is that of the server."""
        return measure_open_loop(
            "read from Redis",
            lambda _: _RedisReader(values),
            rate.per_second,
            duration,
            OPEN_WORKERS,
            budget.total_seconds(),
            warm_up=warm_up,
        )


class _RedisReader:
    """A worker's reads of keys, on a connection of its own."""

    def __init__(self, values: Mapping[str, bytes]) -> None:
        address = cluster().addresses.redis
        assert address is not None, "redis_client has asked for it"
        self._client = redis_at(address, ANSWER_SECONDS)
        self._items = list(values.items())
        self(0)  # opens the connection before the clock runs

    def __call__(self, number: int) -> Outcome | None:
        key, expected = self._items[number % len(self._items)]
        read = self._client.get(key)
        return None if read == expected else Outcome.wrong(f"{key} read as {shown(read)}, expected {shown(expected)}")

    def close(self) -> None:
        self._client.close()


class _Reader:
    """A worker's reads of cached rows, on a connection of its own."""

    def __init__(self, rows: CachedRows) -> None:
        self._client = new_cache_client(ANSWER_SECONDS)
        self._read = _read(self._client, rows, "cache")
        self._read(0)  # opens the connection before the clock runs

    def __call__(self, number: int) -> Outcome | None:
        return self._read(number)

    def close(self) -> None:
        self._client.close()


def _read(client: CacheClient, rows: CachedRows, source: str) -> Operation:
    keys: list[str] = list(rows.values)
    past_cache = source == "database"

    def once(number: int) -> Outcome | None:
        key = keys[number % len(keys)]
        read = client.read(rows.namespace, key, past_cache=past_cache)
        if read is None or read.value != rows.values[key]:
            return Outcome.wrong(f"{key} read as {read.value if read else 'no row'}, expected {rows.values[key]}")
        return None if read.source == source else Outcome("wrong-source", f"{key} came from the {read.source}")

    operation: Callable[[int], Outcome | None] = once
    return operation
