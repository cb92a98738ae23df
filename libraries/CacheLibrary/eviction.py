"""What Redis gives up when its memory is used up. No robot import."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import redis

from CacheLibrary.server import Client

KEEPS_USED = ("lru", "lfu")  # families of eviction policies that keep what is used


@dataclass(frozen=True, slots=True)
class Pressure:
    """What writing past the memory limit did."""

    limit: int  # bytes
    written: int  # values
    refused: tuple[str, ...]  # errors of writes
    evicted: int  # by the server's own count
    most_used: int  # bytes, the highest the server named while writing
    in_use: int  # keys that were read all the time
    in_use_left: int
    idle: int  # keys nobody read
    idle_left: int

    def check_accepted(self) -> None:
        """Demand that every write was accepted.

        Raises:
            AssertionError: some were refused.
        """
        if self.refused:
            raise AssertionError(
                f"{len(self.refused)} of {self.written} writes were refused at the memory limit; "
                f"first: {self.refused[0]}"
            )

    def check_limit(self, allowance: int) -> None:
        """Demand evictions, and a use of memory below the limit (and an allowance for what is being written).

        Raises:
            AssertionError: nothing was evicted, or the limit was passed.
        """
        if self.evicted == 0:
            raise AssertionError(f"Redis evicted nothing, although {self.written} values were written past its limit")
        if self.most_used > self.limit + allowance:
            raise AssertionError(
                f"Redis used {self.most_used} bytes, limit {self.limit} and {allowance} for the value being written"
            )

    def check_kept_what_is_used(self, share: float) -> None:
        """Demand that keys in use have stayed while idle ones went.

        Raises:
            AssertionError: too many keys in use are gone, or no idle one is.
        """
        if self.in_use_left < share * self.in_use or self.idle_left == self.idle:
            raise AssertionError(
                f"{self.in_use_left} of {self.in_use} keys in use and {self.idle_left} of {self.idle} idle keys are "
                f"left; expected at least {share:.0%} of those in use, and fewer idle ones than before"
            )


def declared_policy(client: Client) -> str:
    """Return the server's eviction policy.

    Raises:
        AssertionError: it does not keep what is used.
    """
    policy = str(client.config_get("maxmemory-policy").get("maxmemory-policy", ""))
    if not policy.endswith(KEEPS_USED):
        raise AssertionError(f"maxmemory-policy is {policy!r}, expected one that keeps what is used: *-lru or *-lfu")
    return policy


@dataclass
class Squeeze:
    """Brings a server to a memory limit and watches what it gives up.

    Redis finds what is idle by a few samples, so idle keys must remain the most by far for it to find one each time.

    Attributes:
        client: of Redis.
        prefix: of all keys written.
        idle: idle values written first.
        idle_bytes: size of one of them.
        in_use: small values that are read again and again.
        new_bytes: size of one value that is written at the limit.
    """

    client: Client
    prefix: str
    idle: int = 512
    idle_bytes: int = 8 * 1024
    in_use: int = 50
    new_bytes: int = 16 * 1024

    def prepare(self) -> None:
        """Write the idle keys and the keys that will be in use; all may expire, as cached entries do."""
        with self.client.pipeline(transaction=False) as pipeline:
            for name in self._names("idle", self.idle):
                pipeline.set(name, secrets.token_bytes(self.idle_bytes), ex=300)
            for name in self._names("used", self.in_use):
                pipeline.set(name, b"in use", ex=300)
            pipeline.execute()

    def idle_seconds(self) -> float:
        """How long the server has seen nobody touch the idle keys (the shortest); it counts in whole seconds.

        Under an LFU policy the server counts uses instead, so age does not matter.
        """
        try:
            with self.client.pipeline(transaction=False) as pipeline:
                for name in self._names("idle", self.idle)[::16]:
                    pipeline.object("idletime", name)
                return float(min(seconds for seconds in pipeline.execute() if seconds is not None))
        except redis.ResponseError:
            return float("inf")

    def use(self) -> None:
        """Read every key in use."""
        self.client.mget(self._names("used", self.in_use))

    def press(self, limit: int, values: int) -> Pressure:
        """Write values one by one, reading the keys in use all the time."""
        before = int(self.client.info("stats")["evicted_keys"])
        refused, most = [], 0
        for name in self._names("new", values):
            try:
                self.client.set(name, secrets.token_bytes(self.new_bytes), ex=300)
            except redis.ResponseError as error:
                refused.append(str(error))
            self.use()
            most = max(most, self._used())
        evicted = int(self.client.info("stats")["evicted_keys"]) - before
        left = [self.client.exists(*self._names(kind, number)) for kind, number in self._kinds()]
        return Pressure(limit, values, tuple(refused), evicted, most, self.in_use, left[0], self.idle, left[1])

    def _used(self) -> int:
        memory = self.client.info("memory")
        return int(memory["used_memory"]) - int(memory.get("mem_not_counted_for_evict", 0))

    def used_memory(self) -> int:
        """Bytes the server uses now."""
        return int(self.client.info("memory")["used_memory"])

    def clean(self) -> None:
        """Delete every key of it."""
        names = list(self.client.scan_iter(match=f"{self.prefix}:*", count=1000))
        for start in range(0, len(names), 500):
            self.client.unlink(*names[start : start + 500])

    def _kinds(self) -> list[tuple[str, int]]:
        return [("used", self.in_use), ("idle", self.idle)]

    def _names(self, kind: str, number: int) -> list[str]:
        return [f"{self.prefix}:{kind}:{index}" for index in range(number)]
