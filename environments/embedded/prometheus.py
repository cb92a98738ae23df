"""Prometheus, which keeps what a page of metrics said every second."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import requests

from environments.embedded.processes import EmbeddedService, Home
from environments.embedded.programs import Found
from environments.system import Endpoint

JOB = "proxy"


class Prometheus(EmbeddedService):
    """One server that scrapes one page.

    Args:
        home: of the service.
        program: `prometheus`.
        endpoint: where it listens.
        target: whose path `/metrics` it reads.
    """

    def __init__(self, home: Home, program: Found, endpoint: Endpoint, target: Endpoint) -> None:
        super().__init__(home)
        self.program, self.endpoint, self.target = program, endpoint, target

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://{self.endpoint}"

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`."""
        file = self.directory / "prometheus.yml"
        job = {"job_name": JOB, "static_configs": [{"targets": [str(self.target)]}]}
        often = {"scrape_interval": "1s", "scrape_timeout": "1s"}
        file.write_text(json.dumps({"global": often, "scrape_configs": [job]}), encoding="utf-8")  # JSON is YAML, too
        options = {
            "config.file": file,
            "storage.tsdb.path": self.directory / "data",
            "web.listen-address": self.endpoint,
            "log.level": "warn",
        }
        return [str(self.program.path), *(f"--{name}={value}" for name, value in options.items())], {}

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`."""
        try:
            answer = requests.get(f"{self.url}/-/ready", timeout=2)
        except requests.RequestException as error:
            return f"{self.name} does not answer on {self.endpoint} ({type(error).__name__})"
        return None if answer.ok else f"{self.name} is not ready: {answer.text.strip()}"
