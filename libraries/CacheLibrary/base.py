"""What the keyword classes of this library share: clients of Redis and of the cache program."""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from CacheLibrary.wire import ANSWER_SECONDS, CacheClient
from environments.system import Endpoint, cluster
from PostgresLibrary.base import as_owner, on_test_end
from PostgresLibrary.sessions import rows

REDIS_SECONDS = 5.0  # bound on one answer of Redis
_STORE = """
INSERT INTO memory_entries (namespace, key, value) VALUES (%s, %s, %s)
ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value
"""


def redis_client(seconds: float = REDIS_SECONDS) -> redis.Redis:
    """Return a client of Redis that repeats nothing by itself; the test's end closes it.

    Raises:
        AssertionError: the environment gives no address of Redis.
    """
    addresses = cluster().addresses
    if addresses.redis is None:
        raise AssertionError("the environment declares Redis, but gives no address of it")
    client = redis_at(addresses.redis, seconds)
    on_test_end(client.close)
    return client


def redis_at(endpoint: Endpoint, seconds: float) -> redis.Redis:
    """Return a client of Redis at an address, with the environment's password."""
    password = cluster().addresses.redis_password
    return redis.Redis(
        endpoint.host,
        endpoint.port,
        password=password.value if password else None,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
    )


def cache_client(seconds: float = ANSWER_SECONDS) -> CacheClient:
    """Return a client of the cache program; the test's end closes it."""
    client = new_cache_client(seconds)
    on_test_end(client.close)
    return client


def new_cache_client(seconds: float = ANSWER_SECONDS) -> CacheClient:
    """Return a client of the cache program that the caller closes.

    Raises:
        AssertionError: the environment gives no address of it.
    """
    url = cluster().addresses.cache
    if url is None:
        raise AssertionError("the environment declares a cache client, but gives no address of it")
    return CacheClient(url, seconds)


def stored_values(namespace: str) -> dict[str, str | None]:
    """Ask the primary itself for the rows of a namespace: key -> value."""
    with as_owner() as session:
        return dict(rows(session, "SELECT key, value FROM memory_entries WHERE namespace = %s", (namespace,)))


def store(namespace: str, key: str, value: str) -> None:
    """Insert or update a row by plain SQL, so that the cache program does not hear of it."""
    with as_owner() as session:
        rows(session, _STORE, (namespace, key, value))


def shown(value: str | bytes | None) -> str:
    """A value for messages: short, with its length when it is cut."""
    if value is None:
        return "nothing"
    text = ascii(value)
    if len(text) <= 60:
        return text
    return f"{text[:50]}... ({len(value)} {'bytes' if isinstance(value, bytes) else 'characters'})"
