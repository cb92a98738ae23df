"""What a cluster lacks to be steady: every member well, one leader, its standbys streaming, clients led to it."""

from __future__ import annotations

from collections.abc import Collection

from environments.system import ClusterSystem, Endpoint
from HAProxyLibrary import statistics
from PatroniLibrary import health, members, replication
from PatroniLibrary.rest import Topology

PRIMARY_PROXY = "primary"
REPLICA_PROXY = "replicas"


def cluster_unsteady(system: ClusterSystem, view: Topology, expected: Collection[str]) -> str | None:
    """Say the first thing that is not as it should be; None when the cluster is steady.

    Each member is asked on its own address: the view of the cluster lists the dead as they were for a while.

    Args:
        system: the cluster.
        view: who its members are.
        expected: the members there have to be.
    """
    statuses = members.ask_all(view.members)
    leader = view.leaders[0] if len(view.leaders) == 1 else None
    try:
        primary = (
            replication.ask(Endpoint(leader.host, leader.port), system.addresses.owner, system.addresses.database)
            if leader
            else None
        )
        problem = health.missing(view, statuses, primary, expected)
        if problem is not None or leader is None:
            return problem or f"no single leader: {view}"
        return _misled(system, leader.name, {m.name for m in view.members} - {leader.name})
    except (ConnectionError, RuntimeError) as error:
        return str(error)


def _misled(system: ClusterSystem, leader: str, standbys: Collection[str]) -> str | None:
    """Say where HAProxy leads clients elsewhere than to the leader, or not to all standbys."""
    if system.addresses.haproxy_statistics is None:
        return None
    table = statistics.read(system.addresses.haproxy_statistics)
    if table.up(PRIMARY_PROXY) != (leader,):
        return f"HAProxy leads writes to {table.up(PRIMARY_PROXY) or 'nobody'}, expected {leader}"
    if set(table.up(REPLICA_PROXY)) != set(standbys):
        return f"HAProxy leads reads to {table.up(REPLICA_PROXY) or 'nobody'}, expected {sorted(standbys)}"
    return None
