"""Where the systems under test come from: environment files, drivers and the services they start.

The functions here are all that libraries, the runner and the proof need to know of drivers.
"""

from __future__ import annotations

from pathlib import Path

from environments.config import EnvironmentFile, load_environment
from environments.system import ClusterSystem

__all__ = ["keep_cluster", "load_environment", "preflight", "start_cluster", "stop_cluster"]


def preflight(environment: EnvironmentFile) -> list[str]:
    """Check what can be checked before anything starts; one line per mistake, none when all is well."""
    if environment.driver == "external":
        from environments.external import preflight as external

        return external.problems(environment)
    from environments.embedded import preflight as embedded

    return embedded.problems(environment)


def start_cluster(environment: EnvironmentFile, results: Path) -> ClusterSystem:
    """Start the cluster, or connect to it when it is external; service logs go below `results`.

    Raises:
        EnvironmentProblem: it did not become ready; nothing is left running.
    """
    if environment.driver == "external":
        from environments.external.cluster import ExternalCluster

        return ExternalCluster(environment)
    from environments.embedded.cluster import EmbeddedCluster

    cluster = EmbeddedCluster(environment, results)
    cluster.start()
    return cluster


def stop_cluster(cluster: ClusterSystem) -> list[str]:
    """Stop what `start_cluster` started; return what is left of it, one line each."""
    return cluster.stop()


def keep_cluster(cluster: ClusterSystem, results: Path) -> str:
    """Let the cluster outlive this run; return how to reach and how to end it, as text for the console."""
    return cluster.keep(results)
