"""The vendor's own FraiseQL: its published programs, found or built once for this user.

Order: the path in the environment file, `PATH`, the user's cache, a build of the published crates into that cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from environments.embedded import cargo, user_cache
from environments.embedded.programs import version_of
from environments.errors import EnvironmentProblem
from environments.sections.base import Program

KEY = "systems.fraiseql.services.gateway"
VERSION = "2.19.0"
SERVER, CLI = "fraiseql-server", "fraiseql-cli"
_CRATES = {CLI: ("--locked",), SERVER: ("--features", "arrow,observers-nats,metrics")}
"""The server cannot be built with --locked: the lock file in its published crate contradicts itself."""
_FLIGHT_OPTION = "--flight-bind-addr"  # only a server built with the feature `arrow` has it
_HIDDEN = frozenset({"npm", "npx", "node"})


@dataclass(frozen=True)
class VendorPrograms:
    """The vendor's server and its schema compiler, of one version."""

    server: Path
    cli: Path
    version: str
    provider: str


def prepare(wanted: Program) -> VendorPrograms:
    """Find the vendor's programs, or build them.

    Args:
        wanted: `path` is a directory that holds both programs, or the server, with the compiler beside it; `version`
            is the beginning of the version wanted, 2.19.0 if it is not given.

    Raises:
        EnvironmentProblem: one line: what is missing or wrong, and the cure.
    """
    version = wanted.version or VERSION
    if wanted.path is not None:
        path = wanted.path.expanduser().absolute()
        directory = path if path.is_dir() else path.parent
        problem = _unfit(directory, version)
        if problem:
            raise EnvironmentProblem(f"{KEY}.path: {problem}; correct or remove the key")
        return _programs(directory, "environment file")
    on_path = shutil.which(SERVER)
    if on_path and _unfit(Path(on_path).parent, version) is None:
        return _programs(Path(on_path).parent, "PATH")
    if not VERSION.startswith(version):
        raise EnvironmentProblem(
            f"{KEY}.version: {version} is neither on PATH nor built by this project, which builds {VERSION}; "
            f"name the directory of its programs in {KEY}.path"
        )
    return _programs(_cached(cache_directory()), "published crates")


def cache_directory() -> Path:
    """Where this user's build of the programs is kept."""
    return user_cache.directory(f"fraiseql-{VERSION}")


def _programs(directory: Path, provider: str) -> VendorPrograms:
    version = version_of(directory / SERVER, ("--version",))
    assert version is not None, "looked at before"
    return VendorPrograms(directory / SERVER, directory / CLI, version, provider)


def _unfit(directory: Path, wanted: str) -> str | None:
    """Say why the programs of a directory cannot be used, None when they can."""
    for program in (SERVER, CLI):
        version = version_of(directory / program, ("--version",))
        if version is None:
            return f"{directory / program} is not a program that runs"
        if not (version + ".").startswith(wanted + "."):
            return f"{directory / program} is version {version}, but version {wanted} is wanted"
    options = subprocess.run([directory / SERVER, "--help"], capture_output=True, text=True, timeout=20).stdout
    return None if _FLIGHT_OPTION in options else f"{directory / SERVER} was built without Arrow Flight"


def _cached(home: Path) -> Path:
    """The directory of the programs in the cache; built if they are not there, or damaged."""
    finished = home / "bin"
    if _unfit(finished, VERSION) is None:
        return finished
    program = shutil.which("cargo")
    if program is None:
        raise EnvironmentProblem(
            f"{KEY}: no {SERVER} {VERSION} on PATH or in {finished}, and no cargo to build it with; install Rust 1.94 "
            f"or newer, or name the directory of the programs in {KEY}.path"
        )
    cargo.built_once(home, KEY, lambda: _unfit(finished, VERSION) is not None, lambda lock: _build(program, home, lock))
    return finished


def _build(program: str, home: Path, lock: IO[str]) -> None:
    """Build both programs beside the finished ones, and put them in their place when both run."""
    root, log = home / "building", home / "build.log"
    with tempfile.TemporaryDirectory(prefix="path-", dir=home) as shadow, log.open("w", encoding="utf-8") as output:
        environment = {
            **os.environ,
            **cargo.PROFILE,
            "CARGO_TARGET_DIR": str(home / "target"),
            "PATH": path_without_npm(os.environ["PATH"], Path(shadow)),
        }
        build = cargo.Build(KEY, environment, output, lock)
        for crate, options in _CRATES.items():
            pinned = ("--version", VERSION, "--root", str(root))
            build.run([program, "install", crate, *pinned, *options], f"{crate} {VERSION}")
    problem = _unfit(root / "bin", VERSION)
    if problem:
        shutil.rmtree(root)  # it would take them for installed
        raise EnvironmentProblem(f"{KEY}: {problem}, though it was built; read {log}, then start again")
    shutil.rmtree(home / "bin", ignore_errors=True)
    (root / "bin").rename(home / "bin")
    for left in (root, home / "target"):
        shutil.rmtree(left)


def path_without_npm(path: str, shadow: Path) -> str:
    """Hide npm: the server's build fetches a web page's packages with it, and does without where there is none.

    Args:
        path: value of `PATH`.
        shadow: an empty directory; each directory of `PATH` that has npm gets one below it, of links to all the rest.
    """
    directories = []
    for number, directory in enumerate(Path(part) for part in path.split(os.pathsep) if Path(part).is_dir()):
        programs = {entry.name: entry.path for entry in os.scandir(directory)}
        if _HIDDEN.isdisjoint(programs):
            directories.append(str(directory))
            continue
        links = shadow / str(number)
        links.mkdir()
        for name in programs.keys() - _HIDDEN:
            (links / name).symlink_to(programs[name])
        directories.append(str(links))
    return os.pathsep.join(directories)
