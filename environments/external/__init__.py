"""The external driver: systems that already run, reached by their addresses; it starts and stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from environments.config import EnvironmentFile
from environments.external.broker import ExternalBroker
from environments.external.cluster import ExternalCluster
from environments.external.fraiseql import ExternalFraiseql

SYSTEMS: Mapping[str, Callable[[EnvironmentFile], ExternalBroker | ExternalCluster | ExternalFraiseql]] = {
    "cluster": ExternalCluster,
    "broker": ExternalBroker,
    "fraiseql": ExternalFraiseql,
}
"""How each system is made from an environment file."""
