"""What is costly to get is kept for the user, outside of the checkout; runs that need it at once get it once."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def directory(name: str) -> Path:
    """Where this user's copy of a thing is kept; it need not be there."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return caches / "acceptance" / name


@contextmanager
def locked(place: Path, key: str) -> Iterator[IO[str]]:
    """Have a directory to oneself, which is made if it is not there; the lock ends with the processes that hold it.

    Args:
        place: in the user's cache.
        key: of the environment file, for the line that says that another run is waited for.

    Raises:
        OSError: the directory cannot be made or written.
    """
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell(key, "another run is getting it; waiting for that")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def tell(key: str, what: str) -> None:
    """Put a line on the console, whoever has taken the output: this may last, and comes before the run's own lines."""
    print(f"{key}: {what}", file=sys.__stderr__, flush=True)
