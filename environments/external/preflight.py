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
    return found


def _databases(where: ClusterAddresses) -> Iterator[str]:
    for key, text in (("primary", where.primary), ("replicas", where.replicas)):
        try:
            endpoint = Endpoint.parse(text)
            psycopg2.connect(
                host=endpoint.host,
                port=endpoint.port,
                dbname=where.database,
                user=where.user,
                password=resolved_secret(where.password),
                connect_timeout=SECONDS,
            ).close()
        except ValueError as error:
            yield f"systems.cluster.addresses.{key}: {error}"
        except psycopg2.OperationalError as error:
            reason = str(error).strip().splitlines()[-1]
            yield f"systems.cluster.addresses.{key}: {text} refuses ({reason}); start the system or correct the address"


def _http(where: ClusterAddresses) -> Iterator[str]:
    urls = {"haproxy_statistics": where.haproxy_statistics, "cache": where.cache and f"{where.cache}/health"}
    for number, url in enumerate(where.patroni):
        urls[f"patroni.{number}"] = f"{url}/cluster"
    for key, address in urls.items():
        if address is None:
            continue
        try:
            requests.get(address, timeout=SECONDS)
        except requests.RequestException as error:
            yield (
                f"systems.cluster.addresses.{key}: {address} does not answer ({type(error).__name__}); "
                "start the system or correct the address"
            )


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
    if where.metrics is None:
        return
    try:
        requests.get(where.metrics, timeout=SECONDS)
    except requests.RequestException as error:
        yield (
            f"{key}.metrics: {where.metrics} does not answer ({type(error).__name__}); start the broker or correct "
            "the address"
        )
