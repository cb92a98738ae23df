"""Where the systems under test come from: environment files, drivers and the services they start.

The functions here are all that libraries, the runner and the proof need to know of drivers.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from environments.config import EnvironmentFile, load_environment
from environments.system import System

__all__ = ["capabilities", "fetch", "load_environment", "preflight", "start_system"]


def preflight(environment: EnvironmentFile) -> list[str]:
    """Check what can be checked before anything starts; one line per mistake, none when all is well."""
    if environment.driver == "external":
        from environments.external import preflight as external

        return external.problems(environment)
    from environments.embedded import preflight as embedded

    return embedded.problems(environment)


def capabilities(name: str, environment: EnvironmentFile) -> frozenset[str]:
    """Return what criteria of a system may rely on: what is declared, and what a start would find on this machine.

    Args:
        name: of a system that the environment provides.
        environment: validated.
    """
    section = environment.systems.provided[name]
    if environment.driver == "embedded" and name == "pgdog":
        from environments.embedded import pgdog

        assert environment.systems.pgdog is not None
        return section.declared | pgdog.found_optional(environment.systems.pgdog.services)
    return section.declared


def fetch(environment: EnvironmentFile, systems: Collection[str]) -> None:
    """Get what the embedded driver needs for these systems over the network, once for this user.

    Raises:
        EnvironmentProblem: one line: what cannot be had, and the cure.
    """
    if environment.driver != "embedded":
        return
    if "fraiseql" in systems and environment.systems.fraiseql is not None:
        from environments.embedded import fraiseql

        fraiseql.fetch(environment.systems.fraiseql.services)
    if "pgdog" in systems and environment.systems.pgdog is not None:
        from environments.embedded import pgdog

        pgdog.fetch(environment.systems.pgdog.services)


def start_system(name: str, environment: EnvironmentFile, results: Path) -> System:
    """Start a system, or connect to it when it is external; service logs go below `results`.

    Args:
        name: of a system that the environment provides.
        environment: validated.
        results: directory of this run's artifacts.

    Raises:
        EnvironmentProblem: it did not become ready; nothing is left running.
    """
    if environment.driver == "external":
        from environments import external

        return external.SYSTEMS[name](environment)
    from environments import embedded

    system = embedded.SYSTEMS[name](environment, results)
    system.start()
    return system
