"""etcd: the distributed configuration store that holds Patroni's leader key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import requests

from environments.embedded.processes import EmbeddedService, Home
from environments.embedded.programs import Found
from environments.sections.base import Program
from environments.system import Endpoint


class Etcd(EmbeddedService):
    """One etcd server. A single one is enough: its outage is a fault of its own, and quorum is etcd's promise."""

    def __init__(self, home: Home, program: Found, config: Program, client: Endpoint, peer: Endpoint) -> None:
        super().__init__(home)
        self.program, self.config, self.client, self.peer = program, config, client, peer

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`."""
        client, peer = f"http://{self.client}", f"http://{self.peer}"
        options: dict[str, object] = {
            "name": "etcd1",
            "data-dir": self.directory / "data",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"etcd1={peer}",
            "heartbeat-interval": 100,
            "election-timeout": 500,
            "logger": "zap",
            "log-level": "warn",
            **self.config.settings,
        }
        return [str(self.program.path), *(f"--{name}={value}" for name, value in options.items())], self.program.env

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`."""
        try:
            healthy = requests.get(f"http://{self.client}/health", timeout=1).json().get("health") == "true"
        except (requests.RequestException, ValueError):
            return f"etcd does not answer on {self.client}"
        return None if healthy else f"etcd on {self.client} says it is not healthy"
