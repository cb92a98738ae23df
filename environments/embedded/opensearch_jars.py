"""The jars of OpenSearch, from the repository that its project publishes to, by a committed list of sums.

Every sum is checked each time: it takes a tenth of a second, and no damage goes unseen. What is missing or damaged is
fetched again, and a file takes its place in the cache only when its sum is right.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import requests
from jgo.maven import MavenContext

from environments.embedded import user_cache
from environments.errors import EnvironmentProblem

LOCK = Path(__file__).with_name("opensearch.lock")
VERSION = "3.6.0"
_THREADS = 8
_TIMEOUT = 20  # seconds for a connection, and between two pieces of a file


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the list.

    Args:
        directory: below the server's home, such as `lib`.
        group: Maven's name of who publishes it.
        artifact: its own name.
        version: of the artifact.
        sha256: of the file, in hexadecimal digits.
    """

    directory: str
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """Where it is below the server's home."""
        return f"{self.directory}/{self.artifact}-{self.version}.jar"


def listed(lock: Path = LOCK) -> list[Jar]:
    """Read the list of jars."""
    jars = []
    for line in lock.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            directory, coordinates, digest = line.split()
            group, artifact, version = coordinates.split(":")
            jars.append(Jar(directory, group, artifact, version, digest.removeprefix("sha256:")))
    return jars


def complete(key: str, jars: Sequence[Jar]) -> Path:
    """Return the directory in the user's cache that has every jar, after fetching what is missing or damaged.

    Args:
        key: of the environment file, for messages.
        jars: what it must have.

    Raises:
        EnvironmentProblem: one line: a file cannot be fetched or has a wrong sum, or the cache cannot be used.
    """
    cache = user_cache.directory(f"opensearch-{VERSION}")
    try:
        with user_cache.locked(cache, key):
            wanted = [jar for jar in jars if _digest(cache / jar.file) != jar.sha256]
            if wanted:
                _fetch(key, cache, wanted)
    except OSError as error:
        raise EnvironmentProblem(f"{key}: {cache} cannot be used ({error}); free it, or set XDG_CACHE_HOME") from None
    return cache


def _digest(file: Path) -> str | None:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def _fetch(key: str, cache: Path, jars: Sequence[Jar]) -> None:
    what = f"OpenSearch {VERSION}, once for this user"
    user_cache.tell(key, f"fetching {len(jars)} files of {what}")
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=cache) as place, ThreadPoolExecutor(_THREADS) as pool:
        waiting = [pool.submit(_fetch_one, key, cache, Path(place), jar) for jar in jars]
        try:
            for done, future in enumerate(as_completed(waiting), 1):
                future.result()
                if done % 10 == 0 or done == len(jars):
                    user_cache.tell(key, f"{done} of {len(jars)} files of {what}")
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _fetch_one(key: str, cache: Path, place: Path, jar: Jar) -> None:
    context = MavenContext(repo_cache=place, local_repos=[], timeout=_TIMEOUT)
    try:
        fetched = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    except (requests.RequestException, RuntimeError) as error:
        reason = type(error).__name__ if isinstance(error, requests.RequestException) else str(error)
        raise EnvironmentProblem(
            f"{key}: {jar.file} cannot be fetched ({reason}); let this machine reach the Maven repository once, "
            f"or name an installation of OpenSearch in {key}.path"
        ) from None
    if (found := _digest(fetched)) != jar.sha256:
        raise EnvironmentProblem(
            f"{key}: {jar.file} was fetched with SHA-256 {found}, but {jar.sha256} is wanted; do not use it, and ask "
            f"whoever runs this network, or name an installation of OpenSearch in {key}.path"
        )
    target = cache / jar.file
    target.parent.mkdir(parents=True, exist_ok=True)
    fetched.replace(target)
