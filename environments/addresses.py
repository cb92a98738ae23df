"""Where a client reaches a system: its servers, pages and logins, whichever driver provides them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from robot.api.types import Secret

from environments.sections.pgdog import Dialect


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A TCP address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read `host:port`.

        Raises:
            ValueError: the text is not of that form.
        """
        host, _, port = text.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"'{text}' is not an address; write host:port")
        return cls(host, int(port))


Address = Endpoint | Path
"""Where a server listens: TCP, or the file of a Unix socket."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a server with its password."""

    user: str
    password: Secret


@dataclass(frozen=True)
class CitusAddresses:
    """A Citus coordinator and its workers."""

    coordinator: Endpoint
    workers: tuple[Endpoint, ...]


@dataclass(frozen=True)
class ClusterAddresses:
    """How clients reach the cluster. None: the environment does not declare that service."""

    primary: Endpoint  # through HAProxy
    replicas: Endpoint  # through HAProxy
    database: str
    owner: Login  # owns the schema
    superuser: Login | None
    patroni: tuple[str, ...] = ()  # REST base URLs; the current ones are read from /cluster
    haproxy_statistics: str | None = None
    redis: Endpoint | None = None
    redis_password: Secret | None = None
    cache: str | None = None  # base URL of the reference cache client
    citus: CitusAddresses | None = None


@dataclass(frozen=True, slots=True)
class BrokerAddresses:
    """How clients reach the broker."""

    socket: Path
    metrics: str | None  # URL of its Prometheus page; None: the environment does not declare it


@dataclass(frozen=True, slots=True)
class Identity:
    """An OpenID Connect issuer whose private key is at hand, so that identity tokens can be made, good and bad."""

    issuer: str  # URL
    audience: str
    key: Path  # RSA private key, PEM
    key_id: str


@dataclass(frozen=True, slots=True)
class ClickHouseAddress:
    """Where events are stored for analysis."""

    url: str
    login: Login
    database: str
    table: str


@dataclass(frozen=True, slots=True)
class SearchAddress:
    """Where events are stored for search."""

    url: str
    index_prefix: str


@dataclass(frozen=True)
class FraiseqlAddresses:
    """How clients reach FraiseQL and the services around it. None: the environment does not declare that service."""

    http: str  # base URL
    flight: str  # grpc://host:port
    session_secret: Secret  # what session tokens are signed with
    metrics_token: Secret | None
    identity: Identity | None
    database: Endpoint
    database_name: str
    owner: Login  # owns the tables
    views: tuple[str, ...]  # column-oriented ones, by the name a ticket gives
    upload_table: str
    stream: str  # of JetStream
    subject: str  # prefix of the subjects that events are published to
    nats: str | None = None  # URL with user and password
    clickhouse: ClickHouseAddress | None = None
    search: SearchAddress | None = None
    redis: Endpoint | None = None
    redis_password: Secret | None = None
    observers: Mapping[str, str] = field(default_factory=dict)  # sink -> URL of its observer's metrics


@dataclass(frozen=True, slots=True)
class AdminAddress:
    """The console of a mirror proxy, which speaks PostgreSQL's protocol."""

    endpoint: Endpoint
    database: str
    login: Login


@dataclass(frozen=True)
class PgdogAddresses:
    """How clients reach the mirror proxy and both servers. None: the environment does not declare that service."""

    client: Endpoint  # of the proxy
    database: str  # as clients of the proxy name it
    server_database: str  # as it is called on both servers
    users: tuple[Login, Login]  # of the proxy, `app` and `other`; both may make tables
    superuser: Login  # of both servers
    primary: Endpoint  # the server itself, not through the proxy
    mirror: Endpoint  # the same
    dialect: Dialect
    metrics: str | None  # URL of the proxy's Prometheus page
    admin: AdminAddress | None
    prometheus: str | None = None  # base URL
    pgbouncer: Endpoint | None = None  # leads to the primary
