"""A broker that already runs, reached by the socket that the environment file names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from environments.config import EnvironmentFile
from environments.external.not_ours import NotOurs
from environments.system import BrokerAddresses, BrokerInstance, ServiceControl, ServiceFacts


class ExternalBroker(NotOurs):
    """See `BrokerSystem`. It has no service to control and no links, and no other broker can be started."""

    def __init__(self, environment: EnvironmentFile) -> None:
        broker = environment.systems.broker
        assert broker is not None
        assert broker.addresses is not None
        self.capabilities = broker.declared
        self.addresses = BrokerAddresses(broker.addresses.socket.expanduser(), broker.addresses.metrics)
        self.services: Mapping[str, ServiceControl] = {}
        self.links: Mapping[str, Path] = {}
        version = broker.services.broker.version or "unknown"
        self.facts: Sequence[ServiceFacts] = [
            ServiceFacts("broker", "real", version, str(self.addresses.socket), "", "external")
        ]

    def launch(self, configuration: str, environment: Mapping[str, str] | None = None) -> BrokerInstance:
        """See `BrokerSystem.launch`."""
        raise LookupError("an external environment starts no brokers; declare no 'process-faults'")
