"""Scenarios that counters and contents are judged after: each with the proxy it needs and what clients do."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from environments.pgdog.options import Mirrored, ProxyOptions
from environments.system import Endpoint, pgdog
from PgDogLibrary.counts import Tally
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.rest import at_rest, await_work
from TemporalLibrary.core import wait_until

NOBODY = Endpoint("127.0.0.1", 9)  # the discard service: nobody listens there
MIRROR_LINK = "proxy-mirror"
CUT_SECONDS = 5.0
AMPLE = 10_000  # transactions of one client that may wait: none of the clients here fills that


@dataclass(frozen=True)
class Scenario:
    """What clients do through a proxy, what it is started with, and what must then have been counted at least once."""

    play: Callable[[Proxied], None]
    options: ProxyOptions = field(default_factory=ProxyOptions)
    counted: tuple[str, ...] = ()


def options_of(name: str) -> ProxyOptions:
    """Return what the proxy of a scenario is started with."""
    return _named(name).options


def play(name: str, proxy: Proxied) -> None:
    """Let clients do what the scenario says."""
    _named(name).play(proxy)


def missing_of(name: str, counts: Tally) -> str | None:
    """Say which outcome a scenario is about and that was not counted once; None: none."""
    for outcome in _named(name).counted:
        if not number_of(counts, outcome):
            return f"none was counted as '{outcome}'"
    return None


def number_of(counts: Tally, outcome: str) -> int:
    """Return a number by its name; `failed` are the errors of the mirror, without what found a full queue.

    Raises:
        AssertionError: the dialect does not tell it.
    """
    value = getattr(counts, "errors" if outcome == "failed" else outcome)
    less = counts.overflow if outcome == "failed" else 0
    if value is None or less is None:
        raise AssertionError(f"'{outcome}' is not told by this dialect")
    return int(value) - less


def exposed(share: float, queue: int = AMPLE) -> ProxyOptions:
    """Options of a proxy that mirrors a share of the transactions."""
    return ProxyOptions(databases=(Mirrored(exposure=share, queue=queue),))


def rows_by_transaction(proxy: Proxied) -> dict[tuple[int, int], int]:
    """How many rows of each (client, transaction) the mirror has."""
    query = f"SELECT client, seq, count(*) FROM {proxy.place.table('entries')} GROUP BY 1, 2"
    rows = proxy.place.mirror.ask(proxy.place.databases[0], query)
    return {(int(str(client)), int(str(seq))): int(str(number)) for client, seq, number in rows}


# -- what clients do -----------------------------------------------------------------------------------------


def _all_goes_well(proxy: Proxied) -> None:
    with proxy.clients(3) as clients:
        for _ in range(20):
            for client in clients:
                client.write()
                client.ask()


def _many_are_written(proxy: Proxied) -> None:
    with proxy.client() as client:
        for _ in range(200):
            client.write(2)


def _statements_fail_on_the_mirror(proxy: Proxied) -> None:
    proxy.place.mirror.do("app", f"DROP TABLE {proxy.place.table('uniques')}")
    with proxy.client() as client:
        for number in range(10):
            client.write()
            client.checked(
                f"INSERT INTO {proxy.place.table('uniques')} VALUES ({number}, 'x') RETURNING id", [(number,)]
            )


def _the_queue_overflows(proxy: Proxied) -> None:
    proxy.place.slow_down_mirror(0.1)
    with proxy.client() as client:
        for _ in range(30):
            client.write()


def _few_are_written(proxy: Proxied) -> None:
    with proxy.clients(4) as clients:
        for _ in range(5):
            for client in clients:
                client.write()


def _work_is_rolled_back(proxy: Proxied) -> None:
    with proxy.client() as client:
        for _ in range(20):
            client.write(2)
            client.write(2, whole=False)
        for _ in range(5):
            client.refused("SELECT 1/0", "22012")


def _one_is_written(proxy: Proxied) -> None:
    with proxy.client() as client:
        client.write()


def _table_is_missing(proxy: Proxied) -> None:
    proxy.place.mirror.do("app", f"DROP TABLE {proxy.place.table('entries')}")
    _one_is_written(proxy)


def _row_is_there(proxy: Proxied) -> None:
    table = proxy.place.table("uniques")
    proxy.place.mirror.do("app", f"INSERT INTO {table} VALUES (1, 'already')")
    with proxy.client() as client:
        client.checked(f"INSERT INTO {table} VALUES (1, 'new') RETURNING id", [(1,)])


def _mirror_is_slow(proxy: Proxied) -> None:
    proxy.place.slow_down_mirror(2.0)
    _one_is_written(proxy)


def _queue_is_full(proxy: Proxied) -> None:
    """One is replayed slowly, one waits, the third finds the queue full."""
    proxy.place.slow_down_mirror(1.0)
    with proxy.client() as client:
        client.write()
        await_work(proxy)
        client.write()
        client.write()


def _rows_change(proxy: Proxied) -> None:
    """Inserts, updates and deletes of one client, in autocommit and in transactions."""
    accounts, uniques = proxy.place.table("accounts"), proxy.place.table("uniques")
    with proxy.client() as client:
        for number in range(1, 21):
            client.write(number % 3 + 1)
            client.run(f"UPDATE {accounts} SET balance = balance * 1.01 WHERE id = {number}")
            client.run(f"INSERT INTO {uniques} VALUES ({number}, 'żółw ''quoted'' \N{TURTLE}')")
        client.run("BEGIN")
        client.run(f"DELETE FROM {uniques} WHERE id % 3 = 0")
        client.run(f"UPDATE {accounts} SET holder = NULL WHERE id < 5")
        client.run("COMMIT")


def _two_write_the_same_rows(proxy: Proxied) -> None:
    """What is left depends on who came last: in the order of the primary's commits it is the same on both servers.

    The clients take turns, each waiting for the other's answer, so that the order of the commits is beyond doubt. The
    first of each turn takes a while on the mirror.
    """
    accounts = proxy.place.table("accounts")
    with proxy.client() as slow, proxy.client() as quick:
        for number in range(1, 16):
            slow.run("BEGIN")
            slow.run(f"UPDATE {accounts} SET holder = 'first {number}', balance = balance + 1 WHERE id = {number}")
            slow.run("SELECT true FROM pg_sleep(0.02)")
            slow.run("COMMIT")
            quick.run(f"UPDATE {accounts} SET holder = 'second {number}', balance = balance * 2 WHERE id = {number}")


def _mirror_goes_away(proxy: Proxied) -> None:
    """The link to the mirror is cut, seen to be cut, and healed; clients write before, meanwhile and afterwards."""
    with proxy.client() as client:
        for _ in range(20):
            client.write()
        at_rest(proxy)
        pgdog().set_link(MIRROR_LINK, {"cut": True})
        try:
            _await_refusal(MIRROR_LINK)
            for _ in range(20):
                client.write(2)
        finally:
            pgdog().set_link(MIRROR_LINK, None)
        at_rest(proxy)
        for _ in range(20):
            client.write()


def _sessions_have_settings(proxy: Proxied) -> None:
    """Clients ask for settings when they connect, as drivers do: what they write depends on them."""
    own = {"TimeZone": "America/New_York", "DateStyle": "SQL,DMY", "search_path": f"{proxy.place.name},pg_catalog"}
    for number, (name, value) in enumerate(own.items()):
        with proxy.client(settings={name: value}) as client:
            client.run(f"INSERT INTO {proxy.place.table('uniques')} VALUES ({number}, current_setting('{name}'))")
            client.write()


def _await_refusal(link: str, within: float = CUT_SECONDS) -> None:
    where = pgdog().links[link]

    def missing() -> str | None:
        try:
            socket.create_connection((where.host, where.port), timeout=1.0).close()
        except OSError:
            return None
        return f"{where} still lets connections in"

    wait_until(missing, within, "the link to be cut", interval=0.02)


SCENARIOS: dict[str, Scenario] = {
    "all goes well": Scenario(_all_goes_well, counted=("mirrored",)),
    "half is sampled": Scenario(_many_are_written, exposed(0.5), ("mirrored", "sampled_out")),
    "statements fail on the mirror": Scenario(_statements_fail_on_the_mirror, counted=("mirrored", "failed")),
    "the queue overflows": Scenario(_the_queue_overflows, exposed(1.0, queue=2), ("mirrored", "overflow")),
    "the mirror is unreachable": Scenario(
        _few_are_written, ProxyOptions(databases=(Mirrored(mirror=NOBODY),)), ("failed",)
    ),
    "work is rolled back": Scenario(_work_is_rolled_back, counted=("mirrored",)),
}
"""After which every attempt must have had one outcome."""

KINDS: dict[str, Scenario] = {
    "a mirror that cannot be reached": Scenario(_one_is_written, ProxyOptions(databases=(Mirrored(mirror=NOBODY),))),
    "a table that the mirror does not have": Scenario(_table_is_missing),
    "a row that the mirror has already": Scenario(_row_is_there),
    "a statement too slow on the mirror": Scenario(_mirror_is_slow, ProxyOptions(query_timeout_ms=300)),
    "a full queue": Scenario(_queue_is_full, exposed(1.0, queue=1)),
}
"""What one transaction may meet on the mirror."""


CONTENTS: dict[str, Scenario] = {
    "inserts, updates and deletes": Scenario(_rows_change),
    "transactions under exposure 0.5": SCENARIOS["half is sampled"],
    "statements that fail on the mirror only": SCENARIOS["statements fail on the mirror"],
    "two clients on the same rows": Scenario(_two_write_the_same_rows),
    "clients with settings of their own": Scenario(_sessions_have_settings),
    "an overflow": SCENARIOS["the queue overflows"],
    "the mirror going away and coming back": Scenario(_mirror_goes_away),
}
"""After which both servers must hold the same, or the counters must tell of the difference."""


def _named(name: str) -> Scenario:
    everything = {**SCENARIOS, **KINDS, **CONTENTS}
    found = everything.get(name)
    if found is None:
        raise ValueError(f"there is no scenario '{name}'; there are {', '.join(everything)}")
    return found
