"""Service processes: started by the keeper, watched and signalled from here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from environments.embedded.programs import hand_over
from environments.errors import EnvironmentProblem

_KEEPER = Path(__file__).with_name("keeper.py")
_POLL_SECONDS = 0.01


class Keeper:
    """The connection to the keeper process of one environment."""

    def __init__(self, state_directory: Path) -> None:
        self.state_directory = state_directory
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_KEEPER), str(state_directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a kept environment must not hold the caller's pipe open
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Process id of the keeper itself."""
        return self._process.pid

    def spawn(self, argv: Sequence[str], *, log: Path, cwd: Path, env: Mapping[str, str] | None = None) -> int:
        """Start a process in a session of its own and return its process id.

        Raises:
            EnvironmentProblem: the program could not be executed.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        command = {"argv": list(argv), "cwd": str(cwd), "env": {**os.environ, **(env or {})}, "log": str(log)}
        answer = self._ask({"spawn": command})
        if "error" in answer:
            raise EnvironmentProblem(f"{argv[0]}: cannot be started ({answer['error']}); check the program")
        return int(answer["pid"])

    def exit_status(self, pid: int) -> int | None:
        """Return how a spawned process ended (negative: by which signal); None while it runs."""
        exited = self._ask({"status": pid})["exited"]
        return None if exited is None else int(exited)

    def descendants(self) -> list[psutil.Process]:
        """All processes of the environment, detached ones included."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def detach(self) -> int:
        """Let the environment outlive this process; return the process id that SIGTERM ends it with."""
        return int(self._ask({"detach": True})["pid"])

    def close(self) -> list[int]:
        """Kill every process, remove the state directory; return the process ids that would not die."""
        if self._process.poll() is not None:
            return []
        left = [int(pid) for pid in self._ask({"close": True})["left"]]
        self._process.wait(timeout=15)
        return left

    def _ask(self, command: dict[str, object]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        with self._lock:
            try:
                self._process.stdin.write(json.dumps(command).encode() + b"\n")
                self._process.stdin.flush()
                line = self._process.stdout.readline()
            except (BrokenPipeError, ValueError):
                line = b""
        if not line:
            raise EnvironmentProblem("the keeper of the service processes is gone; start the environment again")
        return json.loads(line)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Home:
    """What a service has of its environment: a name, a directory of its own, and the keeper that starts it.

    Args:
        name: of the service.
        keeper: of the environment.
        logs: directory below which each service has one for its logs.
        directory: for all other files of the service; made if it is not there.
    """

    name: str
    keeper: Keeper
    logs: Path
    directory: Path


class EmbeddedService:
    """One service of the embedded environment; what faults may do to it (see `ServiceControl`)."""

    stop_signal = signal.SIGTERM
    stop_deadline = 20.0  # seconds

    def __init__(self, home: Home) -> None:
        self.name = home.name
        self.keeper = home.keeper
        self.directory = home.directory
        self.log = home.logs / home.name / f"{home.name}.log"
        self.pid: int | None = None
        self.directory.mkdir(parents=True, exist_ok=True)

    def command(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """The program with its arguments, and environment variables beyond the run's own."""
        raise NotImplementedError

    def missing(self) -> str | None:
        """Say what is not there yet, None when the service answers its probe. Must not block for long."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the process; returns before it is ready."""
        argv, env = self.command()
        hand_over(self.directory)
        self.pid = self.keeper.spawn(argv, log=self.log, cwd=self.directory, env=env)

    def processes(self, part: str = "all") -> Sequence[int]:
        """Process ids now alive; a service of one process has only the part "all"."""
        if part != "all":
            raise ValueError(f"'{self.name}' has no part '{part}'; use 'all'")
        return tree(self.pid)

    def roots(self) -> Sequence[int]:
        """Process ids that all others descend from, looked up without searching the machine's processes."""
        return [] if self.pid is None else [self.pid]

    def stop(self) -> None:
        """Stop as an operator would and wait until it is gone.

        Raises:
            TimeoutError: still alive after `stop_deadline`.
        """
        before = list(self.processes())
        if self.pid is not None and before:
            send([self.pid], self.stop_signal)
        gone(before, self.stop_deadline, f"{self.name} to stop")

    def kill(self, part: str = "all") -> Sequence[int]:
        """SIGKILL a part, all its processes in one instant: they are stopped first, so none can react."""
        hit = list(self.processes(part))
        send(hit, signal.SIGSTOP)
        send(hit, signal.SIGKILL)
        gone(hit, 5.0, f"{self.name} to die")
        return hit

    def freeze(self, part: str = "all") -> Sequence[int]:
        """SIGSTOP a part; the kernel keeps its connections open."""
        hit = list(self.processes(part))
        send(hit, signal.SIGSTOP)
        return hit

    def resume(self, part: str = "all") -> Sequence[int]:
        """SIGCONT a part."""
        hit = list(self.processes(part))
        send(hit, signal.SIGCONT)
        return hit


def tree(pid: int | None) -> list[int]:
    """A process and its descendants, alive ones only."""
    if pid is None:
        return []
    try:
        root = psutil.Process(pid)
        if root.status() == psutil.STATUS_ZOMBIE:
            return []
        return [pid, *(child.pid for child in root.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal processes; one that is already gone is no error."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def gone(pids: Iterable[int], deadline: float, what: str) -> None:
    """Wait until none of the processes is alive.

    Raises:
        TimeoutError: some still are after `deadline` seconds.
    """

    def still_there() -> str | None:
        left = [pid for pid in pids if _alive(pid)]
        return f"processes {left} are still alive" if left else None

    wait_until(still_there, deadline, what)


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(missing: Callable[[], str | None], deadline: float, what: str, poll: float = _POLL_SECONDS) -> None:
    """Poll `missing` until it returns None.

    Raises:
        TimeoutError: after `deadline` seconds, with the last sentence of what was missing.
    """
    end = time.monotonic() + deadline
    while (sentence := missing()) is not None:
        if time.monotonic() > end:
            raise TimeoutError(f"waited {deadline:.0f} s for {what}: {sentence}")
        time.sleep(poll)
