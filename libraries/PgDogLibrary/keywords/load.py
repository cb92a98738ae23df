"""Keywords of speed and of load that lasts: pairs in turns, pgbench, memory and sessions."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from robot.api.deco import keyword

from EnvironmentLibrary.context import record_value, scaled, timed
from EnvironmentLibrary.telling import say
from environments.system import Endpoint, pgdog
from LoadLibrary.measure import Measurement, measure_paired
from LoadLibrary.rate import Rate
from measurement.memory import MEGABYTE, Memory
from measurement.openloop import Offering
from measurement.paired import Contender
from measurement.schedule import constant_rate
from measurement.usage import ResidentMemory
from measurement.verdicts import Inconclusive
from PgDogLibrary import pgbench
from PgDogLibrary.keywords.base import on_test_end, programs
from PgDogLibrary.load import LONGEST_SECONDS, Writer
from PgDogLibrary.pgbench import Benched
from PgDogLibrary.proxied import Proxied
from PostgresLibrary.sessions import Target, connect
from TemporalLibrary.core import wait_until

ROUNDS = 160
QUERIES = 80  # of each side in a round
RECONNECT_AFTER = 40  # transactions, after which a client of a lasting load comes anew
LEAK_BYTES = 2000.0  # a transaction, above which memory has grown beyond doubt
POLL_SECONDS = 0.2
ROUNDS_OF_PGBENCH = 3

_SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = ANY(%s)"


@dataclass
class Lasting:
    """A load that lasted: what the proxy held, and the sessions on both servers, over time."""

    proxy: Proxied
    memory: Memory
    sessions: dict[str, list[int]]
    transactions: int
    seconds: float


class SpeedKeywords:
    """What mirroring costs, and whether it can be kept up."""

    def __init__(self) -> None:
        self._benched: list[Benched] = []

    # -- pairs in turns ------------------------------------------------------------------------------------

    @keyword
    def queries_are_timed_in_turns(self, a: Proxied, b: Proxied, limit: float) -> Measurement:
        """Ask the same short query through two proxies in turns; the ratio of their times has a confidence interval.

        Args:
            a: whose time is divided.
            b: by whose.
            limit: below which the whole interval must be.
        """
        measurement = measure_paired(
            "query with metrics / without",
            self._asker("with metrics", a.target()),
            self._asker("without", b.target()),
            limit,
            rounds=ROUNDS,
            operations_per_round=QUERIES,
        )
        assert measurement.paired is not None
        record_value("cost of metrics", 100 * (measurement.paired.comparison.interval.ratio - 1), "%")
        return measurement

    @keyword
    def queries_are_timed_in_turns_with_the_primary(self, proxy: Proxied) -> Measurement:
        """The same through a proxy and directly, to report what a proxy costs; nothing is demanded of it."""
        direct = Target(proxy.place.primary.endpoint, "app", proxy.users[0])
        measurement = measure_paired(
            "query through the proxy / directly",
            self._asker("through the proxy", proxy.target()),
            self._asker("directly", direct),
            100.0,
            rounds=ROUNDS,
            operations_per_round=QUERIES,
        )
        assert measurement.paired is not None
        say(f"through the proxy / directly: {measurement.paired.comparison.interval}")
        return measurement

    # -- pgbench -------------------------------------------------------------------------------------------

    @keyword
    def pgbench_runs_through(self, proxy: Proxied, clients: int, transactions: int) -> None:
        """Let pgbench ask for single rows by key (`-S`), so many transactions for each client."""
        tables = pgbench.Tables(proxy, programs())
        on_test_end(tables.remove)
        tables.make()
        self._tables = tables
        self._benched = [tables.run("mirrored", proxy.instance.client, clients, transactions=transactions)]
        say(f"{self._benched[0].transactions} transactions of pgbench")

    @keyword
    def pgbench_takes_turns(self, proxy: Proxied, clients: int, duration: timedelta) -> None:
        """Let pgbench ask through the proxy, directly and through PgBouncer (if there is one) in turns, three times."""
        where = pgdog().addresses
        ways: dict[str, Endpoint] = {"mirrored": proxy.instance.client, "directly": where.primary}
        if where.pgbouncer:
            ways["PgBouncer"] = where.pgbouncer
        each = duration.total_seconds() / len(ways) / ROUNDS_OF_PGBENCH
        self._benched = []
        with timed("pgbench in turns", "measuring"):
            for number in range(ROUNDS_OF_PGBENCH):
                for name in list(ways) if number % 2 == 0 else reversed(list(ways)):
                    self._benched.append(self._tables.run(name, ways[name], clients, seconds=each))

    @keyword
    def mirror_should_have_run_every_transaction_of_pgbench(self, proxy: Proxied, within: timedelta) -> None:
        """Wait until the mirror's own statistics show as many look-ups as pgbench had answered through the proxy.

        Args:
            proxy: pgbench ran through it.
            within: the deadline; the environment's `timeout_multiplier` lengthens it.
        """
        wanted = sum(one.transactions for one in self._benched if one.name == "mirrored")

        def missing() -> str | None:
            was = self._tables.looked_up_on_mirror()
            if was > wanted:
                raise AssertionError(f"the mirror looked up {was} rows, pgbench only {wanted}")
            return None if was == wanted else f"{was} of {wanted} look-ups of pgbench have run on the mirror"

        took = wait_until(missing, scaled(within), "the mirror", interval=POLL_SECONDS)
        self._tables.count_anew()
        say(f"{wanted} transactions of pgbench have run on the mirror, {took:.1f} s after the last")

    @keyword
    def throughput_should_be_told_against_direct_and_pgbouncer(self, proxy: Proxied) -> None:
        """Report the rates of the turns, as shares of the primary's own and of PgBouncer's; none is demanded here."""
        rates = pgbench.medians(self._benched)
        mine = rates.pop("mirrored")
        record_value("throughput", mine, "/s")
        shares = ", ".join(f"{mine / rate:.2f} of {name} ({rate:.0f}/s)" for name, rate in rates.items())
        say(f"{mine:.0f} transactions/s: {shares}")

    # -- load that lasts -----------------------------------------------------------------------------------

    @keyword
    def databases_are_under_load(self, proxy: Proxied, clients: int, rate: Rate) -> None:
        """Let clients begin to ask, spread over all databases of a proxy, until the test ends."""
        names = [one.name for one in proxy.options.databases]
        load = Offering(_Asker(proxy, names).make, constant_rate(rate.per_second, LONGEST_SECONDS), clients)
        load.start()
        on_test_end(load.stop)

        def missing() -> str | None:
            done = {database for database, _ in proxy.account.transactions}
            return None if done >= set(names) else f"{len(done)} of {len(names)} databases were asked"

        wait_until(missing, scaled(10.0), "each database to be asked", interval=POLL_SECONDS)

    @keyword
    def clients_come_and_go(self, proxy: Proxied, clients: int, rate: Rate, duration: timedelta) -> Lasting:
        """Let clients write, each coming anew after 40 transactions; look at memory and sessions all the time.

        Args:
            proxy: to write through.
            clients: at once.
            rate: transactions a second of all together.
            duration: how long.
        """
        seconds = duration.total_seconds()
        schedule = constant_rate(rate.per_second, seconds)
        sessions: dict[str, list[int]] = {"primary": [], "mirror": []}
        load = Offering(lambda _: Writer(proxy, 1, RECONNECT_AFTER), schedule, clients)
        with timed("lasting load", "measuring"), ResidentMemory(proxy.processes) as memory, load:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                _look(proxy, sessions)
                time.sleep(POLL_SECONDS)
            load.wait()
        result = load.result()
        if result.normal.failed:
            raise AssertionError(f"{result.normal.failed} transactions failed: {proxy.account.errors[:1]}")
        looks = memory.looks
        held = Memory("proxy", tuple(at for at, _ in looks), tuple(float(size) for _, size in looks))
        return Lasting(proxy, held, sessions, result.normal.ok, seconds)

    @keyword
    def memory_of_the_proxy_should_not_rise(self, load: Lasting) -> None:
        """Demand that the proxy's memory did not rise with the transactions after a third of the load, beyond doubt.

        Raises:
            AssertionError: the whole 95 % interval of the rise is above 2000 bytes a transaction.
            Inconclusive: too few looks.
        """
        rise = load.memory.rise()
        if rise is None or rise.low is None or rise.high is None:
            raise Inconclusive(f"{len(load.memory.at)} looks are too few to tell a rise from noise")
        rate = load.transactions / load.seconds
        value, low, high = (bound / rate for bound in (rise.value, rise.low, rise.high))
        facts = f"{value:+.0f} B [{low:+.0f}, {high:+.0f}] a transaction, {load.memory.most / MEGABYTE:.0f} MB at most"
        if low > LEAK_BYTES:
            raise AssertionError(f"the proxy's memory rose by {facts}, no more than {LEAK_BYTES:g} B wanted")
        say(f"memory: {facts}")

    @keyword
    def sessions_should_not_have_grown(self, load: Lasting) -> None:
        """Demand that no more sessions were on either server in the last third of the load than in the first two."""
        for server, looks in load.sessions.items():
            cut = 2 * len(looks) // 3
            if cut < 5:
                raise Inconclusive(f"{len(looks)} looks at the sessions of the {server} are too few")
            first, last = max(looks[:cut]), max(looks[cut:])
            if last > first + 2:
                raise AssertionError(f"sessions on the {server} rose from {first} to {last}")
        say(", ".join(f"at most {max(looks)} sessions on the {server}" for server, looks in load.sessions.items()))

    def _asker(self, name: str, target: Target) -> Contender:
        session = connect(target)
        session.autocommit = True
        on_test_end(session.close)

        def once(number: int) -> None:
            with session.cursor() as cursor:
                cursor.execute(f"SELECT {number}")
                assert cursor.fetchall() == [(number,)], "another answer than was asked for"

        return Contender(name, once)


class _Asker:
    """Makes workers that ask one database each."""

    def __init__(self, proxy: Proxied, names: list[str]) -> None:
        self._proxy, self._names = proxy, names

    def make(self, worker: int) -> Callable[[int], None]:
        """The worker of this number."""
        client = self._proxy.client(self._names[worker % len(self._names)])
        on_test_end(client.close)

        def once(_number: int) -> None:
            client.ask()

        return once


def _look(proxy: Proxied, sessions: dict[str, list[int]]) -> None:
    for server in (proxy.place.primary, proxy.place.mirror):
        sessions[server.name].append(int(str(server.ask("app", _SESSIONS, (proxy.user_names,))[0][0])))
