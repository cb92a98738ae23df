"""What tests of single services share: a keeper, directories and ports of their own, and how services begin and end."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from robot.api.types import Secret

from environments.embedded.ports import HOST, Ports
from environments.embedded.processes import EmbeddedService, Home, Keeper, wait_until
from environments.system import Endpoint, Login


class Homes:
    """Directories and ports of one test's services."""

    def __init__(self, directory: Path) -> None:
        self.keeper = Keeper(directory / "state")
        self.logs, self.directory, self.ports = directory / "logs", directory / "state", Ports()
        self.login = Login("acceptance", Secret(secrets.token_urlsafe(18)))

    def home(self, name: str) -> Home:
        (self.directory / name).mkdir(parents=True, mode=0o700)
        return Home(name, self.keeper, self.logs, self.directory / name)

    def endpoint(self) -> Endpoint:
        return Endpoint(HOST, self.ports.choose())


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[Homes]:
    made = Homes(tmp_path)
    yield made
    assert made.keeper.close() == []
    assert not made.directory.exists()


def begin(service: EmbeddedService, seconds: float = 20) -> None:
    service.start()

    def missing() -> str | None:
        assert service.pid is not None
        status = service.keeper.exit_status(service.pid)
        assert status is None, f"ended with {status}: {service.log.read_text(encoding='utf-8')}"
        return service.missing()

    wait_until(missing, seconds, f"{service.name} to be ready")


def gone(service: EmbeddedService, before: Sequence[int]) -> None:
    assert service.processes() == []
    assert [pid for pid in before if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"] == []


def ends(service: EmbeddedService) -> tuple[Callable[[], object], ...]:
    """The ways a server may end."""
    return service.stop, service.kill
