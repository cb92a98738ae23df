"""The external driver: systems that already run, reached by their addresses; it starts and stops nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from environments.config import EnvironmentFile
from environments.external.broker import ExternalBroker
from environments.external.cluster import ExternalCluster
from environments.external.fraiseql import ExternalFraiseql
from environments.external.pgdog import ExternalPgdog

External = ExternalBroker | ExternalCluster | ExternalFraiseql | ExternalPgdog

SYSTEMS: Mapping[str, Callable[[EnvironmentFile], External]] = {
    "cluster": ExternalCluster,
    "broker": ExternalBroker,
    "fraiseql": ExternalFraiseql,
    "pgdog": ExternalPgdog,
}
"""How each system is made from an environment file."""
