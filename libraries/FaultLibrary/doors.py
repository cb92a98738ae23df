"""Where a client meets each service and link of a system, so that it can see for itself how they are."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from environments.system import BrokerAddresses, ClusterAddresses, Endpoint, System
from FaultLibrary.observers import Door, Outcome, Protocol
from PatroniLibrary.rest import Member

HEALTHY_PATIENCE = 3.0  # seconds that a healthy service may need to answer on a busy machine

_ADDRESS = re.compile(r"([\w.-]+):(\d+)")
_SERVICE_PROTOCOLS = {
    "etcd": Protocol.HTTP,
    "redis": Protocol.REDIS,
    "cache": Protocol.HTTP,
    "postgresql": Protocol.POSTGRESQL,
    "primary": Protocol.POSTGRESQL,
    "mirror": Protocol.POSTGRESQL,
    "proxy": Protocol.POSTGRESQL,
    "prometheus": Protocol.HTTP,
    "gateway": Protocol.HTTP,
    "identity": Protocol.HTTP,
    "clickhouse": Protocol.HTTP,
    "search": Protocol.HTTP,
    "observer-clickhouse": Protocol.HTTP,
    "observer-search": Protocol.HTTP,
    "nats": Protocol.NATS,
    "pgbouncer": Protocol.POSTGRESQL,
}
_LINK_PROTOCOLS = {
    "redis": Protocol.REDIS,
    "etcd": Protocol.HTTP,
    "primary": Protocol.POSTGRESQL,
    "replicas": Protocol.POSTGRESQL,
    "database": Protocol.POSTGRESQL,
    "mirror": Protocol.POSTGRESQL,
    "proxy": Protocol.POSTGRESQL,
    "broker": Protocol.MYCELIUM,
    "http": Protocol.HTTP,
    "clickhouse": Protocol.HTTP,
    "search": Protocol.HTTP,
    "flight": Protocol.GRPC,
    "nats": Protocol.NATS,
}


def of_member(member: Member) -> dict[str, Door]:
    """The two doors of a member, by the part that answers: its PostgreSQL and its Patroni."""
    rest = urlsplit(member.api_url)
    return {
        "postmaster": Door(Protocol.POSTGRESQL, Endpoint(member.host, member.port)),
        "patroni": Door(Protocol.HTTP, Endpoint(rest.hostname or member.host, rest.port or 8008)),
    }


def of_service(system: System, name: str) -> tuple[Door, ...]:
    """The door of a service that is no member; none when the environment does not tell its address."""
    addresses = system.addresses
    if isinstance(addresses, BrokerAddresses):
        return (Door(Protocol.MYCELIUM, addresses.socket),) if name == "broker" else ()
    if name == "haproxy" and isinstance(addresses, ClusterAddresses) and addresses.haproxy_statistics:
        where = urlsplit(addresses.haproxy_statistics)
        return (Door(Protocol.HTTP, Endpoint(where.hostname or "", where.port or 80)),)
    for facts in system.facts:
        if facts.name == name and (address := _ADDRESS.search(facts.address)):
            protocol = Protocol.POSTGRESQL if name.startswith("citus") else _SERVICE_PROTOCOLS.get(name, Protocol.TCP)
            return (Door(protocol, Endpoint(address[1], int(address[2]))),)
    return ()


def of_link(system: System, name: str) -> Door:
    """The door at the near end of a link; the name of a link ends with what it leads to."""
    protocol = _LINK_PROTOCOLS.get(name.rpartition("-")[2], Protocol.TCP)
    return Door(protocol, system.links[name])


def not_answering(doors: tuple[Door, ...]) -> str | None:
    """The first door behind which nobody answers; None when all do."""
    for door in doors:
        seen = door.knock(HEALTHY_PATIENCE)
        if seen.outcome is not Outcome.ANSWERS:
            return f"{door} {seen.outcome}"
    return None
