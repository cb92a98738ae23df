"""The parts of an environment file that describe FraiseQL: its gateway, its observers and the services around them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from environments.sections.base import Port, Program, Section, SystemSection, listed

CAPABILITIES: dict[str, str] = {
    "graphql_http": "GraphQL over HTTP, with health and readiness",
    "mutations": "createUser and createOrder over HTTP",
    "metrics": "a Prometheus page behind a token",
    "graphql_flight": "GraphQL queries over Arrow Flight, with session tokens",
    "handshake": "a session token for the identity token of an OpenID Connect issuer",
    "flight_views": "column-oriented views over Arrow Flight",
    "flight_events": "observer events over Arrow Flight",
    "flight_upload": "uploads to allowed tables over Arrow Flight (DoPut)",
    "redis_cache": "answers over HTTP kept in Redis",
    "sink_clickhouse": "observer events from NATS to ClickHouse",
    "sink_search": "observer events from NATS to the search engine",
}
"""What an environment may declare of FraiseQL, and what a criterion of it may need."""

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "reference" / "fraiseql" / "capabilities.yaml"
VENDOR = ROOT / "environments" / "fraiseql" / "vendor" / "capabilities.yaml"


class Gateway(Program):
    """What answers GraphQL and Arrow Flight: the reference gateway, or the vendor's server."""

    vendor: bool = False  # `path` is then the directory of fraiseql-server and fraiseql-cli; null: PATH, cache, a build
    flight_port: Port | None = None  # null: a free one
    max_streams: Annotated[int, Field(ge=1)] = 256  # Flight requests at once; the vendor's server has 50, always


class Observers(Program):
    """The two programs that bring events from NATS to ClickHouse and to the search engine."""

    batch: Annotated[int, Field(ge=1)] = 2000  # events
    linger_ms: Annotated[int, Field(ge=1)] = 200  # at 10 000 events a second a batch is full by then


class Search(Program):
    """OpenSearch; `path` is an installation's directory."""

    java: Path | None = None  # a Java of version 21 or newer; null: PATH, then the Python package
    heap: str = "768m"


class FraiseqlServices(Section):
    """The services FraiseQL is made of."""

    postgresql: Program = Program(version="18")
    nats: Program = Program(version="2.15")  # consumers can be reset from 2.14 on
    redis: Program = Program()
    clickhouse: Program = Program()
    search: Search = Search()
    gateway: Gateway = Gateway()
    observers: Observers = Observers()


class FraiseqlAddresses(Section):
    """How to reach a FraiseQL that already runs (external driver only); what is left out has its criteria skipped."""

    http: str  # base URL
    flight: str  # grpc://host:port
    session_secret: str  # %{ENVIRONMENT_VARIABLE}: what session tokens are signed with
    metrics_token: str | None = None  # %{ENVIRONMENT_VARIABLE}
    database: str  # host:port
    database_name: str = "fraiseql"
    user: str  # owns the tables of environments/fraiseql/tables.sql
    password: str  # %{ENVIRONMENT_VARIABLE}
    issuer: str | None = None  # of identity tokens
    audience: str = "fraiseql"
    identity_key: Path | None = None  # private key of the issuer, PEM
    identity_key_id: str = "acceptance"
    nats: str | None = None  # nats://host:port
    nats_user: str | None = None
    nats_password: str | None = None  # %{ENVIRONMENT_VARIABLE}
    clickhouse: str | None = None  # URL
    clickhouse_user: str = "default"
    clickhouse_password: str | None = None  # %{ENVIRONMENT_VARIABLE}
    search: str | None = None  # URL
    redis: str | None = None  # host:port
    redis_password: str | None = None  # %{ENVIRONMENT_VARIABLE}


class Fraiseql(SystemSection):
    """FraiseQL: what it declares beyond its gateway's own list, and its services or its addresses."""

    services: FraiseqlServices = FraiseqlServices()
    addresses: FraiseqlAddresses | None = None

    @property
    def declared(self) -> frozenset[str]:
        """See `SystemSection.declared`.

        Raises:
            ValueError: the gateway's own list cannot be read; one line that says why.
        """
        if self.addresses is not None:
            return frozenset(self.capabilities)
        return frozenset(self.capabilities) | frozenset(listed(VENDOR if self.services.gateway.vendor else REFERENCE))
