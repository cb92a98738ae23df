"""The vendor's own PgDog: its program, found or built once for this user.

Order: the path in the environment file, `PATH`, the user's cache, a build of the pinned tag into that cache.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from environments.embedded import user_cache
from environments.embedded.programs import Found, fits
from environments.errors import EnvironmentProblem
from environments.sections.pgdog import Proxy

KEY = "systems.pgdog.services.proxy"
VERSION = "0.1.17"
PROGRAM = "pgdog"
_SECONDS = 20
_SAYS = re.compile(r"PgDog v(\d+(?:\.\d+)+)")


def prepare(wanted: Proxy) -> Found:
    """Find the vendor's program, or build it.

    Args:
        wanted: `path` is the program or its directory, `source` what git clones to build it; `version` is the beginning
            of the version wanted, 0.1.17 if it is not given.

    Raises:
        EnvironmentProblem: a line for each thing that is missing or wrong, with its cure.
    """
    wish = wanted.version or VERSION
    if wanted.path is not None:
        path = wanted.path.expanduser().absolute()
        path = path / PROGRAM if path.is_dir() else path
        return _usable(path, wish, "environment file", ".path")
    on_path = shutil.which(PROGRAM)
    version = version_of(Path(on_path)) if on_path else None
    if on_path and version and fits(version, wish):
        return Found(Path(on_path), version, "PATH")
    cached = cache_directory() / "bin" / PROGRAM
    return _usable(cached, wish, "built from source", "")


def cache_directory() -> Path:
    """Where this user's build of the program is kept."""
    return user_cache.directory(f"pgdog-{VERSION}")


def version_of(program: Path) -> str | None:
    """Return the version of a PgDog, None when it is missing or none.

    Its `--version` knows only a commit. What it says first when it starts knows the version, and a configuration that
    it refuses ends it after that.
    """
    with tempfile.TemporaryDirectory() as directory:
        refused = Path(directory) / "refused.toml"
        refused.write_text("no_such_key = 1\n", encoding="utf-8")
        command = [str(program), "--config", str(refused), "--users", str(refused)]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            return None
    said = _SAYS.search(answer.stdout + answer.stderr)
    return said[1] if said else None


def _usable(path: Path, wish: str, provider: str, key: str) -> Found:
    version = version_of(path)
    if version is None:
        raise EnvironmentProblem(f"{KEY}{key}: {path} is not a program that runs; correct or remove the key")
    if not fits(version, wish):
        raise EnvironmentProblem(
            f"{KEY}{key}: {path} is version {version}, but version {wish} is wanted; correct or remove the key"
        )
    return Found(path, version, provider)
