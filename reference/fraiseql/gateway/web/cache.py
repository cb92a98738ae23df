"""Answers kept in Redis, under keys that hold the versions of the tables: no key leads to an answer that is too old.

A version only ever grows, with every statement that changes a table. An answer made from newer rows than its key says
may be found by who read the older version a moment before, and is right for that request too.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import orjson
import redis.asyncio
from redis.exceptions import RedisError

from reference.fraiseql.gateway.config import CacheSettings

T = TypeVar("T")

_REST_SECONDS = 1.0  # without asking it, after it has failed
_LARGEST = 1 << 20  # bytes of an answer that is worth keeping
_PREFIX = "fraiseql:answer:"


class AnswerCache:
    """The cache; that Redis is slow or away costs speed and nothing else."""

    seconds = 0.05  # for one answer of Redis, which would save little more

    def __init__(self, settings: CacheSettings) -> None:
        self._ttl = settings.ttl_seconds
        self._redis = redis.asyncio.Redis.from_url(settings.redis_url)
        self._rests_until = 0.0

    @property
    def resting(self) -> bool:
        """Whether it is not asked, because it has just failed."""
        return time.monotonic() < self._rests_until

    def key(self, query: str, variables: object, operation: str | None, versions: Sequence[str]) -> str:
        """Return the key of an answer."""
        content = orjson.dumps([query, variables, operation, versions], option=orjson.OPT_SORT_KEYS)
        return _PREFIX + hashlib.sha256(content).hexdigest()

    async def get(self, key: str) -> bytes | None:
        """Return a kept answer, None where there is none or Redis does not say."""
        found = await self._asked(self._redis.get(key))
        return found if isinstance(found, bytes) else None

    async def keep(self, key: str, answer: Sequence[bytes], size: int) -> None:
        """Keep an answer in pieces, unless it is large."""
        if size <= _LARGEST and not self.resting:
            await self._asked(self._redis.set(key, b"".join(answer), ex=self._ttl))

    async def answers(self) -> bool:
        """Return whether Redis answers now."""
        return bool(await self._asked(self._redis.ping()))

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()

    async def _asked(self, answer: Awaitable[T]) -> T | None:
        try:
            async with asyncio.timeout(self.seconds):
                return await answer
        except (RedisError, OSError, TimeoutError, RuntimeError):  # the last by uvloop, of a connection just closed
            self._rests_until = time.monotonic() + _REST_SECONDS
            return None
