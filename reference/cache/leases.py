"""Entries in Redis, and the leases and write marks that keep a reader from storing what has been overwritten.

For each row there are three keys below the generation's name (`cache:<generation>:{<namespace>/<key>}`):

* `:v` the entry, JSON of value and row version, with a time to live;
* `:l` the lease: the token of the one reader that may fill after its miss;
* `:w` the marks of writers between their first and their last step, a hash of tokens.

A reader that misses takes the lease unless a writer is marked, reads the database, and fills only if the lease still
holds its own token. A writer removes entry and lease and leaves its mark, writes the database, then removes entry and
lease again together with its mark. So a value read before a write was committed can never be stored after that write
is acknowledged, nor stand beside a newer one that somebody has read meanwhile. Whatever Redis evicts, loses or expires
is read as "no lease": eviction costs a fill, never an answer.

Each step is one script, and a script is atomic in Redis.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import redis

LEASE_SECONDS = 30.0  # longer than any read of the database may take
MARK_SECONDS = 30.0  # longer than any write of the database may take

_TAKE = """
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return 0
"""
_FILL = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2])
if ARGV[2] == '' or redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
_BEGIN = """
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[3], ARGV[1], '1')
if redis.call('HLEN', KEYS[3]) > 1 then redis.call('HSET', KEYS[3], 'overlap', '1') end
redis.call('PEXPIRE', KEYS[3], ARGV[2])
return 1
"""
_END = """
local own = redis.call('HDEL', KEYS[3], ARGV[1])
local overlap = redis.call('HEXISTS', KEYS[3], 'overlap')
local stored = 0
redis.call('DEL', KEYS[2])
if ARGV[2] ~= '' and own == 1 and overlap == 0 then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  stored = 1
else
  redis.call('DEL', KEYS[1])
end
if overlap == 1 and redis.call('HLEN', KEYS[3]) == 1 then redis.call('DEL', KEYS[3]) end
return stored
"""
_UNGUARDED_FILL = """
redis.call('DEL', KEYS[2])
if ARGV[2] == '' then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What is cached of a row. The version grows with each write of the row."""

    value: str | None
    version: int


class Leases:
    """The commands of one generation of entries.

    Args:
        client: a client whose connections all lead to the server this generation was begun on.
        generation: name below which all keys stand.
        guarded: False switches leases and marks off (a defect).
        expiring: False stores entries for a year (a defect).
        ascii_only: True stores values as ASCII (a defect).
    """

    def __init__(
        self,
        client: redis.Redis,
        generation: str,
        *,
        guarded: bool = True,
        expiring: bool = True,
        ascii_only: bool = False,
    ) -> None:
        self._client, self._prefix = client, f"cache:{generation}"
        self._expiring, self._ascii_only = expiring, ascii_only
        self._take, self._begin, self._end = (client.register_script(text) for text in (_TAKE, _BEGIN, _END))
        self._fill = client.register_script(_FILL if guarded else _UNGUARDED_FILL)

    def get(self, namespace: str, keys: Sequence[str]) -> list[Row | None]:
        """Read entries, in the order of the keys."""
        names = [self._keys(namespace, key)[0] for key in keys]
        # GET for a single key: one round trip either way, and the server's own statistics count one hit or miss
        found: Any = [self._client.get(names[0])] if len(names) == 1 else self._client.mget(names)
        return [None if payload is None else _decoded(payload) for payload in found]

    def take(self, namespace: str, keys: Sequence[str]) -> dict[str, str]:
        """Take the leases of missed keys; return key -> token for those that could be had."""
        tokens = {key: secrets.token_hex(8) for key in keys}
        try:
            taken = self._each(self._take, namespace, keys, lambda key: [tokens[key], _milliseconds(LEASE_SECONDS)])
        except redis.exceptions.OutOfMemoryError:
            return {}  # Redis is full and evicts nothing: nothing can be filled, all the rest still works
        return {key: tokens[key] for key, result in zip(keys, taken, strict=True) if result}

    def fill(self, namespace: str, tokens: Mapping[str, str], rows: Mapping[str, Row], ttl: float) -> int:
        """Give leases back, storing the rows that were read where the lease still holds; return how many did."""
        try:
            filled = self._each(
                self._fill,
                namespace,
                list(tokens),
                lambda key: [tokens[key], self._payload(rows.get(key)), self._ttl(ttl)],
            )
        except redis.exceptions.OutOfMemoryError:
            return 0
        return sum(filled)

    def begin(self, namespace: str, keys: Sequence[str]) -> str:
        """Remove entries and leases and mark the rows as being written; return the mark's token."""
        token = secrets.token_hex(8)
        self._each(self._begin, namespace, keys, lambda _: [token, _milliseconds(MARK_SECONDS)])
        return token

    def end(self, namespace: str, keys: Sequence[str], token: str, rows: Mapping[str, Row], ttl: float) -> int:
        """Remove the mark, entries and leases; store `rows` instead where no other write overlapped.

        Returns:
            How many entries were stored.
        """
        stored = self._each(
            self._end,
            namespace,
            keys,
            lambda key: [token, self._payload(rows.get(key)), self._ttl(ttl)],
        )
        return sum(stored)

    def _each(self, script: Any, namespace: str, keys: Sequence[str], arguments: Any) -> list[int]:
        if len(keys) == 1:
            return [int(script(keys=self._keys(namespace, keys[0]), args=arguments(keys[0])))]
        with self._client.pipeline(transaction=False) as pipeline:
            for key in keys:
                script(keys=self._keys(namespace, key), args=arguments(key), client=pipeline)
            return [int(result) for result in pipeline.execute()]

    def _keys(self, namespace: str, key: str) -> list[str]:
        # quoted, so that no two rows share a name: ("a/b", "c") and ("a", "b/c")
        name = f"{self._prefix}:{{{quote(namespace, safe='')}/{quote(key, safe='')}}}"
        return [f"{name}:v", f"{name}:l", f"{name}:w"]

    def _payload(self, row: Row | None) -> str:
        if row is None:
            return ""
        value = row.value
        if self._ascii_only and value is not None:
            value = value.encode("ascii", "replace").decode()
        return json.dumps({"value": value, "version": row.version}, ensure_ascii=False)

    def _ttl(self, seconds: float) -> int:
        return _milliseconds(seconds if self._expiring else 365 * 86400.0)


def _decoded(payload: bytes) -> Row:
    content = json.loads(payload)
    return Row(content["value"], content["version"])


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
