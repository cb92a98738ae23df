"""Keywords of the metrics page, of Prometheus, and of the admin console."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta

import requests
from robot.api.deco import keyword

from EnvironmentLibrary.context import scaled
from EnvironmentLibrary.telling import say
from environments.system import pgdog
from LoadLibrary.measure import Measurement, measure_open_loop
from LoadLibrary.rate import Rate
from measurement.prometheus import fetch
from measurement.workers import Operation
from PgDogLibrary import dialect
from PgDogLibrary.amount import Amount
from PgDogLibrary.mirrors import differing
from PgDogLibrary.proxied import Proxied
from PgDogLibrary.rest import asked, at_rest, counted, page, read
from PgDogLibrary.scenarios import number_of
from PgDogLibrary.scrape import Scrape, faults, series
from TemporalLibrary.core import wait_until

PROMTOOL_SECONDS = 20
PROMETHEUS_SECONDS = 5
POLL_SECONDS = 0.2


class PageKeywords:
    """Three ways to the same numbers."""

    @keyword
    def metrics_page_should_be_well_formed(self, proxy: Proxied) -> None:
        """Hold the page against what scrapers demand: status, content type, HELP and TYPE of each family, counts."""
        answer = fetch(proxy.instance.metrics)
        if problems := faults(answer, dialect.is_count(pgdog().addresses.dialect)):
            raise AssertionError(f"{len(problems)} faults; {'; '.join(problems[:4])}")
        say(f"{len(Scrape.of(answer.body.decode()).samples)} samples in {len(answer.body)} bytes, well formed")

    @keyword
    def metrics_page_should_pass_the_check_of_promtool(self, proxy: Proxied) -> None:
        """Let `promtool check metrics` read the page, where this machine has it; its remarks on style are told."""
        program = shutil.which("promtool")
        if program is None:
            say("promtool is not on PATH")
            return
        body = fetch(proxy.instance.metrics).body
        done = subprocess.run(
            [program, "check", "metrics"], input=body, capture_output=True, timeout=PROMTOOL_SECONDS, check=False
        )
        remarks = done.stderr.decode().strip().splitlines()
        if done.returncode == 1:  # 3 are remarks on style: names, HELP texts
            raise AssertionError(f"promtool refuses the page: {'; '.join(remarks[:3])}")
        say(f"promtool accepts the page with {len(remarks)} remarks on style" + (f": {remarks[0]}" if remarks else ""))

    @keyword
    def metrics_page_should_follow_the_traffic(self, proxy: Proxied, queries: int, within: timedelta) -> None:
        """Scrape before, while and after a client asks: each page is well formed, and numbers rise with the queries.

        Args:
            proxy: to ask through.
            queries: one transaction each.
            within: after the last of them the page must show all.
        """
        before = number_of(at_rest(proxy).total, "attempted")
        check = dialect.is_count(pgdog().addresses.dialect)
        with proxy.client() as client:
            for number in range(queries):
                client.ask()
                if number % 10 == 0 and (problems := faults(fetch(proxy.instance.metrics), check)):
                    raise AssertionError(f"after {number + 1} queries: {problems[0]}")
        wanted = before + queries

        def missing() -> str | None:
            was = number_of(counted(proxy).total, "attempted")
            return None if was == wanted else f"attempted: expected {wanted}, the page shows {was}"

        took = wait_until(missing, scaled(within), "the page", interval=POLL_SECONDS)
        say(f"all of {queries} queries on the page after {took:.2f} s")

    @keyword
    def metrics_page_should_not_have_the_mirror_family(self, proxy: Proxied) -> None:
        """Demand that nothing of mirroring is on the page, that the rest is, and that it is well formed."""
        now = page(proxy.instance)
        if dialect.is_shown(now, pgdog().addresses.dialect):
            raise AssertionError("the family of the mirror is on the page although metrics are switched off")
        if not now.samples:
            raise AssertionError("nothing is on the page, expected its other families")
        self.metrics_page_should_be_well_formed(proxy)

    @keyword
    def prometheus_should_have_the_scraped_values(self, proxy: Proxied, within: timedelta) -> None:
        """Wait until Prometheus has, for each series of mirroring, the value that the page shows.

        Args:
            proxy: that Prometheus scrapes; nothing may go through it meanwhile.
            within: the deadline; the environment's `timeout_multiplier` lengthens it.
        """
        at_rest(proxy)
        check = dialect.is_count(pgdog().addresses.dialect)
        wanted = {
            series(s.name, dict(sorted(s.labels.items()))): s.value for s in page(proxy.instance).samples if check(s)
        }

        def missing() -> str | None:
            found = _in_prometheus({name.partition("{")[0] for name in wanted})
            different = [name for name, value in wanted.items() if found.get(name) != value]
            if not different:
                return None
            name = different[0]
            return f"{len(different)} of {len(wanted)} differ; {name} is {wanted[name]:g}, there {found.get(name)}"

        took = wait_until(missing, scaled(within), "Prometheus", interval=POLL_SECONDS)
        say(f"{len(wanted)} series are the same in Prometheus after {took:.1f} s")

    @keyword
    def admin_console_should_tell_what_the_metrics_page_tells(self, proxy: Proxied) -> None:
        """Demand the same numbers from `SHOW MIRRORS` as from the page, of each database and user."""
        at_rest(proxy)
        answer = asked(proxy.instance, "SHOW MIRRORS")
        problems = differing(page(proxy.instance), answer, pgdog().addresses.dialect)
        if problems:
            raise AssertionError(f"{len(problems)} numbers differ; {'; '.join(problems[:3])}")

    @keyword
    def the_metrics_page_is_scraped(
        self, proxy: Proxied, rate: Rate, duration: timedelta, p99: timedelta
    ) -> Measurement:
        """Scrape the page in an open loop; each page must have all databases.

        Args:
            proxy: under load.
            rate: such as `20/s`.
            duration: how long.
            p99: the budget.
        """
        url = proxy.instance.metrics

        def scraper(_: int) -> Operation:
            session = requests.Session()

            def once(_number: int) -> None:
                answer = session.get(url, timeout=PROMETHEUS_SECONDS)
                assert answer.status_code == 200, f"status {answer.status_code}"

            return once

        return measure_open_loop(
            "metrics page",
            scraper,
            rate.per_second,
            duration,
            4,
            budget_p99_seconds=p99.total_seconds(),
        )

    @keyword
    def page_should_have_had_all_databases(self, proxy: Proxied, number: Amount) -> None:
        """Demand that the page has numbers of so many databases, and that something was mirrored of each."""
        now = read(proxy.instance)
        idle = [name for name, tally in now.databases.items() if not number_of(tally, "mirrored")]
        if len(now.databases) != number or idle:
            raise AssertionError(f"{len(now.databases)} databases are on the page, expected {number}; idle are {idle}")
        say(f"{number} databases in {len(page(proxy.instance).answer.body)} bytes")


def _in_prometheus(names: set[str]) -> dict[str, float]:
    """The newest value of each series of these names, written as a page writes it."""
    base, found = pgdog().addresses.prometheus, {}
    for name in names:
        answer = requests.get(f"{base}/api/v1/query", params={"query": name}, timeout=PROMETHEUS_SECONDS)
        for one in answer.json()["data"]["result"]:
            labels = {key: value for key, value in one["metric"].items() if key not in ("__name__", "instance", "job")}
            found[series(name, dict(sorted(labels.items())))] = float(one["value"][1])
    return found
