"""The socket path: taken by one broker at a time, and left clean."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from reference.toml_file import ConfigError

SOCKET_MODE = 0o660
_BACKLOG = 4096


class Claim:
    """A listening socket at a path, and the lock beside it that makes taking it free of races.

    The kernel gives the lock back when the process ends, however it ends; a socket file without a listener is then
    recognised as stale and replaced.
    """

    def __init__(self, path: Path, file: Path) -> None:
        self._path, self._file = path, file
        self._lock_path = path.with_name(f"{path.name}.lock")
        self._lock = self._take_lock()
        try:
            self._remove_stale()
            self.listener = self._bind()
        except BaseException:
            self._release_lock()
            raise
        self._identity = _identity(path)

    def release(self) -> None:
        """Remove the socket file, if it is still this one, and the lock."""
        if _identity(self._path) == self._identity:
            self._path.unlink(missing_ok=True)
        self._release_lock()

    def _take_lock(self) -> int:
        while True:
            try:
                lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                self._refuse(f"{self._lock_path} cannot be made ({error.strerror})", "use a directory that is writable")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                self._refuse_second()
            with suppress(OSError):
                if os.path.samestat(os.fstat(lock), self._lock_path.stat()):
                    return lock
            os.close(lock)  # its owner removed it between our open and our lock

    def _release_lock(self) -> None:
        self._lock_path.unlink(missing_ok=True)
        os.close(self._lock)

    def _remove_stale(self) -> None:
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            self._refuse(f"{self._path} exists and is no socket", "choose another path or remove it")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            try:
                probe.connect(str(self._path))
            except ConnectionRefusedError:
                self._path.unlink(missing_ok=True)
                return
            except FileNotFoundError:
                return
            except OSError:
                pass  # somebody listens, and is too busy to accept
        self._refuse_second()

    def _bind(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o777 & ~SOCKET_MODE)
        try:
            listener.bind(str(self._path))
        except OSError as error:
            listener.close()
            self._refuse(f"cannot listen at {self._path} ({error.strerror})", "choose a path that is writable")
        finally:
            os.umask(mask)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
        return listener

    def _refuse_second(self) -> NoReturn:
        self._refuse(f"a broker is already running at {self._path}", "stop it or choose another path")

    def _refuse(self, what: str, cure: str) -> NoReturn:
        raise ConfigError(f"{self._file}: server.socket_path: {what}; {cure}")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
