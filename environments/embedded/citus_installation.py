"""An installation of Citus that the user brings.

It lies in a directory beside PostgreSQL and is loaded from there, so that PostgreSQL's own directories stay as they
are; see `docs/decisions/0007-citus-installation.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from environments.embedded.programs import Found
from environments.errors import EnvironmentProblem
from environments.sections.cluster import Citus

KEY = "systems.cluster.services.citus"
_OLDEST_POSTGRESQL = 18  # the first that finds extensions outside its own directories


@dataclass(frozen=True)
class Installation:
    """A directory with Citus in it: `lib` holds citus.so, `share` holds extension/citus.control."""

    lib: Path
    share: Path
    version: str


def find_installation(wanted: Citus, postgresql: Found) -> Installation:
    """Check that the directory of the environment file holds Citus, and that PostgreSQL can load it from there.

    Raises:
        EnvironmentProblem: one line that names the key and the cure.
    """
    key = f"{KEY}.path"
    if postgresql.major < _OLDEST_POSTGRESQL:
        raise EnvironmentProblem(
            f"{KEY}: needs PostgreSQL {_OLDEST_POSTGRESQL} or newer, because older ones load extensions from their "
            f"own directories only, not {postgresql.version}; correct services.postgresql or run without Citus"
        )
    if wanted.path is None:
        raise EnvironmentProblem(f"{key}: missing; name the directory that holds lib/citus.so")
    home = wanted.path.expanduser().absolute()
    lib = _holder(home, ("lib", "lib/postgresql"), "citus.so")
    share = _holder(home, ("share", "share/postgresql"), "extension/citus.control")
    if lib is None or share is None:
        absent = "lib/citus.so" if lib is None else "share/extension/citus.control"
        raise EnvironmentProblem(f"{key}: {home} has no {absent}; name a directory that Citus is installed in")
    version = _default_version(share / "extension" / "citus.control")
    if version is None:
        raise EnvironmentProblem(f"{key}: {share}/extension/citus.control names no default_version; install it again")
    if not _dotted(version).startswith(_dotted(wanted.version or version)):
        raise EnvironmentProblem(
            f"{key}: {home} holds Citus {version}, but version {wanted.version} is wanted; correct either key"
        )
    return Installation(lib, share, version)


def _holder(home: Path, folders: Iterable[str], file: str) -> Path | None:
    return next((home / folder for folder in folders if (home / folder / file).is_file()), None)


def _default_version(control: Path) -> str | None:
    match = re.search(r"^default_version\s*=\s*'([^']+)'", control.read_text(encoding="utf-8"), re.MULTILINE)
    return match.group(1) if match else None


def _dotted(version: str) -> str:
    return version.replace("-", ".") + "."
