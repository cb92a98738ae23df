"""Keywords of what runs and what clients do: proxies of a test's own, queries, rows, answers and waits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Literal

from robot.api.deco import keyword

from EnvironmentLibrary.context import record_value
from EnvironmentLibrary.telling import say
from environments.pgdog.options import Mirrored, ProxyOptions
from measurement.usage import ResidentMemory
from PgDogLibrary.amount import Amount
from PgDogLibrary.client import Client
from PgDogLibrary.keywords.base import own_proxy, the_proxy
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.rest import at_rest
from PgDogLibrary.scenarios import NOBODY

MEGABYTE = 1_000_000
SLOW_SECONDS = 0.2  # of each row on a slow mirror


class TrafficKeywords:
    """Proxies, and clients that ask and write through them."""

    # -- proxies -------------------------------------------------------------------------------------------

    @keyword
    def a_proxy_mirrors(
        self,
        exposure: float = 1.0,
        queue: int | None = None,
        mirror: Literal["reachable", "unreachable"] = "reachable",
        metrics: Literal["on", "off"] = "on",
        query_timeout: timedelta | None = None,
        connect_timeout: timedelta = timedelta(milliseconds=500),
    ) -> Proxied:
        """Start a proxy of the test's own, with the primary and the mirror of the environment and tables of its own.

        Args:
            exposure: share of the transactions to mirror, 0 to 1.
            queue: transactions of one client that may wait; left out: the proxy's own default.
            mirror: `unreachable` names an address where nobody listens.
            metrics: whether mirroring is counted.
            query_timeout: how long the mirror may take for a statement; left out: the proxy's own default.
            connect_timeout: how long a session may take to begin; PgDog has one for primary and mirror.
        """
        where = NOBODY if mirror == "unreachable" else None
        options = ProxyOptions(
            databases=(Mirrored(exposure=exposure, queue=queue, mirror=where),),
            metrics=metrics == "on",
            connect_timeout_ms=_milliseconds(connect_timeout),
            query_timeout_ms=_milliseconds(query_timeout) if query_timeout else None,
        )
        return own_proxy(options)

    @keyword
    def a_proxy_mirrors_two_databases(self) -> Proxied:
        """Start a proxy for the databases `app` and `other`, each with a mirror of its own."""
        return own_proxy(ProxyOptions(databases=(Mirrored(), Mirrored(name="other", database="other"))))

    @keyword
    def a_proxy_mirrors_databases(self, number: int) -> Proxied:
        """Start a proxy for so many databases (`db_0` and so on), each with a mirror of its own."""
        names = [f"db_{index}" for index in range(number)]
        return own_proxy(ProxyOptions(databases=tuple(Mirrored(name=name, database=name) for name in names)))

    @keyword
    def the_proxy_of_the_environment(self) -> Proxied:
        """The proxy that the environment runs, with tables of the test's own."""
        return the_proxy()

    # -- what clients do -----------------------------------------------------------------------------------

    @keyword
    def client_asks(self, proxy: Proxied, queries: Amount, database: str = "app", user: str = "app") -> None:
        """Let one client ask queries, one transaction each; each leaves a trace where it runs.

        Args:
            proxy: to ask through.
            queries: how many.
            database: as clients call it.
            user: who asks.
        """
        with proxy.client(database, user) as client:
            for _ in range(queries):
                client.ask()

    @keyword
    def client_writes(self, proxy: Proxied, rows: Amount) -> None:
        """Let one client write rows, one transaction each."""
        with proxy.client() as client:
            for _ in range(rows):
                client.write()

    @keyword
    def client_sleeps_in_the_database(self, proxy: Proxied, times: Amount, duration: timedelta) -> None:
        """Let one client run so many statements that take as long as told, on the primary and then on the mirror."""
        with proxy.client() as client:
            for _ in range(times):
                client.checked(f"SELECT true FROM pg_sleep({duration.total_seconds()})", [(True,)])
        at_rest(proxy)

    @keyword
    def client_writes_large_rows_to_a_slow_mirror(self, proxy: Proxied, rows: Amount, of: str) -> None:
        """Let one client write rows, each of which takes 0.2 s on the mirror, and watch the proxy's memory meanwhile.

        Args:
            proxy: to write through.
            rows: one transaction each.
            of: size of each, such as `1 MB`.
        """
        size = round(float(of.removesuffix("MB")) * MEGABYTE)
        proxy.place.slow_down_mirror(SLOW_SECONDS)
        with ResidentMemory(proxy.processes) as memory, proxy.client() as client:
            for _ in range(rows):
                client.write(size=size)
            at_rest(proxy, 60.0)
        self.memory = memory

    @keyword
    def clients_ask_at_once(self, proxy: Proxied, clients: int, queries: int) -> None:
        """Let many clients, each in a thread of its own, ask questions only they know the answer to, and write.

        Half of each client's transactions are queries, half are rows; all sessions are open before the first asks.
        """

        def work(client: Client) -> None:
            for number in range(queries // 2):
                mine = client.number * 1_000_000 + number
                client.checked(f"SELECT {mine}", [(mine,)])
                client.write()

        with proxy.clients(clients) as opened, ThreadPoolExecutor(max_workers=clients) as pool:
            list(pool.map(work, opened))
        record_value("at once", clients, "clients")

    # -- what they met -------------------------------------------------------------------------------------

    @keyword
    def answers_should_have_been_right(self, proxy: Proxied) -> None:
        """Demand that each client got the answer it asked for, and no error."""
        account = proxy.account
        problems = [*account.wrong, *account.errors]
        if problems:
            raise AssertionError(f"{len(problems)} of {len(account.waits)} answers were wrong; first: {problems[0]}")
        say(f"{len(account.waits)} answers, all right")

    @keyword
    def clients_should_not_have_waited(self, proxy: Proxied, longest: timedelta) -> None:
        """Demand that no answer took longer than told, and that none was an error."""
        self.answers_should_have_been_right(proxy)
        waited, limit = proxy.account.longest_wait(), longest.total_seconds()
        if waited > limit:
            raise AssertionError(
                f"a client waited {waited * 1000:.0f} ms for an answer, expected at most {limit * 1000:.0f} ms "
                f"({len(proxy.account.waits)} answers)"
            )
        say(f"the longest of {len(proxy.account.waits)} answers took {waited * 1000:.1f} ms")

    @keyword
    def proxy_should_not_have_grown_by_more_than(self, proxy: Proxied, limit: str) -> None:
        """Demand that the proxy's memory rose by no more than told, in MB, while the last keyword watched it."""
        most = float(limit.removesuffix("MB")) * MEGABYTE
        grown = self.memory.growth
        if grown > most:
            raise AssertionError(
                f"the proxy grew by {grown / MEGABYTE:.0f} MB, expected at most {most / MEGABYTE:g} MB"
            )
        record_value("growth", grown / MEGABYTE, "MB")
        say(f"the proxy grew by {grown / MEGABYTE:.1f} MB")


def _milliseconds(duration: timedelta) -> int:
    return round(duration.total_seconds() * 1000)
