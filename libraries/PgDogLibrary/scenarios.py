"""Scenarios that counters and contents are judged after: each with the proxy it needs and what clients do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from environments.pgdog.options import Mirrored, ProxyOptions
from environments.system import Endpoint
from PgDogLibrary.counts import Tally
from PgDogLibrary.ledger import Fate
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.rest import await_work

NOBODY = Endpoint("127.0.0.1", 9)  # the discard service: nobody listens there


@dataclass(frozen=True)
class Scenario:
    """What a proxy is started with, what clients do through it, and what must then have been counted at least once."""

    play: Callable[[Proxied], None]
    options: ProxyOptions = ProxyOptions()
    counted: tuple[str, ...] = ("mirrored",)


def options_of(name: str) -> ProxyOptions:
    """Return what the proxy of a scenario is started with."""
    return _named(name).options


def play(name: str, proxy: Proxied) -> None:
    """Let clients do what the scenario says."""
    _named(name).play(proxy)


def missing_of(name: str, counts: Tally) -> str | None:
    """Say which outcome a scenario is about and that was not counted once; None: none."""
    for outcome in SCENARIOS[name].counted if name in SCENARIOS else ():
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


def exposed(share: float, **other: int | None) -> ProxyOptions:
    """Options of a proxy that mirrors a share of the transactions."""
    return ProxyOptions(databases=(Mirrored(exposure=share, queue=other.get("queue")),))


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
            _fails(proxy, client.run)


def _fails(proxy: Proxied, run: Callable[[str], object]) -> None:
    try:
        run("SELECT 1/0")
    except Exception as error:  # noqa: BLE001, psycopg2's, by the statement above
        if "division by zero" not in str(error):
            raise
        proxy.account.add(Fate.UNDONE, "app", "app")
    else:
        raise AssertionError("a division by zero was answered without an error")


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


SCENARIOS: dict[str, Scenario] = {
    "all goes well": Scenario(_all_goes_well),
    "half is sampled": Scenario(_many_are_written, exposed(0.5), ("mirrored", "sampled_out")),
    "statements fail on the mirror": Scenario(_statements_fail_on_the_mirror, counted=("mirrored", "failed")),
    "the queue overflows": Scenario(_the_queue_overflows, exposed(1.0, queue=2), ("mirrored", "overflow")),
    "the mirror is unreachable": Scenario(
        _few_are_written, ProxyOptions(databases=(Mirrored(mirror=NOBODY),)), ("failed",)
    ),
    "work is rolled back": Scenario(_work_is_rolled_back),
}
"""After which every attempt must have had one outcome."""

KINDS: dict[str, Scenario] = {
    "a mirror that cannot be reached": Scenario(
        _one_is_written, ProxyOptions(databases=(Mirrored(mirror=NOBODY),)), ()
    ),
    "a table that the mirror does not have": Scenario(_table_is_missing, counted=()),
    "a row that the mirror has already": Scenario(_row_is_there, counted=()),
    "a statement too slow on the mirror": Scenario(_mirror_is_slow, ProxyOptions(query_timeout_ms=300), ()),
    "a full queue": Scenario(_queue_is_full, exposed(1.0, queue=1), ()),
}
"""What one transaction may meet on the mirror."""


def _named(name: str) -> Scenario:
    found = SCENARIOS.get(name) or KINDS.get(name)
    if found is None:
        raise ValueError(f"there is no scenario '{name}'; there are {', '.join([*SCENARIOS, *KINDS])}")
    return found
