"""Work that does not take effect on the primary, each in one of the ways in which that happens to people."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import asyncpg

from PgDogLibrary.client import Client
from PgDogLibrary.ledger import Fate
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.ways import connected, insert_of
from TemporalLibrary.core import wait_until

CANCEL_SECONDS = 5.0

_RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s AND pid <> pg_backend_pid()"


def fail_by(way: str, proxy: Proxied) -> None:
    """Let statements fail in one way; what they would have written, or had, is known to differ if they run.

    Raises:
        ValueError: there is no such way.
        AssertionError: the primary did not answer with the error that belongs to it.
    """
    if way not in WAYS:
        raise ValueError(f"there is no way '{way}' to fail; there are {', '.join(WAYS)}")
    WAYS[way](proxy)


def go_on_after_savepoints(proxy: Proxied) -> None:
    """Transactions of which a part is rolled back, with and without an error, and the rest is committed."""
    uniques = proxy.place.table("uniques")
    with proxy.client() as client:
        client.run(f"INSERT INTO {uniques} VALUES (100, 'there') ON CONFLICT DO NOTHING")
        for number in range(5):
            client.seq += 1
            client.run("BEGIN")
            client.run(client.insert(0, f"before {number}"))
            client.run("SAVEPOINT here")
            client.run(client.insert(9, f"undone {number}"))
            client.refused(f"INSERT INTO {uniques} VALUES (100, 'again')", "23505")
            client.run("ROLLBACK TO SAVEPOINT here")
            client.run(client.insert(1, f"after {number}"))
            client.run("COMMIT")
            client.committed(f"before {number}", f"after {number}")
            client.seq += 1
            client.run("BEGIN")
            client.run("SAVEPOINT here")
            client.run(client.insert(9, f"undone {number}"))
            client.run("ROLLBACK TO SAVEPOINT here")
            client.run(client.insert(0, f"kept {number}"))
            client.run("COMMIT")
            client.committed(f"kept {number}")


def _duplicate_key(proxy: Proxied) -> None:
    """The mirror lacks the row that the key collides with, so that the statement could succeed there."""
    uniques = proxy.place.table("uniques")
    proxy.place.primary.do("app", f"INSERT INTO {uniques} VALUES (7, 'only here')")
    with proxy.client() as client:
        client.write()
        client.refused(f"INSERT INTO {uniques} VALUES (7, 'refused'), (8, 'refused')", "23505")
        client.write()
    proxy.place.primary.do("app", f"DELETE FROM {uniques} WHERE id = 7")


def _division_by_zero(proxy: Proxied) -> None:
    """The mirror has another row, so that nothing is divided by zero there."""
    table, accounts = proxy.place.table("entries"), proxy.place.table("accounts")
    proxy.place.primary.do("app", f"UPDATE {accounts} SET balance = 0 WHERE id = 20")
    with proxy.client() as client:
        client.seq += 1
        client.refused(
            f"INSERT INTO {table} (client, seq, part, value) "
            f"SELECT {client.number}, {client.seq}, 0, 1 / balance FROM {accounts} WHERE id = 20",
            "22012",
        )
    proxy.place.primary.do("app", f"UPDATE {accounts} SET balance = 100 WHERE id = 20")


def _several_at_once(proxy: Proxied) -> None:
    """One string of statements of which the last fails: all is undone, or all that was not yet committed."""
    with proxy.client() as client:
        client.seq += 1
        client.refused(f"{client.insert(0, 'undone')}; {client.insert(1, 'undone')}; SELECT 1/0", "22012")
        client.seq += 1
        client.refused(f"BEGIN; {client.insert(0, 'kept; in spite')}; COMMIT; SELECT 1/0", "22012")
        client.committed("kept; in spite")
        client.seq += 1
        client.refused(f"BEGIN; {client.insert(0, 'undone')}; SELECT 1/0; COMMIT", "22012")
        client.run("ROLLBACK")


def _cancelled(proxy: Proxied) -> None:
    with proxy.client() as client:
        client.seq += 1
        mark = f"cancelled {client.number}"
        statement = (
            f"INSERT INTO {proxy.place.table('entries')} (client, seq, part, value) "
            f"SELECT {client.number}, {client.seq}, 0, '{mark}' FROM pg_sleep(1.5)"
        )
        canceller = threading.Thread(target=_cancel_when_running, args=(proxy, client, mark))
        canceller.start()
        try:
            client.refused(statement, "57014")
        finally:
            canceller.join(CANCEL_SECONDS)
        client.write()


def _cancel_when_running(proxy: Proxied, client: Client, mark: str) -> None:
    def missing() -> str | None:
        running = proxy.place.primary.ask("app", _RUNNING, (f"%{mark}%",))[0][0]
        return None if running else "it does not run"

    wait_until(missing, CANCEL_SECONDS, "the statement to run on the primary", interval=0.02)
    client.session.cancel()


def _lock_timeout(proxy: Proxied) -> None:
    accounts = proxy.place.table("accounts")
    with proxy.place.primary.session("app") as holder, holder.cursor() as cursor, proxy.client() as client:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT FROM {accounts} WHERE id = 3 FOR UPDATE")
        client.run("SET lock_timeout = '100ms'")
        client.refused(f"UPDATE {accounts} SET balance = balance - 1 WHERE id = 3", "55P03")
        cursor.execute("ROLLBACK")
        client.run("SET lock_timeout = 0")
        client.run(f"UPDATE {accounts} SET balance = balance - 2 WHERE id = 3")


def _serialization_failure(proxy: Proxied) -> None:
    accounts = proxy.place.table("accounts")
    with proxy.client() as first, proxy.client() as second:
        for client in (first, second):
            client.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
            client.run(f"SELECT balance FROM {accounts} WHERE id = 4")
        first.run(f"UPDATE {accounts} SET balance = balance - 3 WHERE id = 4")
        first.run("COMMIT")
        second.refused(f"UPDATE {accounts} SET balance = balance - 50 WHERE id = 4", "40001")
        second.run("ROLLBACK")


def _batch(proxy: Proxied) -> None:
    """Of many rows sent at once one cannot be: none is there afterwards."""
    asyncio.run(_batch_with_an_error(proxy))


async def _batch_with_an_error(proxy: Proxied) -> None:
    number, session = proxy.account.next_client(), await connected(proxy)
    rows = [(1, part, "in vain") for part in range(5)] + [(1, None, "of no part")]
    try:
        await session.executemany(insert_of(proxy, number), rows)
    except asyncpg.NotNullViolationError:
        proxy.account.add(Fate.UNDONE, "app", "app")
    else:
        raise AssertionError("a batch with a row of no part was taken")
    finally:
        await session.close()


WAYS: dict[str, Callable[[Proxied], None]] = {
    "a duplicate key": _duplicate_key,
    "a division by zero": _division_by_zero,
    "several statements at once": _several_at_once,
    "a cancelled statement": _cancelled,
    "a lock timeout": _lock_timeout,
    "a serialization failure": _serialization_failure,
    "a batch with an error": _batch,
}
