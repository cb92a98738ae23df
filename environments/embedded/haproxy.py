"""HAProxy: one port that leads to the primary, one that leads to the standbys, and its statistics."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import requests

from environments.embedded.processes import EmbeddedService, Home
from environments.embedded.programs import Found
from environments.sections.base import Program
from environments.system import Endpoint

# Checks every 200 ms with one failure to leave and one success to enter: a switched leader is seen within
# 0.4 s. `retries 0` and the short connect timeout hand an outage to the client at once instead of hiding it.
DEFAULTS: dict[str, str | int | float | bool] = {
    "inter": "200ms",
    "fastinter": "100ms",
    "downinter": "200ms",
    "fall": 1,
    "rise": 1,
    "on-marked-down": "shutdown-sessions",
    "timeout connect": "300ms",
    "timeout queue": "100ms",
    "timeout check": "1s",
    "timeout client": "30m",
    "timeout server": "30m",
    "retries": 0,
    "maxconn": 400,
    "check primary": "/primary",
    "check replicas": "/replica",
}
_SERVER_OPTIONS = ("inter", "fastinter", "downinter", "fall", "rise", "on-marked-down")


class HAProxy(EmbeddedService):
    """Routes by what Patroni's REST API answers for each member.

    `settings` of the environment file may override any key of `DEFAULTS`; an empty text leaves it out.
    """

    def __init__(
        self,
        home: Home,
        program: Found,
        config: Program,
        ports: tuple[Endpoint, Endpoint, Endpoint],
        members: Mapping[str, tuple[Endpoint, Endpoint]],
    ) -> None:
        super().__init__(home)
        self.program, self.config, self.members = program, config, members
        self.primary, self.replicas, self.statistics = ports

    @property
    def statistics_url(self) -> str:
        """Address of the statistics page; `;csv` behind it gives the table."""
        return f"http://{self.statistics}/"

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`."""
        file = self.directory / "haproxy.cfg"
        file.write_text(self.configuration(), encoding="utf-8")
        return [str(self.program.path), "-db", "-f", str(file)], self.program.env

    def configuration(self) -> str:
        """The whole configuration file."""
        settings = {**DEFAULTS, **self.config.settings}
        server = " ".join(f"{key} {settings[key]}" for key in _SERVER_OPTIONS if settings[key] != "")
        timeouts = "".join(f"  {key} {value}\n" for key, value in settings.items() if key.startswith("timeout "))
        return (
            "defaults\n  mode tcp\n"
            f"{timeouts}  retries {settings['retries']}\n  maxconn {settings['maxconn']}\n"
            f"  http-check expect status 200\n  default-server {server}\n"
            + self._listen("primary", self.primary, settings["check primary"])
            + self._listen("replicas", self.replicas, settings["check replicas"])
            + f"frontend statistics\n  mode http\n  bind {self.statistics}\n  stats enable\n  stats uri /\n"
        )

    def _listen(self, name: str, endpoint: Endpoint, path: object) -> str:
        servers = "".join(
            f"  server {member} {postgres} check port {rest.port}\n"
            for member, (postgres, rest) in self.members.items()
        )
        return f"listen {name}\n  bind {endpoint}\n  balance roundrobin\n  option httpchk OPTIONS {path}\n{servers}"

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`: one primary and all other members must be known as UP."""
        try:
            page = requests.get(f"{self.statistics_url};csv", timeout=1)
        except requests.RequestException:
            return f"HAProxy does not answer on {self.statistics}"
        up = {"primary": 0, "replicas": 0}
        for row in csv.DictReader(io.StringIO(page.text.removeprefix("# "))):
            if row["svname"] in self.members and row["status"] == "UP":
                up[row["pxname"]] += 1
        wanted = {"primary": 1, "replicas": len(self.members) - 1}
        if {"check primary", "check replicas"} & self.config.settings.keys():  # then who is UP is no sign of readiness
            return None if all(up.values()) else "HAProxy sees no server UP on one of its ports"
        return None if up == wanted else f"HAProxy sees {up['primary']} primary and {up['replicas']} replicas UP"
