"""Keywords for the clients of a run: started, waited for, stopped."""

from __future__ import annotations

import time
from datetime import timedelta

from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary.context import record_time, scaled
from environments.system import Endpoint, cluster
from LedgerLibrary.base import Base, in_seconds
from PatroniLibrary.rest import topology
from runner import progress
from TemporalLibrary.core import wait_until

READ_RATE = 20.0  # a second; enough to tell a second of silence from two
POLL_SECONDS = 0.05
FIRST_READ = timedelta(seconds=10)


class ClientKeywords(Base):
    """Writers, readers, the watch over all members, and one idle session."""

    @keyword(tags=["run"])
    def start_writing(self, rate: float) -> None:
        """Let clients insert rows through the primary port in the background, until `Stop Clients`.

        Args:
            rate: writes a second; they fall due whether or not earlier ones were answered.
        """
        addresses = cluster().addresses
        self.current().start_writing(addresses.primary, addresses.owner, addresses.database, rate)

    @keyword(tags=["run"])
    def start_reading_from_the_primary_port(self) -> None:
        """Let clients read through the primary port in the background, 20 times a second."""
        addresses = cluster().addresses
        self.current().start_reading(addresses.primary, addresses.owner, addresses.database, READ_RATE, "primary")
        self._await_readers()

    @keyword(tags=["run"])
    def start_reading_from_every_replica(self) -> None:
        """Let a client read on each replica's own port in the background, 20 times a second."""
        addresses, run = cluster().addresses, self.current()
        for replica in topology(addresses.patroni).replicas:
            endpoint = Endpoint(replica.host, replica.port)
            run.start_reading(endpoint, addresses.owner, addresses.database, READ_RATE, replica.name)
        self._await_readers()

    @keyword(tags=["run"])
    def start_watching_every_member(self) -> None:
        """Ask every member on its own PostgreSQL port, about every 100 ms, whether it accepts writes."""
        addresses = cluster().addresses
        self.current().start_watching(addresses.owner, addresses.database)

    @keyword(tags=["run"])
    def mark(self, label: str) -> None:
        """Name this instant, so that sentences and findings can refer to it."""
        self.current().mark(label)
        logger.info(f"{label}; so far {self.current().summary()}")

    @keyword(tags=["run"])
    def wait_for_acknowledged_writes(self, number: int, within: timedelta = timedelta(seconds=30)) -> None:
        """Wait until so many more writes have been acknowledged than were at the beginning.

        Args:
            number: how many.
            within: the deadline.
        """
        run = self.current()
        wanted = run.acked() + number

        def missing() -> str | None:
            left = wanted - run.acked()
            return f"{left} of {number} writes are not acknowledged yet ({run.summary()})" if left > 0 else None

        begin = time.monotonic()
        try:
            with progress.step("writes to be acknowledged", scaled(within)):
                wait_until(missing, scaled(within), f"{number} acknowledged writes", interval=POLL_SECONDS)
        finally:
            record_time("writes to be acknowledged", "measuring", time.monotonic() - begin)

    @keyword(tags=["run"])
    def no_write_should_be_acknowledged_for(self, duration: timedelta) -> None:
        """Watch the writers for a while and demand that none of them gets an acknowledgement.

        Args:
            duration: how long to watch. A write acknowledged in the first 50 ms had been answered before.
        """
        run = self.current()
        time.sleep(POLL_SECONDS)
        before, end = run.acked(), time.monotonic() + duration.total_seconds()
        while time.monotonic() < end:
            if (count := run.acked() - before) > 0:
                raise AssertionError(
                    f"expected no acknowledged write for {in_seconds(duration)}, got {count} ({run.summary()})"
                )
            time.sleep(POLL_SECONDS)
        record_time("writes to stay away", "measuring", duration.total_seconds())

    @keyword(tags=["run"])
    def stop_clients(self) -> None:
        """Stop writers, readers and the watch; nothing to do is fine."""
        if self.run is not None:
            self.run.stop()
            logger.info(self.run.summary())

    @keyword(tags=["run"])
    def read_what_survived(self) -> None:
        """End the run: read on the primary which of its rows are there, remove them, and judge it from here on."""
        addresses = cluster().addresses
        leader = topology(addresses.patroni).leader
        run = self.current()
        rows = run.read_what_survived(Endpoint(leader.host, leader.port), addresses.owner, addresses.database)
        self.evidence, self.run = run.evidence(), None
        run.close()
        logger.info(f"{rows} rows on {leader.name}; {run.summary()}")

    @keyword(tags=["run"])
    def end_the_run(self) -> None:
        """Stop everything and close the histories; belongs into the teardown."""
        run, self.run, self.evidence = self.run, None, None
        if run is not None:
            run.close()

    @keyword(tags=["run"])
    def hold_an_idle_session(self) -> None:
        """Open a session through the primary port and let it idle; when it is cut, the run has the mark for it."""
        addresses = cluster().addresses
        self.current().hold_idle_session(addresses.primary, addresses.owner, addresses.database)

    def _await_readers(self) -> None:
        wait_until(
            lambda: "a reader has no answer yet" if not self.current().every_reader_answered() else None,
            scaled(FIRST_READ),
            "every reader to be answered",
            interval=POLL_SECONDS,
        )
