"""Keywords of what is counted: totals, one outcome for each attempt, kinds of errors, latency, databases and users."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from statistics import NormalDist
from typing import Literal

from robot.api.deco import keyword

from EnvironmentLibrary.context import record_value, scaled
from EnvironmentLibrary.telling import say
from PgDogLibrary import scenarios
from PgDogLibrary.counts import MirrorCounts, Tally
from PgDogLibrary.keywords.base import declares, own_proxy
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.rest import LONG_REST_SECONDS, at_rest, counted
from PgDogLibrary.scenarios import number_of
from TemporalLibrary.core import wait_until

POLL_SECONDS = 0.1
ONCE_IN = 1_000_000  # runs that an honest draw leaves the bounds of the exposure

Kind = Literal["connection", "query", "timeout", "buffer_full"]


class CounterKeywords:
    """What a proxy has counted since the test began with it."""

    @keyword
    def counters_should_show(self, proxy: Proxied, within: timedelta, **expected: int) -> None:
        """Wait until counters are what is expected, and stay so when the proxy has come to rest.

        Args:
            proxy: since the test began with it.
            within: the deadline; the environment's `timeout_multiplier` lengthens it.
            **expected: `attempted`, `mirrored`, `sampled_out`, `overflow` or `failed` (errors of the mirror).
        """
        took = wait_until(_different(proxy, expected), scaled(within), "the counters", interval=POLL_SECONDS)
        at_rest(proxy)
        if (problem := _different(proxy, expected)()) is not None:
            raise AssertionError(f"after all had come to rest, {problem}")
        record_value("counted", took, "s")
        say(f"{_listed(expected)} after {took:.2f} s")

    @keyword
    def counters_should_show_at_least(self, proxy: Proxied, within: timedelta, **least: int) -> None:
        """The same for numbers that depend on how fast the mirror is: each must be as high as told, or higher."""
        now = at_rest(proxy, within.total_seconds()).total
        for name, number in least.items():
            if (was := number_of(now, name)) < number:
                raise AssertionError(f"{name}: expected at least {number}, was {was}; counted was {now}")
        say(", ".join(f"{name} {number_of(now, name)}" for name in least))

    @keyword(tags=["robot:continue-on-failure"])
    def every_attempt_of_scenario_has_one_outcome(self, name: str) -> None:
        """Play a scenario through a proxy of its own; see that its clients and counters tell the same.

        Args:
            name: `all goes well`, `half is sampled`, `statements fail on the mirror`, `the queue overflows`,
              `the mirror is unreachable` or `work is rolled back`.
        """
        proxy = own_proxy(scenarios.options_of(name))
        scenarios.play(name, proxy)
        self._one_outcome(proxy, name)

    @keyword
    def every_attempt_should_have_one_outcome(self, proxy: Proxied) -> None:
        """Demand that attempted is the sum of mirrored, sampled out, overflown and failed, and what clients tell."""
        self._one_outcome(proxy, "")

    @keyword(tags=["robot:continue-on-failure"])
    def one_transaction_meets(self, what: str, counted_as: Kind) -> None:
        """Let a transaction fail on the mirror in one way, and see it counted once as that, and as nothing else.

        Args:
            what: `a mirror that cannot be reached`, `a table that the mirror does not have`, `a row that the mirror has
              already`, `a statement too slow on the mirror` or `a full queue`.
            counted_as: `connection`, `query`, `timeout` or `buffer_full`.
        """
        proxy = own_proxy(scenarios.options_of(what))
        scenarios.play(what, proxy)
        now = at_rest(proxy, LONG_REST_SECONDS).total
        kinds = {kind: number_of(now, kind) for kind in ("connection", "query", "timeout")}
        kinds["buffer_full"] = number_of(now, "overflow")
        unexpected = {kind: number for kind, number in kinds.items() if number != (1 if kind == counted_as else 0)}
        if unexpected:
            raise AssertionError(f"{what}: expected 1 {counted_as} error and no other, counted was {kinds}")
        if now.attempted != proxy.account.committed:
            raise AssertionError(f"{what}: {proxy.account.committed} transactions, {now.attempted} were attempted")
        say(f"{what}: 1 {counted_as} error")

    @keyword
    def average_latency_should_be(self, proxy: Proxied, expected: timedelta, tolerance: str) -> None:
        """Demand the average time that transactions took on the mirror.

        Args:
            proxy: at rest soon.
            expected: such as `100 ms`.
            tolerance: such as `10 %`.
        """
        now = at_rest(proxy).total
        _near("average latency", now.latency.average_ms, expected, tolerance)

    @keyword
    def maximum_latency_should_be(self, proxy: Proxied, expected: timedelta, tolerance: str) -> None:
        """Demand the longest time that a transaction took on the mirror, where a maximum is told at all.

        A maximum is of the process: where something took longer before the test began, nothing tells that of the test.
        """
        now = at_rest(proxy).total
        if not declares("max_latency"):
            say("no maximum is declared")
            return
        earlier = proxy.before.total.latency.maximum_ms if proxy.before else None
        if earlier is not None and earlier > expected.total_seconds() * 1000:
            say(f"something took {earlier:.0f} ms before the test began: its own maximum is not told")
            return
        _near("maximum latency", now.latency.maximum_ms, expected, tolerance)

    @keyword
    def numbers_by_database_should_be(self, proxy: Proxied, within: timedelta, **expected: int) -> None:
        """Demand how many transactions were mirrored of each database, as clients call it."""
        self._parts_should_be(proxy, within, expected, lambda now: now.databases)

    @keyword
    def numbers_by_user_should_be(self, proxy: Proxied, within: timedelta, **expected: int) -> None:
        """Demand how many transactions were mirrored of each user."""
        self._parts_should_be(proxy, within, expected, _by_user)

    @keyword(tags=["robot:continue-on-failure"])
    def transactions_of_three_statements_are_mirrored(self, exposure: float, transactions: int) -> None:
        """Run transactions of three rows under an exposure; see that just so many are counted, and are there whole.

        Args:
            exposure: 0, 1, or between: then chance may not account for the number less than once in a million runs.
            transactions: how many.
        """
        proxy = own_proxy(scenarios.exposed(exposure))
        with proxy.client() as client:
            for _ in range(transactions):
                client.write(3)
        now = at_rest(proxy).total
        found = scenarios.rows_by_transaction(proxy)
        halves = [key for key, rows in found.items() if rows != 3]
        if halves:
            raise AssertionError(f"exposure {exposure:g}: {len(halves)} transactions are not whole on the mirror")
        low, high = _bounds(exposure, transactions)
        if not low <= len(found) <= high:
            raise AssertionError(
                f"exposure {exposure:g}: {len(found)} of {transactions} are on the mirror, expected {low} to {high}"
            )
        wanted = {"attempted": transactions, "mirrored": len(found), "sampled_out": transactions - len(found)}
        if wrong := {name: number_of(now, name) for name, number in wanted.items() if number_of(now, name) != number}:
            raise AssertionError(f"exposure {exposure:g}: expected {_listed(wanted)}, counted was {_listed(wrong)}")
        say(f"exposure {exposure:g}: {len(found)} of {transactions}")

    def _one_outcome(self, proxy: Proxied, scenario: str) -> None:
        now, account = at_rest(proxy, LONG_REST_SECONDS).total, proxy.account
        where = f"{scenario}: " if scenario else ""
        if (problem := now.unbalanced()) is not None:
            raise AssertionError(f"{where}{problem}")
        most = account.committed + account.undone
        attempted = number_of(now, "attempted")
        if not account.committed <= attempted <= most:
            clients = f"{account.committed}" + (f" (and {account.undone} undone)" if account.undone else "")
            raise AssertionError(f"{where}clients made {clients} transactions, {attempted} were attempted")
        if scenario and (problem := scenarios.missing_of(scenario, now)) is not None:
            raise AssertionError(f"{where}{problem}; counted was {now}")
        say(f"{where}{now.attempted} attempts, each with one outcome")

    def _parts_should_be(
        self,
        proxy: Proxied,
        within: timedelta,
        expected: Mapping[str, int],
        parts: Callable[[MirrorCounts], Mapping[str, Tally]],
    ) -> None:
        def different() -> str | None:
            now = parts(counted(proxy))
            found = {name: number_of(now[name], "mirrored") if name in now else 0 for name in expected}
            return None if found == expected else f"expected {_listed(expected)}, counted was {_listed(found)}"

        wait_until(different, scaled(within), "the counters", interval=POLL_SECONDS)
        at_rest(proxy)
        if (problem := different()) is not None:
            raise AssertionError(f"after all had come to rest, {problem}")
        say(_listed(expected))


def _different(proxy: Proxied, expected: Mapping[str, int]) -> Callable[[], str | None]:
    def problem() -> str | None:
        now = counted(proxy).total
        found = {name: number_of(now, name) for name in expected}
        return None if found == expected else f"expected {_listed(expected)}, counted was {_listed(found)}"

    return problem


def _by_user(counts: MirrorCounts) -> dict[str, Tally]:
    """The numbers of each user over all databases; only what is asked of them here is added."""
    found: dict[str, Tally] = {}
    for (_, user), tally in counts.users.items():
        before = found.get(user)
        mirrored = number_of(tally, "mirrored") + (number_of(before, "mirrored") if before else 0)
        found[user] = Tally(mirrored=mirrored)
    return found


def _listed(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in values.items())


def _near(what: str, was: float | None, expected: timedelta, tolerance: str) -> None:
    wanted, share = expected.total_seconds() * 1000, float(tolerance.removesuffix("%")) / 100
    if was is None:
        raise AssertionError(f"expected {what} of {wanted:g} ms, none is told")
    if abs(was - wanted) > share * wanted:
        raise AssertionError(f"expected {what} of {wanted:g} ms within {share:.0%}, was {was:.1f} ms")
    record_value(what, was, "ms")
    say(f"{what} {was:.1f} ms")


def _bounds(exposure: float, number: int) -> tuple[int, int]:
    """What a fair draw leaves once in so many runs."""
    if exposure in (0, 1):
        return round(exposure * number), round(exposure * number)
    spread = NormalDist().inv_cdf(1 - 0.5 / ONCE_IN) * (number * exposure * (1 - exposure)) ** 0.5
    return round(exposure * number - spread), round(exposure * number + spread)
