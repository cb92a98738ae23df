"""The keyword class of HAProxyLibrary."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from robot.api import logger
from robot.api.deco import keyword, library

from EnvironmentLibrary.context import record_time, record_value
from environments.system import cluster, running
from HAProxyLibrary import ports, statistics
from HAProxyLibrary.ports import READ_ONLY, Answer, Port
from HAProxyLibrary.statistics import NoStatistics, Statistics
from PatroniLibrary.rest import Topology, topology
from PatroniLibrary.session import Refused
from TemporalLibrary.core import wait_until

POLL_SECONDS = 0.1


@library(scope="GLOBAL", auto_keywords=False, doc_format="MARKDOWN")
class HAProxyLibrary:
    """Where HAProxy sends connections: by its statistics, and by who answers on its ports.

    Args:
        primary: the proxy that leads to the primary, by its name in the statistics.
        replicas: the proxy that leads to the standbys.
    """

    def __init__(self, primary: str = "primary", replicas: str = "replicas") -> None:
        self._primary, self._replicas = primary, replicas
        self._wrote = False

    # -- statistics ----------------------------------------------------------------------------------------

    @keyword(tags=["statistics"])
    def leader_should_be_the_only_primary_up(self) -> None:
        """Demand that the statistics show exactly one server of the primary's proxy UP, and that it leads.

        A server that nobody checks does not count as UP.
        """
        leader, seen = _topology().leader.name, self._statistics()
        if seen.up(self._primary) != (leader,):
            raise AssertionError(
                f"expected {leader} alone UP in '{self._primary}', {len(seen.up(self._primary))} servers are: "
                f"{seen.describe(self._primary)}"
            )
        logger.info(seen.describe(self._primary))

    @keyword(tags=["statistics"])
    def every_replica_should_be_up(self) -> None:
        """Demand that the statistics show exactly the replicas UP in their proxy."""
        replicas, seen = sorted(m.name for m in _topology().replicas), self._statistics()
        if sorted(seen.up(self._replicas)) != replicas:
            raise AssertionError(
                f"expected {', '.join(replicas)} UP in '{self._replicas}': {seen.describe(self._replicas)}"
            )

    @keyword(tags=["statistics"])
    def no_session_should_be_left_off_the_leader(self) -> None:
        """Demand that no connection of the primary's proxy is open to any server but the leader."""
        leader, seen = _topology().leader.name, self._statistics()
        left = sum(server.sessions for server in seen.of(self._primary) if server.name != leader)
        if left:
            raise AssertionError(f"{left} sessions are not on the leader {leader}: {seen.describe(self._primary)}")

    @keyword(tags=["statistics"])
    def wait_until_haproxy_follows(self, within: timedelta = timedelta(seconds=15)) -> None:
        """Wait until the statistics show the leader alone as primary, and all replicas, UP.

        Args:
            within: the deadline.
        """

        def missing() -> str | None:
            try:
                view, seen = _topology(), self._statistics()
                leaders = tuple(m.name for m in view.leaders)
            except (ConnectionError, LookupError) as error:
                return str(error)
            if seen.up(self._primary) != leaders or len(leaders) != 1:
                return f"the leader is {leaders or 'nobody'}, HAProxy has {seen.describe(self._primary)}"
            if sorted(seen.up(self._replicas)) != sorted(m.name for m in view.replicas):
                return f"not exactly the replicas are UP: {seen.describe(self._replicas)}"
            return None

        self._wait(missing, within, "HAProxy to follow the leader")

    # -- ports ---------------------------------------------------------------------------------------------

    @keyword(tags=["ports"])
    def write_through_the_primary_port(self) -> int:
        """Insert a row through the primary port, on the leader, and see it there.

        Returns:
            The row's id, for the replica port.

        Raises:
            AssertionError: the write is refused, reaches another server than the leader, or cannot be read back.
        """
        port = _port("primary")
        leader = _topology().leader
        self._wrote = True
        try:
            row, server = port.write()
        except (Refused, ConnectionError) as error:
            raise AssertionError(f"the primary port does not take a write: {error}") from None
        if server != leader.port:
            raise AssertionError(f"the write reached port {server}, the leader {leader.name} is on {leader.port}")
        answer = port.read(row)
        if answer is None or answer.is_standby:
            raise AssertionError(f"row {row} was acknowledged, but reading it on the primary port gives {answer}")
        return row

    @keyword(tags=["ports"])
    def row_should_be_read_through_the_replica_port(self, row: int, within: timedelta) -> None:
        """Demand that a row is read from a standby, through the replica port.

        Args:
            row: its id.
            within: the deadline.
        """
        port = _port("replicas")

        def missing() -> str | None:
            try:
                answer = port.read(row)
            except (ConnectionError, RuntimeError) as error:
                return str(error)
            if answer is None:
                return f"row {row} is not there yet"
            return None if answer.is_standby else f"port {answer.port} answered, which is no standby"

        record_value("row on the replica port", self._wait(missing, within, f"row {row} on the replica port"), "s")

    @keyword(tags=["ports"])
    def every_connection_to_the_replica_port_should_reach_a_standby(self, connections: int) -> None:
        """Open connections one after the other and ask each server who it is.

        Args:
            connections: how many; each standby has to get at least one of them.
        """
        view = _topology()
        answers = _ask("replicas", connections)
        problem = ports.wrong_answers(answers, _members(view), [m.name for m in view.replicas])
        if problem:
            raise AssertionError(f"replica port: {problem}")
        if primaries := sum(not answer.is_standby for answer in answers):
            raise AssertionError(f"replica port: {primaries} of {connections} connections reached a primary")

    @keyword(tags=["ports"])
    def replica_port_should_refuse_writes(self) -> None:
        """Demand that a write through the replica port is refused as read-only (SQLSTATE 25006)."""
        self._wrote = True  # in case it is not refused
        sqlstate = ports.refusal(_port("replicas").write)
        if sqlstate != READ_ONLY:
            raise AssertionError(
                f"expected a write on the replica port to be refused with {READ_ONLY}, got {sqlstate!r}"
            )

    @keyword(tags=["ports"])
    def new_connections_should_reach_the_leader(self, connections: int = 10) -> None:
        """Demand that every new connection to the primary port reaches the leader, which is no standby.

        Args:
            connections: how many are opened, one after the other.
        """
        view = _topology()
        answers = _ask("primary", connections)
        problem = ports.wrong_answers(answers, _members(view), [view.leader.name])
        if problem:
            raise AssertionError(f"primary port: {problem}")
        if standbys := sum(answer.is_standby for answer in answers):
            raise AssertionError(f"primary port: {standbys} of {connections} connections reached a standby")

    @keyword(tags=["ports"])
    def remove_rows_of_port_checks(self) -> None:
        """Remove the rows that `Write Through The Primary Port` made; belongs into the teardown."""
        wrote, self._wrote = self._wrote, False
        if wrote:
            _port("primary").sweep()

    # -- inside --------------------------------------------------------------------------------------------

    def _statistics(self) -> Statistics:
        url = cluster().addresses.haproxy_statistics
        if url is None:
            raise NoStatistics("the environment names no statistics page of HAProxy")
        return statistics.read(url)

    def _wait(self, missing: Callable[[], str | None], within: timedelta, what: str) -> float:
        begin = time.monotonic()
        try:
            return wait_until(
                missing, within.total_seconds() * running().timeout_multiplier, what, interval=POLL_SECONDS
            )
        finally:
            record_time(what, "waiting", time.monotonic() - begin)


def _topology() -> Topology:
    return topology(cluster().addresses.patroni)


def _members(view: Topology) -> dict[int, str]:
    return {member.port: member.name for member in view.members}


def _port(name: str) -> Port:
    addresses = cluster().addresses
    endpoint = addresses.primary if name == "primary" else addresses.replicas
    return Port(endpoint, addresses.owner, addresses.database)


def _ask(name: str, connections: int) -> list[Answer]:
    port = _port(name)
    try:
        return [port.who() for _ in range(connections)]
    except ConnectionError as error:
        raise AssertionError(f"{name} port: {error}") from None
