"""What a keyword library may know of a running system, whichever driver provides it.

A driver hands out one system at a time. Addresses are those a client of the system would use; how the services were
started stays inside the driver. The addresses themselves are described in `environments/addresses.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, cast

from environments.addresses import (
    Address,
    AdminAddress,
    BrokerAddresses,
    CitusAddresses,
    ClickHouseAddress,
    ClusterAddresses,
    Endpoint,
    FraiseqlAddresses,
    Identity,
    Login,
    PgdogAddresses,
    SearchAddress,
)
from environments.sections.cluster import Vector

if TYPE_CHECKING:
    from environments.pgdog.options import ProxyOptions
    from environments.pgdog.written import Written

__all__ = [
    "Address",
    "AdminAddress",
    "BrokerAddresses",
    "BrokerInstance",
    "BrokerSystem",
    "CitusAddresses",
    "ClickHouseAddress",
    "ClusterAddresses",
    "ClusterSystem",
    "Endpoint",
    "FraiseqlAddresses",
    "FraiseqlSystem",
    "Identity",
    "Kind",
    "LinkCondition",
    "Login",
    "PgdogAddresses",
    "PgdogInstance",
    "PgdogSystem",
    "Running",
    "SearchAddress",
    "ServiceControl",
    "ServiceFacts",
    "System",
    "broker",
    "cluster",
    "fraiseql",
    "pgdog",
    "running",
    "system",
    "use",
]

Kind = Literal["real", "reference", "real engine, reference front"]
LinkCondition = Mapping[str, float | str | bool]


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """One line of the fingerprint: what answered, where, and where the program came from."""

    name: str
    kind: Kind
    version: str
    address: str
    program: str
    provider: str  # "environment file", "PATH", "Python package ..." or "external"


class ServiceControl(Protocol):
    """What faults may do to one service. A member is Patroni and its PostgreSQL as one service."""

    name: str

    def processes(self, part: str = "all") -> Sequence[int]:
        """Process ids now alive; `part` is "all", "patroni", "postmaster" or "walsenders" of a member."""

    def roots(self) -> Sequence[int]:
        """Process ids that all others of the service descend from; cheap, for who asks often."""

    def stop(self) -> None:
        """Stop as an operator would (SIGTERM) and wait until it is gone."""

    def kill(self, part: str = "all") -> Sequence[int]:
        """SIGKILL a part at once; return the process ids hit."""

    def freeze(self, part: str = "all") -> Sequence[int]:
        """SIGSTOP a part; return the process ids hit."""

    def resume(self, part: str = "all") -> Sequence[int]:
        """SIGCONT what `freeze` stopped."""

    def start(self) -> None:
        """Start it again after `stop` or `kill`; returns before it is ready."""


class System(Protocol):
    """What every system offers."""

    capabilities: frozenset[str]
    facts: Sequence[ServiceFacts]
    services: Mapping[str, ServiceControl]  # empty when external

    @property
    def addresses(self) -> ClusterAddresses | BrokerAddresses | FraiseqlAddresses | PgdogAddresses:
        """How clients reach it."""

    @property
    def links(self) -> Mapping[str, Address]:
        """Link name -> where its client connects; empty without "link-faults"."""

    def set_link(self, link: str, condition: LinkCondition | None) -> None:
        """Put a link in a condition (None: healthy), see `environments/embedded/links.py`."""

    def link_counters(self, link: str) -> Mapping[str, int]:
        """Counts of what passed a link and what it refused: the proxy's own view, independent of `set_link`."""

    def stop(self) -> list[str]:
        """Stop what the driver started; return what is left of it, one line each (empty: nothing)."""

    def keep(self, results: Path) -> str:
        """Let it outlive this run; return how to reach and how to end it."""


class ClusterSystem(System, Protocol):
    """The distributed PostgreSQL cluster as the libraries see it; its members are services by their Patroni name."""

    vector: Vector

    @property
    def addresses(self) -> ClusterAddresses:
        """See `System.addresses`."""

    @property
    def links(self) -> Mapping[str, Endpoint]:
        """See `System.links`."""


class BrokerInstance(Protocol):
    """One more broker of the program under test, with a configuration and a directory of its own."""

    socket: Path
    metrics: str | None
    configuration: Path  # may be rewritten; `reload` makes the broker read it again
    log: Path
    control: ServiceControl

    def exit_status(self) -> int | None:
        """How it ended (negative: by which signal); None while it runs."""

    def reload(self) -> None:
        """Send SIGHUP."""


class BrokerSystem(System, Protocol):
    """A Mycelium broker as the libraries see it; its one service is called "broker"."""

    @property
    def addresses(self) -> BrokerAddresses:
        """See `System.addresses`."""

    @property
    def links(self) -> Mapping[str, Path]:
        """See `System.links`."""

    def launch(self, configuration: str, environment: Mapping[str, str] | None = None) -> BrokerInstance:
        """Start one more broker of the same program; returns before it is ready. It ends with the system.

        Args:
            configuration: TOML in which `@socket_path@` and `@metrics_port@` stand for what it is given.
            environment: variables it sees beyond the run's own.

        Raises:
            LookupError: the environment does not start brokers.
        """


class FraiseqlSystem(System, Protocol):
    """FraiseQL as the libraries see it.

    Its services: postgresql, nats, redis, clickhouse, search, identity, gateway, observer-clickhouse, observer-search.
    """

    @property
    def addresses(self) -> FraiseqlAddresses:
        """See `System.addresses`."""

    @property
    def links(self) -> Mapping[str, Endpoint]:
        """See `System.links`."""


class PgdogInstance(Protocol):
    """One mirror proxy, with a configuration and a directory of its own."""

    control: ServiceControl
    client: Endpoint
    metrics: str  # URL of its Prometheus page
    admin: AdminAddress
    configuration: Path  # may be rewritten; RELOAD on the console makes the proxy read it again
    log: Path

    @property
    def options(self) -> ProxyOptions | None:
        """What it was configured with; None: a text of the caller's own, or nobody here knows."""

    def exit_status(self) -> int | None:
        """How it ended (negative: by which signal); None while it runs."""

    def reconfigure(self, options: ProxyOptions) -> None:
        """Rewrite its configuration; the proxy does not read it before RELOAD."""


class PgdogSystem(System, Protocol):
    """PgDog between two PostgreSQL servers as the libraries see it.

    Its services: primary, mirror, proxy, links, and where there is a program prometheus and pgbouncer. Every proxy
    reaches the mirror through the link `proxy-mirror`.
    """

    @property
    def addresses(self) -> PgdogAddresses:
        """See `System.addresses`."""

    @property
    def links(self) -> Mapping[str, Endpoint]:
        """See `System.links`."""

    @property
    def proxy(self) -> PgdogInstance:
        """The proxy that `addresses` lead to; one that the environment did not start has no more than addresses."""

    def configuration(self, options: ProxyOptions) -> Written:
        """Return what `launch` would write, with blanks for ports and passwords.

        Raises:
            LookupError: the environment does not start proxies.
        """

    def launch(self, options: ProxyOptions) -> PgdogInstance:
        """Start one more proxy of the same program and return when it is ready. It ends with the system.

        Raises:
            LookupError: the environment does not start proxies.
            EnvironmentProblem: it did not become ready.
        """

    def launch_raw(self, text: str, users: str | None) -> PgdogInstance:
        """Start one more proxy with a configuration of the caller's own; returns before it is ready.

        Args:
            text: TOML with blanks as in `configuration`.
            users: the same for the file with users; None: none is given to the proxy.

        Raises:
            LookupError: the environment does not start proxies.
        """

    def end(self, instance: PgdogInstance) -> None:
        """End a proxy that was launched, at once."""


@dataclass
class Running:
    """The environment in use in this process."""

    name: str
    driver: str
    profile: str
    results: str  # directory of this run's artifacts
    timeout_multiplier: float
    seed: int
    defect: str | None = None
    codec_defect: str | None = None  # the environment file's `defects.codec`
    system: System | None = None  # the one that runs now; they run one after the other
    system_name: str = ""  # such as "cluster"
    seen: dict[str, Sequence[ServiceFacts]] = field(default_factory=dict)  # of every system that has run, by its name


_running: Running | None = None


def running() -> Running:
    """Return the environment this run uses.

    Raises:
        RuntimeError: no suite has started one.
    """
    if _running is None:
        raise RuntimeError("no environment is in use; import resources/environment.resource and start the system first")
    return _running


def use(environment: Running | None) -> None:
    """Make an environment the one `running()` returns; None when it has ended."""
    global _running
    _running = environment


def system() -> System:
    """Return the system that runs now, whichever it is.

    Raises:
        RuntimeError: none does.
    """
    now = running().system
    if now is None:
        raise RuntimeError("no system is running; a suite folder starts its own")
    return now


def cluster() -> ClusterSystem:
    """Return the running cluster.

    Raises:
        RuntimeError: it has not been started.
    """
    return cast("ClusterSystem", _named("cluster"))


def broker() -> BrokerSystem:
    """Return the running broker.

    Raises:
        RuntimeError: it has not been started.
    """
    return cast("BrokerSystem", _named("broker"))


def fraiseql() -> FraiseqlSystem:
    """Return the running FraiseQL.

    Raises:
        RuntimeError: it has not been started.
    """
    return cast("FraiseqlSystem", _named("fraiseql"))


def pgdog() -> PgdogSystem:
    """Return the running PgDog.

    Raises:
        RuntimeError: it has not been started.
    """
    return cast("PgdogSystem", _named("pgdog"))


def _named(name: str) -> System:
    now = running()
    if now.system is None or now.system_name != name:
        raise RuntimeError(f"the system '{name}' is not running; its suite folder starts it")
    return now.system
