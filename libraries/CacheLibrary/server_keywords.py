"""Keywords of the criteria about Redis itself: its own answers and its own statistics."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import redis
from robot.api import logger
from robot.api.deco import keyword

from CacheLibrary.base import redis_client, shown
from CacheLibrary.eviction import Pressure, Squeeze, declared_policy
from CacheLibrary.lifetime import Lifetime, watch_life
from CacheLibrary.server import VALUES, Client, Identity, check_answers, missing_clients
from EnvironmentLibrary.context import criterion, record_value, scaled, timed
from environments.system import cluster, running
from PostgresLibrary.base import on_test_end
from TemporalLibrary.core import seconds, wait_until

SETTLE_SECONDS = 5.0  # for Redis to notice that a client has come or gone
_MIB = 1024 * 1024


class ServerKeywords:
    """Connections, values, expiry, deletion, many keys and eviction."""

    def __init__(self) -> None:
        self._redis: Client = None
        self._keys: list[str] = []
        self._expired_before = 0

    @keyword
    def connect_to_redis(self) -> None:
        """Open a session with Redis and have it answer; keys made later are removed when the test ends.

        Raises:
            AssertionError: Redis turned the client away or does not answer.
        """
        self._redis, self._keys = redis_client(), []
        on_test_end(self._forget_keys, self._redis, self._keys)
        try:
            answer = self._redis.ping()
        except redis.RedisError as error:
            raise AssertionError(f"Redis does not answer a PING: {error}") from None
        if answer is not True:
            raise AssertionError(f"expected PONG of Redis, got {answer!r}")

    @keyword
    def redis_should_describe_itself(self) -> None:
        """Demand the INFO of a running, standalone master of the version the environment declares."""
        identity = Identity.of(self._redis.info())
        logger.info(str(identity))
        identity.check(next((facts.version for facts in cluster().facts if facts.name == "redis"), ""))

    @keyword
    def redis_should_count_its_clients(self, number: int) -> None:
        """Open connections: Redis must list each and count just so many more, and as before when they are closed."""
        before = self._settled_clients()
        connections = [redis_client() for _ in range(number)]
        for connection in connections:
            connection.client_id()
        wait_until(
            lambda: missing_clients(self._redis, connections, before), SETTLE_SECONDS, f"{number} clients to be counted"
        )
        for connection in connections:
            connection.close()
        wait_until(lambda: missing_clients(self._redis, [], before), SETTLE_SECONDS, "the clients to be gone")

    # -- values --------------------------------------------------------------------------------------------

    @keyword
    def set_values_of_every_kind(self) -> None:
        """Set an empty value, text, digits, every byte, line ends, and one of 1 MiB."""
        for name, value in VALUES.items():
            answer = self._ask("SET", self._redis.set, self._key(name), value)
            if answer is not True:
                raise AssertionError(f"SET of the value '{name}' answered {answer!r}, expected OK")

    @keyword
    def each_value_should_read_back_twice(self) -> None:
        """Read each value twice over another connection and compare every byte."""
        reader: Client = redis_client()
        for name, value in VALUES.items():
            for reading in ("first", "second"):
                read = self._ask("GET", reader.get, self._key(name))
                if read != value:
                    raise AssertionError(
                        f"the {reading} GET of the value '{name}' returned {shown(read)}, expected {shown(value)}"
                    )

    @keyword
    def delete_one_value(self, name: str) -> None:
        """Delete one of the values; Redis must say that it deleted one, and none when it is asked again."""
        first = self._ask("DEL", self._redis.delete, self._key(name))
        if first != 1:
            raise AssertionError(f"DEL of an existing key answered {first!r}, expected 1")

    @keyword
    def value_should_be_gone(self, name: str) -> None:
        """Demand that another connection neither finds nor reads it, and that there is nothing left to delete."""
        reader: Client = redis_client()
        read, there = reader.get(self._key(name)), reader.exists(self._key(name))
        if read is not None or there:
            raise AssertionError(f"the deleted key is still there: GET returned {shown(read)}, EXISTS {there}")
        again = self._redis.delete(self._key(name))
        if again != 0:
            raise AssertionError(f"DEL of a deleted key answered {again!r}, expected 0")

    @keyword
    def all_values_should_remain_except(self, name: str) -> None:
        """Demand every other value."""
        rest = [other for other in VALUES if other != name]
        read = [self._redis.get(self._key(other)) for other in rest]
        check_answers([VALUES[other] for other in rest], read, f"the values beside '{name}'")

    # -- expiry --------------------------------------------------------------------------------------------

    @keyword
    def watch_a_key_live(self, ttl: timedelta, grace: timedelta, unseen: int) -> Lifetime:
        """Set a key with a time to live and look at it about every 5 ms until it is gone, at most `grace` too long.

        Args:
            ttl: time to live of all keys.
            grace: how long after its end the key may still be there.
            unseen: so many keys are set beside it at which nobody looks.
        """
        self._expired_before = int(self._redis.info("stats")["expired_keys"])
        for number in range(unseen):
            key = self._key(f"unseen {number}")
            self._redis.set(key, b"nobody looks at it", px=round(ttl.total_seconds() * 1000))
        with timed("life of a key", "measuring"):
            return watch_life(self._redis, self._key("seen"), ttl.total_seconds(), scaled(grace))

    @keyword
    def key_should_have_lived_until(self, life: Lifetime, grace: timedelta) -> None:
        """Demand that it was readable until its time was over, counting down, and gone within the grace."""
        logger.info(f"{len(life.looks)} looks in {life.looks[-1].ended:.3f} s")
        record_value("time to live", life.last_there, "s")
        if life.overdue is not None:
            record_value("gone after its end", life.overdue * 1000, "ms")
        life.check_readable_until_its_end()
        life.check_counts_down()
        life.check_gone_within(scaled(grace))

    @keyword
    def redis_should_count_expired_keys(self, number: int, within: timedelta) -> None:
        """Demand that Redis's own count of expired keys grows by so many: also keys nobody looks at are removed."""

        def missing() -> str | None:
            grown = int(self._redis.info("stats")["expired_keys"]) - self._expired_before
            return None if grown >= number else f"expired_keys has grown by {grown}, expected at least {number}"

        wait_until(missing, scaled(within), "Redis to count its expired keys", interval=0.05)

    # -- many keys -----------------------------------------------------------------------------------------

    @keyword
    def set_many_keys_at_once(self, number: int) -> dict[str, bytes]:
        """Set keys with values of 100 bytes each by one MSET, and return them."""
        values = {self._key(f"many {index}"): f"{index:0100}".encode() for index in range(number)}
        answer = self._ask("MSET", self._redis.mset, values)
        if answer is not True:
            raise AssertionError(f"MSET of {number} keys answered {answer!r}, expected OK")
        record_value("one command", len(values), "keys")
        return values

    @keyword
    def one_request_should_read_them_in_order(self, values: dict[str, bytes]) -> None:
        """Ask by one MGET, in a random order and with every tenth key unknown, for each value in its place."""
        keys = list(values)
        random.Random(running().seed).shuffle(keys)
        keys[::10] = [f"{key}-unknown" for key in keys[::10]]
        read = self._ask("MGET", self._redis.mget, keys)
        check_answers([values.get(key) for key in keys], read, f"MGET of {len(keys)} keys")

    @keyword
    def one_pipeline_should_answer_in_order(self, values: dict[str, bytes]) -> None:
        """Send increments, reads and deletions of every key in one go; each answer must come in its turn."""
        counter = self._key("counter")
        expected: list[object] = []
        with self._redis.pipeline(transaction=False) as pipeline:
            for turn, (key, value) in enumerate(values.items(), start=1):
                pipeline.incr(counter).get(key).delete(key)
                expected += [turn, value, 1]
            answers = self._ask("a pipeline", pipeline.execute)
        if answers != expected:
            wrong = [index for index, pair in enumerate(zip(expected, answers, strict=True)) if pair[0] != pair[1]]
            first = wrong[0]
            raise AssertionError(
                f"{len(wrong)} of {len(expected)} answers of the pipeline are wrong; "
                f"first at {first}: expected {expected[first]!r}, got {answers[first]!r}"
            )

    # -- eviction ------------------------------------------------------------------------------------------

    @keyword
    def redis_should_declare_a_policy_that_keeps_what_is_used(self) -> None:
        """Demand one of the LRU or LFU policies in the server's configuration."""
        logger.info(f"maxmemory-policy {declared_policy(self._redis)}")

    @keyword
    def write_past_the_memory_limit(self, idle: timedelta) -> Pressure:
        """Bring Redis to a memory limit and go on writing; its own limit is restored when the test ends.

        4 MiB of keys are written and left alone for `idle` by the server's own clock. Then the limit is set half a MiB
        above what is used, and 1.5 MiB are written while 50 other keys are read all the time.
        """
        squeeze = Squeeze(self._redis, f"{criterion().lower()}-{secrets.token_hex(4)}")
        on_test_end(squeeze.clean)
        on_test_end(self._redis.config_set, "maxmemory", self._redis.config_get("maxmemory")["maxmemory"])
        squeeze.prepare()

        def too_young() -> str | None:
            squeeze.use()
            age = squeeze.idle_seconds()
            return None if age >= idle.total_seconds() else f"keys have been idle for {age:g} s"

        with timed("keys to be idle", "waiting"):
            wait_until(
                too_young, 2 * idle.total_seconds() + SETTLE_SECONDS, f"keys to be idle for {idle}", interval=0.1
            )
        limit = squeeze.used_memory() + _MIB // 2
        self._redis.config_set("maxmemory", limit)
        with timed("writing past the memory limit", "measuring"):
            pressure = squeeze.press(limit, values=3 * _MIB // 2 // squeeze.new_bytes)
        logger.info(str(pressure))
        return pressure

    @keyword
    def every_write_should_have_been_accepted(self, pressure: Pressure) -> None:
        """Demand that no write was refused for want of memory."""
        pressure.check_accepted()

    @keyword
    def redis_should_have_stayed_within_its_limit(self, pressure: Pressure) -> None:
        """Demand evictions by the server's own count, and a use of memory that never passed the limit by 64 KiB."""
        pressure.check_limit(allowance=64 * 1024)

    @keyword
    def keys_in_use_should_be_left(self, pressure: Pressure, at_least: float) -> None:
        """Demand that this share (0 to 1) of the keys in use is still there, while idle ones went."""
        record_value("keys in use that are left", 100 * pressure.in_use_left / pressure.in_use, "%")
        pressure.check_kept_what_is_used(at_least)

    # -- within --------------------------------------------------------------------------------------------

    def _key(self, name: str) -> str:
        """Name a key so that no other test or run has it; the same for the same name within a test."""
        if not self._keys:
            self._keys.append(f"{criterion().lower() or 'test'}-{secrets.token_hex(6)}")
        key = f"{self._keys[0]}:{name}"
        if key not in self._keys:
            self._keys.append(key)
        return key

    @staticmethod
    def _forget_keys(client: Client, keys: list[str]) -> None:
        names = keys[1:]
        for start in range(0, len(names), 500):
            client.unlink(*names[start : start + 500])

    @staticmethod
    def _ask(command: str, action: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return action(*arguments)
        except redis.RedisError as error:
            raise AssertionError(f"{command} was refused or broken off: {error}") from None

    def _settled_clients(self) -> int:
        """The number of clients once it has stopped changing for three looks."""
        counts: list[int] = []

        def unsettled() -> str | None:
            counts.append(int(self._redis.info("clients")["connected_clients"]))
            return None if len(set(counts[-3:])) == 1 and len(counts) >= 3 else f"clients counted: {counts[-3:]}"

        took = wait_until(unsettled, SETTLE_SECONDS, "the number of clients to settle", interval=0.05)
        logger.debug(f"settled after {seconds(took)}")
        return counts[-1]
