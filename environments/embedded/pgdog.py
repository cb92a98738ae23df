"""PgDog, embedded: two PostgreSQL servers and a mirror proxy between clients and both of them."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from robot.api.types import Secret

from environments import pgdog
from environments.config import ROOT, EnvironmentFile
from environments.embedded import kept, programs, vendor_pgdog
from environments.embedded.links import LinkProxy
from environments.embedded.pgbouncer import PgBouncer
from environments.embedded.postgresql import PostgreSQL
from environments.embedded.processes import EmbeddedService
from environments.embedded.programs import Found
from environments.embedded.prometheus import Prometheus
from environments.embedded.proxy import Proxy, Ways
from environments.embedded.system import EmbeddedSystem
from environments.errors import EnvironmentProblem
from environments.pgdog import ProxyOptions, Written
from environments.sections.base import Program, Settings
from environments.sections.pgdog import PgdogServices
from environments.system import (
    Endpoint,
    LinkCondition,
    Login,
    PgdogAddresses,
    PgdogInstance,
    ServiceControl,
    ServiceFacts,
)

REFERENCE = ROOT / "reference" / "pgdog" / "__main__.py"
OPTIONAL = ("prometheus", "pgbouncer")
SERVER: Settings = {
    "max_connections": 500,  # a hundred clients of several proxies, and as many sessions that replay
    "fsync": "off",  # nothing here pulls the plug, and a commit that waits for the disk would hide what a proxy costs
    "full_page_writes": "off",
}
"""Settings of both servers, beyond those of every server of ours."""


class EmbeddedPgdog(EmbeddedSystem):
    """See `PgdogSystem`."""

    def __init__(self, environment: EnvironmentFile, results: Path) -> None:
        section = environment.systems.pgdog
        assert section is not None
        self.section = section
        self.facts: Sequence[ServiceFacts] = []
        self.found = find_programs(section.services)
        self.vendor = vendor_pgdog.prepare(section.services.proxy) if section.services.proxy.vendor else None
        self.capabilities = section.declared | self.found.keys() & set(OPTIONAL)
        self.superuser = Login("postgres", _secret())
        self.users = (Login(pgdog.APP, _secret()), Login(pgdog.OTHER, _secret()))
        self.launched = 0
        super().__init__(environment, results)

    # -- composition ---------------------------------------------------------------------------------------

    def compose(self) -> None:
        """See `EmbeddedSystem.compose`."""
        services = self.section.services
        self.link_proxy = LinkProxy(self.home("links"))
        self.primary = self._server("primary", services.primary)
        self.mirror = self._server("mirror", services.mirror)
        client = self.endpoint(services.proxy.port)
        self.link_targets = {"client-proxy": client, "proxy-mirror": self.mirror.endpoint}
        self.links: Mapping[str, Endpoint] = {name: self.endpoint() for name in self.link_targets}
        self.ways = self._ways()
        self.proxy = self._proxy("proxy", client)
        self.proxy.reconfigure(ProxyOptions())
        self.others = self._others()
        parts: list[EmbeddedService] = [self.primary, self.mirror, self.proxy, self.link_proxy, *self.others.values()]
        self.services: Mapping[str, ServiceControl] = {part.name: part for part in parts}
        self.addresses = self._addresses()

    def _server(self, name: str, wanted: Program) -> PostgreSQL:
        settings = {**SERVER, **wanted.settings}
        return PostgreSQL(self.home(name), self.found[name], settings, self.endpoint(wanted.port), self.superuser)

    def _ways(self) -> Ways:
        wanted, defects = self.section.services.proxy, self.environment.defects
        if self.vendor is not None:
            program = [str(self.vendor.path)]
        else:
            program = [sys.executable, str(REFERENCE)]
            program += ["--defect", defects.proxy] if defects and defects.proxy else []
        blanks: dict[str, str | int] = {
            "primary_port": self.primary.endpoint.port,
            "mirror_port": self.links["proxy-mirror"].port,
            "admin_password": secrets.token_urlsafe(24),
            **{f"{login.user}_password": login.password.value for login in self.users},
        }
        return Ways(program, wanted.speaks, wanted.settings, blanks)

    def _proxy(self, name: str, client: Endpoint) -> Proxy:
        return Proxy(self.home(name), self.ways, client, self.endpoint)

    def _others(self) -> dict[str, Prometheus | PgBouncer]:
        services, found = self.section.services, self.found
        others: dict[str, Prometheus | PgBouncer] = {}
        if "prometheus" in found:
            endpoint = self.endpoint(services.prometheus.port)
            home = self.home("prometheus")
            others["prometheus"] = Prometheus(home, found["prometheus"], endpoint, self.proxy.page)
        if "pgbouncer" in found:
            ends = (self.endpoint(services.pgbouncer.port), self.primary.endpoint)
            settings = services.pgbouncer.settings
            others["pgbouncer"] = PgBouncer(self.home("pgbouncer"), found["pgbouncer"], settings, *ends, self.users)
        return others

    def _addresses(self) -> PgdogAddresses:
        on_the_way = {name: self.links[name] for name in self._bad_links()}
        prometheus, pgbouncer = self.others.get("prometheus"), self.others.get("pgbouncer")
        return PgdogAddresses(
            client=on_the_way.get("client-proxy", self.proxy.client),
            database="app",
            server_database="app",
            users=self.users,
            superuser=self.superuser,
            primary=self.primary.endpoint,
            mirror=self.mirror.endpoint,
            dialect=self.ways.dialect,
            metrics=self.proxy.metrics,
            admin=self.proxy.admin,
            prometheus=f"http://{prometheus.endpoint}" if prometheus else None,
            pgbouncer=pgbouncer.endpoint if pgbouncer else None,
        )

    def _bad_links(self) -> Mapping[str, LinkCondition]:
        return self.environment.defects.links if self.environment.defects else {}

    # -- life ----------------------------------------------------------------------------------------------

    def bring_up(self) -> None:
        """See `EmbeddedSystem.bring_up`."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            waits = [pool.submit(self._begin_server, server) for server in (self.primary, self.mirror)]
            waits += [pool.submit(self._begin, part) for part in (self.link_proxy, *self.others.values())]
            for wait in waits:
                wait.result()
        for link, target in self.link_targets.items():
            self.link_proxy.links.add(link, target, self.links[link])
        self._begin(self.proxy)
        for link, condition in self._bad_links().items():
            self.set_link(link, condition)
        self.facts = self._fingerprint()

    def _begin(self, service: EmbeddedService) -> None:
        service.start()
        self.ready(service)

    def _begin_server(self, server: PostgreSQL) -> None:
        self._begin(server)
        pgdog.provision(server.connect, self.users)

    def configuration(self, options: ProxyOptions) -> Written:
        """See `PgdogSystem.configuration`."""
        return self.ways.written(options)

    def launch(self, options: ProxyOptions) -> Proxy:
        """See `PgdogSystem.launch`."""
        proxy = self._another()
        proxy.reconfigure(options)
        self._begin(proxy)
        return proxy

    def launch_raw(self, text: str, users: str | None) -> Proxy:
        """See `PgdogSystem.launch_raw`."""
        proxy = self._another()
        proxy.configure(Written(text, users))
        proxy.start()
        return proxy

    def end(self, instance: PgdogInstance) -> None:
        """See `PgdogSystem.end`. Whether a proxy stops when it is asked to is no matter of the test that had it."""
        instance.control.kill()

    def _another(self) -> Proxy:
        self.launched += 1
        return self._proxy(f"proxy{self.launched + 1}", self.endpoint())

    def keep(self, results: Path) -> str:
        """See `System.keep`."""
        keeper = self.keeper.detach()
        processes = {name: pid for name, part in self.services.items() for pid in part.roots()[:1]}
        return kept.describe_pgdog(self.addresses, self.capabilities, processes, self.directory, keeper, results)

    # -- facts ---------------------------------------------------------------------------------------------

    def _fingerprint(self) -> list[ServiceFacts]:
        endpoints = {"primary": self.primary.endpoint, "mirror": self.mirror.endpoint}
        endpoints |= {name: part.endpoint for name, part in self.others.items()}
        facts = [
            ServiceFacts(name, found.kind, found.version, str(endpoints[name]), str(found.path), found.provider)
            for name, found in self.found.items()
        ]
        proxy = self.vendor or Found(REFERENCE, "1.0", "this repository", kind="reference")
        address = str(self.proxy.client)
        return [*facts, ServiceFacts("proxy", proxy.kind, proxy.version, address, str(proxy.path), proxy.provider)]


def fetch(services: PgdogServices) -> None:
    """Get what this machine does not have yet over the network, once for its user; that may take minutes.

    Raises:
        EnvironmentProblem: a line for each thing that cannot be had, with its cure.
    """
    if services.proxy.vendor:
        vendor_pgdog.prepare(services.proxy)


def found_optional(services: PgdogServices) -> frozenset[str]:
    """Return which of the programs that criteria can do without are on this machine.

    Raises:
        EnvironmentProblem: one that the environment file names cannot be used.
    """
    wanted = {"prometheus": services.prometheus, "pgbouncer": services.pgbouncer}
    return frozenset(name for name in OPTIONAL if programs.find_optional(name, wanted[name]) is not None)


def find_programs(services: PgdogServices) -> dict[str, Found]:
    """Find the programs that stand around the proxy; one that criteria can do without may be missing.

    Raises:
        EnvironmentProblem: one line for each that is missing, or has the wrong version.
    """
    found: dict[str, Found] = {}
    problems: list[str] = []
    ways: dict[str, Callable[[], Found | None]] = {
        "primary": lambda: programs.find(programs.POSTGRESQL, services.primary, "primary"),
        "mirror": lambda: programs.find(programs.POSTGRESQL, services.mirror, "mirror"),
        "prometheus": lambda: programs.find_optional("prometheus", services.prometheus),
        "pgbouncer": lambda: programs.find_optional("pgbouncer", services.pgbouncer),
    }
    for name, find in ways.items():
        try:
            program = find()
        except EnvironmentProblem as problem:
            problems += problem.problems
            continue
        if program is not None:
            found[name] = program
    if problems:
        raise EnvironmentProblem(*problems)
    return found


def _secret() -> Secret:
    return Secret(secrets.token_urlsafe(24))
