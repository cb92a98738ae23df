"""A real connection pool whose every connection is busy at one instant, held there by a lock of the server."""

from __future__ import annotations

import secrets
from concurrent.futures import Future, ThreadPoolExecutor

from psycopg2.extensions import connection
from psycopg2.pool import PoolError, ThreadedConnectionPool

from PostgresLibrary.refusals import one_line
from PostgresLibrary.sessions import CONNECT_SECONDS, POLL_SECONDS, Target, backend, close, connect, rows, value
from TemporalLibrary.core import eventually

_HOLD = "SELECT pg_backend_pid() FROM (SELECT pg_advisory_lock_shared(%s)) AS held"

# One statement, hence one instant: who is running a query and waits for our lock.
_BUSY = """
    SELECT a.pid FROM pg_stat_activity AS a JOIN pg_locks AS l USING (pid)
    WHERE a.state = 'active' AND l.locktype = 'advisory' AND NOT l.granted
    AND l.classid = %s AND l.objid = %s AND l.objsubid = 1
"""


class Pool:
    """`size` pooled connections, all opened at once.

    Args:
        target: where and as whom.
        size: of the pool; it opens no more.
    """

    def __init__(self, target: Target, size: int) -> None:
        self.size = size
        self._target = target
        self._pool = ThreadedConnectionPool(
            size,
            size,
            host=target.endpoint.host,
            port=target.endpoint.port,
            dbname=target.database,
            user=target.login.user,
            password=target.login.password.value,
            connect_timeout=int(CONNECT_SECONDS),
        )
        self._key = secrets.randbits(62)
        self._threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix="pooled")
        self._keeper: connection | None = None
        self._held: list[connection] = []
        self._answers: list[Future[int]] = []

    def make_busy(self, seconds: float) -> frozenset[int]:
        """Take every connection and let each run a query that ends only when `release` is called.

        Args:
            seconds: until when one statement on the server must have seen all of them at work.

        Returns:
            the backends that statement saw.

        Raises:
            AssertionError: it never saw all; with how many it saw last.
        """
        keeper = self._keeper = connect(self._target)
        keeper.autocommit = True
        rows(keeper, "SELECT pg_advisory_lock(%s)", (self._key,))
        for _ in range(self.size):
            session = self._pool.getconn()
            session.autocommit = True
            self._held.append(session)
            self._answers.append(self._threads.submit(value, session, _HOLD, (self._key,)))

        def all_busy() -> frozenset[int]:
            seen = frozenset(pid for (pid,) in rows(keeper, _BUSY, (self._key >> 32, self._key & 0xFFFFFFFF)))
            if len(seen) != self.size:
                raise AssertionError(f"expected {self.size} busy backends at one instant, the server saw {len(seen)}")
            return seen

        return eventually(all_busy, seconds, interval=POLL_SECONDS)

    def one_more(self) -> str | None:
        """Ask for one connection more than there are; return the pool's error, None when it gave one."""
        try:
            self._held.append(self._pool.getconn())
        except PoolError as error:
            return one_line(error)
        return None

    def release(self, seconds: float) -> list[int]:
        """End the queries, give every connection back, and return the backends that answered them."""
        if self._keeper is not None:
            close(self._keeper)  # the lock ends with its session
            self._keeper = None
        answers = [answer.result(timeout=seconds) for answer in self._answers]
        while self._held:
            self._pool.putconn(self._held.pop())
        self._answers.clear()
        return answers

    def use_again(self) -> list[int]:
        """Take every connection once more, ask each for its backend, and give all back."""
        sessions = [self._pool.getconn() for _ in range(self.size)]
        try:
            return [backend(session) for session in sessions]
        finally:
            for session in sessions:
                self._pool.putconn(session)

    def close(self) -> None:
        """End whatever still runs and close every connection."""
        if self._keeper is not None:
            close(self._keeper)
        self._threads.shutdown(wait=True)
        self._pool.closeall()
