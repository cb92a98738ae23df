"""The reference cache client: a program of ours, under test in the criteria RC-07 to RC-17."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import requests
from robot.api.types import Secret

from environments import config
from environments.embedded.processes import EmbeddedService, Home
from environments.sections import cluster
from environments.system import Endpoint, Login

PROGRAM = config.ROOT / "reference" / "cache" / "__main__.py"


class Cache(EmbeddedService):
    """Caches rows of `memory_entries` in Redis; reaches Redis and the database through links of its own."""

    def __init__(
        self,
        home: Home,
        settings: cluster.Cache,
        endpoint: Endpoint,
        redis: tuple[Endpoint, Secret],
        database: tuple[Endpoint, str, Login],
        defect: str | None,
    ) -> None:
        super().__init__(home)
        self.settings, self.endpoint, self.defect = settings, endpoint, defect
        self.redis, self.database = redis, database

    @property
    def url(self) -> str:
        """Base address of its HTTP interface."""
        return f"http://{self.endpoint}"

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`. Passwords go through the environment: arguments can be read by everybody."""
        redis, redis_password = self.redis
        database, name, login = self.database
        options: dict[str, object] = {
            "redis": redis,
            "database": f"host={database.host} port={database.port} dbname={name} user={login.user}",
            "listen": self.endpoint,
            "ttl": self.settings.ttl,
            **self.settings.settings,
        }
        if self.defect:
            options["defect"] = self.defect
        argv = [sys.executable, str(PROGRAM), *(f"--{key}={value}" for key, value in options.items())]
        return argv, {"CACHE_REDIS_PASSWORD": redis_password.value, "CACHE_DATABASE_PASSWORD": login.password.value}

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`."""
        try:
            answer = requests.get(f"{self.url}/health", timeout=2)
        except requests.RequestException:
            return f"the cache client does not answer on {self.endpoint}"
        return None if answer.ok else f"the cache client is not healthy: {answer.text.strip()}"
