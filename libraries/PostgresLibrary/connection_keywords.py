"""Keywords of the connection criteria: pools, limits, time-outs and workers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from psycopg2 import Error, OperationalError
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, connection
from robot.api import logger
from robot.api.deco import keyword
from robot.api.types import Secret

from EnvironmentLibrary.context import record_value, scaled
from environments.system import Login, cluster
from PostgresLibrary import base, tenants, wire
from PostgresLibrary.base import as_owner, on_test_end, primary
from PostgresLibrary.pools import Pool
from PostgresLibrary.refusals import Refusal, check_sqlstate, one_line, refusal_of
from PostgresLibrary.sessions import POLL_SECONDS, backend, close, opened, rows, value
from PostgresLibrary.workers import Together, check_backends, check_work, echo, work_together
from TemporalLibrary.core import eventually

WORKER_PATIENCE = timedelta(seconds=30)
STATEMENT_SECONDS = 30  # of a statement that is to be cancelled; far beyond any bound a criterion sets


@dataclass(frozen=True, slots=True)
class LoginDetails:
    """What DatabaseLibrary's `Connect To Database` needs."""

    host: str
    port: int
    database: str
    user: str
    password: Secret


class ConnectionKeywords:
    """Pools, limits, time-outs and workers on the primary port."""

    def __init__(self) -> None:
        self._pool: Pool | None = None
        self._busy: frozenset[int] = frozenset()
        self._limited: Login | None = None
        self._limited_sessions: list[connection] = []

    @keyword
    def primary_login(self) -> LoginDetails:
        """Return where the primary port is and how the owner of the schema logs in there."""
        target = primary()
        return LoginDetails(
            target.endpoint.host, target.endpoint.port, target.database, target.login.user, target.login.password
        )

    @keyword
    def declared_version(self, service: str) -> str:
        """Return the version of a service as the fingerprint has it, such as `18.4` for `postgresql`."""
        return next(facts.version for facts in cluster().facts if facts.name == service)

    # -- the pool's limit ----------------------------------------------------------------------------------

    @keyword
    def a_pool_is_open(self, connections: int) -> None:
        """Open a pool of that many connections to the primary port, all at once.

        Raises:
            AssertionError: one of them was turned away.
        """
        try:
            self._pool = Pool(primary(), connections)
        except OperationalError as error:
            raise AssertionError(f"no pool of {connections} connections: {one_line(error)}") from None
        on_test_end(self._pool.close)

    @keyword
    def all_pooled_connections_are_busy(self, within: timedelta) -> None:
        """Let every pooled connection run a query that ends only when the connections are released.

        Args:
            within: until when one statement on the server must have seen all of them at work.

        Raises:
            AssertionError: it never did; with how many it saw last.
        """
        self._busy = self._the_pool().make_busy(scaled(within))
        record_value("pool", len(self._busy), "connections")
        logger.info(f"backends busy in one snapshot of the server: {sorted(self._busy)}")

    @keyword
    def one_more_connection_should_be_refused_by_the_pool(self, message: str) -> None:
        """Ask the exhausted pool for one more connection and demand an error that contains `message`."""
        pool = self._the_pool()
        error = pool.one_more()
        if error is None:
            raise AssertionError(f"the pool gave connection {pool.size + 1} of {pool.size}")
        if message not in error:
            raise AssertionError(f"expected the pool's error to say '{message}', was '{error}'")

    @keyword
    def released_connections_should_serve_again(self, within: timedelta) -> None:
        """Release the pool and use all its connections again: the same backends, none opened anew."""
        pool, busy = self._the_pool(), self._busy
        answered = set(pool.release(scaled(within)))
        again = set(pool.use_again())
        if not busy == answered == again:
            raise AssertionError(
                f"expected the same {pool.size} backends throughout: {len(busy)} were busy, "
                f"{len(busy & answered)} of them answered, {len(busy & again)} of them served again"
            )

    def _the_pool(self) -> Pool:
        assert self._pool is not None, "A Pool Is Open comes first"
        return self._pool

    # -- the server's limit --------------------------------------------------------------------------------

    @keyword
    def use_up_the_connections_of_a_role(self, connections: int) -> None:
        """Create a role with that connection limit and open so many sessions with it."""
        login = self._limited = tenants.new_login("limited")
        with as_owner() as owner:
            tenants.create_role(owner, login, connections)
        on_test_end(drop_role, login.user)
        self._limited_sessions = [opened(primary(login)) for _ in range(connections)]
        on_test_end(close, *self._limited_sessions)

    @keyword
    def one_more_connection_should_be_refused_by_the_server(self, sqlstate: str, within: timedelta) -> None:
        """Log in once more as the role of `Use Up The Connections Of A Role` and demand the server's SQLSTATE."""
        refusal = self._refusal_of_the_limited_role(scaled(within))
        if refusal is None:
            raise AssertionError(f"a role with {len(self._limited_sessions)} of its connections in use got one more")
        check_sqlstate(refusal, sqlstate)
        logger.info(f"one more connection was refused: {refusal}")

    @keyword
    def connection_should_be_granted_after_one_is_closed(self, within: timedelta) -> None:
        """Close one session of the limited role; its place must be free before the deadline."""
        self._limited_sessions[0].close()

        def granted() -> None:
            refusal = self._refusal_of_the_limited_role(scaled(within))
            if refusal is not None:
                raise AssertionError(f"expected a free place after a session was closed, was {refusal}")

        eventually(granted, scaled(within), interval=POLL_SECONDS)

    def _refusal_of_the_limited_role(self, seconds: float) -> Refusal | None:
        assert self._limited is not None, "Use Up The Connections Of A Role comes first"
        return wire.login_refusal(primary(self._limited), seconds)

    # -- time-outs -----------------------------------------------------------------------------------------

    @keyword
    def a_session_with_statement_timeout(self, timeout: timedelta) -> connection:
        """Open a session on the primary port whose statements the server cancels after `timeout`."""
        return base.session(settings={"statement_timeout": str(math.ceil(timeout.total_seconds() * 1000))})

    @keyword
    def a_statement_of_30_seconds_runs(self, session: connection) -> Refusal:
        """Run it within a transaction and return how the server ended it before its time."""
        rows(session, "SELECT 1")  # the transaction has begun and is healthy
        refusal = refusal_of(
            f"a statement of {STATEMENT_SECONDS} s", lambda: rows(session, "SELECT pg_sleep(%s)", (STATEMENT_SECONDS,))
        )
        record_value("statement time-out", refusal.seconds * 1000, "ms")
        return refusal

    @keyword
    def session_should_be_usable(self, session: connection) -> None:
        """Roll back and demand an idle session that answers a query right, still served by the same backend."""
        before = session.info.backend_pid
        try:
            session.rollback()
            status = session.info.transaction_status
            answer, now = value(session, "SELECT 6 * 7"), backend(session)
        except Error as error:
            raise AssertionError(f"expected a session that can be used, was: {one_line(error)}") from None
        if status != TRANSACTION_STATUS_IDLE:
            raise AssertionError(f"expected an idle session after rollback, its transaction status is {status}")
        if (answer, now) != (42, before):
            raise AssertionError(f"expected 42 from backend {before}, was {answer} from backend {now}")

    # -- workers -------------------------------------------------------------------------------------------

    @keyword
    def workers_query(self, workers: int, queries: int) -> Together:
        """Let workers with a session each send their n-th query at the same time, for each n.

        Every question and its answer belong to one worker and one query; the answer is computed here as well.
        """
        return work_together(primary(), workers, queries, echo, scaled(WORKER_PATIENCE))

    @keyword
    def all_work_should_be_done(self, work: Together) -> None:
        """Demand every operation of every worker.

        Raises:
            AssertionError: with the number of good operations and the first problems.
        """
        check_work(work)

    @keyword
    def each_worker_should_have_a_backend_of_its_own(self, work: Together) -> None:
        """Demand as many server processes as workers: they were really there at the same time."""
        check_backends(work)


def drop_role(user: str) -> None:
    """Remove a role the test made."""
    with as_owner() as owner:
        tenants.drop_role(owner, user)
