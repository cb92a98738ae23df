"""Redis (or Valkey, which speaks the same protocol): the cache server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import redis
from robot.api.types import Secret

from environments.embedded.processes import EmbeddedService, Home
from environments.embedded.programs import Found
from environments.sections.base import Program
from environments.system import Endpoint


class Redis(EmbeddedService):
    """One server with an append-only file, so that a restart brings its old keys back (what RC-17 needs)."""

    def __init__(self, home: Home, program: Found, config: Program, endpoint: Endpoint, password: Secret) -> None:
        super().__init__(home)
        self.program, self.config, self.endpoint, self.password = program, config, endpoint, password

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`. The password goes through a file: arguments can be read by everybody."""
        settings: dict[str, object] = {
            "bind": self.endpoint.host,
            "port": self.endpoint.port,
            "dir": self.directory,
            "save": '""',
            "appendonly": "yes",
            "requirepass": self.password.value,
            **self.config.settings,
        }
        file = self.directory / "redis.conf"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), encoding="utf-8")
        return [str(self.program.path), str(file)], self.program.env

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`."""
        try:
            with redis.Redis(
                self.endpoint.host, self.endpoint.port, password=self.password.value, socket_timeout=1
            ) as client:
                client.ping()
        except redis.RedisError as error:
            return f"redis does not answer on {self.endpoint} ({type(error).__name__})"
        return None
