"""Programs that end with the one that started them, however that one ends.

After Ctrl-C, SIGTERM or a deadline the program is asked to end (SIGTERM), given time for its teardown, and killed if it
needs more. After SIGKILL the kernel asks it to end. It runs in a session of its own, so that Ctrl-C on the terminal
reaches it once, through its parent, and not twice, which Robot Framework takes for impatience.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

PATIENCE = 60.0  # seconds a program has for its teardown; stopping a cluster takes one or two
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def start(command: Sequence[str | os.PathLike[str]], **options: Any) -> subprocess.Popen[str]:
    """Start a program that gets SIGTERM when this process ends.

    Args:
        command: program and arguments.
        options: of `subprocess.Popen`; pipes carry text, and the program reads nothing from the terminal.

    Raises:
        RuntimeError: called from another thread than the main one: the kernel takes the end of the thread that
            started a program for the end of its parent.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("a program that shall end with this one must be started from the main thread")
    parent = os.getpid()

    def end_with_the_parent() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it has ended already
            os.kill(os.getpid(), signal.SIGTERM)

    return subprocess.Popen(
        command,
        **{"stdin": subprocess.DEVNULL, "encoding": "utf-8", "errors": "replace", **options},
        start_new_session=True,
        preexec_fn=end_with_the_parent,
    )


@contextmanager
def child(command: Sequence[str | os.PathLike[str]], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a program to its end, or to that of the block if this is left by an exception; see `start`."""
    with start(command, **options) as process:
        try:
            yield process
            process.wait()
        finally:
            stop(process)


def stop(process: subprocess.Popen[str], patience: float = PATIENCE) -> None:
    """Let a program end, and kill it after some seconds, or when this wait is interrupted; nothing if it has ended."""
    try:
        process.terminate()
        process.wait(patience)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
        process.wait()


@contextmanager
def terminate_like_interrupt() -> Iterator[None]:
    """Let SIGTERM end this program the way Ctrl-C does.

    While criteria run, Robot Framework puts its own handler in the place of this one: the first signal lets
    teardown run, the second ends at once.
    """

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
