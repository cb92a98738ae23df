"""The reference gateway: GraphQL over HTTP and Arrow Flight, in front of PostgreSQL."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import quote

import requests
from robot.api.types import Secret

from environments import toml
from environments.config import ROOT
from environments.embedded.identity import Issuer
from environments.embedded.processes import EmbeddedService, Home
from environments.fraiseql import UPLOAD_TABLE, VIEWS
from environments.sections.fraiseql import Gateway as GatewaySection
from environments.system import ClickHouseAddress, Endpoint, Login

PROGRAM = ROOT / "reference" / "fraiseql" / "gateway" / "__main__.py"
SCHEMA = ROOT / "environments" / "fraiseql" / "schema.graphql"
COMPLEXITY = 1_000_000_000  # the limit is no subject of criteria that ask for many rows, and has one of its own
MAX_DEPTH = 10
MAX_ALIASES = 30


@dataclass(frozen=True, slots=True)
class GatewaySecrets:
    """What session tokens are signed with, and what opens the metrics page."""

    session: Secret
    metrics: Secret


@dataclass(frozen=True, slots=True)
class Behind:
    """What a gateway is put in front of; None: that part of it is not there."""

    database: Endpoint
    database_name: str
    login: Login
    issuer: Issuer | None
    redis: tuple[Endpoint, Secret] | None
    events: ClickHouseAddress | None

    @property
    def database_url(self) -> str:
        """The database as a URL, password included."""
        user, password = quote(self.login.user, safe=""), quote(self.login.password.value, safe="")
        return f"postgres://{user}:{password}@{self.database}/{self.database_name}"


class Gateway(EmbeddedService):
    """One process that serves HTTP and Flight."""

    def __init__(
        self,
        home: Home,
        settings: GatewaySection,
        endpoints: tuple[Endpoint, Endpoint],
        secrets: GatewaySecrets,
        behind: Behind,
        defect: str | None,
    ) -> None:
        super().__init__(home)
        self.settings, self.secrets, self.behind, self.defect = settings, secrets, behind, defect
        self.http, self.flight = endpoints

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`."""
        file = self.directory / "server.toml"
        toml.write(file, self._top(), self._sections())
        argv = [sys.executable, str(PROGRAM), "--config", str(file)]
        argv += ["--defect", self.defect] if self.defect else []
        return argv, {"FLIGHT_SESSION_SECRET": self.secrets.session.value, "FRAISEQL_MAX_PAGE_SIZE": "0"}

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`: it is ready when both of its sides are."""
        return gateway_missing(self.http, self.flight)

    def _top(self) -> toml.Table:
        return {
            "database_url": self.behind.database_url,
            "schema_path": str(SCHEMA),
            "bind_addr": str(self.http),
            "flight_bind_addr": str(self.flight),
            "flight_views": list(VIEWS),
            "flight_upload_tables": [UPLOAD_TABLE],
            "metrics_enabled": True,
            "metrics_token": self.secrets.metrics.value,
        }

    def _sections(self) -> Mapping[str, toml.Table]:
        limits = {"max_query_depth": MAX_DEPTH, "max_query_aliases": MAX_ALIASES, "max_query_complexity": COMPLEXITY}
        sections: dict[str, toml.Table] = {
            "validation": limits,
            "flight": {"max_streams": self.settings.max_streams},
            "bulk": {"tables": ["tb_order"], "batched_queries": True},
        }
        if self.behind.issuer is not None:
            identity = self.behind.issuer.identity
            keys = self.behind.issuer.keys
            sections["auth"] = {"issuer": identity.issuer, "audience": identity.audience, "jwks_uri": keys}
        if self.behind.redis is not None:
            endpoint, password = self.behind.redis
            secret = quote(password.value, safe="")
            sections["cache"] = {"redis_url": f"redis://:{secret}@{endpoint}", "ttl_seconds": 60}
        if self.behind.events is not None:
            sections["events"] = clickhouse_table(self.behind.events, "clickhouse_url")
        return sections


def clickhouse_table(where: ClickHouseAddress, url_key: str) -> toml.Table:
    """The keys by which our programs are told of the table of events."""
    return {
        url_key: where.url,
        "user": where.login.user,
        "password": where.login.password.value,
        "database": where.database,
        "table": where.table,
    }


def gateway_missing(http: Endpoint, flight: Endpoint) -> str | None:
    """Say what a gateway lacks before clients can use it; None when nothing."""
    try:
        answer = requests.get(f"http://{http}/readiness", timeout=2)
    except requests.RequestException as error:
        return f"the gateway does not answer on {http} ({type(error).__name__})"
    if not answer.ok:
        return f"the gateway is not ready: {answer.text.strip()}"
    try:
        with closing(socket.create_connection((flight.host, flight.port), timeout=1)):
            return None
    except OSError as error:
        return f"the gateway does not serve Flight on {flight} ({error.strerror or 'timed out'})"
