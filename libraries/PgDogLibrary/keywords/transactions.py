"""Keywords of transactions: open ones, those that are rolled back or fail, ways to write, and clients that vanish."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from robot.api.deco import keyword

from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say
from environments.system import running
from PgDogLibrary import failing, ways
from PgDogLibrary.amount import Amount
from PgDogLibrary.client import Client
from PgDogLibrary.keywords.base import on_test_end, programs
from PgDogLibrary.proxied import Proxied
from TemporalLibrary.core import never, wait_until

POOL = 10  # sessions that a proxy may keep for later use on a server: PgDog's own default
POLL_SECONDS = 0.1

_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = ANY(%s) AND datname = current_database()"
_OPEN = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE usename = ANY(%s) AND datname = current_database() AND state LIKE 'idle in transaction%%'"
)


@dataclass
class Open:
    """A transaction that its client has not ended yet."""

    proxy: Proxied
    client: Client
    values: tuple[str, ...]


class TransactionKeywords:
    """Transactions that end in every way there is."""

    @keyword
    def a_transaction_is_left_open(self, proxy: Proxied, rows: int) -> Open:
        """Write rows in a transaction and leave it open."""
        client = proxy.client()
        on_test_end(client.close)
        client.seq += 1
        values = tuple(f"open {part}" for part in range(rows))
        client.run("BEGIN")
        for part, value in enumerate(values):
            client.run(client.insert(part, value))
        return Open(proxy, client, values)

    @keyword
    def mirror_should_hold_nothing_of_it_for(self, transaction: Open, duration: timedelta) -> None:
        """Demand for a while that the mirror shows no row of an open transaction."""
        mirror, table = transaction.proxy.place.mirror, transaction.proxy.place.table("entries")

        def there() -> None:
            assert mirror.ask("app", f"SELECT 1 FROM {table} LIMIT 1"), "no row is there"

        never(there, duration.total_seconds())

    @keyword
    def it_is_committed(self, transaction: Open) -> None:
        """Commit an open transaction."""
        transaction.client.run("COMMIT")
        transaction.client.committed(*transaction.values)
        transaction.client.close()

    @keyword
    def clients_commit_and_roll_back_in_turns(self, proxy: Proxied, clients: int, transactions: int) -> None:
        """Let clients write transactions of one to four rows at once; the seed of the run rolls every third back."""
        chances = [random.Random(running().seed + number) for number in range(clients)]

        def work(client: Client, chance: random.Random) -> None:
            for _ in range(transactions):
                client.write(chance.randint(1, 4), whole=chance.random() > 1 / 3)

        with proxy.clients(clients) as opened, ThreadPoolExecutor(max_workers=clients) as pool:
            list(pool.map(work, opened, chances))

    @keyword(tags=["robot:continue-on-failure"])
    def rows_are_written_by(self, proxy: Proxied, *ways_to_write: str) -> None:
        """Write rows, one way after the other.

        Args:
            proxy: to write through.
            *ways_to_write: `prepared statements`, `pipelined statements`, `several statements at once`, `COPY`,
              `asyncpg`, `psql` or `a statement of 1 MB`.
        """
        for way in ways_to_write:
            ways.write_by(way, proxy, programs())

    @keyword
    def clients_vanish_in_a_transaction(self, proxy: Proxied, clients: Amount) -> None:
        """Let clients write two rows in a transaction and break off without a word, one after the other."""
        for _ in range(clients):
            client = proxy.client()
            client.seq += 1
            client.run("BEGIN")
            client.run(client.insert(0, "vanished"))
            client.run(client.insert(1, "vanished"))
            client.vanish()

    @keyword
    def proxy_should_have_let_go_of_its_sessions(self, proxy: Proxied, within: timedelta) -> None:
        """Demand that, once clients are gone, neither server has an open transaction or more sessions than pools keep.

        A pool keeps ten sessions on each server, which is PgDog's default.
        """

        def missing() -> str | None:
            for server in (proxy.place.primary, proxy.place.mirror):
                users = (proxy.user_names,)
                left, sessions = (int(str(server.ask("app", query, users)[0][0])) for query in (_OPEN, _SESSIONS))
                if left:
                    return f"{left} transactions are open on the {server.name}"
                if sessions > 2 * POOL:  # of this proxy and of the environment's own
                    return f"{sessions} sessions are left on the {server.name}, expected at most {2 * POOL}"
            return None

        wait_until(missing, scaled(within), "the sessions to end", interval=POLL_SECONDS)

    @keyword(tags=["robot:continue-on-failure"])
    def statements_fail_on_primary(self, proxy: Proxied, *ways_to_fail: str) -> None:
        """Let statements fail on the primary that could succeed on the mirror, one way after the other.

        Args:
            proxy: to work through.
            *ways_to_fail: `a duplicate key`, `a division by zero`, `several statements at once`, `a cancelled
              statement`, `a lock timeout` or `a serialization failure`.
        """
        for way in ways_to_fail:
            failing.fail_by(way, proxy)
        say(f"{len(ways_to_fail)} ways to fail")

    @keyword
    def transactions_go_on_after_a_savepoint(self, proxy: Proxied) -> None:
        """Roll parts of transactions back to a savepoint, after an error and without one, and commit the rest."""
        failing.go_on_after_savepoints(proxy)
