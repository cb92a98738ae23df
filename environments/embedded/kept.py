"""What `--keep` leaves behind besides the services: the addresses, the passwords and a way to test against them."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jwt
import yaml

from environments.sections.base import MEANS
from environments.system import BrokerAddresses, ClusterAddresses, FraiseqlAddresses, PgdogAddresses

_TOKEN_SECONDS = 24 * 3600  # a session token is to last as long as somebody tries things out


def describe_broker(where: BrokerAddresses, capabilities: Iterable[str], keeper: int, results: Path) -> str:
    """Write `kept.yaml`, with which the external driver tests the broker; return the text for the console.

    Args:
        where: its socket and metrics page.
        capabilities: what the environment declared.
        keeper: process id that SIGTERM ends the broker with.
        results: this run's artifacts; `kept.yaml` goes there.
    """
    addresses: dict[str, object] = {"socket": str(where.socket), "metrics": where.metrics}
    environment = _write_environment(results, "broker", capabilities, addresses)
    return (
        "The broker stays up:\n"
        f"  socket {where.socket}   metrics {where.metrics}\n"
        f"  test it again: ./run.sh --system broker --environment {environment}\n"
        f"  end it:        kill {keeper}"
    )


def describe_cluster(
    where: ClusterAddresses, capabilities: Iterable[str], state: Path, keeper: int, results: Path
) -> str:
    """Write `reach.sh` (readable by its owner only) and `kept.yaml`; return the text for the console.

    Args:
        where: addresses and passwords.
        capabilities: what the environment declared.
        state: the services' directory, removed when they end; `reach.sh` goes there.
        keeper: process id that SIGTERM ends the services with.
        results: this run's artifacts; `kept.yaml` goes there.
    """
    assert where.superuser is not None
    assert where.redis_password is not None
    secrets = {
        "CLUSTER_PASSWORD": where.owner.password.value,
        "CLUSTER_SUPERUSER_PASSWORD": where.superuser.password.value,
        "CLUSTER_REDIS_PASSWORD": where.redis_password.value,
    }
    psql = {
        "PGHOST": where.primary.host,
        "PGPORT": str(where.primary.port),
        "PGDATABASE": where.database,
        "PGUSER": where.owner.user,
        "PGPASSWORD": where.owner.password.value,
    }
    reach = _write_reach(state, secrets | psql)
    environment = _write_environment(results, "cluster", capabilities, _addresses(where))
    return (
        "The services stay up:\n"
        f"  primary {where.primary}   replicas {where.replicas}   redis {where.redis}\n"
        f"  statistics {where.haproxy_statistics}   Patroni {' '.join(where.patroni)}\n"
        f"  passwords:       . {reach}     (then: psql, or the next line)\n"
        f"  test them again: ./run.sh --environment {environment}\n"
        f"  end them:        kill {keeper}"
    )


def describe_fraiseql(
    where: FraiseqlAddresses,
    capabilities: Iterable[str],
    processes: Mapping[str, int],
    state: Path,
    keeper: int,
    results: Path,
) -> str:
    """Write `reach.sh` (readable by its owner only) and `kept.yaml`; return the text for the console.

    Args:
        where: addresses and secrets.
        capabilities: what the environment declared.
        processes: process id of each service that somebody may want to stop or freeze, by its name.
        state: the services' directory, removed when they end; `reach.sh` goes there.
        keeper: process id that SIGTERM ends the services with.
        results: this run's artifacts; `kept.yaml` goes there.
    """
    assert where.metrics_token is not None
    assert where.identity is not None
    assert where.clickhouse is not None
    assert where.search is not None
    assert where.redis_password is not None
    nats = urlsplit(where.nats or "")
    secrets = {
        "FRAISEQL_SESSION_SECRET": where.session_secret.value,
        "FRAISEQL_METRICS_TOKEN": where.metrics_token.value,
        "FRAISEQL_PASSWORD": where.owner.password.value,
        "FRAISEQL_NATS_PASSWORD": unquote(nats.password or ""),
        "FRAISEQL_CLICKHOUSE_PASSWORD": where.clickhouse.login.password.value,
        "FRAISEQL_REDIS_PASSWORD": where.redis_password.value,
    }
    by_hand = {
        "FRAISEQL_HTTP": where.http,
        "FRAISEQL_FLIGHT": where.flight,
        "FRAISEQL_TOKEN": _session_token(where.session_secret.value),
        "FRAISEQL_ISSUER": where.identity.issuer,
        "FRAISEQL_IDENTITY_KEY": str(where.identity.key),
        "FRAISEQL_STATE": str(state),
        "FRAISEQL_LOGS": str(results / "sut"),
        **{f"{name.upper().replace('-', '_')}_PID": str(pid) for name, pid in processes.items()},
    }
    psql = {
        "PGHOST": where.database.host,
        "PGPORT": str(where.database.port),
        "PGDATABASE": where.database_name,
        "PGUSER": where.owner.user,
        "PGPASSWORD": where.owner.password.value,
    }
    reach = _write_reach(state, secrets | by_hand | psql)
    addresses: dict[str, object] = {
        "http": where.http,
        "flight": where.flight,
        "session_secret": "%{FRAISEQL_SESSION_SECRET}",
        "metrics_token": "%{FRAISEQL_METRICS_TOKEN}",
        "database": str(where.database),
        "database_name": where.database_name,
        "user": where.owner.user,
        "password": "%{FRAISEQL_PASSWORD}",
        "issuer": where.identity.issuer,
        "audience": where.identity.audience,
        "identity_key": str(where.identity.key),
        "identity_key_id": where.identity.key_id,
        "nats": f"nats://{nats.hostname}:{nats.port}",
        "nats_user": nats.username,
        "nats_password": "%{FRAISEQL_NATS_PASSWORD}",
        "clickhouse": where.clickhouse.url,
        "clickhouse_user": where.clickhouse.login.user,
        "clickhouse_password": "%{FRAISEQL_CLICKHOUSE_PASSWORD}",
        "search": where.search.url,
        "redis": str(where.redis),
        "redis_password": "%{FRAISEQL_REDIS_PASSWORD}",
    }
    environment = _write_environment(results, "fraiseql", capabilities, addresses)
    return (
        "The services stay up:\n"
        f"  GraphQL {where.http}/graphql   Flight {where.flight}\n"
        f"  ClickHouse {where.clickhouse.url}   search {where.search.url}   NATS {nats.hostname}:{nats.port}\n"
        f"  by hand:         . {reach}     (addresses, secrets, process ids; then: psql, curl, or the next line)\n"
        f"  test them again: ./run.sh --system fraiseql --environment {environment}\n"
        f"  end them:        kill {keeper}"
    )


def describe_pgdog(
    where: PgdogAddresses,
    capabilities: Iterable[str],
    processes: Mapping[str, int],
    state: Path,
    keeper: int,
    results: Path,
) -> str:
    """Write `reach.sh` (readable by its owner only) and `kept.yaml`; return the text for the console.

    Args:
        where: addresses and passwords.
        capabilities: what the environment declared.
        processes: process id of each service that somebody may want to stop or freeze, by its name.
        state: the services' directory, removed when they end; `reach.sh` goes there.
        keeper: process id that SIGTERM ends the services with.
        results: this run's artifacts; `kept.yaml` goes there.
    """
    assert where.admin is not None
    app, other = where.users
    secrets = {
        "PGDOG_PASSWORD": app.password.value,
        "PGDOG_OTHER_PASSWORD": other.password.value,
        "PGDOG_SUPERUSER_PASSWORD": where.superuser.password.value,
        "PGDOG_ADMIN_PASSWORD": where.admin.login.password.value,
    }
    addresses: dict[str, object] = {
        "dialect": where.dialect,
        "client": str(where.client),
        "database": where.database,
        "server_database": where.server_database,
        "user": app.user,
        "password": "%{PGDOG_PASSWORD}",
        "other_user": other.user,
        "other_password": "%{PGDOG_OTHER_PASSWORD}",
        "superuser": where.superuser.user,
        "superuser_password": "%{PGDOG_SUPERUSER_PASSWORD}",
        "primary": str(where.primary),
        "mirror": str(where.mirror),
        "metrics": where.metrics,
        "admin": str(where.admin.endpoint),
        "admin_database": where.admin.database,
        "admin_user": where.admin.login.user,
        "admin_password": "%{PGDOG_ADMIN_PASSWORD}",
        "prometheus": where.prometheus,
        "pgbouncer": str(where.pgbouncer) if where.pgbouncer else None,
    }
    psql = {
        "PGHOST": where.client.host,
        "PGPORT": str(where.client.port),
        "PGDATABASE": where.database,
        "PGUSER": app.user,
        "PGPASSWORD": app.password.value,
    }
    by_hand = {
        "PGDOG_PRIMARY_PORT": str(where.primary.port),
        "PGDOG_MIRROR_PORT": str(where.mirror.port),
        "PGDOG_METRICS": where.metrics,
        "PGDOG_STATE": str(state),
        "PGDOG_LOGS": str(results / "sut"),
        **{f"{name.upper()}_PID": str(pid) for name, pid in processes.items()},
    }
    reach = _write_reach(state, secrets | by_hand | psql)
    environment = _write_environment(results, "pgdog", capabilities, addresses)
    return (
        "The services stay up:\n"
        f"  proxy {where.client}   primary {where.primary}   mirror {where.mirror}\n"
        f"  metrics {where.metrics}   console {where.admin.endpoint}, database {where.admin.database}\n"
        f"  by hand:         . {reach}     (addresses, passwords, process ids; then: psql, curl, or the next line)\n"
        f"  test them again: ./run.sh --system pgdog --environment {environment}\n"
        f"  end them:        kill {keeper}"
    )


def _session_token(secret: str) -> str:
    now = int(time.time())
    claims = {"sub": "by-hand", "iat": now, "exp": now + _TOKEN_SECONDS, "scopes": [], "session_type": "flight"}
    return jwt.encode(claims, secret, algorithm="HS256")


def _write_reach(state: Path, variables: Mapping[str, str]) -> Path:
    """Write a file to be sourced, which only its owner can read."""
    reach = state / "reach.sh"
    reach.touch(mode=0o600)
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    reach.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return reach


def _write_environment(results: Path, system: str, capabilities: Iterable[str], addresses: dict[str, object]) -> Path:
    """Write the environment file with which the external driver tests what was kept, system by system."""
    section = {"capabilities": sorted(set(capabilities) - MEANS.keys()), "addresses": addresses}
    path = results / "kept.yaml"
    before = yaml.safe_load(path.read_text(encoding="utf-8"))["systems"] if path.exists() else {}
    content = {"name": "kept", "driver": "external", "systems": {**before, system: section}}
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def _addresses(where: ClusterAddresses) -> dict[str, object]:
    assert where.superuser is not None
    return {
        "primary": str(where.primary),
        "replicas": str(where.replicas),
        "haproxy_statistics": where.haproxy_statistics,
        "patroni": list(where.patroni),
        "redis": str(where.redis),
        "cache": where.cache,
        "citus_coordinator": str(where.citus.coordinator) if where.citus else None,
        "database": where.database,
        "user": where.owner.user,
        "password": "%{CLUSTER_PASSWORD}",
        "superuser": where.superuser.user,
        "superuser_password": "%{CLUSTER_SUPERUSER_PASSWORD}",
        "redis_password": "%{CLUSTER_REDIS_PASSWORD}",
    }
