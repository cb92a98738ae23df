"""The vendor's own PgDog: its program, found or built once for this user.

Order: the path in the environment file, `PATH`, the user's cache, a build of the pinned tag into that cache.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from environments.embedded import cargo, user_cache
from environments.embedded.programs import Found, fits
from environments.errors import EnvironmentProblem
from environments.sections.pgdog import Proxy

KEY = "systems.pgdog.services.proxy"
VERSION = "0.1.17"
TAG, COMMIT = f"v{VERSION}", "e1dbbaddabebd8abfa60cbaea1a5b71b25863823"
REPOSITORY = "https://github.com/pgdogdev/pgdog.git"
PROGRAM = "pgdog"
TOOLS = {
    "cargo": "Rust 1.95 or newer",
    "clang": "the packages clang and libclang-dev",
    "cmake": "the package cmake",
    "git": "the package git",
}
"""What a build needs, and how each is had."""
_TARGET = "X86_64_UNKNOWN_LINUX_GNU"  # the one for which the vendor's own settings name a linker by its path
_SECONDS = 20  # for a program that ends at once
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
        return _usable(path, wish)
    on_path = shutil.which(PROGRAM)
    version = version_of(Path(on_path)) if on_path else None
    if on_path and version and fits(version, wish):
        return Found(Path(on_path), version, "PATH")
    if not fits(VERSION, wish):
        raise EnvironmentProblem(
            f"{KEY}.version: {wish} is neither on PATH nor built by this project, which builds {VERSION}; "
            f"name the program in {KEY}.path"
        )
    return Found(_cached(cache_directory(), wanted.source), VERSION, f"built from tag {TAG}")


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


def _usable(path: Path, wish: str) -> Found:
    version = version_of(path)
    if version is None:
        raise EnvironmentProblem(f"{KEY}.path: {path} is not a program that runs; correct or remove the key")
    if not fits(version, wish):
        raise EnvironmentProblem(
            f"{KEY}.path: {path} is version {version}, but version {wish} is wanted; correct either key"
        )
    return Found(path, version, "environment file")


def _cached(home: Path, source: Path | None) -> Path:
    """The program in the cache; built if it is not there, or damaged."""
    finished = home / "bin" / PROGRAM
    if version_of(finished) == VERSION:
        return finished
    missing = [(tool, cure) for tool, cure in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        needed = f"which building PgDog {VERSION} needs"
        ways = f"or name the program in {KEY}.path"
        raise EnvironmentProblem(*(f"{KEY}: no {tool}, {needed}; install {cure}, {ways}" for tool, cure in missing))
    cargo.built_once(home, KEY, lambda: version_of(finished) != VERSION, lambda lock: _build(home, source, lock))
    return finished


def _build(home: Path, source: Path | None, lock: IO[str]) -> None:
    """Build the tag in a clone of our own, since a build writes into its source; what is left of both is removed."""
    clone, target, log = home / "source", home / "target", home / "build.log"
    shutil.rmtree(clone, ignore_errors=True)
    _clone(str(source.expanduser().absolute()) if source else REPOSITORY, clone)
    command = ["cargo", "build", "--release", "--locked", "--package", PROGRAM]
    environment = {**os.environ, **cargo.PROFILE, **_linker(), "CARGO_TARGET_DIR": str(target)}
    with log.open("w", encoding="utf-8") as output:
        cargo.Build(KEY, environment, output, lock).run(command, f"{PROGRAM} {VERSION}", clone)
    built = target / "release" / PROGRAM
    if version_of(built) != VERSION:
        raise EnvironmentProblem(f"{KEY}: {built} does not run, though it was built; read {log}, then start again")
    (home / "bin").mkdir(exist_ok=True)
    built.replace(home / "bin" / PROGRAM)
    for left in (clone, target):
        shutil.rmtree(left)


def _clone(repository: str, clone: Path) -> None:
    """Get the pinned commit, by its tag.

    Raises:
        EnvironmentProblem: it is not to be had there, or the tag is at another commit.
    """
    user_cache.tell(KEY, f"getting PgDog {TAG} from {repository}")
    options = ("--quiet", "--depth", "1", "--branch", TAG, "--config", "advice.detachedHead=false")
    cure = "check the network, or name a clone that has it (--vendor SOURCE)"
    done = _git("clone", *options, repository, str(clone))
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise EnvironmentProblem(f"{KEY}: tag {TAG} cannot be had from {repository} ({reason}); {cure}")
    commit = _git("-C", str(clone), "rev-parse", "HEAD").stdout.strip()
    if commit != COMMIT:
        raise EnvironmentProblem(f"{KEY}: tag {TAG} of {repository} is {commit}, not the pinned {COMMIT}; {cure}")


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    quiet = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(["git", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=quiet)


def _linker() -> Mapping[str, str]:
    """Name the linkers that this machine has: the vendor's settings have mold and clang in fixed places."""
    clang, mold = shutil.which("clang"), shutil.which("mold")
    assert clang is not None, "looked for before"
    flags = f"-C link-arg=--ld-path={mold}" if mold else ""
    return {f"CARGO_TARGET_{_TARGET}_LINKER": clang, "RUSTFLAGS": flags}
