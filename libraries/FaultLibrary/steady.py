"""What a cluster lacks to be steady: every member well, one leader, its standbys streaming, clients led to it."""

from __future__ import annotations

from collections.abc import Collection

from environments.system import ClusterAddresses, Endpoint, System
from HAProxyLibrary import statistics
from PatroniLibrary import health, members, replication
from PatroniLibrary.rest import Topology

PRIMARY_PROXY = "primary"
REPLICA_PROXY = "replicas"


def patroni_of(system: System) -> tuple[str, ...]:
    """Where Patroni answers; nowhere for a system that has none."""
    return system.addresses.patroni if isinstance(system.addresses, ClusterAddresses) else ()


def cluster_unsteady(where: ClusterAddresses, view: Topology, expected: Collection[str]) -> str | None:
    """Say the first thing that is not as it should be; None when the cluster is steady.

    Each member is asked on its own address: the view of the cluster lists the dead as they were for a while.

    Args:
        where: the cluster.
        view: who its members are.
        expected: the members there have to be.
    """
    statuses = members.ask_all(view.members)
    leader = view.leaders[0] if len(view.leaders) == 1 else None
    try:
        primary = replication.ask(Endpoint(leader.host, leader.port), where.owner, where.database) if leader else None
        problem = health.missing(view, statuses, primary, expected)
        if problem is not None or leader is None:
            return problem or f"no single leader: {view}"
        return _misled(where, leader.name, {m.name for m in view.members} - {leader.name})
    except (ConnectionError, RuntimeError) as error:
        return str(error)


def _misled(where: ClusterAddresses, leader: str, standbys: Collection[str]) -> str | None:
    """Say where HAProxy leads clients elsewhere than to the leader, or not to all standbys."""
    if where.haproxy_statistics is None:
        return None
    table = statistics.read(where.haproxy_statistics)
    if table.up(PRIMARY_PROXY) != (leader,):
        return f"HAProxy leads writes to {table.up(PRIMARY_PROXY) or 'nobody'}, expected {leader}"
    if set(table.up(REPLICA_PROXY)) != set(standbys):
        return f"HAProxy leads reads to {table.up(REPLICA_PROXY) or 'nobody'}, expected {sorted(standbys)}"
    return None
