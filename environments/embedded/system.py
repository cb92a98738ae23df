"""What every embedded system is made of: a directory, a keeper of its processes, ports, and waits with deadlines."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from environments.config import EnvironmentFile
from environments.embedded.links import LinkProxy
from environments.embedded.ports import HOST, Ports, is_free
from environments.embedded.processes import EmbeddedService, Home, Keeper, wait_until
from environments.errors import EnvironmentProblem
from environments.system import Endpoint, LinkCondition

START_DEADLINE = 60.0  # seconds, times the file's multiplier; 4 to 6 s is usual
_LABEL = "acceptance-"


class EmbeddedSystem:
    """Services as child processes of one keeper, in one directory that is removed with them.

    Args:
        environment: of the run.
        results: this run's artifacts; the services' logs go below.
    """

    link_proxy: LinkProxy  # made by `compose`

    def __init__(self, environment: EnvironmentFile, results: Path) -> None:
        self.environment = environment
        self.logs = results / "sut"
        self.ports = Ports()
        self.directory = _state_directory(environment)
        self.keeper = Keeper(self.directory)
        try:
            self.compose()
        except BaseException:
            self.keeper.close()
            raise

    def compose(self) -> None:
        """Make the services, their addresses and directories; start nothing."""
        raise NotImplementedError

    def bring_up(self) -> None:
        """Start every service and return when all probes answer.

        Raises:
            EnvironmentProblem: one did not become ready in time.
        """
        raise NotImplementedError

    def start(self) -> None:
        """Start every service in parallel and return when all probes answer.

        Raises:
            EnvironmentProblem: one did not become ready in time; everything is stopped again.
        """
        try:
            self.bring_up()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> list[str]:
        """Stop everything; return what is left of it, one line each (empty: nothing)."""
        survivors = self.keeper.descendants()
        left = [f"process {pid} would not die" for pid in self.keeper.close()]
        left += [f"process {process.pid} is still running" for process in survivors if _runs(process)]
        left += [f"port {port} is still taken" for port in sorted(self.ports.given) if not is_free(port)]
        if self.directory.exists():
            left.append(f"directory {self.directory} is still there")
        return left

    def set_link(self, link: str, condition: LinkCondition | None) -> None:
        """See `System.set_link`."""
        self.link_proxy.links.set_link(link, condition)

    def link_counters(self, link: str) -> Mapping[str, int]:
        """See `System.link_counters`."""
        return self.link_proxy.links.counters(link)

    def endpoint(self, port: int | None = None) -> Endpoint:
        """An address on loopback: of this port, or of a free one."""
        return Endpoint(HOST, self.ports.choose(port))

    def home(self, service: str) -> Home:
        """Make the directory of a service."""
        directory = self.directory / service
        directory.mkdir(mode=0o700)
        return Home(service, self.keeper, self.logs, directory)

    def ready(self, service: EmbeddedService) -> None:
        """Wait until a service answers its probe.

        Raises:
            EnvironmentProblem: it ended, or did not answer in time; the line names its log.
        """

        def missing() -> str | None:
            status = None if service.pid is None else self.keeper.exit_status(service.pid)
            if status is not None:
                raise EnvironmentProblem(
                    f"{service.name}: ended with status {status} while starting; read {service.log} for the reason"
                )
            return service.missing()

        self.wait(missing, f"{service.name} to be ready", service.log)

    def wait(self, missing: Callable[[], str | None], what: str, log: Path | None = None) -> None:
        """Poll until nothing is missing.

        Raises:
            EnvironmentProblem: after the deadline.
        """
        try:
            wait_until(missing, START_DEADLINE * self.environment.timeout_multiplier, what, poll=0.05)
        except TimeoutError as error:
            raise EnvironmentProblem(f"{error}; read {log or self.logs} for the reason") from None


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _state_directory(environment: EnvironmentFile) -> Path:
    parent = environment.run_directory or Path(tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=_LABEL, dir=parent))
