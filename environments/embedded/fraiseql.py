"""FraiseQL, embedded: a gateway, observers, and the services that they stand between."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from robot.api.types import Secret

from environments import fraiseql
from environments.config import EnvironmentFile
from environments.embedded import clickhouse, kept, opensearch, programs, vendor
from environments.embedded import gateway as gateways
from environments.embedded import identity as issuers
from environments.embedded import observers as sinks
from environments.embedded.clickhouse import ClickHouse
from environments.embedded.gateway import Behind, Gateway, GatewaySecrets
from environments.embedded.identity import Issuer
from environments.embedded.links import LinkProxy
from environments.embedded.nats import Nats
from environments.embedded.observers import Observer
from environments.embedded.opensearch import OpenSearch
from environments.embedded.postgresql import PostgreSQL
from environments.embedded.processes import EmbeddedService
from environments.embedded.redis import Redis
from environments.embedded.system import EmbeddedSystem
from environments.embedded.vendor import VendorPrograms
from environments.embedded.vendor_gateway import VendorGateway
from environments.errors import EnvironmentProblem
from environments.sections.fraiseql import Fraiseql, FraiseqlServices
from environments.system import (
    ClickHouseAddress,
    Endpoint,
    FraiseqlAddresses,
    LinkCondition,
    Login,
    SearchAddress,
    ServiceControl,
    ServiceFacts,
)

DATABASE = "fraiseql"
OWNER = "acceptance"
SINKS = ("clickhouse", "search")


class EmbeddedFraiseql(EmbeddedSystem):
    """See `FraiseqlSystem`."""

    def __init__(self, environment: EnvironmentFile, results: Path) -> None:
        section = environment.systems.fraiseql
        assert section is not None
        self.section: Fraiseql = section
        self.capabilities = section.declared
        self.facts: Sequence[ServiceFacts] = []
        self.search_program = opensearch.prepare(section.services.search)
        self.found = {**find_programs(section.services), "search": self.search_program}
        self.vendor = vendor.prepare(section.services.gateway) if section.services.gateway.vendor else None
        self.owner = Login(OWNER, _secret())
        self.gateway_secrets = GatewaySecrets(_secret(), _secret())
        super().__init__(environment, results)

    # -- composition ---------------------------------------------------------------------------------------

    def compose(self) -> None:
        """See `EmbeddedSystem.compose`."""
        services, found = self.section.services, self.found
        self.link_proxy = LinkProxy(self.home("links"))
        self.postgresql = PostgreSQL(
            self.home("postgresql"),
            found["postgresql"],
            services.postgresql.settings,
            self.endpoint(services.postgresql.port),
            Login("postgres", _secret()),
        )
        self.nats = Nats(
            self.home("nats"),
            found["nats"],
            services.nats.settings,
            self.endpoint(services.nats.port),
            self.endpoint(),
            Login("acceptance", _secret()),
        )
        redis = self.endpoint(services.redis.port)
        self.redis = Redis(self.home("redis"), found["redis"], services.redis, redis, _secret())
        self.clickhouse = ClickHouse(
            self.home("clickhouse"),
            found["clickhouse"],
            services.clickhouse.settings,
            self.endpoint(services.clickhouse.port),
            Login("default", _secret()),
        )
        self.search = OpenSearch(
            self.home("search"),
            self.search_program,
            services.search.settings,
            services.search.heap,
            self.endpoint(services.search.port),
            self.endpoint(),
        )
        self.issuer = Issuer(self.home("identity"), self.endpoint())
        self._compose_links()
        self.gateway = self._gateway()
        self.observers = {sink: self._observer(sink) for sink in SINKS}
        parts: list[EmbeddedService] = [*self._servers(), self.gateway, *self.observers.values()]
        self.services: Mapping[str, ServiceControl] = {part.name: part for part in parts}
        self.addresses = self._addresses()

    def _servers(self) -> list[EmbeddedService]:
        return [self.postgresql, self.nats, self.redis, self.clickhouse, self.search, self.issuer, self.link_proxy]

    def _compose_links(self) -> None:
        self.http = self.endpoint(self.section.services.gateway.port)
        self.flight = self.endpoint(self.section.services.gateway.flight_port)
        self.link_targets = {
            "client-http": self.http,
            "client-flight": self.flight,
            "publisher-nats": self.nats.client,
            "gateway-redis": self.redis.endpoint,
            "observers-nats": self.nats.client,
            "observers-clickhouse": self.clickhouse.endpoint,
            "observers-search": self.search.http,
        }
        self.links: Mapping[str, Endpoint] = {name: self.endpoint() for name in self.link_targets}

    def _gateway(self) -> Gateway | VendorGateway:
        behind = Behind(
            self.postgresql.endpoint,
            DATABASE,
            self.owner,
            self.issuer,
            (self.links["gateway-redis"], self.redis.password),
            self._clickhouse_at(self.clickhouse.endpoint),
        )
        home, endpoints = self.home("gateway"), (self.http, self.flight)
        if self.vendor is not None:
            return VendorGateway(home, self.vendor, endpoints, self.gateway_secrets, behind)
        defect = self.environment.defects.gateway if self.environment.defects else None
        return Gateway(home, self.section.services.gateway, endpoints, self.gateway_secrets, behind, defect)

    def _observer(self, sink: str) -> Observer:
        nats = self.nats.url.replace(str(self.nats.client), str(self.links["observers-nats"]))
        places = (
            nats,
            self._clickhouse_at(self.links["observers-clickhouse"]) if sink == "clickhouse" else None,
            self._search_at(self.links["observers-search"]) if sink == "search" else None,
        )
        defect = self.environment.defects.observers if self.environment.defects else None
        return Observer(
            self.home(f"observer-{sink}"), sink, self.section.services.observers, self.endpoint(), places, defect
        )

    def _clickhouse_at(self, endpoint: Endpoint) -> ClickHouseAddress:
        return ClickHouseAddress(f"http://{endpoint}", self.clickhouse.login, "default", fraiseql.EVENTS_TABLE)

    def _search_at(self, endpoint: Endpoint) -> SearchAddress:
        return SearchAddress(f"http://{endpoint}", fraiseql.INDEX_PREFIX)

    def _addresses(self) -> FraiseqlAddresses:
        on_the_way = {name: self.links[name] for name in self._bad_links()}
        http = on_the_way.get("client-http", self.http)
        flight = on_the_way.get("client-flight", self.flight)
        return FraiseqlAddresses(
            http=f"http://{http}",
            flight=f"grpc://{flight}",
            session_secret=self.gateway_secrets.session,
            metrics_token=self.gateway_secrets.metrics,
            identity=self.issuer.identity,
            database=self.postgresql.endpoint,
            database_name=DATABASE,
            owner=self.owner,
            views=fraiseql.VIEWS,
            upload_table=fraiseql.UPLOAD_TABLE,
            stream=fraiseql.STREAM,
            subject=fraiseql.SUBJECT,
            nats=self.nats.url,
            clickhouse=self._clickhouse_at(self.clickhouse.endpoint),
            search=self._search_at(self.search.http),
            redis=self.redis.endpoint,
            redis_password=self.redis.password,
            observers={sink: observer.metrics_url for sink, observer in self.observers.items()},
        )

    def _bad_links(self) -> Mapping[str, LinkCondition]:
        return self.environment.defects.links if self.environment.defects else {}

    # -- life ----------------------------------------------------------------------------------------------

    def bring_up(self) -> None:
        """See `EmbeddedSystem.bring_up`."""
        self.search.start()  # it takes the longest
        servers = self._servers()
        with ThreadPoolExecutor(max_workers=len(servers) + 1) as pool:
            waits = [pool.submit(self._begin, server) for server in servers]
            waits.append(pool.submit(self._begin_gateway))
            for wait in waits:
                wait.result()
        for observer in self.observers.values():
            observer.start()
        for observer in self.observers.values():
            self.ready(observer)
        for link, condition in self._bad_links().items():
            self.set_link(link, condition)
        self.facts = self._fingerprint()

    def _begin(self, server: EmbeddedService) -> None:
        """Start one server, and put into it what it needs before anyone uses it."""
        if server is not self.search:
            server.start()
        self.ready(server)
        if server is self.link_proxy:
            for link, target in self.link_targets.items():
                self.link_proxy.links.add(link, target, self.links[link])
        elif server is self.clickhouse:
            fraiseql.provision_clickhouse(self._clickhouse_at(self.clickhouse.endpoint))
        elif server is self.search:
            fraiseql.provision_search(self._search_at(self.search.http))

    def _begin_gateway(self) -> None:
        self.ready(self.postgresql)
        fraiseql.provision_database(self.postgresql.connect, DATABASE, self.owner)
        self._tamper()
        if isinstance(self.gateway, VendorGateway):
            self.gateway.provision()
        self.gateway.start()
        self.ready(self.gateway)

    def _tamper(self) -> None:
        """Put the defects of the database in force."""
        with closing(self.postgresql.connect(DATABASE)) as session, session.cursor() as cursor:
            for statement in self.environment.defects.sql if self.environment.defects else ():
                cursor.execute(statement)

    def keep(self, results: Path) -> str:
        """See `System.keep`."""
        keeper = self.keeper.detach()
        processes = {name: pid for name, part in self.services.items() for pid in part.roots()[:1]}
        return kept.describe_fraiseql(self.addresses, self.capabilities, processes, self.directory, keeper, results)

    # -- facts ---------------------------------------------------------------------------------------------

    def _fingerprint(self) -> list[ServiceFacts]:
        addresses = {
            "postgresql": self.postgresql.endpoint,
            "nats": self.nats.client,
            "redis": self.redis.endpoint,
            "clickhouse": self.clickhouse.endpoint,
            "search": self.search.http,
        }
        facts = [
            ServiceFacts(name, found.kind, found.version, str(addresses[name]), str(found.path), found.provider)
            for name, found in self.found.items()
        ]
        facts.append(_of_ours("identity", self.issuer.endpoint, issuers.PROGRAM))
        if self.vendor is not None:
            facts.append(self._vendor_facts(self.vendor))
        else:
            facts.append(_of_ours("gateway", self.http, gateways.PROGRAM))
        facts += [_of_ours(o.name, o.metrics, sinks.PROGRAM) for o in self.observers.values()]
        return facts

    def _vendor_facts(self, found: VendorPrograms) -> ServiceFacts:
        return ServiceFacts("gateway", "real", found.version, str(self.http), str(found.server), found.provider)


def fetch(services: FraiseqlServices) -> None:
    """Get what this machine does not have yet over the network, once for its user; that may take minutes.

    Raises:
        EnvironmentProblem: one line: what cannot be had, and the cure.
    """
    opensearch.prepare(services.search)
    if services.gateway.vendor:
        vendor.prepare(services.gateway)


def find_programs(services: FraiseqlServices) -> dict[str, programs.Found]:
    """Find the server programs that FraiseQL needs and that need not be fetched.

    Raises:
        EnvironmentProblem: one line for each that is missing or has the wrong version.
    """
    found: dict[str, programs.Found] = {}
    problems: list[str] = []
    ways: dict[str, Callable[[], programs.Found]] = {
        "postgresql": lambda: programs.find(programs.POSTGRESQL, services.postgresql),
        "nats": lambda: programs.find(programs.NATS, services.nats),
        "redis": lambda: programs.find(programs.REDIS, services.redis),
        "clickhouse": lambda: clickhouse.prepare(services.clickhouse),
    }
    for name, find in ways.items():
        try:
            found[name] = find()
        except EnvironmentProblem as problem:
            problems += problem.problems
    if problems:
        raise EnvironmentProblem(*problems)
    return found


def _of_ours(name: str, endpoint: Endpoint, program: Path) -> ServiceFacts:
    return ServiceFacts(name, "reference", "1.0", str(endpoint), str(program), "this repository")


def _secret() -> Secret:
    return Secret(secrets.token_urlsafe(24))
