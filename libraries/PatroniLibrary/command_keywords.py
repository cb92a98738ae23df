"""Keywords that wait for states of the cluster, and that ask for another one."""

from __future__ import annotations

import time
from datetime import timedelta

import requests
from robot.api import logger
from robot.api.deco import keyword

from PatroniLibrary import configuration, health, members
from PatroniLibrary.base import Base
from PatroniLibrary.configuration import Changes, Setting
from PatroniLibrary.rest import NoLeader, PatroniUnreachable, Refused

CONFIGURE_SECONDS = 30.0


class CommandKeywords(Base):
    """A command is followed by looking for its effect."""

    # -- states to wait for --------------------------------------------------------------------------------

    @keyword(tags=["waiting"])
    def wait_for_a_leader(self, within: timedelta = timedelta(seconds=30)) -> str:
        """Wait until the cluster's view names exactly one leader; nothing is demanded of the other members.

        Args:
            within: the deadline.

        Returns:
            The leader's name.
        """

        def missing() -> str | None:
            try:
                _ = self.view().leader
            except (NoLeader, PatroniUnreachable) as error:
                return str(error)
            return None

        self.wait(missing, within, "a leader")
        return self.view().leader.name

    @keyword(tags=["waiting"])
    def wait_for_a_healthy_cluster(self, within: timedelta = timedelta(seconds=60)) -> None:
        """Wait until every member is there, one leads, and all others stream from it on its timeline.

        Args:
            within: the deadline.
        """

        def missing() -> str | None:
            try:
                view = self.view()
                statuses = members.ask_all(view.members)
                primary = self.replication(view) if len(view.leaders) == 1 else None
            except (ConnectionError, RuntimeError) as error:
                return str(error)
            return health.missing(view, statuses, primary, self.known)

        self.wait(missing, within, "a healthy cluster")

    @keyword(tags=["waiting"])
    def wait_until_another_member_leads(self, than: str, within: timedelta) -> str:
        """Wait until the cluster's view names a leader other than this one.

        Args:
            than: the member that led.
            within: the deadline.

        Returns:
            The new leader's name.
        """

        def missing() -> str | None:
            try:
                leader = self.view().leader.name
            except (NoLeader, PatroniUnreachable) as error:
                return str(error)
            return f"{leader} still leads" if leader == than else None

        self.wait(missing, within, f"another leader than {than}")
        return self.view().leader.name

    @keyword(tags=["waiting"])
    def wait_until_member_streams(self, member: str, within: timedelta) -> None:
        """Wait until the leader's PostgreSQL shows a member streaming over its slot.

        Args:
            member: its name.
            within: the deadline.
        """

        def missing() -> str | None:
            try:
                problems = self.replication(self.view()).problems([member])
            except (ConnectionError, RuntimeError, NoLeader) as error:
                return str(error)
            return problems[0] if problems else None

        self.wait(missing, within, f"{member} to stream", kind="measuring")  # the number HA-16 is about

    @keyword(tags=["members"])
    def current_leader(self) -> str:
        """Return the name of the member that leads now."""
        return self.view().leader.name

    @keyword(tags=["members"])
    def log_cluster_state(self) -> None:
        """Write what every member says of itself, and the history of failovers, into the log; never fails."""
        try:
            view = self.view()
            logger.info(f"view of {view.asked}: {view}")
            logger.info("; ".join(map(str, members.ask_all(view.members))))
            logger.info(f"failovers: {self.rest().history()}")
        except (ConnectionError, RuntimeError) as error:
            logger.info(f"the cluster cannot tell its state: {error}")

    # -- commands ------------------------------------------------------------------------------------------

    @keyword(tags=["commands"])
    def hand_leadership_over(self) -> str:
        """Ask for a planned switchover to the best candidate and wait for Patroni's answer.

        In a synchronous mode the candidate is a synchronous standby, since Patroni accepts no other.

        Returns:
            The name of the member that led before.

        Raises:
            AssertionError: Patroni refused (412) or failed (503); with its answer.
        """
        view = self.view()
        leader = view.leader.name
        candidate = view.synchronous[0].name if view.synchronous else None
        begin = time.monotonic()
        try:
            answer = self.rest().switchover(leader, candidate)
        except Refused as refusal:
            raise AssertionError(f"{refusal} ({view})") from None
        logger.info(f"after {time.monotonic() - begin:.1f} s Patroni answered: {answer}")
        return leader

    @keyword(tags=["commands"])
    def configure_cluster(
        self,
        synchronous_mode: bool | None = None,
        synchronous_mode_strict: bool | None = None,
        failsafe_mode: bool | None = None,
        primary_start_timeout: int | None = None,
    ) -> None:
        """Change the dynamic configuration and wait until the change is in effect.

        `Restore Cluster Configuration` puts back what stood there before.

        Args:
            synchronous_mode: in effect when the leader's PostgreSQL waits for a standby, or for none any more.
            synchronous_mode_strict: whether writes wait when there is no standby at all.
            failsafe_mode: in effect when every member knows all others at `/failsafe`.
            primary_start_timeout: seconds a crashed PostgreSQL may take to start before another member takes over.
        """
        given: dict[str, Setting] = {
            "synchronous_mode": synchronous_mode,
            "synchronous_mode_strict": synchronous_mode_strict,
            "failsafe_mode": failsafe_mode,
            "primary_start_timeout": primary_start_timeout,
        }
        settings: dict[str, Setting] = {name: value for name, value in given.items() if value is not None}
        if self.changes is None:
            self.changes = Changes(self.rest())
        self._await_effect(settings, self.changes.apply(settings))

    @keyword(tags=["commands"])
    def restore_cluster_configuration(self) -> None:
        """Put back what `Configure Cluster` changed, and wait until that is in effect; nothing to do is fine."""
        if self.changes is None or not self.changes.pending:
            return
        settings, at = self.changes.undo()
        self._await_effect(settings, at)

    def _await_effect(self, settings: dict[str, Setting], at: float) -> None:
        standard = configuration.standard_names(self.rest().config())

        def missing() -> str | None:
            try:
                view = self.view()
                waiting = configuration.unread(members.ask_all(view.members), at)
                if waiting is None and "synchronous_mode" in settings:
                    primary = self.replication(view)
                    waiting = configuration.mode_missing(settings["synchronous_mode"], view, primary, standard)
                if waiting is None and settings.get("failsafe_mode"):
                    waiting = configuration.failsafe_missing(view)
            except (ConnectionError, RuntimeError, NoLeader, requests.RequestException) as error:
                return str(error)
            return waiting

        text = ", ".join(f"{name}: {value}" for name, value in settings.items())
        self.wait(missing, timedelta(seconds=CONFIGURE_SECONDS), f"the configuration ({text}) to be in effect")
