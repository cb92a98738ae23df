"""The distributed PostgreSQL cluster, embedded: what it is made of and the order it starts in."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib import metadata
from pathlib import Path

import psycopg2
from robot.api.types import Secret

from environments import schema
from environments.config import EnvironmentFile
from environments.embedded import kept, programs
from environments.embedded.cache import PROGRAM, Cache
from environments.embedded.citus import CitusServices
from environments.embedded.citus_installation import find_installation
from environments.embedded.etcd import Etcd
from environments.embedded.haproxy import HAProxy
from environments.embedded.links import LinkProxy
from environments.embedded.patroni import Member, MemberAddresses, Passwords
from environments.embedded.redis import Redis
from environments.embedded.system import EmbeddedSystem
from environments.errors import EnvironmentProblem
from environments.system import ClusterAddresses, Endpoint, LinkCondition, Login, ServiceControl, ServiceFacts

DATABASE = "acceptance"
OWNER = "acceptance"
CLIENT_LINKS = ("client-primary", "client-replicas", "client-redis", "cache-redis", "cache-database")


class EmbeddedCluster(EmbeddedSystem):
    """A Patroni cluster with etcd, HAProxy and Redis as child processes. See `ClusterSystem`."""

    def __init__(self, environment: EnvironmentFile, results: Path) -> None:
        cluster = environment.systems.cluster
        assert cluster is not None
        self.cluster = cluster
        self.capabilities = cluster.declared
        self.vector = cluster.vector
        self.facts: Sequence[ServiceFacts] = []
        self.found = find_programs(environment)
        self.superuser = Login("postgres", _password())
        self.owner = Login(OWNER, _password())
        super().__init__(environment, results)

    # -- composition ---------------------------------------------------------------------------------------

    def compose(self) -> None:
        """See `EmbeddedSystem.compose`."""
        services, found = self.cluster.services, self.found
        client, peer = self.endpoint(services.etcd.port), self.endpoint()
        self.etcd = Etcd(self.home("etcd"), found["etcd"], services.etcd, client, peer)
        self.link_proxy = LinkProxy(self.home("links"))
        names = [f"member{number}" for number in range(1, services.patroni.members + 1)]
        self.links: Mapping[str, Endpoint] = {
            name: self.endpoint() for name in (*CLIENT_LINKS, *(f"{name}-etcd" for name in names))
        }
        passwords = Passwords(self.superuser.password, _password())
        self.members = {name: self._member(name, passwords) for name in names}
        ports = (self.endpoint(services.haproxy.port), self.endpoint(), self.endpoint())
        backends = {name: (member.addresses.postgres, member.addresses.rest) for name, member in self.members.items()}
        self.haproxy = HAProxy(self.home("haproxy"), found["haproxy"], services.haproxy, ports, backends)
        endpoint = self.endpoint(services.redis.port)
        self.redis = Redis(self.home("redis"), found["redis"], services.redis, endpoint, _password())
        self.cache = Cache(
            self.home("cache"),
            services.cache,
            self.endpoint(services.cache.port),
            (self.links["cache-redis"], self.redis.password),
            (self.links["cache-database"], DATABASE, self.owner),
            self.environment.defects.cache if self.environment.defects else None,
        )
        self.citus = self._compose_citus() if services.citus is not None else None
        parts = [self.etcd, self.link_proxy, *self.members.values(), self.haproxy, self.redis, self.cache]
        self.services: Mapping[str, ServiceControl] = {
            part.name: part for part in (*parts, *(self.citus.nodes.values() if self.citus else ()))
        }
        self.addresses = self._addresses()

    def _member(self, name: str, passwords: Passwords) -> Member:
        addresses = MemberAddresses(self.endpoint(), self.endpoint(), self.links[f"{name}-etcd"])
        return Member(
            self.home(name),
            self.found["postgresql"],
            self.cluster.services,
            addresses,
            passwords,
        )

    def _compose_citus(self) -> CitusServices:
        settings = self.cluster.services.citus
        assert settings is not None
        return CitusServices(
            self.home,
            self.found["postgresql"],
            settings,
            [self.endpoint(settings.port), *(self.endpoint() for _ in range(settings.workers))],
            self.superuser,
            self.owner,
            self.vector,
        )

    def _addresses(self) -> ClusterAddresses:
        direct = {
            "client-primary": self.haproxy.primary,
            "client-replicas": self.haproxy.replicas,
            "client-redis": self.redis.endpoint,
        }
        for link in self._bad_links():  # a link that is bad from the start must be on the clients' way
            if link in direct:
                direct[link] = self.links[link]
        return ClusterAddresses(
            primary=direct["client-primary"],
            replicas=direct["client-replicas"],
            database=DATABASE,
            owner=self.owner,
            superuser=self.superuser,
            patroni=tuple(f"http://{member.addresses.rest}" for member in self.members.values()),
            haproxy_statistics=self.haproxy.statistics_url,
            redis=direct["client-redis"],
            redis_password=self.redis.password,
            cache=self.cache.url,
            citus=self.citus.addresses if self.citus else None,
        )

    def _bad_links(self) -> Mapping[str, LinkCondition]:
        return self.environment.defects.links if self.environment.defects else {}

    # -- life ----------------------------------------------------------------------------------------------

    def bring_up(self) -> None:
        """See `EmbeddedSystem.bring_up`."""
        for service in (self.etcd, self.link_proxy, self.haproxy, self.redis):
            service.start()
        self.ready(self.link_proxy)
        self._open_links()
        self.ready(self.etcd)  # a Patroni that finds no etcd looks again only after five seconds
        for member in self.members.values():
            member.start()
        with ThreadPoolExecutor() as pool:
            waits = [pool.submit(self.ready, service) for service in (*self.members.values(), self.redis)]
            if self.citus is not None:
                waits.append(pool.submit(self.citus.start, self.ready, DATABASE))
            self.wait(self._leader_missing, "a leader")
            self._provision()
            self.cache.start()
            for wait in waits:
                wait.result()
        self.ready(self.haproxy)
        self.ready(self.cache)
        self._tamper()
        self.facts = self._fingerprint()

    def _open_links(self) -> None:
        targets = {
            "client-primary": self.haproxy.primary,
            "client-replicas": self.haproxy.replicas,
            "client-redis": self.redis.endpoint,
            "cache-redis": self.redis.endpoint,
            "cache-database": self.haproxy.primary,
            **{f"{name}-etcd": self.etcd.client for name in self.members},
        }
        for link, target in targets.items():
            self.link_proxy.links.add(link, target, self.links[link])

    def _tamper(self) -> None:
        """Put the defects in force that the services were not configured with."""
        defects = self.environment.defects
        if defects is None:
            return
        with closing(self._connect(DATABASE)) as session, session.cursor() as cursor:
            session.autocommit = True
            for statement in defects.sql:
                cursor.execute(statement)
        if defects.patroni:
            self._leader.reconfigure(defects.patroni)
            self.wait(self._unread(time.time()), "the members to read their configuration")
        if self.citus is not None:
            self.citus.tamper(DATABASE, defects.coordinator_sql, defects.worker_sql)
        for link, condition in defects.links.items():
            self.set_link(link, condition)

    def _unread(self, since: float) -> Callable[[], str | None]:
        """Say which member has not been to the store in a full second after `since`, two rounds long."""
        second = int(since) + 1 + self.cluster.services.patroni.loop_wait

        def missing() -> str | None:
            for member in self.members.values():
                if int((member.status() or {}).get("dcs_last_seen", 0)) < second:
                    return f"{member.name} has not read its configuration again"
            return None

        return missing

    def _leader_missing(self) -> str | None:
        for member in self.members.values():
            status = member.status() or {}
            if status.get("role") == "primary" and status.get("state") == "running":
                self._leader = member
                return None
        return "no member is primary yet"

    def _provision(self) -> None:
        schema.provision(self._connect, DATABASE, OWNER, self.owner.password, self.vector)

    def _connect(self, database: str) -> psycopg2.extensions.connection:
        where = self._leader.addresses.postgres
        return psycopg2.connect(
            host=where.host,
            port=where.port,
            dbname=database,
            user=self.superuser.user,
            password=self.superuser.password.value,
            connect_timeout=10,
        )

    def keep(self, results: Path) -> str:
        """See `ClusterSystem.keep`."""
        keeper = self.keeper.detach()
        return kept.describe_cluster(self.addresses, self.capabilities, self.directory, keeper, results)

    # -- facts ---------------------------------------------------------------------------------------------

    def _fingerprint(self) -> list[ServiceFacts]:
        found, members = self.found, self.members.values()
        patroni_version = metadata.version("patroni")
        facts = [_facts("etcd", found["etcd"], str(self.etcd.client))]
        facts += [
            ServiceFacts(
                m.name,
                "real",
                f"Patroni {patroni_version}",
                str(m.addresses.rest),
                sys.executable,
                "Python package patroni",
            )
            for m in members
        ]
        cache = ServiceFacts("cache", "reference", "1.0", str(self.cache.endpoint), str(PROGRAM), "this repository")
        facts += [
            cache,
            _facts("postgresql", found["postgresql"], ", ".join(str(m.addresses.postgres) for m in members)),
            _facts("haproxy", found["haproxy"], str(self.haproxy.primary)),
            _facts("redis", found["redis"], str(self.redis.endpoint)),
        ]
        return facts + (self.citus.facts() if self.citus else [])


def find_programs(environment: EnvironmentFile) -> dict[str, programs.Found]:
    """Find every server program the cluster needs.

    Raises:
        EnvironmentProblem: one line for each that is missing or has the wrong version.
    """
    cluster = environment.systems.cluster
    assert cluster is not None
    found: dict[str, programs.Found] = {}
    problems: list[str] = []
    for source in (programs.POSTGRESQL, programs.ETCD, programs.HAPROXY, programs.REDIS):
        try:
            found[source.name] = programs.find(source, getattr(cluster.services, source.name))
        except EnvironmentProblem as problem:
            problems += problem.problems
    if cluster.services.citus is not None and "postgresql" in found:
        try:
            find_installation(cluster.services.citus, found["postgresql"])
        except EnvironmentProblem as problem:
            problems += problem.problems
    if problems:
        raise EnvironmentProblem(*problems)
    return found


def _facts(name: str, found: programs.Found, address: str) -> ServiceFacts:
    return ServiceFacts(name, "real", found.version, address, str(found.path), found.provider)


def _password() -> Secret:
    return Secret(secrets.token_urlsafe(18))
