"""ClickHouse: a server where there is one, else our front of its engine, which comes as a Python package."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import requests
import yaml

from environments.config import ROOT
from environments.embedded.processes import EmbeddedService, Home
from environments.embedded.programs import Found, Source, find, fits
from environments.errors import EnvironmentProblem
from environments.sections.base import Program, Settings
from environments.system import Endpoint, Login

FRONT = ROOT / "reference" / "clickhouse" / "__main__.py"
_SERVER = Source("clickhouse", "clickhouse", ("--version",), "chdb", lambda _: None)
_KEY = "services.clickhouse"


def prepare(wanted: Program) -> Found:
    """Find ClickHouse: the path in the environment file, `PATH`, else the engine of the Python package chdb.

    Raises:
        EnvironmentProblem: the program named is missing or has the wrong version, or there is no engine either.
    """
    try:
        return find(_SERVER, wanted)
    except EnvironmentProblem:
        version = None if wanted.path is not None else _engine()
        if version is None or not fits(version, wanted.version):
            raise
    if wanted.settings:
        names = ", ".join(wanted.settings)
        raise EnvironmentProblem(
            f"{_KEY}.settings: the front of chdb has no {names}; remove the key, or name a server in {_KEY}.path"
        )
    return Found(FRONT, version, "Python package chdb", kind="real engine, reference front")


def _engine() -> str | None:
    try:
        return metadata.version("chdb-core")
    except metadata.PackageNotFoundError:
        return None


class ClickHouse(EmbeddedService):
    """One server with one user, spoken to over HTTP.

    Args:
        home: of the service.
        program: what `prepare` found.
        settings: top-level keys of a server's configuration beyond ours.
        endpoint: of its HTTP interface.
        login: of its one user.
    """

    def __init__(self, home: Home, program: Found, settings: Settings, endpoint: Endpoint, login: Login) -> None:
        super().__init__(home)
        self.program, self.settings, self.endpoint, self.login = program, settings, endpoint, login
        self.data = self.directory / "data"

    @property
    def url(self) -> str:
        """Base address of its HTTP interface."""
        return f"http://{self.endpoint}"

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`. The password goes through a file: arguments can be read by everybody."""
        if self.program.kind != "real":
            password = self._private("password", self.login.password.value)
            options = {
                "data": self.data,
                "port": self.endpoint.port,
                "user": self.login.user,
                "password-file": password,
            }
            argv = [sys.executable, str(self.program.path), *(f"--{name}={value}" for name, value in options.items())]
            return argv, self.program.env
        file = self._private("clickhouse.yaml", yaml.safe_dump(self._configuration(), sort_keys=False))
        # without the watchdog the process that was started is the server itself, and a signal reaches it
        variables = {**self.program.env, "CLICKHOUSE_WATCHDOG_ENABLE": "0"}
        return [str(self.program.path), "server", f"--config-file={file}"], variables

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`."""
        try:
            answer = requests.get(f"{self.url}/ping", timeout=1)
        except requests.RequestException as error:
            return f"clickhouse does not answer on {self.endpoint} ({type(error).__name__})"
        return None if answer.ok else f"clickhouse answers a ping with status {answer.status_code}"

    def _configuration(self) -> dict[str, Any]:
        secret = hashlib.sha256(self.login.password.value.encode()).hexdigest()
        user = {
            "password_sha256_hex": secret,
            "networks": {"ip": "127.0.0.1"},
            "profile": "default",
            "quota": "default",
        }
        return {
            "logger": {"level": "warning", "console": 1},
            "listen_host": self.endpoint.host,
            "http_port": self.endpoint.port,
            "path": f"{self.data}/",
            "tmp_path": f"{self.data / 'tmp'}/",
            "user_files_path": f"{self.data}/user_files/",
            "format_schema_path": f"{self.data}/format_schemas/",
            "mlock_executable": False,
            "shutdown_wait_unfinished": 1,  # seconds that it waits for clients who keep their connection
            "users_config": str(self.directory / "clickhouse.yaml"),
            "users": {self.login.user: user},
            "profiles": {"default": {}},
            "quotas": {"default": {}},
            **self.settings,
        }

    def _private(self, name: str, text: str) -> Path:
        file = self.directory / name
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        return file
