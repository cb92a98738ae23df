"""The keeper: parent of every service process, and the reason why none outlives a run.

A program of its own (standard library only, started by path) with one thread, so that the death signal of
its children means its own death. It reads one JSON command a line from standard input and answers with one
JSON line each. The end of standard input is the end of the run, however the run ended: the keeper kills
every descendant, removes the state directory and leaves. As child subreaper it also inherits what a service
detached (Patroni's PostgreSQL), so "every descendant" has no exception.

Commands:
    {"spawn": {"argv": [...], "cwd": str, "env": {...}, "log": str}}  ->  {"pid": int} or {"error": str}
    {"status": pid}  ->  {"exited": int | null}   (negative: the signal that ended it)
    {"detach": true} ->  {"pid": int}             (stay after the end of input; SIGTERM ends it)
    {"close": true}  ->  {"left": [pid, ...]}     (kill everything; then the keeper exits)
"""

import ctypes
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
KILL_DEADLINE = 10.0  # seconds

libc = ctypes.CDLL(None, use_errno=True)


class Keeper:
    """Owns the service processes of one run and answers its commands."""

    def __init__(self, state_directory: str) -> None:
        self.state_directory = state_directory
        self.exited: dict[int, int] = {}
        self.spawned: set[int] = set()
        self.detached = False
        self.closing = False

    def spawn(self, argv: list[str], cwd: str, env: dict[str, str], log: str) -> dict[str, object]:
        """Start a process in a session of its own; its output is appended to `log`."""

        def die_with_the_keeper() -> None:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)

        try:
            with open(log, "ab") as output:
                process = subprocess.Popen(
                    argv,
                    cwd=cwd,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=die_with_the_keeper,
                )
        except OSError as error:
            return {"error": str(error)}
        process.returncode = 0  # reaped by `reap`, never by subprocess
        self.spawned.add(process.pid)
        return {"pid": process.pid}

    def reap(self) -> None:
        """Collect the exit status of every process that ended, adopted ones included."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self.spawned:
                self.exited[pid] = os.waitstatus_to_exitcode(status)

    def kill_everything(self) -> list[int]:
        """Kill all descendants, again and again until none is left; return those that would not die."""
        deadline = time.monotonic() + KILL_DEADLINE
        while remaining := descendants(os.getpid()):
            for pid in remaining:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.005)  # the kernel needs a moment to make them zombies
            self.reap()
            if time.monotonic() > deadline:
                return remaining
        return []

    def answer(self, command: dict[str, Any]) -> dict[str, object]:
        """Carry out one command; see the module's list."""
        if "spawn" in command:
            return self.spawn(**command["spawn"])
        if "status" in command:
            self.reap()
            return {"exited": self.exited.get(command["status"])}
        if "detach" in command:
            self.detached = True
            return {"pid": os.getpid()}
        self.closing = True
        left = self.kill_everything()
        shutil.rmtree(self.state_directory, ignore_errors=True)
        return {"left": left}

    def run(self) -> None:
        """Serve until the input ends, SIGTERM arrives or a command closes the environment."""
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, self.on_signal)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # the run decides what Ctrl-C means, then closes our input
        selector = selectors.DefaultSelector()
        selector.register(0, selectors.EVENT_READ)
        selector.register(wake_read, selectors.EVENT_READ)
        buffered = b""
        while not self.closing:
            for key, _ in selector.select():
                if key.fd == wake_read:
                    os.read(wake_read, 4096)
                    self.reap()
                    continue
                received = os.read(0, 65536)
                if not received:
                    selector.unregister(0)
                    self.closing = self.closing or not self.detached
                buffered += received
                *lines, buffered = buffered.split(b"\n")
                for line in lines:
                    reply(self.answer(json.loads(line)))
        self.kill_everything()
        shutil.rmtree(self.state_directory, ignore_errors=True)

    def on_signal(self, number: int, _frame: object) -> None:
        """Leave the loop on SIGTERM; SIGCHLD only needs to wake it."""
        if number == signal.SIGTERM:
            self.closing = True


def descendants(root: int) -> list[int]:
    """List the process ids below `root`; zombies count until they are reaped."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as stat:
                    parent = int(stat.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry))
    found: list[int] = []
    frontier = [root]
    while frontier:
        below = children.get(frontier.pop(), [])
        found += below
        frontier += below
    return found


def reply(message: dict[str, object]) -> None:
    """Answer on standard output."""
    try:
        os.write(1, json.dumps(message).encode() + b"\n")
    except BrokenPipeError:
        pass  # the run is gone; the end of input follows


if __name__ == "__main__":
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    Keeper(sys.argv[1]).run()
