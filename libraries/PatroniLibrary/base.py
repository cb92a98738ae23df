"""What the keyword classes of this library share: the client of the running cluster, and waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from EnvironmentLibrary.context import record_time
from environments.system import Endpoint, cluster, running
from PatroniLibrary import replication
from PatroniLibrary.configuration import Changes
from PatroniLibrary.replication import Replication
from PatroniLibrary.rest import Member, PatroniApi, Topology
from runner import progress
from TemporalLibrary.core import wait_until

POLL_SECONDS = 0.1
ANSWER_SECONDS = 5.0


class Base:
    """State of the library."""

    def __init__(self) -> None:
        self.known: set[str] = set()  # members seen since the system started
        self.changes: Changes | None = None
        self._api: PatroniApi | None = None
        self._urls: tuple[str, ...] = ()

    def rest(self) -> PatroniApi:
        """Return the client of the running cluster, which remembers the addresses it learned."""
        urls = cluster().addresses.patroni
        if self._api is None or urls != self._urls:  # another system was started since
            self._api, self._urls, self.known, self.changes = PatroniApi(urls), urls, set(), None
        return self._api

    def view(self) -> Topology:
        """Ask who the members are now."""
        view = self.rest().topology()
        self.known.update(view.names)
        return view

    def every_address(self) -> tuple[Member, ...]:
        """Return the members of the cluster's view and, without a name, every other address that is known."""
        listed = self.view().members
        known = {member.api_url for member in listed}
        others = [url for url in self.rest().urls if url not in known]
        return (*listed, *(Member(url, "", "", url, "", 0) for url in others))

    def replication(self, view: Topology) -> Replication:
        """Ask the leader's PostgreSQL how it replicates."""
        addresses = cluster().addresses
        leader = view.leader
        return replication.ask(Endpoint(leader.host, leader.port), addresses.owner, addresses.database)

    def wait(self, missing: Callable[[], str | None], within: timedelta, what: str, kind: str = "waiting") -> None:
        """Wait for a condition, and note how long it took; the deadline is longer on slow machines."""
        deadline = within.total_seconds() * running().timeout_multiplier
        begin = time.monotonic()
        try:
            with progress.step(what, deadline):
                wait_until(missing, deadline, what, interval=POLL_SECONDS)
        finally:
            record_time(what, kind, time.monotonic() - begin)


def require_none(problems: list[str], of: str) -> None:
    """Raise an AssertionError that lists the problems, if there are any."""
    if problems:
        raise AssertionError(f"{len(problems)} problems with {of}: {'; '.join(problems)}")
