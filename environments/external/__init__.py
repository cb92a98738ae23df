"""The external driver: systems that already run, reached by their addresses; it starts and stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from environments.config import EnvironmentFile
from environments.external.broker import ExternalBroker
from environments.external.cluster import ExternalCluster

SYSTEMS: Mapping[str, Callable[[EnvironmentFile], ExternalBroker | ExternalCluster]] = {
    "cluster": ExternalCluster,
    "broker": ExternalBroker,
}
"""How each system is made from an environment file."""
