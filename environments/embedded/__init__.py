"""The embedded driver: real servers as child processes on loopback, one module a service and one a system."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from environments.config import EnvironmentFile
from environments.embedded.broker import EmbeddedBroker
from environments.embedded.cluster import EmbeddedCluster
from environments.embedded.fraiseql import EmbeddedFraiseql
from environments.embedded.pgdog import EmbeddedPgdog

Embedded = EmbeddedBroker | EmbeddedCluster | EmbeddedFraiseql | EmbeddedPgdog

SYSTEMS: Mapping[str, Callable[[EnvironmentFile, Path], Embedded]] = {
    "cluster": EmbeddedCluster,
    "broker": EmbeddedBroker,
    "fraiseql": EmbeddedFraiseql,
    "pgdog": EmbeddedPgdog,
}
"""How each system is made from an environment file and the directory of the run's artifacts."""
