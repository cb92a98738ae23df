"""What must hold before the embedded driver starts anything."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from environments.config import EnvironmentFile
from environments.embedded import fraiseql, pgdog, programs
from environments.embedded.broker import find_program
from environments.embedded.cluster import find_programs
from environments.embedded.ports import is_free
from environments.errors import EnvironmentProblem
from environments.sections.base import Program


def problems(environment: EnvironmentFile) -> list[str]:
    """One line per mistake, each naming the key and the cure."""
    found = [*_directory(environment), *_ports(environment)]
    try:
        programs.unprivileged()
        if environment.systems.cluster is not None:
            find_programs(environment)
        if environment.systems.broker is not None:
            find_program(environment.systems.broker.services.broker)
        if environment.systems.fraiseql is not None:
            fraiseql.find_programs(environment.systems.fraiseql.services)
        if environment.systems.pgdog is not None:
            pgdog.find_programs(environment.systems.pgdog.services)
    except EnvironmentProblem as problem:
        found += problem.problems
    return found


def _directory(environment: EnvironmentFile) -> Iterator[str]:
    directory = environment.run_directory or Path(tempfile.gettempdir())
    existing = next(parent for parent in (directory, *directory.parents) if parent.exists())
    if not existing.is_dir():
        yield f"run_directory: {existing} is not a directory; name another place"
    elif not _writable(existing):
        yield f"run_directory: {existing} is not writable for this user; change its permissions or name another place"
    elif (free := shutil.disk_usage(existing).free // 2**20) < environment.minimum_free_mib:
        yield (
            f"run_directory: {existing} has {free} MiB free, {environment.minimum_free_mib} MiB are needed "
            "(minimum_free_mib); free some space or name another place"
        )


def _writable(directory: Path) -> bool:
    """Try it: root may write anywhere by its permissions, but not to a read-only file system."""
    if not os.access(directory, os.W_OK | os.X_OK):
        return False
    try:
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError as error:
        return error.errno == 28  # no space left: the disk's own line says it better


def _ports(environment: EnvironmentFile) -> Iterator[str]:
    owner: dict[int, str] = {}
    for system, section in environment.systems.provided.items():
        for name, service in getattr(section, "services", ()):
            if not isinstance(service, Program) or service.port is None:
                continue
            key = f"systems.{system}.services.{name}.port"
            if service.port in owner:
                yield f"{key}: {service.port} is also {owner[service.port]}; give each service its own port"
            elif not is_free(service.port):
                yield f"{key}: {service.port} is already taken; stop that server, choose another port or remove the key"
            owner[service.port] = key
