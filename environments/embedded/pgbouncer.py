"""PgBouncer, the pooler that the speed of a proxy is compared with."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from contextlib import closing

from environments.embedded.processes import EmbeddedService, Home
from environments.embedded.programs import Found, unprivileged
from environments.sections.base import Settings
from environments.system import Endpoint, Login

_CLIENTS = 200


class PgBouncer(EmbeddedService):
    """One pooler in session mode: each client has a server connection for as long as it stays.

    Args:
        home: of the service.
        program: `pgbouncer`.
        settings: of its section `[pgbouncer]`, beyond ours.
        endpoint: where it listens.
        server: whose databases it leads to, all by their own name.
        logins: who may use it.
    """

    def __init__(
        self,
        home: Home,
        program: Found,
        settings: Settings,
        endpoint: Endpoint,
        server: Endpoint,
        logins: Sequence[Login],
    ) -> None:
        super().__init__(home)
        self.program, self.settings, self.endpoint, self.server, self.logins = (
            program, settings, endpoint, server, logins,
        )  # fmt: skip

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`. It does not run as root."""
        users = self.directory / "users.txt"
        users.touch(mode=0o600)
        lines = [f'"{login.user}" "{login.password.value}"' for login in self.logins]
        users.write_text("\n".join(lines) + "\n", encoding="utf-8")
        content = {
            "listen_addr": self.endpoint.host,
            "listen_port": self.endpoint.port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": users,
            "pool_mode": "session",
            "max_client_conn": _CLIENTS,
            "default_pool_size": _CLIENTS,
            "ignore_startup_parameters": "extra_float_digits",
            "log_connections": 0,
            "log_disconnections": 0,
            **self.settings,
        }
        file = self.directory / "pgbouncer.ini"
        ini = ["[databases]", f"* = host={self.server.host} port={self.server.port}", "[pgbouncer]"]
        file.write_text("\n".join([*ini, *(f"{key} = {value}" for key, value in content.items())]) + "\n", "utf-8")
        return [*unprivileged(), str(self.program.path), str(file)], {}

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`."""
        try:
            with closing(socket.create_connection((self.endpoint.host, self.endpoint.port), timeout=1)):
                return None
        except OSError as error:
            return f"{self.name} does not take clients on {self.endpoint} ({error.strerror or 'timed out'})"
