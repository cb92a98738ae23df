"""A Mycelium broker, embedded: the reference broker, or the program that the environment file names."""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from environments.config import ROOT, EnvironmentFile
from environments.embedded import kept
from environments.embedded.links import LinkProxy
from environments.embedded.processes import EmbeddedService, Home, Keeper
from environments.embedded.system import EmbeddedSystem
from environments.errors import EnvironmentProblem
from environments.sections.broker import BrokerProgram
from environments.system import BrokerAddresses, ServiceControl, ServiceFacts

REFERENCE = ROOT / "reference" / "mycelium" / "__main__.py"
CONFIGURATION = Path(__file__).with_name("broker.toml")
CLIENT_LINK = "client-broker"
PING = struct.pack("<IBBH", 4, 9, 0, 0)  # length of the body, opcode, flags, length of the topic
_KEY = "systems.broker.services.broker.path"


class Broker(EmbeddedService):
    """One broker process with its configuration file, Unix socket and metrics page."""

    def __init__(self, home: Home, program: Sequence[str], metrics_port: int, environment: Mapping[str, str]) -> None:
        super().__init__(home)
        self.program, self.environment = program, environment
        self.socket = self.directory / "mycelium.sock"
        self.configuration = self.directory / "broker.toml"
        self.metrics_port = metrics_port

    @property
    def metrics(self) -> str:
        """URL of its Prometheus page."""
        return f"http://127.0.0.1:{self.metrics_port}/metrics"

    def configure(self, text: str) -> None:
        """Write the configuration, with this broker's own socket and port in it."""
        filled = text.replace("@socket_path@", str(self.socket)).replace("@metrics_port@", str(self.metrics_port))
        self.configuration.write_text(filled, encoding="utf-8")

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """See `EmbeddedService.command`."""
        return [*self.program, "--config", str(self.configuration)], self.environment

    def missing(self) -> str | None:
        """See `EmbeddedService.missing`: it is ready when it answers a ping."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(1)
                client.connect(str(self.socket))
                client.sendall(PING)
                answer = client.recv(8)
        except OSError as error:
            return f"{self.name} does not answer at {self.socket} ({error.strerror or 'timed out'})"
        return None if answer[4:5] == b"\x0a" else f"{self.name} answers a ping with {answer.hex() or 'nothing'}"


@dataclass(frozen=True)
class Instance:
    """See `BrokerInstance`."""

    control: Broker
    keeper: Keeper

    @property
    def socket(self) -> Path:
        """See `BrokerInstance`."""
        return self.control.socket

    @property
    def metrics(self) -> str:
        """See `BrokerInstance`."""
        return self.control.metrics

    @property
    def configuration(self) -> Path:
        """See `BrokerInstance`."""
        return self.control.configuration

    @property
    def log(self) -> Path:
        """See `BrokerInstance`."""
        return self.control.log

    def exit_status(self) -> int | None:
        """See `BrokerInstance.exit_status`."""
        assert self.control.pid is not None
        return self.keeper.exit_status(self.control.pid)

    def reload(self) -> None:
        """See `BrokerInstance.reload`."""
        assert self.control.pid is not None
        os.kill(self.control.pid, signal.SIGHUP)


class EmbeddedBroker(EmbeddedSystem):
    """See `BrokerSystem`."""

    def __init__(self, environment: EnvironmentFile, results: Path) -> None:
        broker = environment.systems.broker
        assert broker is not None
        self.capabilities = broker.declared
        self.settings = broker.services.broker
        self.program = find_program(self.settings)
        self.defect = environment.defects.broker if environment.defects else None
        self.facts: Sequence[ServiceFacts] = []
        self.launched = 0
        super().__init__(environment, results)

    def compose(self) -> None:
        """See `EmbeddedSystem.compose`."""
        self.broker = self._broker("broker", {}, self.settings.port)
        self.broker.configure(CONFIGURATION.read_text(encoding="utf-8"))
        self.link_proxy = LinkProxy(self.home("links"))
        self.links: Mapping[str, Path] = {CLIENT_LINK: self.directory / "links" / f"{CLIENT_LINK}.sock"}
        self.services: Mapping[str, ServiceControl] = {"broker": self.broker, "links": self.link_proxy}
        bad = self.environment.defects.links if self.environment.defects else {}
        way = self.links[CLIENT_LINK] if CLIENT_LINK in bad else self.broker.socket
        metrics = self.broker.metrics if "metrics" in self.capabilities else None
        self.addresses = BrokerAddresses(way, metrics)

    def bring_up(self) -> None:
        """See `EmbeddedSystem.bring_up`."""
        self.broker.start()
        self.link_proxy.start()
        self.ready(self.link_proxy)
        self.link_proxy.links.add(CLIENT_LINK, self.broker.socket, self.links[CLIENT_LINK])
        self.ready(self.broker)
        for link, condition in (self.environment.defects.links if self.environment.defects else {}).items():
            self.set_link(link, condition)
        self.facts = [self._facts()]

    def launch(self, configuration: str, environment: Mapping[str, str] | None = None) -> Instance:
        """See `BrokerSystem.launch`."""
        self.launched += 1
        broker = self._broker(f"broker{self.launched + 1}", environment or {})
        broker.configure(configuration)
        broker.start()
        return Instance(broker, self.keeper)

    def keep(self, results: Path) -> str:
        """See `System.keep`."""
        keeper = self.keeper.detach()
        return kept.describe_broker(self.addresses, self.capabilities, keeper, results)

    def _broker(self, name: str, environment: Mapping[str, str], port: int | None = None) -> Broker:
        defect = ("--defect", self.defect) if self.defect else ()
        variables = {**self.settings.environment, **environment}
        metrics_port = self.ports.choose(port)
        return Broker(self.home(name), [*self.program, *defect], metrics_port, variables)

    def _facts(self) -> ServiceFacts:
        address, path = str(self.broker.socket), self.settings.path
        version = self.settings.version or "unknown"
        if path is None:
            return ServiceFacts("broker", "reference", "1.0", address, str(REFERENCE), "this repository")
        return ServiceFacts("broker", "real", version, address, str(path), "environment file")


def find_program(settings: BrokerProgram) -> list[str]:
    """Return what starts the broker, without its arguments.

    Raises:
        EnvironmentProblem: the program named in the environment file is not there or cannot be executed.
    """
    if settings.path is None:
        return [sys.executable, str(REFERENCE)]
    path = settings.path.expanduser().absolute()
    if not path.is_file() or not os.access(path, os.X_OK):
        raise EnvironmentProblem(f"{_KEY}: {path} is not a program that runs; correct or remove the key")
    return [str(path)]
