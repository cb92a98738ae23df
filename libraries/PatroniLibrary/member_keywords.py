"""Keywords for what the members say of themselves, and what the leader says of its replication."""

from __future__ import annotations

import time
from datetime import timedelta

import requests
from robot.api import logger
from robot.api.deco import keyword

from EnvironmentLibrary.context import record_value
from environments.system import Endpoint, cluster
from measurement.verdicts import Inconclusive
from PatroniLibrary import members, replication
from PatroniLibrary.base import ANSWER_SECONDS, POLL_SECONDS, Base, require_none
from PatroniLibrary.members import LeaderSamples, Status
from PatroniLibrary.replication import Replication
from PatroniLibrary.rest import Topology, reason
from PatroniLibrary.session import Session

MINIMUM_SAMPLES = 20


class Bytes(int):
    """A size, written as people do."""

    @classmethod
    def parse(cls, text: str) -> Bytes:
        """Read `1 MiB`, `16 KiB` or a plain number of bytes.

        Raises:
            ValueError: it is not of that form.
        """
        number, _, unit = text.partition(" ")
        factors = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
        if not number.isdigit() or unit not in factors:
            raise ValueError(f"'{text}' is not a size, expected such as '1 MiB'")
        return cls(int(number) * factors[unit])


class MemberKeywords(Base):
    """Each member is asked on its own address, each server on its own port."""

    @keyword(tags=["members"])
    def every_member_should_answer_on_its_own_address(self) -> None:
        """Ask each member of the cluster's view at the address that the view has for it.

        Raises:
            AssertionError: nobody answers there, or another member does; or a member is not listed at all.
        """
        view = self.view()
        told = zip(view.members, members.ask_all(view.members), strict=True)
        problems = [p for member, status in told if (p := members.address_problem(member, status))]
        expected = len(cluster().addresses.patroni)
        if len(view.members) < expected:
            problems.append(f"the cluster's view lists {len(view.members)} members, expected at least {expected}")
        require_none(problems, f"{len(view.members)} members")

    @keyword(tags=["members"])
    def health_checks_should_match_every_members_role(self) -> None:
        """Demand of each member that /health, /primary and /replica answer 200 or 503 as its role wants it."""
        view = self.view()
        problems: list[str] = []
        for member, status in zip(view.members, members.ask_all(view.members), strict=True):
            try:
                problems += members.check_problems(status, members.checks(member))
            except requests.RequestException as error:
                problems.append(f"{member.name}: {reason(error)}")
        require_none(problems, f"{len(view.members)} members")

    @keyword(tags=["members"])
    def every_members_view_should_name_the_same_leader(self) -> None:
        """Ask every member for its view of the cluster; all have to name the same single leader."""
        self.view()
        named: dict[str, str] = {}
        for url, view in self.rest().views().items():
            leaders = ", ".join(m.name for m in view.leaders) if isinstance(view, Topology) else reason(view)
            named[url] = leaders or "nobody"
        if len(set(named.values())) != 1:
            said = "; ".join(f"{url} names {leaders}" for url, leaders in named.items())
            raise AssertionError(f"expected one leader in the views of {len(named)} members: {said}")
        logger.info(f"{len(named)} members name {next(iter(named.values()))}")

    @keyword(tags=["members"])
    def exactly_one_member_should_lead_for(self, duration: timedelta) -> None:
        """Ask all members all the time, and count those that say they are a running primary.

        Asked are the members of the cluster's view and every other address the environment names: a member that does
        not belong to that cluster any more may still lead.

        Args:
            duration: how long to look; all are asked about every 100 ms.

        Raises:
            AssertionError: at some time there was none, or more than one.
            Inconclusive: a member did not answer, or there were fewer than 20 samples.
        """
        asked = self.every_address()
        rounds: list[tuple[float, tuple[Status, ...]]] = []
        begin = time.monotonic()
        while (seconds := time.monotonic() - begin) < duration.total_seconds():
            rounds.append((seconds, members.ask_all(asked)))
            time.sleep(max(0.0, begin + seconds + POLL_SECONDS - time.monotonic()))
        seen = LeaderSamples.of(rounds)
        if seen.wrong:
            raise AssertionError(
                f"expected exactly 1 leader in each of {seen.samples} samples, {len(seen.wrong)} had another number; "
                f"first: {seen.wrong[0]}"
            )
        if seen.silent:
            raise Inconclusive(
                f"a member did not answer in {len(seen.silent)} of {seen.samples} samples: {seen.silent[0]}"
            )
        if seen.samples < MINIMUM_SAMPLES:
            raise Inconclusive(f"{seen.samples} samples in {duration.total_seconds():g} s, {MINIMUM_SAMPLES} needed")
        logger.info(f"exactly 1 leader in each of {seen.samples} samples of {len(asked)} members")

    @keyword(tags=["members"])
    def replicas_should_be_present(self, number: int) -> None:
        """Count the members that are listed as replicas and themselves say that they are.

        Args:
            number: how many there have to be.
        """
        view = self.view()
        told = {status.member: status for status in members.ask_all(view.replicas)}
        confirmed = [m.name for m in view.replicas if not told[m.name].problem and told[m.name].role == "replica"]
        if len(confirmed) != number:
            raise AssertionError(f"expected {number} replicas, found {len(confirmed)}: {view}")

    @keyword(tags=["members"])
    def every_member_should_be_running_or_streaming(self) -> None:
        """Demand of each member that it is a running primary, or a running standby that streams."""
        view = self.view()
        require_none(members.unwell(members.ask_all(view.members)), f"{len(view.members)} members")

    @keyword(tags=["members"])
    def every_replica_should_be_in_recovery(self) -> None:
        """Ask each replica's PostgreSQL on its own port whether it is in recovery, as only a standby is."""
        addresses = cluster().addresses
        problems = []
        for member in self.view().replicas:
            session = Session(Endpoint(member.host, member.port), addresses.owner, addresses.database, "role check")
            try:
                session.open(ANSWER_SECONDS)
                if session.run("SELECT pg_is_in_recovery()", (), ANSWER_SECONDS) != [(True,)]:
                    problems.append(f"{member.name}'s PostgreSQL is not in recovery")
            except (ConnectionError, RuntimeError) as error:
                problems.append(f"{member.name}'s PostgreSQL does not answer: {error}")
            finally:
                session.close()
        require_none(problems, "the replicas")

    @keyword(tags=["members"])
    def every_member_should_be_on_the_leaders_timeline(self) -> None:
        """Demand that all members follow the same history of writes."""
        statuses = members.ask_all(self.view().members)
        timelines = {status.timeline for status in statuses}
        if len(timelines) != 1:
            said = ", ".join(f"{s.member} on {s.timeline}" for s in statuses)
            raise AssertionError(f"expected all members on one timeline: {said}")

    @keyword(tags=["replication"])
    def every_replica_should_stream_from_the_leader(self) -> None:
        """Demand that the leader's `pg_stat_replication` shows each replica in state `streaming`."""
        view = self.view()
        if not view.replicas:
            raise AssertionError(f"expected replicas that stream, there is none: {view}")
        require_none(self.replication(view).not_streaming(m.name for m in view.replicas), "the replicas")

    @keyword(tags=["replication"])
    def every_replicas_slot_should_be_in_use(self) -> None:
        """Demand that the leader has a replication slot for each replica, and that somebody uses it."""
        view = self.view()
        require_none(self.replication(view).unused_slots(m.name for m in view.replicas), "the slots")

    @keyword(tags=["replication"])
    def replicas_should_stay_within(self, size: Bytes, during: timedelta) -> None:
        """Watch how many bytes each replica's replay is behind the leader's own position.

        Args:
            size: how many bytes it has to stay below, such as `1 MiB`.
            during: how long to look, about every 100 ms.
        """
        view = self.view()
        samples: list[Replication] = []
        begin = time.monotonic()
        while time.monotonic() - begin < during.total_seconds():
            samples.append(self.replication(view))
            time.sleep(POLL_SECONDS)
        for member in view.replicas:
            lag = replication.greatest_lag(samples, member.name)
            if lag is None:
                raise AssertionError(f"{member.name} tells no position in any of {len(samples)} samples")
            record_value("replay behind the leader", lag / 2**20, "MiB")
            if lag >= size:
                raise AssertionError(
                    f"{member.name} was up to {lag} bytes behind, expected less than {size} ({len(samples)} samples)"
                )
            logger.info(f"{member.name} was at most {lag} bytes behind ({len(samples)} samples)")
