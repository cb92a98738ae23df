"""NATS with JetStream: what stands between who publishes events and who stores them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import requests

from environments.embedded.processes import EmbeddedService, Home
from environments.embedded.programs import Found
from environments.sections.base import Settings
from environments.system import Endpoint, Login


class Nats(EmbeddedService):
    """One server that keeps its streams in files, so that a restart brings them back.

    Args:
        home: of the service.
        program: `nats-server`.
        settings: lines of its configuration beyond ours.
        client: where clients connect.
        monitor: where its monitoring pages are.
        login: of its one user.
    """

    def __init__(
        self, home: Home, program: Found, settings: Settings, client: Endpoint, monitor: Endpoint, login: Login
    ) -> None:
        super().__init__(home)
        self.program, self.settings, self.client, self.monitor, self.login = program, settings, client, monitor, login

    @property
    def url(self) -> str:
        """Where clients connect, with user and password."""
        return f"nats://{self.login.user}:{self.login.password.value}@{self.client}"

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`. The password goes through a file: arguments can be read by everybody."""
        settings: dict[str, object] = {
            "server_name": self.name,
            "listen": self.client,
            "http": self.monitor,
            "jetstream": f'{{ store_dir: "{self.directory / "streams"}" }}',
            "authorization": f'{{ user: "{self.login.user}", password: "{self.login.password.value}" }}',
            **self.settings,
        }
        file = self.directory / "nats.conf"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name}: {value}\n" for name, value in settings.items()), encoding="utf-8")
        return [str(self.program.path), "--config", str(file)], self.program.env

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`: its streams are there as well."""
        try:
            answer = requests.get(f"http://{self.monitor}/healthz", timeout=1)
        except requests.RequestException as error:
            return f"nats does not answer on {self.monitor} ({type(error).__name__})"
        return None if answer.ok else f"nats says that it is not healthy: {answer.text.strip()}"
