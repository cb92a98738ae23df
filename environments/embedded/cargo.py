"""Programs that are built from source with cargo, once for this user, into the user's cache.

A build takes minutes, so its result is kept outside the checkout; two runs that need it at once build it once.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from environments.embedded import user_cache
from environments.errors import EnvironmentProblem

PROFILE = {
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "2",
    "CARGO_TERM_PROGRESS_WHEN": "always",
    "CARGO_TERM_PROGRESS_WIDTH": "80",
}
"""The vendors' own profiles optimise a whole program at once: three times as long, and up to 10 GB of memory."""
_TELL_EVERY = 20.0  # seconds
_PROGRESS = re.compile(r"(\d+)/(\d+)")


@dataclass(frozen=True)
class Build:
    """One build, which may take several runs of cargo.

    Args:
        key: of the environment file, for messages.
        environment: of cargo.
        output: the log, open for writing.
        lock: of the user's cache; cargo inherits it: if this run is killed, the next waits for it to end.
    """

    key: str
    environment: Mapping[str, str]
    output: IO[str]
    lock: IO[str]

    def run(self, command: Sequence[str], what: str, cwd: Path | None = None) -> None:
        """Run one cargo, telling how far it is; its output goes to the log.

        Args:
            command: cargo with its arguments.
            what: is built, such as `fraiseql-cli 2.19.0`.
            cwd: directory of the source; None: cargo gets it itself.

        Raises:
            EnvironmentProblem: it failed; one line that says why and names the log.
        """
        user_cache.tell(self.key, f"building {what}, once for this user; minutes")
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,  # universal newlines: a progress bar's carriage returns end lines, too
            errors="replace",
            env=self.environment,
            cwd=cwd,
            pass_fds=(self.lock.fileno(),),
        ) as process:
            assert process.stderr
            name = what.partition(" ")[0]
            try:
                reasons = self._follow(process.stderr, name)
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            reason = reasons[0] if reasons else f"cargo ended with status {process.returncode}"
            raise EnvironmentProblem(f"{self.key}: {name} could not be built ({reason}); read {self.output.name}")

    def _follow(self, lines: Iterable[str], name: str) -> list[str]:
        """Log what cargo says until it ends; return the lines that are errors."""
        began, told, reasons = time.monotonic(), 0.0, []
        for line in lines:
            progress = _PROGRESS.search(line) if "Building [" in line else None
            if progress is None:
                self.output.write(line)
                reasons += [line.strip()] if line.startswith("error") else []
            elif time.monotonic() - told > _TELL_EVERY:
                told = time.monotonic()
                user_cache.tell(self.key, f"{name}: {progress[1]} of {progress[2]} crates, {told - began:.0f} s")
        return reasons


def built_once(home: Path, key: str, missing: Callable[[], bool], build: Callable[[IO[str]], None]) -> None:
    """Build what was found missing in a directory of the user's cache, unless another run does so meanwhile.

    Args:
        home: of the cache; made if it is not there.
        key: of the environment file, for messages.
        missing: whether the finished programs are still not there, or damaged.
        build: makes them; is given the lock, which its children are to inherit.

    Raises:
        EnvironmentProblem: the directory cannot be used, or the build failed; one line that says why.
    """
    try:
        with user_cache.locked(home, key) as lock:
            if missing():
                build(lock)
    except OSError as error:
        raise EnvironmentProblem(f"{key}: {home} cannot be used ({error}); free it, or set XDG_CACHE_HOME") from None
