"""What must hold before an external system is tested: it answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import psycopg2
import redis
import requests

from environments.config import EnvironmentFile, resolved_secret
from environments.sections.broker import BrokerAddresses
from environments.sections.cluster import ClusterAddresses
from environments.sections.pgdog import PgdogAddresses
from environments.system import Endpoint

SECONDS = 5


def problems(environment: EnvironmentFile) -> list[str]:
    """One line per address that does not answer, each naming the key and the cure."""
    cluster, broker = environment.systems.cluster, environment.systems.broker
    found: list[str] = []
    if cluster is not None and cluster.addresses is not None:
        found += [*_databases(cluster.addresses), *_http(cluster.addresses), *_redis(cluster.addresses)]
    if broker is not None and broker.addresses is not None:
        found += _broker(broker.addresses)
    pgdog = environment.systems.pgdog
    if pgdog is not None and pgdog.addresses is not None:
        where = pgdog.addresses
        found += [*_mirrored(where), *_ports(where), *_page("systems.pgdog.addresses.metrics", where.metrics)]
        found += _page("systems.pgdog.addresses.prometheus", where.prometheus)
    return found


def _databases(where: ClusterAddresses) -> Iterator[str]:
    for key, text in (("primary", where.primary), ("replicas", where.replicas)):
        login = (where.user, where.password)
        yield from _postgresql(f"systems.cluster.addresses.{key}", text, where.database, login)


def _mirrored(where: PgdogAddresses) -> Iterator[str]:
    client, superuser = (where.user, where.password), (where.superuser, where.superuser_password)
    servers = where.server_database or where.database
    yield from _postgresql("systems.pgdog.addresses.client", where.client, where.database, client)
    yield from _postgresql("systems.pgdog.addresses.primary", where.primary, servers, superuser)
    yield from _postgresql("systems.pgdog.addresses.mirror", where.mirror, servers, superuser)


def _postgresql(key: str, text: str, database: str, login: tuple[str, str]) -> Iterator[str]:
    """Log in, as a user whose password is in a variable of the environment."""
    try:
        endpoint = Endpoint.parse(text)
        psycopg2.connect(
            host=endpoint.host,
            port=endpoint.port,
            dbname=database,
            user=login[0],
            password=resolved_secret(login[1]),
            connect_timeout=SECONDS,
        ).close()
    except ValueError as error:
        yield f"{key}: {error}"
    except psycopg2.OperationalError as error:
        reason = str(error).strip().splitlines()[-1]
        yield f"{key}: {text} refuses ({reason}); start the system or correct the address"


def _ports(where: PgdogAddresses) -> Iterator[str]:
    for key, text in (("admin", where.admin), ("pgbouncer", where.pgbouncer)):
        if text is None:
            continue
        try:
            endpoint = Endpoint.parse(text)
            socket.create_connection((endpoint.host, endpoint.port), timeout=SECONDS).close()
        except ValueError as error:
            yield f"systems.pgdog.addresses.{key}: {error}"
        except OSError as error:
            reason = error.strerror or error
            yield f"systems.pgdog.addresses.{key}: {text} refuses ({reason}); start the system or correct the address"


def _page(key: str, url: str | None) -> Iterator[str]:
    if url is None:
        return
    try:
        requests.get(url, timeout=SECONDS)
    except requests.RequestException as error:
        yield f"{key}: {url} does not answer ({type(error).__name__}); start the system or correct the address"


def _http(where: ClusterAddresses) -> Iterator[str]:
    urls = {"haproxy_statistics": where.haproxy_statistics, "cache": where.cache and f"{where.cache}/health"}
    for number, url in enumerate(where.patroni):
        urls[f"patroni.{number}"] = f"{url}/cluster"
    for key, address in urls.items():
        yield from _page(f"systems.cluster.addresses.{key}", address)


def _redis(where: ClusterAddresses) -> Iterator[str]:
    if where.redis is None:
        return
    try:
        endpoint = Endpoint.parse(where.redis)
        password = resolved_secret(where.redis_password) if where.redis_password else None
        with redis.Redis(endpoint.host, endpoint.port, password=password, socket_timeout=SECONDS) as client:
            client.ping()
    except (ValueError, redis.RedisError, OSError) as error:
        yield (
            f"systems.cluster.addresses.redis: {where.redis} does not answer ({type(error).__name__}); "
            "start the system or correct the address and password"
        )


def _broker(where: BrokerAddresses) -> Iterator[str]:
    key = "systems.broker.addresses"
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(SECONDS)
            client.connect(str(where.socket.expanduser()))
    except OSError as error:
        yield f"{key}.socket: {where.socket} refuses ({error.strerror or error}); start the broker or correct the path"
    yield from _page(f"{key}.metrics", where.metrics)
