"""A PgDog that already runs, and the two servers behind it, reached by the addresses of the environment file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from robot.api.types import Secret

from environments.config import EnvironmentFile, resolved_secret
from environments.external.not_ours import NotOurs
from environments.pgdog import ProxyOptions, Written
from environments.sections.pgdog import PgdogAddresses as Addresses
from environments.system import (
    AdminAddress,
    Endpoint,
    Login,
    PgdogAddresses,
    PgdogInstance,
    ServiceControl,
    ServiceFacts,
)


class Runs:
    """The proxy that runs: see `PgdogInstance`. Only where clients, page and console are is known of it."""

    control: ServiceControl
    configuration: Path
    log: Path
    admin: AdminAddress

    def __init__(self, where: PgdogAddresses) -> None:
        self.client = where.client
        self.metrics = where.metrics or ""  # criteria that need it are skipped
        self.options: ProxyOptions | None = None
        if where.admin is not None:
            self.admin = where.admin

    def __getattr__(self, name: str) -> NoReturn:
        """Say that something is not known."""
        _refuse()

    def exit_status(self) -> int | None:
        """See `PgdogInstance.exit_status`."""
        _refuse()

    def reconfigure(self, options: ProxyOptions) -> None:
        """See `PgdogInstance.reconfigure`."""
        _refuse()


def _refuse() -> NoReturn:
    raise LookupError("an external environment starts and configures no proxies; declare no 'process-faults'")


class ExternalPgdog(NotOurs):
    """See `PgdogSystem`. It has no services to control and no links, and no other proxy can be started."""

    def __init__(self, environment: EnvironmentFile) -> None:
        section = environment.systems.pgdog
        assert section is not None
        assert section.addresses is not None
        self.capabilities = section.declared
        self.addresses = _addresses(section.addresses)
        self.proxy: PgdogInstance = Runs(self.addresses)
        self.services: Mapping[str, ServiceControl] = {}
        self.links: Mapping[str, Endpoint] = {}
        version = section.services.proxy.version or "unknown"
        self.facts: Sequence[ServiceFacts] = [
            ServiceFacts("proxy", "real", version, section.addresses.client, "", "external")
        ]

    def configuration(self, options: ProxyOptions) -> Written:
        """See `PgdogSystem.configuration`."""
        _refuse()

    def launch(self, options: ProxyOptions) -> PgdogInstance:
        """See `PgdogSystem.launch`."""
        _refuse()

    def launch_raw(self, text: str, users: str | None) -> PgdogInstance:
        """See `PgdogSystem.launch_raw`."""
        _refuse()

    def end(self, instance: PgdogInstance) -> None:
        """See `PgdogSystem.end`."""
        _refuse()


def _addresses(where: Addresses) -> PgdogAddresses:
    user = Login(where.user, _secret(where.password))
    other = user
    if where.other_user and where.other_password:
        other = Login(where.other_user, _secret(where.other_password))
    return PgdogAddresses(
        client=Endpoint.parse(where.client),
        database=where.database,
        server_database=where.server_database or where.database,
        users=(user, other),
        superuser=Login(where.superuser, _secret(where.superuser_password)),
        primary=Endpoint.parse(where.primary),
        mirror=Endpoint.parse(where.mirror),
        dialect=where.dialect,
        metrics=where.metrics,
        admin=_admin(where),
        prometheus=where.prometheus.rstrip("/") if where.prometheus else None,
        pgbouncer=Endpoint.parse(where.pgbouncer) if where.pgbouncer else None,
    )


def _admin(where: Addresses) -> AdminAddress | None:
    if where.admin is None:
        return None
    password = _secret(where.admin_password) if where.admin_password else Secret("")
    return AdminAddress(Endpoint.parse(where.admin), where.admin_database, Login(where.admin_user, password))


def _secret(reference: str) -> Secret:
    return Secret(resolved_secret(reference))
