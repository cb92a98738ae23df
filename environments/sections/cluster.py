"""The parts of an environment file that describe the distributed PostgreSQL cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from environments.sections.base import Program, Section, Settings, SystemSection

CAPABILITIES: dict[str, str] = {
    "postgresql": "a primary port and a replica port of one PostgreSQL cluster",
    "vector": "the vector extension with an index access method",
    "patroni": "Patroni's REST API on every member",
    "haproxy": "HAProxy's statistics page",
    "redis": "a Redis server",
    "cache": "a cache client in front of Redis and the database",
    "citus": "a Citus coordinator with at least two workers",
}
"""What an environment may declare of the cluster, and what a criterion of it may need."""


class Patroni(Program):
    """Patroni's members and the timings that decide how long a failover may take (seconds)."""

    members: Annotated[int, Field(ge=1, le=7)] = 3
    ttl: Annotated[int, Field(ge=1)] = 20
    loop_wait: Annotated[int, Field(ge=1)] = 1
    retry_timeout: Annotated[int, Field(ge=1)] = 3
    synchronous_mode: bool = False
    failsafe_mode: bool = False
    primary_start_timeout: Annotated[int, Field(ge=0)] = 300
    maximum_lag_on_failover: Annotated[int, Field(ge=0)] = 1048576  # bytes
    member_settings: dict[str, Settings] = Field(default={})  # like `settings`, for one member alone, by its name


class Cache(Program):
    """The reference cache client that RC-07..17 put under test."""

    ttl: Annotated[float, Field(gt=0)] = 300.0  # seconds


class Citus(Program):
    """A coordinator and its workers; `path` is an installation of Citus (a directory with lib/ and share/)."""

    workers: Annotated[int, Field(ge=2, le=8)] = 2
    shard_count: Annotated[int, Field(ge=4, le=128)] = 32


class Vector(Section):
    """The vector extension by its names and words, so that another one (RuVector) can stand in pgvector's place."""

    extension: str = "vector"
    type: str = "vector"
    access_method: str = "hnsw"
    operator_class: str = "vector_cosine_ops"
    operator: str = "<=>"
    dimension_error: Annotated[str, Field(min_length=1)] = "384 dimensions"  # said of a vector that has not so many


class ClusterServices(Section):
    """The services the distributed PostgreSQL cluster is made of."""

    postgresql: Program = Program(version="18")
    etcd: Program = Program()
    patroni: Patroni = Patroni()
    haproxy: Program = Program()
    redis: Program = Program()
    cache: Cache = Cache()
    citus: Citus | None = None  # null: not there, and its criteria are skipped


class ClusterAddresses(Section):
    """How to reach a cluster that already runs (external driver only)."""

    primary: str  # host:port that leads to the primary
    replicas: str  # host:port that leads to the standbys
    haproxy_statistics: str | None = None  # URL of the statistics page
    patroni: list[str] = Field(default=[])  # REST addresses; one that answers is enough
    redis: str | None = None  # host:port
    cache: str | None = None  # URL of the cache client
    citus_coordinator: str | None = None  # host:port
    database: str = "acceptance"
    user: str
    password: str  # %{ENVIRONMENT_VARIABLE}
    superuser: str | None = None
    superuser_password: str | None = None  # %{ENVIRONMENT_VARIABLE}
    redis_password: str | None = None  # %{ENVIRONMENT_VARIABLE}


class Cluster(SystemSection):
    """The distributed PostgreSQL cluster: what it declares, and its services or its addresses."""

    services: ClusterServices = ClusterServices()
    addresses: ClusterAddresses | None = None
    vector: Vector = Vector()


def citus_overlay(cluster: Cluster, directory: Path) -> dict[str, Any]:
    """What to lay over an environment file to declare an installation of Citus.

    Args:
        cluster: of the file; its other capabilities stay.
        directory: that Citus is installed in.
    """
    capabilities = [*cluster.capabilities, *(["citus"] if "citus" not in cluster.capabilities else [])]
    services = {"citus": {"path": str(directory.expanduser().absolute())}}
    return {"systems": {"cluster": {"capabilities": capabilities, "services": services}}}
