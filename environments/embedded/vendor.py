"""The vendor's own FraiseQL: its published programs, found or built once for this user.

Order: the path in the environment file, `PATH`, the user's cache, a build of the published crates into that cache. A
build takes minutes, so its result is kept outside the checkout; two runs that need it at once build it once.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from environments.embedded import user_cache
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
_PROFILE = {
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "2",
    "CARGO_TERM_PROGRESS_WHEN": "always",
    "CARGO_TERM_PROGRESS_WIDTH": "80",
}
"""The vendor's own profile optimises the whole program at once: three times as long, and 10 GB of memory."""
_TELL_EVERY = 20.0  # seconds
_PROGRESS = re.compile(r"(\d+)/(\d+)")


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
    cargo = shutil.which("cargo")
    if cargo is None:
        raise EnvironmentProblem(
            f"{KEY}: no {SERVER} {VERSION} on PATH or in {finished}, and no cargo to build it with; install Rust 1.94 "
            f"or newer, or name the directory of the programs in {KEY}.path"
        )
    try:
        with user_cache.locked(home, KEY) as lock:
            if _unfit(finished, VERSION) is not None:  # another run may have built them meanwhile
                _build(cargo, home, lock)
    except OSError as error:
        raise EnvironmentProblem(f"{KEY}: {home} cannot be used ({error}); free it, or set XDG_CACHE_HOME") from None
    return finished


def _build(cargo: str, home: Path, lock: IO[str]) -> None:
    """Build both programs beside the finished ones, and put them in their place when both run."""
    root, log = home / "building", home / "build.log"
    with tempfile.TemporaryDirectory(prefix="path-", dir=home) as shadow, log.open("w", encoding="utf-8") as output:
        environment = {
            **os.environ,
            **_PROFILE,
            "CARGO_TARGET_DIR": str(home / "target"),
            "PATH": path_without_npm(os.environ["PATH"], Path(shadow)),
        }
        for crate, options in _CRATES.items():
            pinned = ("--version", VERSION, "--root", str(root))
            _install([cargo, "install", crate, *pinned, *options], environment, output, lock)
    problem = _unfit(root / "bin", VERSION)
    if problem:
        shutil.rmtree(root)  # cargo would take them for installed
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


def _install(command: list[str], environment: Mapping[str, str], output: IO[str], lock: IO[str]) -> None:
    """Run one `cargo install`, telling how far it is; its output goes to the log.

    The child inherits the lock: where this run is killed, the next one waits until the child has ended, too.
    """
    crate, began, told = command[2], time.monotonic(), 0.0
    user_cache.tell(KEY, f"building {crate} {VERSION}, once for this user; minutes")
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,  # universal newlines: a progress bar's carriage returns end lines, too
        errors="replace",
        env=environment,
        pass_fds=(lock.fileno(),),
    ) as process:
        assert process.stderr
        try:
            reasons = []
            for line in process.stderr:
                progress = _PROGRESS.search(line) if "Building [" in line else None
                if progress is None:
                    output.write(line)
                    reasons += [line.strip()] if line.startswith("error") else []
                elif time.monotonic() - told > _TELL_EVERY:
                    told = time.monotonic()
                    user_cache.tell(KEY, f"{crate}: {progress[1]} of {progress[2]} crates, {told - began:.0f} s")
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        reason = reasons[0] if reasons else f"cargo ended with status {process.returncode}"
        raise EnvironmentProblem(f"{KEY}: {crate} could not be built ({reason}); read {output.name}")
