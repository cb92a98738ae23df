"""What clients were told, as oracles and counters judge by it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from oracles.history import Result
from PgDogLibrary.ledger import Account, Entry, Fate


def entry(seq, fate, *values):
    return Entry(1, seq, values, fate, 1.0, 2.0)


def test_only_what_took_effect_is_committed_and_by_whom():
    account = Account()
    account.add(Fate.COMMITTED, "app", "app")
    account.add(Fate.COMMITTED, "other", "app", entry(1, Fate.COMMITTED, "a"))
    account.add(Fate.UNDONE, "app", "app", entry(2, Fate.UNDONE, "b"))
    account.add(Fate.UNKNOWN, "app", "app", entry(3, Fate.UNKNOWN, "c"))
    assert (account.committed, account.undone) == (2, 1)
    assert account.transactions == {("app", "app"): 1, ("other", "app"): 1}
    assert [one.seq for one in account.written()] == [1]


def test_oracles_get_each_row_and_what_was_told_of_its_transaction():
    account = Account()
    account.wrote(1, 1, "a", "b")
    account.add(Fate.UNDONE, "app", "app", entry(2, Fate.UNDONE, "c"))
    account.add(Fate.UNKNOWN, "app", "app", entry(3, Fate.UNKNOWN, "d"))
    ledger = account.ledger()
    assert list(zip(ledger.seq, ledger.part, ledger.value, strict=True)) == [
        (1, 0, "a"), (1, 1, "b"), (2, 0, "c"), (3, 0, "d"),
    ]  # fmt: skip
    assert ledger.outcomes == {(1, 1): Result.ACKED, (1, 2): Result.FAILED, (1, 3): Result.UNKNOWN}


def test_the_longest_wait_is_the_longest():
    account = Account()
    assert account.longest_wait() == 0
    account.waits += [0.1, 0.5, 0.2]
    assert account.longest_wait() == 0.5


def test_clients_in_threads_of_their_own_have_numbers_of_their_own():
    account = Account()
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda _: account.next_client(), range(400)))
        list(pool.map(lambda number: account.wrote(number, 1, "a"), numbers))
    assert sorted(numbers) == list(range(1, 401))
    assert account.committed == 400
