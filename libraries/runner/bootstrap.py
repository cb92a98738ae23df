"""Brings `.venv` up to date before anything else can be imported, so it needs the standard library alone.

A stamp in `.venv` tells what it was made of: the requirement files, the Python version and the place of the
checkout. While the stamp fits, nothing is done. Two that start at once take turns on a lock that the kernel
releases with its holder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")  # each holds the ones before it
CONSTRAINTS = "constraints.txt"
OLDEST = (3, 11)


class SetupProblem(Exception):
    """The virtual environment cannot be made; the message says why and what to do."""


def main(arguments: list[str]) -> int:
    """Bring the virtual environment up to date, or with `--check` only tell whether it is.

    Args:
        arguments: `[--check] REQUIREMENTS-FILE`, one of `REQUIREMENTS`.

    Returns:
        0: up to date; 1: not up to date, or it cannot be made.
    """
    check_only = arguments[0] == "--check"
    requirements = arguments[-1]
    virtual = VirtualEnvironment(ROOT)
    if virtual.is_current(requirements):
        return 0
    if check_only:
        return 1
    try:
        virtual.bring_up_to_date(requirements)
    except SetupProblem as problem:
        _say(f"error: {problem}")
        return 1
    return 0


class VirtualEnvironment:
    """The `.venv` of one checkout.

    Args:
        root: the checkout.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / ".venv"
        self.python = self.path / "bin" / "python"
        self._unfinished = self.path / ".unfinished"

    def is_current(self, requirements: str) -> bool:
        """Tell whether `.venv` was completed from these very files, in this place, by the Python it holds."""
        try:
            stamp = self._stamp_file(requirements).read_text(encoding="utf-8")
        except OSError:
            return False
        return not self._unfinished.exists() and stamp == self._stamp(requirements) and self.python.exists()

    def bring_up_to_date(self, requirements: str) -> None:
        """Make or complete `.venv`; return at once when somebody else has just done it.

        Raises:
            SetupProblem: no permission, no disk, or a package cannot be installed.
        """
        try:
            with self._alone():
                if not self.is_current(requirements):
                    self._make(requirements)
        except OSError as error:
            cure = "free some space or copy the checkout to a directory you can write to"
            raise SetupProblem(f"{error.filename or self.path}: {error.strerror}; {cure}") from None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        handle = os.open(self.root, os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _say("another set-up of .venv is under way, waiting for it")
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _make(self, requirements: str) -> None:
        broken = self._unfinished.exists() or self._is_foreign() or not self._works()
        what = "making" if broken else "completing"
        _say(f"{what} .venv from {requirements} with Python {_version()} (once; about half a minute)")
        if broken:
            self._create()
        self._unfinished.touch()
        self._install(requirements)
        self._make_importable()
        for name in REQUIREMENTS[: REQUIREMENTS.index(requirements) + 1]:
            self._stamp_file(name).write_text(self._stamp(name), encoding="utf-8")
        self._unfinished.unlink()

    def _create(self) -> None:
        venv.EnvBuilder(with_pip=True, clear=True, symlinks=True).create(self.path)

    def _install(self, requirements: str) -> None:
        command = [
            *(str(self.python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"),
            *("-c", str(self.root / CONSTRAINTS), "-r", str(self.root / requirements)),
        ]
        if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode != 0:
            raise SetupProblem(
                f"{requirements} could not be installed (pip's reason stands above); "
                "check the network or pip's index settings and start again"
            )

    def _make_importable(self) -> None:
        """Put the root and `libraries/` on the module path of every program of this environment."""
        site_packages = next((self.path / "lib").glob("python3.*/site-packages"))
        lines = f"{self.root}\n{self.root / 'libraries'}\n"
        (site_packages / "acceptance.pth").write_text(lines, encoding="utf-8")

    def _works(self) -> bool:
        try:
            command = [str(self.python), "-m", "pip", "--version"]
            return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
        except OSError:
            return False

    def _is_foreign(self) -> bool:
        """Tell whether `.venv` was made elsewhere or by an older Python: its programs would name the wrong paths."""
        stamps = [self._stamp_file(name) for name in REQUIREMENTS if self._stamp_file(name).exists()]
        return any(stamp.read_text(encoding="utf-8").splitlines()[:2] != self._place() for stamp in stamps)

    def _stamp_file(self, requirements: str) -> Path:
        return self.path / f".installed-{requirements}"

    def _stamp(self, requirements: str) -> str:
        digest = hashlib.sha256()
        for name in (CONSTRAINTS, *REQUIREMENTS[: REQUIREMENTS.index(requirements) + 1]):
            digest.update((self.root / name).read_bytes())
        return "\n".join([*self._place(), digest.hexdigest(), ""])

    def _place(self) -> list[str]:
        return [f"Python {_version()}", f"at {self.root}"]


def _version() -> str:
    return ".".join(str(part) for part in sys.version_info[:3])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # the standard output ends with the closing line and is kept for results


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
