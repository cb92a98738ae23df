"""Keywords of what the mirror holds: compared with the primary, with what clients were told, and with the counters."""

from __future__ import annotations

from datetime import timedelta

from robot.api.deco import keyword

from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say
from PgDogLibrary import scenarios
from PgDogLibrary.cutover import Standing, standing
from PgDogLibrary.keywords.base import own_proxy
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.rest import at_rest
from TemporalLibrary.core import wait_until

POLL_SECONDS = 0.3
REST_SECONDS = 60.0


class ContentsKeywords:
    """What the mirror holds."""

    @keyword
    def mirror_should_have_run(self, proxy: Proxied, queries: int, rows: int) -> None:
        """Demand the traces of statements on the mirror itself: each query takes a number of a sequence, each row stays."""
        at_rest(proxy)
        mirror = proxy.place.mirror
        (asked,) = mirror.ask("app", f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {proxy.place.table('asked')}")
        (there,) = mirror.ask("app", f"SELECT count(*) FROM {proxy.place.table('entries')}")
        if (asked[0], there[0]) != (queries, rows):
            raise AssertionError(
                f"the mirror ran {asked[0]} queries and has {there[0]} rows, expected {queries} and {rows}"
            )
        say(f"{queries} queries and {rows} rows seen on the mirror")

    @keyword
    def mirror_should_hold_what_primary_holds(self, proxy: Proxied, within: timedelta) -> None:
        """Wait until both servers hold the same, table by table and row by row, and all has come to rest.

        Args:
            proxy: between them.
            within: the deadline; the environment's `timeout_multiplier` lengthens it.
        """
        found = self._settled(proxy, within)
        if found.problems:
            raise AssertionError("; ".join(found.problems))
        say(found.told)

    @keyword
    def mirror_should_hold_what_was_acknowledged(self, proxy: Proxied, within: timedelta) -> None:
        """The same, and statement by statement: every transaction that a client was told to be committed is there whole,
        once, with its values and in its client's order, and nothing else is.
        """  # noqa: D205
        self.mirror_should_hold_what_primary_holds(proxy, within)
        found = standing(proxy)
        if found.of_ledger:
            raise AssertionError("; ".join(found.of_ledger))
        say(f"{len(proxy.account.entries)} transactions as their clients were told")

    @keyword(tags=["robot:continue-on-failure"])
    def contents_are_equal_or_announced_after(self, name: str) -> None:
        """Play a scenario through a proxy of its own; a difference between both servers must have been counted.

        Args:
            name: `inserts, updates and deletes`, `transactions under exposure 0.5`, `statements that fail on the mirror
              only`, `two clients on the same rows`, `an overflow` or `the mirror going away and coming back`.
        """
        proxy = own_proxy(scenarios.options_of(name))
        scenarios.play(name, proxy)
        self._equal_or_announced(proxy, f"{name}: ")

    @keyword
    def contents_should_be_equal_or_announced(self, proxy: Proxied) -> None:
        """Demand that both servers hold the same, or that the counters tell of at least as much as is missing."""
        self._equal_or_announced(proxy, "")

    @keyword
    def mirror_should_be_safe_to_cut_over_to(self, proxy: Proxied) -> None:
        """Join contents, counters and readiness into one verdict: safe only when each of them says so.

        The contents are equal, nothing is queued, every attempt has an outcome and none of them is a loss, and readiness
        (with the proxy's own thresholds) is READY.
        """
        at_rest(proxy, REST_SECONDS)
        found = standing(proxy)
        if reasons := found.against_cutting_over:
            raise AssertionError(f"not safe to cut over to: {'; '.join(reasons)}")
        say(f"safe to cut over to: {found.told}")

    def _equal_or_announced(self, proxy: Proxied, where: str) -> None:
        found = self._settled(proxy, timedelta(seconds=20))
        if (silent := found.silent) is not None:
            raise AssertionError(f"{where}{silent}")
        say(f"{where}{found.told}")

    def _settled(self, proxy: Proxied, within: timedelta) -> Standing:
        """Wait until contents are the same; what they are at the deadline, or as soon as a difference is explained.

        A mirror that lags shows a difference for a while, so one that nothing announces is given time.
        """
        last = [standing(proxy)]

        def missing() -> str | None:
            if proxy.options.metrics:
                at_rest(proxy, REST_SECONDS)
            last.append(standing(proxy))
            return None if not last[-1].problems or last[-1].announced else last[-1].problems[0]

        try:
            wait_until(missing, scaled(within), "the mirror", interval=POLL_SECONDS)
        except AssertionError:
            return last[-1]
        return last[-1]


