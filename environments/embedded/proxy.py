"""A mirror proxy: one process with its configuration, its ports and its console."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import requests
from robot.api.types import Secret

from environments import pgdog, toml
from environments.embedded.processes import EmbeddedService, Home
from environments.pgdog import ProxyOptions, Written
from environments.pgdog.upstream import ADMIN
from environments.pgdog.written import blank
from environments.sections.pgdog import Dialect
from environments.system import AdminAddress, Endpoint, Login, ServiceControl

PLAN_CONSOLE = "pgdog"  # the database that the plan calls its console


@dataclass(frozen=True)
class Ways:
    """What every proxy of a system is given.

    Args:
        program: what starts it, with its own switches.
        dialect: of its files.
        settings: keys of `[general]` beyond ours.
        blanks: values of the blanks that are the same for all of them: the servers' ports and all passwords.
    """

    program: Sequence[str]
    dialect: Dialect
    settings: toml.Table
    blanks: Mapping[str, str | int]

    def written(self, options: ProxyOptions) -> Written:
        """See `PgdogSystem.configuration`."""
        return pgdog.written(options, self.dialect, self.settings)


class Proxy(EmbeddedService):
    """One proxy process; see `PgdogInstance`.

    Args:
        home: of the service.
        ways: of the system.
        client: where its clients connect.
        free: chooses a port.
    """

    stop_signal = signal.SIGINT  # lets the vendor's proxy empty its queues; SIGTERM ends it on the spot
    stop_deadline = 8.0  # its clients have 5 of these, see `environments/pgdog/upstream.py`

    def __init__(self, home: Home, ways: Ways, client: Endpoint, free: Callable[[], Endpoint]) -> None:
        super().__init__(home)
        self.ways, self.client, self.page = ways, client, free()
        self.control: ServiceControl = self
        self.metrics = f"http://{self.page}/metrics"
        console = (client, ADMIN) if ways.dialect == "upstream" else (free(), PLAN_CONSOLE)
        self.admin = AdminAddress(*console, Login(ADMIN, Secret(str(ways.blanks["admin_password"]))))
        self.configuration = self.directory / "pgdog.toml"
        self.users = self.directory / "users.toml"
        self.options: ProxyOptions | None = None
        self.has_page = False

    def configure(self, written: Written) -> None:
        """Write its configuration, with its own ports in the place of the blanks."""
        self.has_page = blank("metrics_port") in written.text
        own = {"port": self.client.port, "admin_port": self.admin.endpoint.port, "metrics_port": self.page.port}
        toml.write_private(self.configuration, pgdog.filled(written.text, {**self.ways.blanks, **own}))
        self.users.unlink(missing_ok=True)
        if written.users is not None:
            toml.write_private(self.users, pgdog.filled(written.users, self.ways.blanks))

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`."""
        users = ["--users", str(self.users)] if self.users.exists() else []
        return [*self.ways.program, "--config", str(self.configuration), *users], {}

    def stop(self) -> None:
        """See `EmbeddedService.stop`. PgDog 0.1.17 overhears one request in thirty, and is then asked again."""
        try:
            super().stop()
        except TimeoutError:
            super().stop()

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`: it is ready when it takes clients, and has its page where it has one."""
        try:
            with closing(socket.create_connection((self.client.host, self.client.port), timeout=1)):
                pass
        except OSError as error:
            return f"{self.name} does not take clients on {self.client} ({error.strerror or 'timed out'})"
        try:
            answer = requests.get(self.metrics, timeout=2) if self.has_page else None
        except requests.RequestException as error:
            return f"{self.name} has no page at {self.metrics} ({type(error).__name__})"
        return None if answer is None or answer.ok else f"{self.name} has no page: {answer.status_code}"

    def reconfigure(self, options: ProxyOptions) -> None:
        """See `PgdogInstance.reconfigure`."""
        self.configure(self.ways.written(options))
        self.options = options

    def exit_status(self) -> int | None:
        """See `PgdogInstance.exit_status`."""
        assert self.pid is not None
        return self.keeper.exit_status(self.pid)
