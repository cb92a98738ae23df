"""The parts of an environment file that describe PgDog: its two PostgreSQL servers and the mirror proxy between."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from environments.sections.base import Program, Section, SystemSection, listed

CAPABILITIES: dict[str, str] = {
    "mirroring": "what takes effect on the primary is repeated on the mirror",
    "exposure": "a share of the transactions is mirrored",
    "queue_limit": "a bounded queue of what waits for the mirror, and a count of what did not fit",
    "error_kinds": "failures counted by kind: connection, query, timeout",
    "latency": "how long transactions take on the mirror, on average",
    "max_latency": "the longest of these times",
    "health": "how many failures in a row, and how long since the last success",
    "per_database": "counts kept apart by database",
    "per_user": "counts kept apart by user",
    "readiness": "SHOW MIRROR READINESS on the admin console",
    "admin": "an admin console with the counts of every mirror",
    "metrics": "the same as a Prometheus page over HTTP",
    "metrics_switch": "that page can do without the family of the mirror",
    "reload": "new settings without a restart and without an error for a client",
    "query_timeout": "what takes too long on the mirror is given up",
    "prometheus": "a Prometheus that scrapes the proxy; found when the environment starts",
    "pgbouncer": "a PgBouncer beside the proxy, to compare speed with; found when the environment starts",
}
"""What an environment may declare of PgDog, and what a criterion of it may need."""

Dialect = Literal["plan", "upstream"]

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "reference" / "pgdog" / "capabilities.yaml"
VENDOR = ROOT / "environments" / "pgdog" / "vendor" / "capabilities.yaml"


class Proxy(Program):
    """The proxy between clients, primary and mirror: the reference proxy of this project, or the vendor's PgDog."""

    vendor: bool = False  # `path` is then the program; null: PATH, cache, a build
    source: Path | None = None  # the git repository of that build; null: the vendor's public one
    dialect: Dialect = "plan"  # of the reference proxy's files, metrics and console; the vendor's is upstream, always

    @property
    def speaks(self) -> Dialect:
        """The dialect of the proxy that is started."""
        return "upstream" if self.vendor else self.dialect

    @model_validator(mode="after")
    def _only_the_vendors(self) -> Proxy:
        if not self.vendor and (self.path or self.source):
            raise ValueError("path and source are of the vendor's program; add vendor: true or remove them")
        return self


class PgdogServices(Section):
    """The services PgDog stands among. Prometheus and PgBouncer are started where there is a program."""

    primary: Program = Program(version="18")
    mirror: Program = Program(version="18")
    proxy: Proxy = Proxy()
    prometheus: Program = Program()
    pgbouncer: Program = Program()


class PgdogAddresses(Section):
    """How to reach a PgDog that already runs (external driver only); what is left out has its criteria skipped."""

    dialect: Dialect = "upstream"
    client: str  # host:port
    database: str = "app"  # as clients name it; on both servers it has the name that `server_database` gives
    server_database: str | None = None  # null: the same
    user: str  # one of the proxy's clients, who may make tables on both servers
    password: str  # %{ENVIRONMENT_VARIABLE}
    other_user: str | None = None  # a second one; null: the first
    other_password: str | None = None  # %{ENVIRONMENT_VARIABLE}
    superuser: str  # of both servers, for the comparison of what is in them
    superuser_password: str  # %{ENVIRONMENT_VARIABLE}
    primary: str  # host:port
    mirror: str  # host:port
    metrics: str | None = None  # URL of its Prometheus page
    admin: str | None = None  # host:port of its console
    admin_database: str = "admin"
    admin_user: str = "admin"
    admin_password: str | None = None  # %{ENVIRONMENT_VARIABLE}
    prometheus: str | None = None  # base URL
    pgbouncer: str | None = None  # host:port


class Pgdog(SystemSection):
    """PgDog: what it declares beyond its proxy's own list, and its services or its addresses."""

    services: PgdogServices = PgdogServices()
    addresses: PgdogAddresses | None = None

    @property
    def declared(self) -> frozenset[str]:
        """See `SystemSection.declared`.

        Raises:
            ValueError: the proxy's own list cannot be read; one line that says why.
        """
        if self.addresses is not None:
            return frozenset(self.capabilities)
        own = VENDOR if self.services.proxy.speaks == "upstream" else REFERENCE
        return frozenset(self.capabilities) | frozenset(listed(own))
