"""Keywords around faults: clients that go on, mirroring that resumes, and a proxy that restarts."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from robot.api.deco import keyword

from EnvironmentLibrary.context import record_value, scaled, timed
from EnvironmentLibrary.telling import say
from PgDogLibrary import scenarios
from PgDogLibrary.counts import moved
from PgDogLibrary.keywords.base import on_test_end
from PgDogLibrary.load import Writing
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.rest import LONG_REST_SECONDS, at_rest, read
from PgDogLibrary.scenarios import number_of
from PostgresLibrary.sessions import connect
from TemporalLibrary.core import wait_until

WORKERS = 4
LONG_ROWS = 10  # of a transaction that an outage is likely to fall into
LONG_RATE = 60.0  # of them a second
POLL_SECONDS = 0.1


class ChaosKeywords:
    """What goes on while the mirror, its link or the proxy is broken."""

    # -- clients in the background -------------------------------------------------------------------------

    @keyword
    def clients_write_all_the_time(self, proxy: Proxied, rate: float) -> Writing:
        """Begin to write through a proxy, and as fast to the primary directly, as a yardstick.

        Args:
            proxy: to write through.
            rate: transactions a second, of each of the two.
        """
        yard = f"{proxy.place.name}_yard"
        proxy.place.primary.do("app", f"CREATE SCHEMA {yard} CREATE TABLE rows (value text)")
        on_test_end(proxy.place.primary.do, "app", f"DROP SCHEMA {yard} CASCADE")
        writing = Writing.begin(proxy, rate, 1, WORKERS, lambda _: _Direct(proxy, f"{yard}.rows"))
        on_test_end(writing.end)
        return writing

    @keyword
    def clients_commit_long_transactions(self, proxy: Proxied, clients: int) -> Writing:
        """Let so many clients begin to write transactions of ten rows, a statement each, through a proxy."""
        writing = Writing.begin(proxy, LONG_RATE, LONG_ROWS, clients, None)
        on_test_end(writing.end)
        return writing

    @keyword
    def window_begins(self, load: Writing, label: str, kind: Literal["fault", "recovery"]) -> None:
        """Tell what follows apart from what was before, in the record of a load."""
        load.mark(label, kind)

    @keyword
    def more_should_be_acknowledged(self, load: Writing, number: int, within: timedelta) -> None:
        """Wait until clients have committed so many more transactions."""
        before = load.proxy.account.committed

        def missing() -> str | None:
            more = load.proxy.account.committed - before
            return None if more >= number else f"{more} of {number} transactions were committed"

        with timed("clients go on", "measuring"):
            wait_until(missing, scaled(within), "clients to go on")

    @keyword
    def mirroring_should_resume_within(self, load: Writing, duration: timedelta) -> None:
        """Wait until what is committed from now on is mirrored and seen on the mirror, then let the clients end.

        Args:
            load: clients that write.
            duration: the deadline; the environment's `timeout_multiplier` lengthens it.
        """
        proxy = load.proxy
        mark = max((entry.ended for entry in proxy.account.written()), default=0.0)

        def missing() -> str | None:
            later = [entry for entry in list(proxy.account.entries) if entry.began > mark]
            there = scenarios.rows_by_transaction(proxy)
            arrived = sum((entry.client, entry.seq) in there for entry in later)
            return None if arrived >= 10 else f"{arrived} of {len(later)} newer transactions are on the mirror"

        took = wait_until(missing, scaled(duration), "mirroring to resume")
        load.end()
        record_value("resumed", took, "s")
        say(f"mirroring had resumed after {took:.1f} s")

    @keyword
    def clients_should_have_been_as_fast_as_before(self, load: Writing) -> None:
        """Demand of every window that clients were as fast as in the first one, beside what writes to the primary did.

        Raises:
            AssertionError: a transaction failed, the median rose by more than half beyond the primary's own, or the
                slowest hundredth needed three times the primary's own, and 100 ms.
            Inconclusive: too little was answered in a window.
        """
        load.end()
        if slower := load.slower():
            raise AssertionError("; ".join(slower))
        say(f"medians: {load.told()}")

    @keyword
    def errors_should_have_been_counted_meanwhile(self, load: Writing) -> None:
        """Demand that as many transactions are missing on the mirror as were counted as failed or overflown.

        A COMMIT that was under way when the mirror died may have succeeded: one of each session may be there
        although it was counted.
        """
        load.end()
        proxy = load.proxy
        now = at_rest(proxy, LONG_REST_SECONDS).total
        there = scenarios.rows_by_transaction(proxy)
        lost = sum((entry.client, entry.seq) not in there for entry in proxy.account.written())
        told = number_of(now, "failed") + number_of(now, "overflow")
        unsure = len({entry.client for entry in proxy.account.entries})
        if lost == 0:
            raise AssertionError("nothing is missing on the mirror, so that the outage was none")
        if not lost <= told <= lost + unsure:
            raise AssertionError(
                f"{lost} transactions are missing on the mirror, {told} were counted; counted was {now}"
            )
        say(f"{lost} transactions are missing on the mirror, {told} were counted as failed or overflown")

    @keyword
    def mirror_should_hold_only_whole_transactions(self, load: Writing) -> None:
        """Demand that of each transaction the mirror has all rows or none, once all has come to rest."""
        load.end()
        at_rest(load.proxy, LONG_REST_SECONDS)
        found = scenarios.rows_by_transaction(load.proxy)
        halves = {key: rows for key, rows in found.items() if rows != LONG_ROWS}
        if halves:
            (client, seq), rows = next(iter(halves.items()))
            raise AssertionError(
                f"{len(halves)} of {len(found)} transactions are not whole on the mirror; first: {rows} of {LONG_ROWS} "
                f"rows of transaction {seq} of client {client}"
            )
        say(f"{len(found)} transactions on the mirror, all whole")

    # -- the proxy restarts --------------------------------------------------------------------------------

    @keyword
    def counters_are_read(self, proxy: Proxied) -> None:
        """Keep what a proxy counts now, for what is counted over both of its lives."""
        at_rest(proxy)
        proxy.readings.append(read(proxy.instance))

    @keyword
    def counters_should_have_begun_at_zero(self, proxy: Proxied) -> None:
        """Demand that a proxy that restarted has counted nothing, but what its health check may have asked."""
        now = read(proxy.instance).total
        if number_of(now, "attempted"):
            raise AssertionError(f"after the restart {now.attempted} transactions had been counted already: {now}")

    @keyword
    def counters_over_both_lives_should_show(
        self, proxy: Proxied, attempted: int, reset: int, within: timedelta
    ) -> None:
        """Demand what was attempted since the test began, and how many restarts the counters tell of."""
        assert proxy.before is not None
        before = proxy.before

        def missing() -> str | None:
            found = moved([before, *proxy.readings, read(proxy.instance)])
            was = number_of(found.counts.total, "attempted")
            if (was, found.resets) == (attempted, reset):
                return None
            return f"expected {attempted} attempted over {reset} resets, counted was {was} over {found.resets}"

        wait_until(missing, scaled(within), "the counters", interval=POLL_SECONDS)
        say(f"{attempted} attempted over {reset} reset")

    @keyword
    def counters_should_have_gone_on(self, proxy: Proxied) -> None:
        """Demand that what was counted since the test began with a proxy is all that its clients did."""
        now = at_rest(proxy, LONG_REST_SECONDS).total
        if (was := number_of(now, "attempted")) != proxy.account.committed:
            raise AssertionError(f"clients made {proxy.account.committed} transactions, counted was {now}")
        say(f"{was} transactions, all counted")


class _Direct:
    """Writes to the primary itself, a row at each start."""

    def __init__(self, proxy: Proxied, table: str) -> None:
        self._session = connect(proxy.place.primary.target("app"))
        self._session.autocommit = True
        self._insert = f"INSERT INTO {table} VALUES ('directly')"

    def __call__(self, _number: int) -> None:
        with self._session.cursor() as cursor:
            cursor.execute(self._insert)

    def close(self) -> None:
        self._session.close()
