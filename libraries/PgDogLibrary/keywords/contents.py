"""Keywords of what the mirror holds: compared with the primary, with what clients were told, and with the counters."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from robot.api.deco import keyword

from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say, settle
from measurement.verdicts import Judgement, Verdict
from PgDogLibrary import scenarios
from PgDogLibrary.gathering import contents, evidence, transactions
from PgDogLibrary.keywords.base import own_proxy
from PgDogLibrary.keywords.readiness import assessed
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.rest import LONG_REST_SECONDS, at_rest
from PgDogLibrary.verdict import cut_over, silent_divergence
from TemporalLibrary.core import wait_until

POLL_SECONDS = 0.3
CATCH_UP_SECONDS = 10.0


class ContentsKeywords:
    """What the mirror holds."""

    @keyword
    def mirror_should_have_run(self, proxy: Proxied, queries: int, rows: int) -> None:
        """Demand the traces of statements on the mirror: each query takes a number of a sequence, each row stays."""
        at_rest(proxy)
        mirror = proxy.place.mirror
        (asked,) = mirror.ask(
            "app", f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {proxy.place.table('asked')}"
        )
        (there,) = mirror.ask("app", f"SELECT count(*) FROM {proxy.place.table('entries')}")
        if (asked[0], there[0]) != (queries, rows):
            raise AssertionError(
                f"the mirror ran {asked[0]} queries and has {there[0]} rows, expected {queries} and {rows}"
            )
        say(f"{queries} queries and {rows} rows seen on the mirror")

    @keyword
    def mirror_should_hold_what_primary_holds(self, proxy: Proxied, within: timedelta) -> None:
        """Wait until both servers hold the same, table by table and row by row.

        Args:
            proxy: between them.
            within: the deadline; the environment's `timeout_multiplier` lengthens it.
        """
        self._rest(proxy)
        last: list[Judgement] = []

        def missing() -> str | None:
            last[:] = [contents(proxy).judgement]
            return None if last[0].verdict is Verdict.PASS else last[0].reason

        wait_until(missing, scaled(within), "the mirror", interval=POLL_SECONDS)
        self._rest(proxy)  # what comes later than it should must not make a difference again
        settle(contents(proxy).judgement)

    @keyword
    def mirror_should_hold_what_was_acknowledged(self, proxy: Proxied, within: timedelta) -> None:
        """The same, and by transactions: each that a client was told to be committed is there, and nothing else is.

        It is there whole, once, with its values and in its client's order.
        """
        self.mirror_should_hold_what_primary_holds(proxy, within)
        settle(transactions(proxy).judgement)

    @keyword(tags=["robot:continue-on-failure"])
    def contents_are_equal_or_announced_after(self, *names: str) -> None:
        """Play scenarios, each through a proxy of its own; a difference between both servers must have been counted.

        Args:
            *names: `inserts, updates and deletes`, `transactions under exposure 0.5`, `statements that fail on the
              mirror only`, `two clients on the same rows`, `clients with settings of their own`, `an overflow` or `the
              mirror going away and coming back`. All are played, whatever becomes of the first.
        """
        problems = []
        for name in names:
            proxy = own_proxy(scenarios.options_of(name))
            scenarios.play(name, proxy)
            try:
                self._equal_or_announced(proxy, f"{name}: ")
            except AssertionError as problem:
                problems.append(str(problem))
        if problems:
            raise AssertionError("; ".join(problems))

    @keyword
    def contents_should_be_equal_or_announced(self, proxy: Proxied) -> None:
        """Demand that both servers hold the same, or that the counters tell of at least as much as is missing."""
        self._equal_or_announced(proxy, "")

    @keyword
    def mirror_should_be_safe_to_cut_over_to(self, proxy: Proxied) -> None:
        """Join contents, counters and readiness into one verdict: safe only when each of them says so.

        The contents are equal, nothing is queued, every attempt has an outcome, and readiness (by the proxy's own
        thresholds) is READY.
        """
        self._rest(proxy)
        found = evidence(proxy)
        settle(cut_over(found, assessed(proxy, found.counted)))

    def _equal_or_announced(self, proxy: Proxied, where: str) -> None:
        """A mirror that lags differs for a while: what nothing announces is looked at again until the deadline."""
        last: list[Judgement] = []

        def missing() -> str | None:
            self._rest(proxy)
            last[:] = [silent_divergence(evidence(proxy))]
            return None if last[0].verdict is Verdict.PASS else last[0].reason

        try:
            wait_until(missing, scaled(CATCH_UP_SECONDS), "the mirror", interval=POLL_SECONDS)
        except AssertionError:
            if not last:  # it never came to rest, so that there is nothing to judge
                raise
        settle(replace(last[0], reason=where + last[0].reason))

    def _rest(self, proxy: Proxied) -> None:
        if proxy.options.metrics:
            at_rest(proxy, LONG_REST_SECONDS)
