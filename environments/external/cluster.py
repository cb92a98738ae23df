"""A cluster that already runs, reached by the addresses of the environment file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing

import psycopg2
from robot.api.types import Secret

from environments.config import EnvironmentFile, resolved_secret
from environments.external.not_ours import NotOurs
from environments.system import (
    CitusAddresses,
    ClusterAddresses,
    Endpoint,
    Login,
    ServiceControl,
    ServiceFacts,
)


class ExternalCluster(NotOurs):
    """See `ClusterSystem`. It has no services to control and no links."""

    def __init__(self, environment: EnvironmentFile) -> None:
        cluster = environment.systems.cluster
        assert cluster is not None
        assert cluster.addresses is not None
        where = cluster.addresses
        superuser = None
        if where.superuser and where.superuser_password:
            superuser = Login(where.superuser, Secret(resolved_secret(where.superuser_password)))
        self.capabilities = cluster.declared
        self.vector = cluster.vector
        self.services: Mapping[str, ServiceControl] = {}
        self.links: Mapping[str, Endpoint] = {}
        self.addresses = ClusterAddresses(
            primary=Endpoint.parse(where.primary),
            replicas=Endpoint.parse(where.replicas),
            database=where.database,
            owner=Login(where.user, Secret(resolved_secret(where.password))),
            superuser=superuser,
            patroni=tuple(url.rstrip("/") for url in where.patroni),
            haproxy_statistics=where.haproxy_statistics,
            redis=Endpoint.parse(where.redis) if where.redis else None,
            redis_password=Secret(resolved_secret(where.redis_password)) if where.redis_password else None,
            cache=where.cache,
            citus=_citus(where.citus_coordinator),
        )
        self.facts: Sequence[ServiceFacts] = self._facts()

    def _facts(self) -> list[ServiceFacts]:
        where = self.addresses
        with closing(
            psycopg2.connect(
                host=where.primary.host,
                port=where.primary.port,
                dbname=where.database,
                user=where.owner.user,
                password=where.owner.password.value,
                connect_timeout=10,
            )
        ) as session:
            version = session.get_parameter_status("server_version") or "unknown"
        return [ServiceFacts("postgresql", "real", version, str(where.primary), "", "external")]


def _citus(coordinator: str | None) -> CitusAddresses | None:
    return CitusAddresses(Endpoint.parse(coordinator), ()) if coordinator else None
