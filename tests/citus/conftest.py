"""Citus alone, without the rest of the cluster, for tests that need its real answers."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from robot.api.types import Secret

from environments.embedded import programs
from environments.embedded.citus import CitusServices
from environments.embedded.ports import HOST, Ports
from environments.embedded.processes import EmbeddedService, Home, Keeper, wait_until
from environments.errors import EnvironmentProblem
from environments.sections.base import Program
from environments.sections.cluster import Citus, Vector
from environments.system import Endpoint, Login
from runner.arguments import default_citus

DATABASE = "acceptance"


class CitusAlone:
    """The services, their keeper, and what a cluster would do around them."""

    def __init__(self, keeper: Keeper, logs: Path, settings: Citus) -> None:
        def home(service: str) -> Home:
            directory = keeper.state_directory / service
            directory.mkdir(mode=0o700)
            return Home(service, keeper, logs, directory)

        ports = Ports()
        self.keeper, self.logs = keeper, logs
        self.services = CitusServices(
            home,
            programs.find(programs.POSTGRESQL, Program(version="18")),
            settings,
            [Endpoint(HOST, ports.choose()) for _ in range(settings.workers + 1)],
            Login("postgres", Secret(secrets.token_urlsafe(18))),
            Login("acceptance", Secret(secrets.token_urlsafe(18))),
            Vector(),
        )

    def ready(self, service: EmbeddedService) -> None:
        def missing() -> str | None:
            if service.pid is not None and self.keeper.exit_status(service.pid) is not None:
                raise EnvironmentProblem(f"{service.name} ended while starting")
            return service.missing()

        wait_until(missing, 30, service.name)

    def start(self) -> None:
        self.services.start(self.ready, DATABASE)


@contextmanager
def citus_alone(logs: Path, settings: Citus) -> Iterator[CitusAlone]:
    """Compose Citus; everything is gone on leaving."""
    keeper = Keeper(Path(tempfile.mkdtemp(prefix="acceptance-test-")))
    try:
        yield CitusAlone(keeper, logs, settings)
    finally:
        assert keeper.close() == []


@pytest.fixture(scope="session")
def installation() -> Path:
    """The Citus that `--with-citus` takes by default. It is the user's own, so a machine may have none."""
    directory = default_citus()
    if not directory.is_dir():
        pytest.skip(f"no Citus in {directory}; install one there as docs/decisions/0007-citus-installation.md says")
    return directory


@pytest.fixture(scope="module")
def citus(installation: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CitusAlone]:
    """A coordinator and two workers that have started, with the schema."""
    with citus_alone(tmp_path_factory.mktemp("logs"), Citus(path=installation, shard_count=4)) as alone:
        alone.start()
        yield alone
