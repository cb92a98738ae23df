"""The embedded driver: real servers as child processes on loopback, one module a service and one a system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from environments.config import EnvironmentFile
from environments.embedded.broker import EmbeddedBroker
from environments.embedded.cluster import EmbeddedCluster
from environments.embedded.fraiseql import EmbeddedFraiseql

Embedded = EmbeddedBroker | EmbeddedCluster | EmbeddedFraiseql

SYSTEMS: Mapping[str, Callable[[EnvironmentFile, Path], Embedded]] = {
    "cluster": EmbeddedCluster,
    "broker": EmbeddedBroker,
    "fraiseql": EmbeddedFraiseql,
}
"""How each system is made from an environment file and the directory of the run's artifacts."""
