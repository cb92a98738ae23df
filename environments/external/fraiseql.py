"""A FraiseQL that already runs, reached by the addresses that the environment file names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from robot.api.types import Secret

from environments.config import EnvironmentFile, resolved_secret
from environments.external.not_ours import NotOurs
from environments.fraiseql import EVENTS_TABLE, INDEX_PREFIX, STREAM, SUBJECT, UPLOAD_TABLE, VIEWS
from environments.sections.fraiseql import FraiseqlAddresses as Addresses
from environments.system import (
    ClickHouseAddress,
    Endpoint,
    FraiseqlAddresses,
    Identity,
    Login,
    SearchAddress,
    ServiceControl,
    ServiceFacts,
)


class ExternalFraiseql(NotOurs):
    """See `FraiseqlSystem`. It has no services to control and no links.

    Its tables, views, streams and indexes have the names, and its tables the rows, of `environments/fraiseql/`.
    """

    def __init__(self, environment: EnvironmentFile) -> None:
        section = environment.systems.fraiseql
        assert section is not None
        assert section.addresses is not None
        self.capabilities = section.declared
        self.addresses = _addresses(section.addresses)
        self.services: Mapping[str, ServiceControl] = {}
        self.links: Mapping[str, Endpoint] = {}
        version = section.services.gateway.version or "unknown"
        self.facts: Sequence[ServiceFacts] = [
            ServiceFacts("gateway", "real", version, section.addresses.http, "", "external")
        ]


def _addresses(where: Addresses) -> FraiseqlAddresses:
    return FraiseqlAddresses(
        http=where.http.rstrip("/"),
        flight=where.flight,
        session_secret=_secret(where.session_secret),
        metrics_token=_secret(where.metrics_token) if where.metrics_token else None,
        identity=_identity(where),
        database=Endpoint.parse(where.database),
        database_name=where.database_name,
        owner=Login(where.user, _secret(where.password)),
        views=VIEWS,
        upload_table=UPLOAD_TABLE,
        stream=STREAM,
        subject=SUBJECT,
        nats=_nats(where),
        clickhouse=_clickhouse(where),
        search=SearchAddress(where.search.rstrip("/"), INDEX_PREFIX) if where.search else None,
        redis=Endpoint.parse(where.redis) if where.redis else None,
        redis_password=_secret(where.redis_password) if where.redis_password else None,
    )


def _identity(where: Addresses) -> Identity | None:
    if where.issuer is None or where.identity_key is None:
        return None
    return Identity(where.issuer, where.audience, where.identity_key.expanduser(), where.identity_key_id)


def _nats(where: Addresses) -> str | None:
    if where.nats is None or where.nats_user is None or where.nats_password is None:
        return where.nats
    return where.nats.replace("://", f"://{where.nats_user}:{resolved_secret(where.nats_password)}@", 1)


def _clickhouse(where: Addresses) -> ClickHouseAddress | None:
    if where.clickhouse is None:
        return None
    password = _secret(where.clickhouse_password) if where.clickhouse_password else Secret("")
    login = Login(where.clickhouse_user, password)
    return ClickHouseAddress(where.clickhouse.rstrip("/"), login, "default", EVENTS_TABLE)


def _secret(reference: str) -> Secret:
    return Secret(resolved_secret(reference))
