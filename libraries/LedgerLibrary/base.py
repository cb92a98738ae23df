"""What the keyword classes of this library share: the run under way and the evidence of the last one."""

from __future__ import annotations

from datetime import timedelta

from EnvironmentLibrary.context import criterion, results
from environments.system import Endpoint, cluster
from LedgerLibrary.evidence import Evidence
from LedgerLibrary.run import Run
from PatroniLibrary.rest import topology


class Base:
    """State of the library."""

    def __init__(self) -> None:
        self.run: Run | None = None
        self.evidence: Evidence | None = None

    def current(self) -> Run:
        """Return the run under way; the first client of a test begins it."""
        if self.run is None:
            members = topology(cluster().addresses.patroni).members
            directory = results() / "histories"
            self.run = Run(directory, criterion(), {m.name: Endpoint(m.host, m.port) for m in members})
        return self.run

    def judged(self) -> Evidence:
        """Return the evidence of the last run.

        Raises:
            AssertionError: there is none yet.
        """
        if self.evidence is None:
            raise AssertionError("there is no run to judge; `Read What Survived` comes first")
        return self.evidence


def in_seconds(duration: timedelta) -> str:
    """Write a budget as the sentences do."""
    return f"{duration.total_seconds():g} s"
