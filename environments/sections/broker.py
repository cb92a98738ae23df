"""The parts of an environment file that describe a Mycelium broker."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from environments.sections.base import Program, Section, SystemSection, listed

CAPABILITIES: dict[str, str] = {
    "wire": "topics with publish, subscribe and unsubscribe over a Unix socket (MYC-wire/1)",
    "publish_ack": "an acknowledgement for each publish that asks for one",
    "error_frames": "an error frame for what is refused",
    "ping": "an answer to a ping",
    "stats": "statistics of connections and topics on request",
    "metrics": "the same as a Prometheus page over HTTP",
    "legacy_metrics": "the metric names of the relay era on that page",
    "overflow_block": "a topic whose publishers wait when a reader's buffer is full",
    "overflow_drop_oldest": "a topic that drops the oldest for a slow reader, and tells it how many",
    "env_override": "environment variables that override the configuration file",
    "hot_reload": "new topics and limits without a restart, on SIGHUP",
    "graceful_drain": "what was accepted before SIGTERM is delivered",
}
"""What a broker may declare, and what a criterion of it may need; the words are those of the contract."""

REFERENCE = Path(__file__).resolve().parents[2] / "reference" / "mycelium"


class BrokerProgram(Program):
    """The broker under test: `path --config FILE` must start it. Null: the reference broker of this project."""

    declares: Path | None = None  # a list of capabilities, as YAML; null: the reference's own, or none for another
    environment: dict[str, str] = Field(default={})  # environment variables it is started with


class BrokerServices(Section):
    """The one service a broker is made of."""

    broker: BrokerProgram = BrokerProgram()


class BrokerAddresses(Section):
    """How to reach a broker that already runs (external driver only)."""

    socket: Path  # of a broker whose configuration declares the topics of environments/embedded/broker.toml
    metrics: str | None = None  # URL of its Prometheus page


class Broker(SystemSection):
    """A Mycelium broker: what it declares beyond its own list, and its program or its addresses."""

    services: BrokerServices = BrokerServices()
    addresses: BrokerAddresses | None = None

    @property
    def declared(self) -> frozenset[str]:
        """See `SystemSection.declared`.

        Raises:
            ValueError: the program's own list cannot be read; one line that says why.
        """
        program = self.services.broker
        own = program.declares or (None if program.path or self.addresses else REFERENCE / "capabilities.yaml")
        return frozenset(self.capabilities) | (frozenset(listed(own)) if own else frozenset())
