"""Generations of entries: which entries in Redis may be believed at all.

Redis can go away and come back with what it held before (an append-only file, an old snapshot), and while it was away
writes could not remove their entries. So entries belong to a *generation*: a random name, one server process (its
`run_id`) and a connection pool that refuses any other server process. The first doubt, which is any error of Redis,
abandons the generation for good; nothing it stored is ever read again, and the time to live clears it away.

    no generation:  reads and writes go to the database alone
    begun:          writes mark and remove entries in it; reads still go to the database
    open:           all writes that began before it are over, so reads may use it

A generation opens late because a write that began without it has left no mark in it: a reader could store the old row
and another reader could see the new one first. The same holds for a write whose outcome is unknown, until the server
must have given it up.

One program owns the entries below its generation's name: two programs on one Redis do not share entries.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from reference.cache.defects import Defect
from reference.cache.leases import MARK_SECONDS, Leases
from reference.cache.metrics import Metrics

PROBE_SECONDS = 0.1  # how often a Redis that went away is asked whether it is back
_log = logging.getLogger(__name__)


class OtherServer(redis.ConnectionError):
    """A connection leads to a server process other than the generation's: Redis has restarted or failed over."""


@dataclass(frozen=True)
class RedisAddress:
    """Where Redis is, and how long it may take for one answer (seconds)."""

    host: str
    port: int
    password: str | None
    timeout: float


@dataclass(eq=False)
class Generation:
    """One generation. `number` orders them; `open` says whether reads may use it."""

    name: str
    number: int
    pool: redis.ConnectionPool
    leases: Leases
    open: bool = False


class Generations:
    """The current generation, if there is one, and the thread that begins the next."""

    def __init__(self, address: RedisAddress, metrics: Metrics, defect: Defect | None) -> None:
        self.address, self._metrics, self._defect = address, metrics, defect
        self._lock = threading.Lock()
        self._current: Generation | None = None
        self._number = 0
        self._writes: Counter[int] = Counter()  # writes under way, by the number that was current when they began
        self._uncertain_until = 0.0  # monotonic; until then a write of unknown outcome may still be committed
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._keep_one, name="generations", daemon=True)

    def start(self) -> None:
        """Begin the first generation as soon as Redis answers."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the connections."""
        self._stop.set()
        self._wake.set()
        self._thread.join(timeout=5)
        with self._lock:
            generation, self._current = self._current, None
        if generation is not None:
            generation.pool.disconnect()

    @property
    def state(self) -> str:
        """One word: "open", "begun" or "none"."""
        generation = self._current
        if generation is None:
            return "none"
        return "open" if generation.open else "begun"

    def readable(self) -> Generation | None:
        """The generation reads may use now."""
        generation = self._current
        return generation if generation is not None and generation.open else None

    @contextmanager
    def writing(self) -> Iterator[Generation | None]:
        """Register a write for its whole length; gives the generation it has to keep free of the old row."""
        with self._lock:
            generation, number = self._current, self._number
            self._writes[number] += 1
        try:
            yield generation
        finally:
            with self._lock:
                self._writes[number] -= 1
                if self._writes[number] == 0:
                    del self._writes[number]
                self._open_if_clear()

    def uncertain(self) -> None:
        """Remember that the outcome of a write without a mark in Redis is unknown."""
        with self._lock:
            self._uncertain_until = time.monotonic() + MARK_SECONDS

    def abandon(self, generation: Generation | None, reason: str) -> None:
        """Never read or write this generation again; None means the current one, whichever it is."""
        if self._defect is Defect.KEEPS_GENERATION:
            return
        with self._lock:
            if self._current is None or generation not in (None, self._current):
                return
            abandoned, self._current = self._current, None
        _log.warning("generation %s abandoned: %s", abandoned.name, reason)
        abandoned.pool.disconnect(inuse_connections=False)
        self._wake.set()

    def _open_if_clear(self) -> None:
        generation = self._current
        if generation is None or generation.open:
            return
        if time.monotonic() < self._uncertain_until or any(number < generation.number for number in self._writes):
            return
        generation.open = True
        _log.info("generation %s open", generation.name)

    def _keep_one(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            current = self._current
            if current is None:
                self._begin()
            elif not current.open:
                with self._lock:
                    self._open_if_clear()
            settled = self._current is not None and self._current.open
            self._wake.wait(None if settled else PROBE_SECONDS)

    def _begin(self) -> None:
        try:
            run_id = self._run_id()
        except (redis.RedisError, OSError) as error:
            _log.debug("redis is not there: %s", error)
            return
        name = "kept" if self._defect is Defect.KEEPS_GENERATION else secrets.token_hex(6)
        pool = self._pool(None if self._defect is Defect.KEEPS_GENERATION else run_id)
        leases = Leases(
            redis.Redis(connection_pool=pool),
            name,
            guarded=self._defect is not Defect.FILLS_WITHOUT_LEASE,
            expiring=self._defect is not Defect.ENTRIES_NEVER_EXPIRE,
            ascii_only=self._defect is Defect.LOSES_CHARACTERS,
        )
        with self._lock:
            if self._stop.is_set():
                return
            self._number += 1
            self._current = Generation(name, self._number, pool, leases)
            self._open_if_clear()
        self._metrics.add("cache_generations_total")
        _log.info("generation %s begun on server %s", name, run_id)

    def _run_id(self) -> str:
        pool = self._pool(None)
        try:
            with redis.Redis(connection_pool=pool) as client:
                info: Any = client.info("server")
                return str(info["run_id"])
        finally:
            pool.disconnect()

    def ping(self) -> bool:
        """Ask Redis itself, on a connection of its own."""
        try:
            self._run_id()
        except (redis.RedisError, OSError):
            return False
        return True

    def _pool(self, run_id: str | None) -> redis.ConnectionPool:
        """Make a pool whose connections retry nothing and, with a run_id, refuse any other server process."""

        def connected(connection: Any) -> None:
            connection.on_connect()
            if run_id is not None:
                connection.send_command("INFO", "server")
                if f"run_id:{run_id}".encode() not in connection.read_response(disable_decoding=True):
                    raise OtherServer("the server process is another one than before")

        address = self.address
        return redis.ConnectionPool(
            host=address.host,
            port=address.port,
            password=address.password,
            socket_timeout=address.timeout,
            socket_connect_timeout=address.timeout,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            redis_connect_func=connected,
        )
